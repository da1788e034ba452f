"""How a chat model is reached: whose word counts, and what contradicts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmrad.catalogue import Model, chat_model, find_model
from mmrad.endpoint import Endpoint
from mmrad.endpoint.inspect_models import InspectModel
from mmrad.endpoint.model import ChatModel
from mmrad.errors import UsageError

OWN = """
[served]
api_model = "maker/served"
base_url = "http://maker.example/v1"
space = "view"

[listed]
api_model = "anthropic/listed"
backend = "inspect"
space = "view"
price = { input = 3.0, output = 15.0, as_of = 2026-11-25, source = "made up" }
"""

HERE, THERE = "http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("MMRAD_MODELS", raising=False)


@pytest.fixture
def known(tmp_path: Path) -> dict[str, Model | None]:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return {name: find_model(name, path) for name in ("served", "listed", "unknown")}


def reached(known: dict[str, Model | None], name: str, **asked: Any) -> ChatModel:
    return chat_model(name, known[name], **{"provider": None, "base_urls": (), "concurrency": 3, **asked})


def addresses(model: ChatModel) -> tuple[str | None, ...]:
    assert isinstance(model, Endpoint)
    return (model.base_url, *model.more_urls)


def test_the_catalogue_says_how_unless_one_asks_otherwise(known: dict[str, Model | None]) -> None:
    served = reached(known, "served")
    assert (served.model, addresses(served)) == ("maker/served", ("http://maker.example/v1",))
    assert addresses(reached(known, "served", base_urls=(HERE, THERE))) == (HERE, THERE)
    listed = reached(known, "listed")
    assert isinstance(listed, InspectModel) and listed.model == "anthropic/listed"
    assert listed.price is not None and listed.price.output == 15.0


def test_an_unknown_model_is_where_one_says(known: dict[str, Model | None]) -> None:
    there = reached(known, "unknown", base_urls=(HERE, THERE))
    assert (there.model, addresses(there)) == ("unknown", (HERE, THERE))
    assert addresses(reached(known, "unknown", provider="openai")) == (None,)
    assert isinstance(reached(known, "unknown", provider="inspect"), InspectModel)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("unknown", {}, r"mmrad models.*--base-url.*--provider inspect"),
        ("unknown", {"provider": "inspect", "base_urls": (HERE,)}, "its own addresses"),
        ("served", {"provider": "inspect"}, "does not say what inspect-ai calls it"),
        ("listed", {"provider": "openai"}, "not asked through an OpenAI-compatible endpoint"),
        ("listed", {"base_urls": (HERE,)}, "not asked through an OpenAI-compatible endpoint"),
    ],
)
def test_what_leads_nowhere_is_refused(
    known: dict[str, Model | None], name: str, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        reached(known, name, **asked)
