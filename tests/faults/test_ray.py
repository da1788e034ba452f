"""A build on a Ray cluster of two nodes, one of which dies midway, gives the same corpus."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrad.corpus import Corpus
from mmrad.sources import build_corpus
from mmrad.sources.pipeline import JOURNAL

IMAGES = 1600

# In a process of its own: Daft takes one runner in a process, and Ray leaves threads behind.
BUILD = """
import json
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from mmrad.sources import build_corpus

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
doomed = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
alive = []

def nodes():
    return sum(node["Alive"] for node in ray.nodes())

def progress(done, total):
    if not alive:
        alive.extend([nodes(), done, total])
        cluster.remove_node(doomed, allow_graceful=False)

build_corpus({"m": ("mvtec", Path(sys.argv[1]))}, Path(sys.argv[2]), runner="ray", progress=progress)
deadline = time.monotonic() + 120
while nodes() > 1 and time.monotonic() < deadline:  # the head waits for some heartbeats before it believes it
    time.sleep(1)
Path(sys.argv[3]).write_text(json.dumps([*alive, nodes()]))
"""


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the cluster extra")
def test_a_node_that_dies_midway_changes_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "nut/train/good").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        blocks = np.kron(rng.integers(0, 255, (7, 7)), np.ones((16, 16))).astype(np.uint8)
        Image.fromarray(blocks).save(raw / f"nut/train/good/{number}.png")
    seen = tmp_path / "seen.json"
    command = [sys.executable, "-c", BUILD, str(raw), str(tmp_path / "ray" / "corpus"), str(seen)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    before, at, total, after = json.loads(seen.read_text())
    assert (before, after) == (2, 1)
    assert 0 < at < total == IMAGES

    keys = [
        json.loads(line)["key"]
        for line in (tmp_path / "ray/corpus" / JOURNAL).read_text("utf-8").splitlines()
    ]
    assert len(keys) == len(set(keys)) == IMAGES
    here = build_corpus({"m": ("mvtec", raw)}, tmp_path / "here" / "corpus").corpus
    there = Corpus(tmp_path / "ray" / "corpus")
    assert there.samples == here.samples
    assert there.quality("m").equals(here.quality("m"))
