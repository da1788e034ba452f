"""Which inspector a name makes, and whose word counts: the user's, the catalogue's, the model's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmrad.coordinates import CoordinateSpace
from mmrad.endpoint import Endpoint, ResponseCache, Spending
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.batch import BatchInspector
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.make import BUNDLED, bundled_nano, make_inspector

OWN = """
[tester]
title = "The Tester"
api_model = "maker/tester"
base_url = "http://tester.example/v1"
space = "thousand"
max_pixels = 100352
max_tokens = 999
temperature = 0.25
sampling = { top_p = 0.5 }
rejects = ["seed"]
logprobs = true
price = { input = 1.0, output = 2.0, as_of = 2026-11-25, source = "made up" }
published = "Tester"

[silent]
api_model = "silent"
base_url = "http://tester.example/v1"
space = "unit"

[claude]
api_model = "anthropic/claude"
backend = "inspect"
space = "view"
rejects = ["seed"]
price = { input = 3.0, output = 15.0, as_of = 2026-11-25, source = "made up" }
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("MMRAD_MODELS", raising=False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def chat(model: str, settings: InspectionSettings | None = None, **options: Any) -> ChatInspector:
    made = make_inspector(model, settings or InspectionSettings(), **options)
    assert isinstance(made, ChatInspector)
    return made


def test_a_model_of_the_catalogue_is_asked_as_its_entry_says(own: Path) -> None:
    made = chat("tester", catalogue_file=own, concurrency=3)
    assert isinstance(made.model, Endpoint)
    assert (made.model.model, made.model.base_url) == ("maker/tester", "http://tester.example/v1")
    assert (made.name, made.model.concurrency) == ("tester", 3)
    settings = made.settings
    assert (settings.space, settings.max_tokens, settings.temperature) == (
        CoordinateSpace.THOUSAND,
        999,
        0.25,
    )
    assert settings.budget.max_pixels == 100352
    assert made.parameters == {"temperature": 0.25, "max_tokens": 999, "logprobs": True, "top_logprobs": 20}
    assert made.model.extra == {"top_p": 0.5}
    about = made.about()
    assert (about["title"], about["published"], about["box_source"]) == ("The Tester", "Tester", "assumed")
    assert about["price"]["input"] == 1.0 and about["dropped"] == {"seed": 0}
    assert "overridden" not in about


def test_the_user_s_word_counts_more_and_what_it_replaced_is_kept(own: Path) -> None:
    made = chat(
        "tester",
        catalogue_file=own,
        name="mine",
        space=CoordinateSpace.UNIT,
        max_pixels=50176,
        max_tokens=999,
        temperature=0.0,
    )
    settings = made.settings
    assert (settings.space, settings.temperature) == (CoordinateSpace.UNIT, 0.0)
    assert settings.budget.max_pixels == 50176
    assert made.name == "mine"
    assert made.about()["overridden"] == {"space": "thousand", "max_pixels": 100352, "temperature": 0.25}
    assert (made.key()["space"], made.key()["temperature"]) == ("unit", 0.0)


def test_addresses_of_one_s_own_replace_the_vendor_s(own: Path) -> None:
    made = chat("tester", catalogue_file=own, base_urls=("http://a/v1", "http://b/v1"))
    assert isinstance(made.model, Endpoint)
    assert made.model.urls == ("http://a/v1", "http://b/v1")
    assert made.model.price is None, "the price holds at the vendor's address"
    with pytest.raises(UsageError, match="price is not known"):
        make_inspector(
            "tester", InspectionSettings(), catalogue_file=own, base_urls=("http://a/v1",), max_cost=1.0
        )


def test_nothing_is_guessed_of_an_unknown_model_of_an_endpoint() -> None:
    plain = chat("who/knows", base_urls=("http://a/v1",))
    assert (plain.name, plain.settings) == ("knows", InspectionSettings())
    assert plain.settings.space is CoordinateSpace.VIEW
    assert plain.key()["logprobs"] is False
    told = chat("who/knows", base_urls=("http://a/v1",), space=CoordinateSpace.THOUSAND_YX, max_tokens=7)
    assert (told.settings.space, told.settings.max_tokens) == (CoordinateSpace.THOUSAND_YX, 7)


def test_settings_stand_where_nobody_says_otherwise(own: Path) -> None:
    made = chat("silent", InspectionSettings(temperature=0.7, min_p=0.1), catalogue_file=own)
    assert (made.settings.temperature, made.settings.min_p) == (0.7, 0.1)
    assert made.settings.space is CoordinateSpace.UNIT


@pytest.mark.parametrize(
    ("model", "score", "logprobs", "confidence"),
    [
        ("tester", "auto", True, False),
        ("tester", "probability", True, False),
        ("tester", "confidence", False, True),
        ("tester", "none", False, False),
        ("silent", "auto", False, False),
        ("silent", "confidence", False, True),
        ("claude", "auto", False, False),
    ],
)
def test_what_the_score_is_made_of(
    own: Path, model: str, score: Any, logprobs: bool, confidence: bool
) -> None:
    made = chat(model, catalogue_file=own, score=score)
    assert ("logprobs" in made.parameters, made.settings.confidence) == (logprobs, confidence)


def test_probabilities_that_a_model_does_not_give_are_refused(own: Path) -> None:
    for model in ("silent", "claude"):
        with pytest.raises(UsageError, match="gives no probabilities"):
            make_inspector(model, InspectionSettings(), catalogue_file=own, score="probability")
    assert "logprobs" in chat("x", base_urls=("http://a",), score="probability").parameters


def test_a_model_of_inspect_ai(own: Path) -> None:
    known = chat("claude", catalogue_file=own)
    assert known.model.key() == {"model": "anthropic/claude", "provider": "inspect"}
    assert known.model.price is not None and known.model.price.output == 15.0
    assert "seed" not in known.parameters
    unknown = chat("google/new", provider="inspect", space=CoordinateSpace.THOUSAND_YX)
    assert (unknown.model.model, unknown.name) == ("google/new", "new")
    assert unknown.settings.space is CoordinateSpace.THOUSAND_YX
    with pytest.raises(UsageError, match="does not say what inspect-ai calls it"):
        make_inspector("tester", InspectionSettings(), catalogue_file=own, provider="inspect")
    with pytest.raises(UsageError, match="its own addresses"):
        make_inspector("x/y", InspectionSettings(), provider="inspect", base_urls=("http://a",))


def test_caps_caches_and_batches_reach_the_inspector(own: Path, tmp_path: Path) -> None:
    spending = Spending(2.0, spent=1.5)
    made = chat("tester", catalogue_file=own, max_cost=spending)
    assert made.allowance._spending is spending
    assert chat("tester", catalogue_file=own, max_cost=3.0).allowance._spending.limit == 3.0
    batched = chat("tester", catalogue_file=own, batch_state=tmp_path / "state")
    assert isinstance(batched, BatchInspector) and batched.state == tmp_path / "state"
    with ResponseCache(tmp_path / "cache") as cache:
        assert chat("tester", catalogue_file=own, cache=cache)._cache is cache
        for options in ({"batch_state": tmp_path / "state"}, {"provider": "inspect"}):
            name = "x/y" if "provider" in options else "tester"
            with pytest.raises(UsageError):
                make_inspector(name, InspectionSettings(), catalogue_file=own, cache=cache, **options)
        with pytest.raises(UsageError, match="runs on this machine"):
            make_inspector(BUNDLED[0], InspectionSettings(), cache=cache)
    with pytest.raises(UsageError, match="a --provider other than vllm"):
        make_inspector(BUNDLED[0], InspectionSettings(), provider="inspect")


def test_a_name_nobody_knows_names_the_ways(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mmrad models.*folder.*--base-url.*--provider inspect"):
        make_inspector("nowhere", InspectionSettings())


def test_open_weights_without_a_server_say_how_to_serve_them() -> None:
    with pytest.raises(UsageError, match="vllm serve"):
        make_inspector("qwen3-vl-8b-instruct", InspectionSettings())


def test_a_model_trained_here_keeps_its_own_asking() -> None:
    pytest.importorskip("torch")
    from mmrad.inspectors.local import LocalInspector

    for name in (BUNDLED[0], str(bundled_nano())):
        made = make_inspector(
            name, InspectionSettings(seed=4), max_pixels=99999, max_tokens=3, temperature=0.5, score="none"
        )
        assert isinstance(made, LocalInspector)
        assert made.name == "anomaly-r1-nano"
        assert (made.settings.prompts.name, made.settings.budget.max_pixels) == ("brief", 50176)
        assert (made.settings.max_tokens, made.settings.seed, made.settings.temperature) == (192, 4, 0.5)
        assert made.logprobs is False
    untrained = make_inspector(BUNDLED[1], InspectionSettings())
    assert untrained.key()["weights"] != made.key()["weights"]


def test_a_bundled_name_at_an_endpoint_is_a_model_of_that_endpoint() -> None:
    assert chat(BUNDLED[0], base_urls=("http://a/v1",)).model.model == BUNDLED[0]


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ProviderError, match="cannot load the model"):
        make_inspector(str(tmp_path), InspectionSettings())


def test_a_damaged_file_beside_the_weights_is_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "mmrad.json").write_text('{"prompts": "brief", "max_pixel": 3}')
    with pytest.raises(DataError, match=r"mmrad\.json"):
        make_inspector(str(tmp_path), InspectionSettings())


def test_rates_are_those_of_the_endpoint() -> None:
    made = make_inspector(
        "m", InspectionSettings(), base_urls=["http://127.0.0.1:1/v1"], requests_per_minute=30.0
    )
    assert isinstance(made, ChatInspector) and isinstance(made.model, Endpoint)
    assert (made.model.requests_per_minute, made.model.tokens_per_minute) == (30.0, None)
    unpaced = make_inspector("m", InspectionSettings(), base_urls=["http://127.0.0.1:1/v1"])
    assert made.key() == unpaced.key(), "how fast one asks changes no answer"
    with pytest.raises(UsageError, match="paces its requests itself"):
        make_inspector("openai/x", InspectionSettings(), provider="inspect", tokens_per_minute=1.0)
