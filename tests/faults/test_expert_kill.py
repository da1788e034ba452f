"""`kill -9` of a real `mmrad train expert` and of a bench of an expert costs only the work under way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from expert_parts import make_parts
from mmrad.bench import Run
from mmrad.corpus import Corpus
from mmrad.inspectors.experts.detector import RawMap
from mmrad.inspectors.experts.expert import Expert
from mmrad.inspectors.experts.inspector import verdict_of
from mmrad.inspectors.experts.maps import MapStore
from mmrad.inspectors.experts.thresholds import thresholds
from mmrad.sample import Usage

CATEGORIES = ("bolt", "cap", "gear", "nut", "plug", "ring")
TRAIN, GOOD, BAD, SIZE = 12, 8, 4, 96

BENCH = """
import sys
from pathlib import Path
from mmrad.bench import bench
from mmrad.corpus import Corpus
from mmrad.inspectors.experts.expert import Expert
from mmrad.inspectors.experts.inspector import ExpertInspector

corpus, expert, out = Corpus(Path(sys.argv[1])), Expert.load(Path(sys.argv[2])), Path(sys.argv[3])
inspector = ExpertInspector(expert, name="patchcore", maps=out / "patchcore/maps", batch_size=3)
bench(corpus, corpus.select(splits=["test"]), inspector, out, references=0)
"""


def start(command: Sequence[object]) -> subprocess.Popen[str]:
    words = [sys.executable, *map(str, command)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def kill_when(process: subprocess.Popen[str], count: Callable[[], int], more_than: int) -> None:
    """Kill the process as soon as it has got further; one that ends before says why."""
    while count() <= more_than:
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode}: {process.communicate()[1]}")
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -9


def finish(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate()
    assert process.returncode == 0, said


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_parts(
        tmp_path_factory.mktemp("killed") / "corpus", CATEGORIES, train=TRAIN, good=GOOD, bad=BAD
    )


def training(corpus: Corpus, out: Path) -> list[object]:
    options = ["--model", "patchcore", "--size", SIZE, "--device", "cpu"]
    return ["-m", "mmrad.cli", "train", "expert", corpus.path, "--out", out, *options]


@pytest.fixture(scope="module")
def whole(corpus: Corpus) -> Expert:
    """The expert of a training that nobody killed."""
    out = corpus.path.parent / "whole"
    finish(start(training(corpus, out)))
    return Expert.load(out)


def test_a_killed_training_goes_on_and_ends_the_same(corpus: Corpus, whole: Expert, tmp_path: Path) -> None:
    folder = tmp_path / "expert"

    def parts() -> dict[str, tuple[int, bytes]]:
        found = (folder / "parts").glob("*.*")
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in found if path.suffix != ".tmp"
        }

    def complete() -> int:
        return len(list((folder / "parts").glob("*.json")))

    kept: dict[str, tuple[int, bytes]] = {}
    for _ in range(2):
        kill_when(start(training(corpus, folder)), complete, more_than=complete())
        done = {Path(name).stem for name in parts() if name.endswith(".json")}
        assert 0 < len(done) < len(CATEGORIES), "killed in the middle"
        assert all(parts()[name] == content for name, content in kept.items()), "nothing is done twice"
        kept = {name: content for name, content in parts().items() if Path(name).stem in done}
        assert len(kept) == 2 * len(done)
    finish(start(training(corpus, folder)))
    assert all(parts()[name] == content for name, content in kept.items())
    killed = Expert.load(folder)
    assert killed.key() == whole.key()
    for category in killed.categories:
        assert killed.calibration(category) == whole.calibration(category)


def test_after_kills_verdicts_and_maps_belong_together(corpus: Corpus, whole: Expert, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    journal, store = out / "patchcore/verdicts.jsonl", MapStore(out / "patchcore/maps")
    command = ["-c", BENCH, corpus.path, whole.folder, out]

    def lines() -> list[bytes]:
        return journal.read_bytes().splitlines(keepends=True) if journal.exists() else []

    kill_when(start(command), lambda: len(lines()), more_than=5)
    kept = [line for line in lines() if line.endswith(b"\n")]
    assert len(kept) < len(CATEGORIES) * (GOOD + BAD), "killed in the middle"
    for line in kept:
        store.load(json.loads(line)["sample_id"])
    finish(start(command))

    assert lines()[: len(kept)] == kept
    run = Run.load(out / "patchcore")
    ids = [json.loads(line)["sample_id"] for line in lines()]
    assert sorted(ids) == sorted(sample.id for sample in corpus.select(splits=["test"])), "each judged once"
    levels = {category: thresholds(whole.calibration(category)) for category in whole.categories}
    for sample in run.samples:
        verdict = run.verdicts[sample.id]
        assert verdict.status == "ok" and verdict.score is not None
        raw = RawMap(verdict.score, store.load(sample.id))
        category = f"{sample.source}/{sample.category}"
        usage = Usage(seconds=verdict.usage.seconds)
        assert verdict == verdict_of(raw, levels[category], whole.geometry, sample.size_wh, usage)
    assert any(verdict.anomalous for verdict in run.verdicts.values())
