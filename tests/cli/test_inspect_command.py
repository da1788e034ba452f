"""`mmrad inspect` with models behind an endpoint, and with expert detectors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from expert_parts import FLAW, MeanDetector, make_parts, mean_detector, write_part
from mmrad.box import Box
from mmrad.cli import app
from mmrad.errors import DataError, UsageError
from mmrad.image import encode_png, read_image
from mmrad.inspectors.experts.fit import fit_expert
from mmrad.inspectors.experts.settings import ExpertSettings
from servers import FaultServer, says

__all__ = ["mean_detector"]

OWN = """
[tester]
api_model = "maker/tester"
base_url = "{url}"
space = "thousand_yx"
"""
SAID = "<answer>Yes. {'bbox_2d': [250, 100, 750, 500], 'label': 'dent'}</answer><confidence>90</confidence>"


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    for name in ("part", "good"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(np.full((100, 200, 3), 90, np.uint8)))
    return tmp_path / "part.png"


def inspected(part: Path, *options: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(
        app, ["inspect", str(part), "--reference", str(part.with_name("good.png")), *options]
    )
    return done.exit_code, done.stdout, done.stderr


def test_a_model_of_the_catalogue_is_read_in_its_convention(part: Path, tmp_path: Path) -> None:
    with FaultServer(default=says(SAID)) as server:
        (tmp_path / "own.toml").write_text(OWN.format(url=server.base_url))
        options = ("--models", str(tmp_path / "own.toml"), "--model", "tester", "--confidence")
        code, out, _ = inspected(part, *options, "--json")
        _, told, _ = inspected(part, *options)
    assert code == 0
    said = json.loads(out)
    assert said["regions"][0]["box_xyxy"] == pytest.approx([20, 25, 100, 75])
    assert (said["score"], said["score_kind"]) == (0.9, "confidence")
    assert Path(said["picture"]).exists()
    assert "stated confidence in an anomaly: 0.90" in told and "ANOMALOUS" in told
    assert "<confidence>" in json.dumps(server.calls[0].body)
    assert server.calls[0].body["model"] == "maker/tester"


def test_the_convention_of_an_unknown_model_is_the_user_s_word(part: Path) -> None:
    with FaultServer(default=says(SAID)) as server:
        options = ("--model", "m", "--base-url", server.base_url, "--json")
        _, out, _ = inspected(part, *options, "--space", "thousand")
        _, plain, _ = inspected(part, *options)
    assert json.loads(out)["regions"][0]["box_xyxy"] == pytest.approx([50, 10, 150, 50])
    assert json.loads(plain)["regions"] == [], "pixels of the view, outside of which that box lies"
    assert "1000" not in json.dumps(server.calls[1].body["messages"][-1]["content"][-1])


def test_no_judgement_is_no_verdict(part: Path) -> None:
    with FaultServer(default=says("hm")) as server:
        code, out, _ = inspected(part, "--model", "m", "--base-url", server.base_url, "--json")
    assert code != 0
    assert json.loads(out)["status"] == "unparsed"
    assert json.loads(out)["picture"] is None


def test_a_name_nobody_knows_is_refused(part: Path) -> None:
    assert inspected(part, "--model", "nowhere")[0] != 0


def test_of_a_folder_a_language_model_is_shown_one_other_image(part: Path, tmp_path: Path) -> None:
    folder = tmp_path / "good"
    folder.mkdir()
    shutil.copy(part, folder / "a.png")
    for number, grey in enumerate((91, 92)):
        (folder / f"b{number}.png").write_bytes(encode_png(np.full((100, 200, 3), grey, np.uint8)))
    (folder / "notes.txt").write_text("no image")
    with FaultServer(default=says(SAID)) as server:
        options = ["--model", "m", "--base-url", server.base_url, "--json"]
        done = CliRunner().invoke(app, ["inspect", str(part), "--reference", str(folder), *options])
    assert done.exit_code == 0
    assert "of 3 good images m is shown b0.png" in done.stderr
    content = server.calls[0].body["messages"][-1]["content"]
    assert sum(piece["type"] == "image_url" for piece in content) == 2


def test_a_language_model_needs_a_reference(part: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["inspect", str(part)])
    assert "--reference" in str(done.exception) and isinstance(done.exception, UsageError)
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["inspect", str(part), "--reference", str(tmp_path / "empty")])
    assert "empty: no images" in str(done.exception) and isinstance(done.exception, DataError)


# Experts


def good_parts(folder: Path, count: int = 12) -> Path:
    for number in range(count):
        write_part(folder / f"{number:02}.jpg", seed=number, turned=number % 3 == 0)
    return folder


def judged(part: Path, *options: object) -> Result:
    return CliRunner().invoke(app, ["inspect", str(part), *map(str, options)])


def said(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("model", ["patchcore", "padim"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_detector_learns_from_a_folder_of_good_parts(tmp_path: Path, model: str, turned: bool) -> None:
    """The real detectors, on non-square images, some of them turned by EXIF."""
    good = good_parts(tmp_path / "good")
    write_part(tmp_path / "bad.jpg", seed=99, flawed=True, turned=turned)
    write_part(tmp_path / "fine.jpg", seed=98, turned=turned)
    options = ("--reference", good, "--model", model)
    found = said(judged(tmp_path / "bad.jpg", *options, "--json"))
    assert (found["status"], found["anomalous"], found["score_kind"]) == ("ok", True, "map")
    assert found["score"] > found["thresholds"]["image"]
    assert (found["thresholds"]["kind"], found["thresholds"]["held_out"]) == ("max", 6)
    places = [Box(*region["box_xyxy"]) for region in found["regions"]]
    x, y = max(places, key=FLAW.iou).center
    assert FLAW.x1 < x < FLAW.x2 and FLAW.y1 < y < FLAW.y2, "in pixels of the upright image"
    picture = read_image(Path(found["picture"]))
    assert picture.shape[0] > 480 * 56 // 84 and picture.shape[1] >= 480
    assert said(judged(tmp_path / "bad.jpg", *options, "--json")) == found
    quiet = judged(tmp_path / "fine.jpg", *options)
    lines = quiet.stdout.splitlines()
    assert lines[0] in ("NORMAL", "ANOMALOUS")
    assert lines[1].startswith("score: ") and ", anomalous over " in lines[1]
    assert lines[-1] == f"picture: {tmp_path / 'fine.inspected.png'}" and "reason" not in quiet.stdout
    assert "maximum of the 6 good images held out" in quiet.stderr and "91 good images" in quiet.stderr


@pytest.mark.usefixtures("mean_detector")
def test_the_part_itself_and_copies_of_it_are_not_learned_from(tmp_path: Path) -> None:
    good = good_parts(tmp_path / "good", 5)
    shutil.copy(good / "03.jpg", good / "copy.jpg")
    files = [word for path in sorted(good.iterdir()) for word in ("--reference", path)]
    result = judged(good / "03.jpg", *files, "--model", "patchcore")
    assert result.exit_code == 0
    assert "is itself among the good images and is left out" in result.stderr
    [learned] = MeanDetector.learned
    assert not {"03.jpg", "copy.jpg"} & set(learned)
    (good / "02.jpg").unlink()
    assert (good / "03.inspected.png").exists(), "what was drawn is no good part"
    few = judged(good / "03.jpg", "--reference", good, "--model", "patchcore")
    assert "3 good image(s)" in str(few.exception) and "at least 4" in str(few.exception)


@pytest.mark.usefixtures("mean_detector")
def test_enough_good_parts_make_a_threshold_without_a_caution(tmp_path: Path) -> None:
    good = good_parts(tmp_path / "good", 91)
    write_part(tmp_path / "part.jpg", seed=500)
    result = judged(tmp_path / "part.jpg", "--reference", good, "--model", "patchcore", "--json")
    assert said(result)["thresholds"]["kind"] == "conformal"
    assert "caution" not in result.stderr


@pytest.mark.usefixtures("mean_detector")
def test_a_trained_expert_judges_by_the_category_it_is_told(tmp_path: Path) -> None:
    corpus = make_parts(tmp_path / "corpus")
    folder = fit_expert(
        corpus, ExpertSettings(detector="hgad", size=56, classes="all"), tmp_path / "e"
    ).folder
    [bad] = [corpus.resolve("made", s.image) for s in corpus.samples if s.id == "made/nut/test/bad/001"]
    found = said(judged(bad, "--model", folder, "--category", "made/nut", "--json"))
    [region] = found["regions"]
    assert Box(*region["box_xyxy"]).iou(FLAW) > 0.6
    other = said(judged(bad, "--model", folder, "--category", "made/bolt", "--json"))
    assert other["score"] != found["score"]
    for options, message in (
        ((), r"give --category, one of made/bolt, made/nut"),
        (("--category", "made/screw"), "not trained on made/screw"),
        (("--category", "made/nut", "--reference", bad), "leave out --reference"),
    ):
        result = judged(bad, "--model", folder, *options)
        assert isinstance(result.exception, UsageError)
        with pytest.raises(UsageError, match=message):
            raise result.exception
    only = make_parts(tmp_path / "one", ["bolt"])
    folder = fit_expert(only, ExpertSettings(detector="padim", size=56), tmp_path / "f").folder
    assert said(judged(bad, "--model", folder, "--json"))["status"] == "ok"


@pytest.mark.usefixtures("mean_detector")
def test_what_does_not_fit_an_expert_is_refused(tmp_path: Path) -> None:
    good = good_parts(tmp_path / "good", 5)
    for options, message in (
        (("--model", "dinomaly"), "dinomaly trains for long.*mmrad train expert CORPUS --model dinomaly"),
        (("--model", "patchcore", "--category", "a/b"), "--category is for a trained expert"),
        (("--category", "a/b"), "--category is for a trained expert"),
        (("--model", "padim", "--confidence", "--space", "unit"), "leave out --space, --confidence"),
    ):
        result = judged(good / "00.jpg", "--reference", good, *options)
        assert isinstance(result.exception, UsageError)
        with pytest.raises(UsageError, match=message):
            raise result.exception
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.usefixtures("mean_detector")
def test_an_unreadable_good_part_is_named(tmp_path: Path) -> None:
    good = good_parts(tmp_path / "good", 6)
    (good / "04.jpg").write_bytes(b"torn")
    write_part(tmp_path / "part.jpg", seed=77)
    result = judged(tmp_path / "part.jpg", "--reference", good, "--model", "patchcore")
    assert isinstance(result.exception, DataError) and "04.jpg" in str(result.exception)
