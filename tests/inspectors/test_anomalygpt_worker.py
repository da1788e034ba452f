"""The real worker with a stand-in for the checkout, laid out like its repository."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from builders import make_corpus
from fake_anomalygpt import models_file
from mmrad.errors import ProviderError
from mmrad.inspectors.anomalygpt import AnomalyGptInspector, worker
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.experts.maps import MapStore
from mmrad.inspectors.make import make_inspector

CHECKOUT = """
import os
import random
import sys
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

import settings  # of the checkout, not of whoever started the worker
print("Visual encoder initialized.")
os.system("echo a child talks too")
assert os.path.exists("model/openllama.py"), "started in the wrong folder"
assert sys.stdin.read() == "", "the worker's own requests were taken"


class OpenLLAMAPEFTModel(torch.nn.Module):
    def __init__(self, **args):
        super().__init__()
        assert args["layers"] == [7, 15, 23, 31]
        assert os.path.isdir(args["vicuna_ckpt_path"])
        self.llama_proj = torch.nn.Linear(2, 2)
        self.prompt_learner = torch.nn.Linear(2, 1)

    def cuda(self):
        assert not self.training
        return self

    def generate(self, inputs, web_demo=False):
        print("generating")
        if "fail" in inputs["prompt"]:
            raise RuntimeError("CUDA error: device-side assert triggered")
        assert not torch.is_grad_enabled()
        assert self.llama_proj.weight.dtype == torch.float16
        assert (inputs["max_tgt_len"], inputs["top_p"], inputs["temperature"]) == (512, 0.1, 1.0)
        [image] = inputs["image_paths"]
        values = torch.tensor(np.asarray(Image.open(image).convert("L"))).half() / 255
        text = f"{inputs['prompt']} {len(inputs['normal_img_paths'])} {self.llama_proj.weight[0, 0]:.0f}"
        text += f" {self.prompt_learner.weight[0, 0]:.0f} {torch.rand(1).item()} {random.random()}"
        text += f" {np.random.rand()}"
        return f"Yes, {text}", values.reshape(1, 1, 224, 224)
"""


@pytest.fixture
def table(tmp_path: Path) -> dict[str, Any]:
    """A table `installed` with this Python, a checkout that counts, and weights that it knows."""
    repository = tmp_path / "AnomalyGPT"
    package = repository / "code/model"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "openllama.py").write_text(CHECKOUT)
    (repository / "code/settings.py").write_text("")
    pretrained = repository / "pretrained_ckpt"
    (pretrained / "vicuna_ckpt/7b_v0").mkdir(parents=True)
    (pretrained / "imagebind_ckpt").mkdir()
    (pretrained / "imagebind_ckpt/imagebind_huge.pth").write_bytes(b"")
    delta = pretrained / "pandagpt_ckpt/7b/pytorch_model.pt"
    checkpoint = repository / "code/ckpt/train_mvtec/pytorch_model.pt"
    for path, name, value in ((delta, "llama_proj.weight", 7.0), (checkpoint, "prompt_learner.weight", 9.0)):
        path.parent.mkdir(parents=True)
        size = (2, 2) if path == delta else (1, 2)
        torch.save({name: torch.nn.Parameter(torch.full(size, value))}, path)
    return {
        "python": sys.executable,
        "repository": str(repository),
        "checkpoint": str(checkpoint),
        "start_seconds": 300.0,
    }


def inspector_of(folder: Path, table: dict[str, Any], maps: Path | None = None) -> AnomalyGptInspector:
    file = models_file(folder, table)
    made = make_inspector("anomalygpt-7b", InspectionSettings(), catalogue_file=file, maps=maps)
    assert isinstance(made, AnomalyGptInspector)
    return made


@contextmanager
def talk(folder: Path, table: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """The worker itself; what it prints goes to `folder/errors`."""
    command = inspector_of(folder, table).installation.command()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(command, stderr=errors, **pipes) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def image(folder: Path) -> Path:
    from PIL import Image

    path = folder / "é query.png"
    Image.fromarray(np.arange(224 * 224, dtype=np.uint32).reshape(224, 224).astype(np.uint8)).save(path)
    return path


def ask(process: subprocess.Popen[str], **request: Any) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert isinstance(answer, dict)
    return answer


def test_it_says_what_it_has_loaded_and_answers_while_asked(tmp_path: Path, table: dict[str, Any]) -> None:
    query = image(tmp_path)
    asked = {"image": str(query), "normals": [str(query)] * 2, "prompt": "Well?", "seed": 2**63 - 1}
    with talk(tmp_path, table) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline()) == {
            "protocol": 1,
            "model": "AnomalyGPT-7B",
            "checkpoint_sha256": hashlib.sha256(Path(table["checkpoint"]).read_bytes()).hexdigest(),
            "trained_on": ["mvtec"],
            "torch": torch.__version__,
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        }
        first = ask(process, id="a", **asked)
        assert first["id"] == "a"
        assert first["text"].startswith("Yes, Well? 2 7 9 0.")
        assert first["seconds"] > 0
        values = np.load(first["map_path"], allow_pickle=False)
        assert (values.dtype, values.shape) == (np.float16, (224, 224))
        assert values[0] == pytest.approx(np.arange(224) / 255, abs=1e-3)
        assert ask(process, id="b", **asked)["text"] == first["text"]
        assert ask(process, id="b", **{**asked, "seed": 1})["text"] != first["text"]
        failed = ask(process, id="c", **{**asked, "prompt": "fail"})
        assert failed == {"id": "c", "error": "RuntimeError: CUDA error: device-side assert triggered"}
        missing = ask(process, id="d", **{**asked, "image": str(tmp_path / "none.png")})
        assert missing["error"].startswith("FileNotFoundError")
        assert ask(process, id="e", **asked)["text"] == first["text"]
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=120) == 0
    chatter = (tmp_path / "errors").read_text()
    for said in ("Visual encoder initialized.", "a child talks too", "device-side assert"):
        assert said in chatter


def test_it_ends_while_it_loads_when_mmrad_is_gone(tmp_path: Path, table: dict[str, Any]) -> None:
    """This one loads for ever."""
    endless = "import time\nprint('loading', flush=True)\ntime.sleep(10000)"
    (Path(table["repository"]) / "code/model/openllama.py").write_text(endless)
    with talk(tmp_path, table) as process:
        while "loading" not in (tmp_path / "errors").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=120) == 0


def test_weights_without_a_place_in_the_model_are_not_left_out_silently(
    tmp_path: Path, table: dict[str, Any]
) -> None:
    torch.save({"lora_A.weight": torch.zeros(1), "llama_proj.bias": torch.zeros(2)}, table["checkpoint"])
    corpus = make_corpus(tmp_path / "corpus", 1)
    inspector = inspector_of(tmp_path, table)
    with pytest.raises(ProviderError, match=r"1 of its 2 weights have no place in the model, first lora_A"):
        list(inspector.inspect(corpus.pairs(corpus.samples)))


def test_pickles_are_not_run(tmp_path: Path, table: dict[str, Any]) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"llama_proj.bias": Harm()}, table["checkpoint"])
    corpus = make_corpus(tmp_path / "corpus", 1)
    with pytest.raises(ProviderError, match="ended with exit status 1"):
        list(inspector_of(tmp_path, table).inspect(corpus.pairs(corpus.samples)))
    assert not (tmp_path / "harm").exists()


def test_the_inspector_and_the_worker_understand_each_other(tmp_path: Path, table: dict[str, Any]) -> None:
    corpus = make_corpus(tmp_path / "corpus", 2)
    inspector = inspector_of(tmp_path, table, tmp_path / "run/maps")
    found = dict(inspector.inspect(corpus.pairs(corpus.samples)))
    assert {verdict.status for verdict in found.values()} == {"ok"}
    assert "Is there any anomaly in the image? 1 7 9 " in found[1].raw_text
    values = MapStore(tmp_path / "run/maps").load(corpus.samples[1].id)
    assert values == pytest.approx(np.full((224, 224), 1 / 255), abs=1e-4)


def test_it_is_written_for_the_python_of_its_time() -> None:
    ast.parse(Path(worker.__file__).read_text("utf-8"), feature_version=(3, 8))
