"""A disk that takes no more ends a build with one sentence, and the next one goes on."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from PIL import Image

from mmrad.corpus import Corpus
from mmrad.sources.pipeline import JOURNAL

IMAGES, BYTES = 600, 250_000

# A limit on the size of files stands for a full disk: the same error in the same place.
LIMITED = """
import resource
import sys

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["mmrad", *sys.argv[2:]]
from mmrad.cli import main

main()
"""


def test_a_full_disk_is_said_and_what_was_done_is_kept(tmp_path: Path) -> None:
    raw = tmp_path / "raw" / "nut" / "train" / "good"
    raw.mkdir(parents=True)
    for number in range(IMAGES):
        Image.new("RGB", (120, 120), (number % 250, number // 250, 7)).save(raw / f"{number}.png")
    build = ["build", f"m:mvtec={tmp_path / 'raw'}", "--out", str(tmp_path / "corpus")]

    def run(limit: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED, str(limit), *build]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    full = run(BYTES)
    assert full.returncode == 1
    assert "the disk is full" in full.stderr
    assert "Traceback" not in full.stderr
    journal = tmp_path / "corpus" / JOURNAL
    kept = journal.read_bytes()
    assert 0 < kept.count(b"\n") < IMAGES
    assert not (tmp_path / "corpus" / "corpus.json").exists()

    assert run(resource.RLIM_INFINITY).returncode == 0
    lines = journal.read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    assert lines.startswith(whole)
    assert len({json.loads(line)["key"] for line in lines.splitlines()}) == IMAGES == lines.count(b"\n")
    assert len(Corpus(tmp_path / "corpus").samples) == IMAGES
