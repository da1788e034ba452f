"""`mmrad train expert`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from expert_parts import MeanDetector, make_parts, mean_detector
from mmrad.cli import app
from mmrad.corpus import Corpus, write_corpus
from mmrad.errors import DataError, MissingExtraError, ProviderError, UsageError
from mmrad.inspectors.experts import make
from mmrad.inspectors.experts.expert import Expert

__all__ = ["mean_detector"]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_parts(tmp_path / "corpus")


def trained(corpus: Corpus, *options: object, **at: Any) -> Result:
    out = corpus.path.parent / "expert"
    arguments = ["train", "expert", corpus.path, "--out", out, *options]
    return CliRunner().invoke(app, list(map(str, arguments)), **at)


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("mean_detector")
def test_each_category_is_told_with_its_images_and_the_kind_of_its_threshold(corpus: Corpus) -> None:
    first = trained(corpus, "--model", "patchcore", "--size", 32)
    assert first.exit_code == 0
    assert "made/bolt: 7 images fitted, 7 held out; threshold: their maximum\nmade/nut: 7" in first.stdout
    assert "2 of 2 categories have fewer than 19 held-out images" in first.stderr
    assert "PatchCore, images: 28/28" in first.stderr
    again = told(trained(corpus, "--model", "patchcore", "--size", 32, "--json"))
    assert len(MeanDetector.learned) == 2, "nothing is trained again"
    assert again["categories"]["made/nut"]["fitted"] == 7
    assert again["categories"]["made/nut"]["thresholds"]["held_out"] == 7
    assert again["settings"]["size"] == 32


@pytest.mark.usefixtures("mean_detector")
def test_enough_held_out_images_make_a_threshold_that_promises_something(tmp_path: Path) -> None:
    many = make_parts(tmp_path / "corpus", ["bolt"], train=91, good=1, bad=1)
    result = trained(many, "--model", "padim", "--size", 16)
    assert "made/bolt: 72 images fitted, 19 held out; threshold: conformal, 5%\n" in result.stdout
    assert "caution" not in result.stderr


@pytest.mark.usefixtures("mean_detector")
def test_options_win_over_the_recipe(corpus: Corpus, tmp_path: Path) -> None:
    recipe = tmp_path / "expert.toml"
    recipe.write_text('detector = "patchcore"\nsize = 40\nseed = 3\npatchcore = { coreset = 0.5 }\n')
    settings = told(trained(corpus, "--recipe", recipe, "--size", 24, "--classes", "all", "--json"))[
        "settings"
    ]
    assert (settings["detector"], settings["size"], settings["seed"]) == ("patchcore", 24, 3)
    assert (settings["patchcore"]["coreset"], settings["classes"]) == (0.5, "all")
    other = trained(corpus, "--recipe", recipe, "--model", "hgad")
    assert "settings.detector is 'patchcore' there and 'hgad' now" in str(other.exception)
    recipe.write_text('detector = "patchcore"\nsizes = 40\n')
    assert "sizes" in str(trained(corpus, "--recipe", recipe).exception)


@pytest.mark.usefixtures("mean_detector")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), r"which expert\? give --model \(padim, patchcore"),
        (("--model", "yolo"), "detector: .*'padim'"),
        (("--model", "padim", "--memory", "0"), "memory_gib: .*greater than 0"),
        (("--model", "padim", "--crop", "300"), "crop is 300"),
        (("--model", "padim", "--source", "nowhere"), "no source"),
        (("--model", "padim", "--feature-cache", "x", "--no-feature-cache"), "not both"),
    ],
)
def test_what_does_not_fit_is_wrong_usage(corpus: Corpus, options: tuple[str, ...], said: str) -> None:
    result = trained(corpus, *options)
    assert isinstance(result.exception, UsageError)
    with pytest.raises(UsageError, match=said):
        raise result.exception
    assert not (corpus.path.parent / "expert").exists()


@pytest.mark.usefixtures("mean_detector")
def test_a_corpus_of_another_version_or_without_normal_images_is_refused(corpus: Corpus) -> None:
    bad = [replace(s, split="test") if s.category == "nut" else s for s in corpus.samples]
    write_corpus(corpus.path, corpus.manifest.sources, bad)
    assert "made/nut has 0 normal" in str(trained(corpus, "--model", "padim").exception)
    manifest = corpus.path / "corpus.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 2', '"schema_version": 99'))
    result = trained(corpus, "--model", "padim")
    assert isinstance(result.exception, DataError)
    assert "schema 99 is newer than this mmrad reads" in str(result.exception)


def test_missing_weights_and_packages_are_told(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    absent = trained(
        corpus, "--model", "patchcore", "--backbone", "lite0", "--weights", "nowhere.safetensors"
    )
    assert isinstance(absent.exception, (DataError, ProviderError, UsageError))
    assert "nowhere.safetensors" in str(absent.exception)

    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(make, "_class_of", lambda settings: missing)
    result = trained(corpus, "--model", "patchcore")
    assert isinstance(result.exception, MissingExtraError)
    assert "mmrad[experts]" in str(result.exception)


def test_feature_maps_are_kept_in_the_corpus_unless_said_otherwise(tmp_path: Path) -> None:
    """The real PatchCore gives the same expert with and without them, and after they were deleted."""
    corpus = make_parts(tmp_path / "corpus", ["bolt"], train=6, good=1, bad=1)
    options = ("--model", "patchcore", "--size", 64)
    keys = []
    for name, more in (
        ("a", ["--no-feature-cache"]),
        ("b", []),
        ("c", []),
        ("d", ["--feature-cache", tmp_path / "f"]),
    ):
        arguments = ["train", "expert", corpus.path, "--out", tmp_path / name, *options, *more]
        assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
        assert (corpus.path / "features").exists() == (name != "a")
        keys.append(Expert.load(tmp_path / name).key())
    assert any((tmp_path / "f").rglob("*.*"))
    assert keys[1:] == keys[:1] * 3
