from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from mmrad.cli import probe
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import UsageError
from mmrad.inspectors.probe import SIZES_WH, targets
from seeing import sees, writes
from servers import FaultServer, Reply, says

THOUSAND = sees(writes(CoordinateSpace.THOUSAND))


def call(server: FaultServer | None, *arguments: object) -> Result:
    app = typer.Typer()
    app.command()(probe.probe)
    address = ["--base-url", server.base_url] if server else []
    result = CliRunner().invoke(app, [*map(str, arguments), *address], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def probed(reply: Reply, *arguments: object) -> Result:
    with FaultServer(default=reply) as server:
        return call(server, *arguments)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMRAD_MODELS", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-to-be-printed")


def own_entry(tmp_path: Path, server: FaultServer, **values: object) -> Path:
    host = urlsplit(server.base_url).netloc
    entry = {"api_model": "m", "space": "thousand", "max_tokens": 99, "rejects": ["temperature"], **values}
    price = {"input": 2.0, "output": 10.0, "as_of": "2026-11-01", "source": "here", "host": host}
    path = tmp_path / "models.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    inline = ", ".join(
        f"{key} = {value if key == 'as_of' else json.dumps(value)}" for key, value in price.items()
    )
    path.write_text("\n".join(["[mine]", *lines, f"price = {{ {inline} }}"]), "utf-8")
    return path


def test_the_catalogue_is_confirmed(tmp_path: Path) -> None:
    with FaultServer(default=THOUSAND) as server:
        result = call(server, "mine", "--models", own_entry(tmp_path, server), "--json")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert record["settled"] == record["catalogue"] == record["asked_in"] == "thousand"
    assert record["warning"] is None and "caution" not in result.stderr
    assert record["statuses"] == {"answered": 12} and record["answered"] == len(record["attempts"]) == 12
    assert next(iter(record["iou"])) == "thousand" and len(record["iou"]) == 6 and record["margin"] > 0.5
    assert record["dollars"] == pytest.approx(12 * (11 * 2 + 7 * 10) / 1e6)
    assert "about $" in result.stderr and "12 pictures" in result.stderr
    for call_ in server.calls:
        assert call_.body["max_tokens"] == 99 and "temperature" not in call_.body


def test_another_convention_than_the_catalogue_s_is_warned_of(tmp_path: Path) -> None:
    with FaultServer(default=sees(writes(CoordinateSpace.VIEW))) as server:
        result = call(server, "mine", "--models", own_entry(tmp_path, server))
    assert result.exit_code == 0
    assert "caution: mine writes view, but the catalogue says thousand" in result.stderr
    assert 'space = "view"' in result.stderr and '["mine"]' in result.stderr
    assert "settled as view" in result.stdout and "12 answered" in result.stdout
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert "asked for, in the catalogue" in rows["thousand"] and "0.0" in rows["thousand"]


def test_an_unknown_model_is_asked_in_pixels_of_the_view_or_as_told() -> None:
    record = json.loads(probed(THOUSAND, "who", "--json").stdout)
    assert (record["asked_in"], record["catalogue"], record["settled"]) == ("view", None, "thousand")
    assert "does not know it" in record["warning"] and record["dollars"] is None
    told = json.loads(probed(THOUSAND, "who", "--json", "--space", "unit", "--no-reasoning").stdout)
    assert (told["asked_in"], told["settled"]) == ("unit", "thousand")


def test_what_is_not_settled_ends_with_1_and_shows_what_was_found() -> None:
    result = probed(says("No."), "who")
    assert result.exit_code == 1
    assert "not settled: too few answers (0" in result.stdout and "12 says normal" in result.stdout
    as_json = probed(says("No."), "who", "--json")
    assert as_json.exit_code == 1 and json.loads(as_json.stdout)["settled"] is None


def test_pictures_are_saved_with_the_answered_boxes(tmp_path: Path) -> None:
    probed(THOUSAND, "who", "--out", tmp_path / "probe")
    names = sorted(path.name for path in (tmp_path / "probe").iterdir())
    assert names == [
        *(f"{number:02d}-{w}x{h}.png" for number, (w, h) in enumerate(SIZES_WH, 1)),
        "probe.json",
    ]
    target = targets()[3]
    drawn = np.asarray(Image.open(tmp_path / "probe" / "04-1024x1024.png"))
    red = (drawn == (255, 0, 0)).all(axis=2)
    ys, xs = red.nonzero()
    x1, y1, x2, y2 = target.box.rounded()
    assert np.abs(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) - (x1, y1, x2, y2)).max() < 12
    assert json.loads((tmp_path / "probe" / "probe.json").read_text("utf-8"))["settled"] == "thousand"


def test_pictures_without_an_answer_are_saved_unmarked(tmp_path: Path) -> None:
    probed(says("No."), "who", "--out", tmp_path)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "01-96x72.png")), targets()[0].image)


def test_a_model_nobody_knows_needs_an_address() -> None:
    with pytest.raises(UsageError, match=r"no model 'who'.*--base-url"):
        call(None, "who")


def test_a_provider_of_inspect_ai_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("inspect_ai.model")
    seen: list[str] = []

    def made(name: str) -> object:
        seen.append(name)
        raise RuntimeError("no key")

    monkeypatch.setattr(models, "get_model", made)
    for arguments in (["google/gemini-x", "--provider", "inspect"], ["claude-opus-4-5"]):
        with pytest.raises(Exception, match="no key"):
            call(None, *arguments)
    assert seen == ["google/gemini-x", "anthropic/claude-opus-4-5"]
