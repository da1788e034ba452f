"""`mmrad segment`, from the boxes of a run to figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mmrad.bench import Run, bench
from mmrad.box import Box
from mmrad.cli.segment import segment
from mmrad.corpus import SourceInfo, write_corpus
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.image import encode_png
from mmrad.sample import Pair, Region, Sample, Verdict
from tiny_sam import save_tiny_sam

SIZE_WH = (80, 50)
BOX = Box(10, 5, 50, 35)


class Says:
    """Finds the dents, and is refused once."""

    name = "says"

    def key(self) -> dict[str, Any]:
        return {"inspector": "says"}

    def about(self) -> dict[str, Any]:
        return {}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            regions = pair.sample.regions
            refused = pair.sample.id.endswith("/2")
            yield (
                index,
                Verdict(None, (), "", "", None, "refused")
                if refused
                else Verdict(bool(regions), regions, "", "", None, "ok"),
            )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "corpus"
    raw = folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    samples = []
    for number in range(4):
        pixels = rng.integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3)).astype(np.uint8)
        (raw / f"{number}.png").write_bytes(encode_png(pixels))
        mask = np.zeros(SIZE_WH[::-1], np.uint8)
        mask[5:35, 10:30] = mask[5:10, 10:50] = 255
        Image.fromarray(mask).save(raw / f"{number}_mask.png")
        regions = (Region(BOX, "dent", f"{number}_mask.png"),) if number else ()
        name = f"made/part/test/{number}"
        samples.append(Sample(name, "made", "part", "test", f"{number}.png", SIZE_WH, regions, "CC0-1.0"))
    corpus = write_corpus(folder, {"made": SourceInfo(adapter="made", root="raw", licence="CC0")}, samples)
    return bench(corpus, corpus.samples, Says(), tmp_path / "runs", references=0)


def call(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(segment)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_filled_boxes(run: Run) -> None:
    said = json.loads(call(run.path, "--boxes-only", "--json"))
    marked = 5 * 40 + 25 * 20
    figures = said["scores"]["overall"]["figures"]
    assert figures["recall"]["value"] == pytest.approx(2 / 3)
    assert figures["precision"]["value"] == pytest.approx(marked / BOX.area)
    assert said["scores"] == said["boxes"]
    assert said["unanswered"] == {"refused": 1}
    assert (said["written"], said["kept"]) == (2, 0)
    assert len(list(Path(said["folder"]).glob("masks/*.png"))) == 2
    assert Path(said["folder"]).is_relative_to(run.path)
    told = call(run.path, "--boxes-only")
    assert "2 masks, 0 of them new" in told
    assert "no answer: 1 refused" in told


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_masks_of_a_model_stand_beside_filled_boxes(run: Run, kind: str, tmp_path: Path) -> None:
    folder = save_tiny_sam(tmp_path / "tiny", kind)
    said = json.loads(call(run.path, "--sam", folder, "--device", "cpu", "--json", "--pictures"))
    assert said["segmenter"] == "tiny"
    assert said["boxes"]["overall"]["figures"]["recall"]["value"] == pytest.approx(2 / 3)
    assert said["scores"] != said["boxes"]
    assert len(list((run.path / "masks" / "tiny" / "pictures").iterdir())) == 2
    again = json.loads(call(run.path, "--sam", folder, "--device", "cpu", "--json"))
    assert (again["written"], again["kept"]) == (0, 2)
    assert again["scores"] == said["scores"]


def test_one_way_to_make_masks_has_to_be_named(run: Run) -> None:
    for arguments in ([], ["--sam", "x", "--boxes-only"]):
        with pytest.raises(UsageError, match="either --sam MODEL or --boxes-only"):
            call(run.path, *arguments)


def test_what_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run"):
        call(tmp_path, "--boxes-only")
    with pytest.raises(ProviderError, match="cannot load the SAM model"):
        call(run.path, "--sam", tmp_path / "nowhere")
