"""`mmrad export`."""

from __future__ import annotations

import inspect
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import CorpusArgument
from mmrad.cli.progress import progress
from mmrad.errors import UsageError


class Format(Enum):
    """Values of `--to`; each is written by `mmrad.export.MODULE.export_MODULE`."""

    MMR_AD = "mmr-ad"
    HUGGING_FACE = "hugging-face"
    COCO = "coco"
    YOLO = "yolo"
    FIFTYONE = "fiftyone"
    LABEL_STUDIO = "label-studio"
    CVAT = "cvat"
    TRL = "trl"
    VERL = "verl"
    LLAMA_FACTORY = "llama-factory"
    MS_SWIFT = "ms-swift"
    LMMS_EVAL = "lmms-eval"
    VLMEVALKIT = "vlmevalkit"
    MULTIPLE_CHOICE = "multiple-choice"


ABOUT = {
    Format.MMR_AD: "the folder tree in which MMR-AD is published",
    Format.HUGGING_FACE: "Parquet with images, boxes and texts; dataset card, Croissant",
    Format.COCO: "instances with boxes and masks, a file a split",
    Format.YOLO: "Ultralytics' folders, data.yaml",
    Format.FIFTYONE: "a FiftyOneDataset on disk",
    Format.LABEL_STUDIO: "tasks with rectangles, and the labeling configuration",
    Format.CVAT: "CVAT for images 1.1",
    Format.TRL: "conversations for TRL's SFT and GRPO trainers",
    Format.VERL: "Parquet for verl, and a training with contrastive sampling",
    Format.LLAMA_FACTORY: "sharegpt, dataset_info.json, the settings of an SFT",
    Format.MS_SWIFT: "JSON lines with objects, the settings of an SFT",
    Format.LMMS_EVAL: "a task of lmms-eval, judged as mmrad bench does",
    Format.VLMEVALKIT: "a dataset class of VLMEvalKit, judged as mmrad bench does",
    Format.MULTIPLE_CHOICE: "questions like MMAD's, with distractors",
}
_MODULES = {Format.MMR_AD: "release"}


def export(
    corpus: CorpusArgument,
    to: Annotated[Format, typer.Option(help="See `mmrad formats`.", metavar="FORMAT")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    teacher: Annotated[
        list[str] | None, typer.Option(help="Texts by this teacher, best first; for trainers.")
    ] = None,
    references: Annotated[
        int | None, typer.Option(help="References beside each query; for trainers and benchmarks.")
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; for benchmarks.")] = None,
    max_pixels: Annotated[
        int | None, typer.Option(help="Largest area of an image as shown; for trainers and benchmarks.")
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="Built-in prompts by name, or a TOML file; for trainers and benchmarks."),
    ] = None,
) -> None:
    """Write a corpus in the format of another tool, as its reviews leave it.

    Example:  mmrad export corpus --to coco --out COCO
    """
    from mmrad.corpus import ReviewedCorpus

    module = _MODULES.get(to, to.value.replace("-", "_"))
    writer = getattr(import_module(f"mmrad.export.{module}"), f"export_{module}")
    taken = inspect.signature(writer).parameters
    given: dict[str, Any] = {"prefer": teacher, "references": references, "splits": split}
    if "settings" not in taken:
        given |= {"max_pixels": max_pixels, "prompts": prompts}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if foreign := [_flag(name) for name in options if name not in taken]:
        raise UsageError(f"the format {to.value} takes no {' or '.join(foreign)}")
    if "settings" in taken:
        options["settings"] = _settings(max_pixels, prompts)
    reviewed = ReviewedCorpus(corpus)
    with progress("export") as update:
        count = writer(reviewed, out, **options, progress=update)
    for line in reviewed.decisions.describe():
        typer.echo(line)
    typer.echo(f"wrote {count} samples to {out}")


def _flag(name: str) -> str:
    return {"prefer": "--teacher", "splits": "--split"}.get(name, f"--{name.replace('_', '-')}")


def _settings(max_pixels: int | None, prompts: str | None) -> Any:
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.prompt import load_prompts
    from mmrad.view import Budget

    budget = Budget() if max_pixels is None else Budget(max_pixels=max_pixels)
    return InspectionSettings(load_prompts(prompts or "default"), budget)


def formats() -> None:
    """List the formats of `mmrad export`.

    Example:  mmrad formats
    """
    table = Table("format", "what is written", box=None)
    for name, about in ABOUT.items():
        table.add_row(name.value, about)
    Console().print(table)
