"""`kill -9` of a real build costs only the images under way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from mmrad.corpus import Corpus
from mmrad.sources import build_corpus
from mmrad.sources.pipeline import JOURNAL

IMAGES, KILLS = 900, 3

BUILD = """
import sys
from pathlib import Path
from mmrad.sources import build_corpus

build_corpus({"m": ("mvtec", Path(sys.argv[1]))}, Path(sys.argv[2]))
"""


def lines(journal: Path) -> list[bytes]:
    return journal.read_bytes().splitlines(keepends=True) if journal.exists() else []


def test_a_killed_build_goes_on_and_reads_nothing_again(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for number in range(IMAGES):
        (raw / "nut/train/good").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (224, 160), (number % 250,) * 3).save(raw / f"nut/train/good/{number}.png")
    command = [sys.executable, "-c", BUILD, str(raw), str(tmp_path / "corpus")]
    journal = tmp_path / "corpus" / JOURNAL
    for _ in range(KILLS):
        before = lines(journal)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(lines(journal)) <= len(before) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
        after = lines(journal)
        whole = [line for line in before if line.endswith(b"\n")]
        assert after[: len(whole)] == whole
    assert len(lines(journal)) > 0
    assert subprocess.run(command, check=False).returncode == 0

    keys = [json.loads(line)["key"] for line in lines(journal)]
    assert len(keys) == len(set(keys)) == IMAGES
    clean = build_corpus({"m": ("mvtec", raw)}, tmp_path / "clean" / "corpus").corpus
    killed = Corpus(tmp_path / "corpus")
    assert killed.samples == clean.samples
    assert killed.quality("m").equals(clean.quality("m"))
