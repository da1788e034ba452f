"""`mmrad train publish`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmrad.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mmrad.train.publishing.card import Figures

_TITLES = {
    "detection accuracy": "accuracy",
    "recall": "recall",
    "precision": "precision",
    "localization (IoU 0.1)": "iou0.1_accuracy",
    "(IoU 0.5)": "iou0.5_accuracy",
    "AUROC": "auroc",
}


def publish(
    training: Annotated[Path, typer.Argument(help="Folder of a finished training: OUT/sft or OUT/grpo.")],
    out: Annotated[Path, typer.Option(help="New folder, ready for upload.")],
    run: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a run of this model, whose figures the card shows; may be repeated."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence that you claim for the weights, such as apache-2.0.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Name of the base model, where the recipe names a folder.")
    ] = None,
    base_licence: Annotated[
        str | None, typer.Option(help="Its licence, where its folder has no card that says it.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Corpus of the training, where the training kept no trained_on.json.")
    ] = None,
) -> None:
    """Write a folder with merged weights, LoRA weights, processor, recipe and model card, ready for upload.

    Example:  mmrad train publish out/sft --out published --run runs/model --licence cc-by-sa-4.0
    """
    try:
        from mmrad.train.publishing.publish import publish as write
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "train") from error
    figures = [one for folder in run or () for one in _figures(folder, training)]
    write(
        training,
        out,
        corpus=corpus,
        base=base,
        base_licence=base_licence,
        licence=licence,
        figures=figures,
    )
    typer.echo(f"wrote {out}; read {out / 'README.md'} before you upload it")


def _figures(folder: Path, training: Path) -> Iterator[Figures]:
    """The figures of a run, source by source: some may have been trained on.

    Raises:
        UsageError: When it is a run of another model.
    """
    from mmrad.bench import Run
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.inspectors.local import LocalInspector
    from mmrad.metrics import score
    from mmrad.train.publishing.card import Figures

    run = Run.load(folder)
    asked, model = run.info.inspector, training / "model"
    if asked.get("inspector") != "local":
        raise UsageError(f"{folder}: a run through {asked.get('inspector')}; bench the folder {model} itself")
    found = LocalInspector(model, InspectionSettings()).key()
    for name in ("dtype", "weights"):
        if asked.get(name) != found[name]:
            raise UsageError(
                f"{folder}: not a run of {model}, or one of another machine: {name} is {asked.get(name)} "
                f"there and {found[name]} here; bench it here"
            )
    for source in sorted({sample.source for sample in run.samples}):
        samples = [sample for sample in run.samples if sample.source == source]
        overall = score(samples, run.verdicts).overall
        yield Figures(
            run=run.info.name,
            source=source,
            queries=overall.samples,
            unanswered=sum(overall.unanswered.values()),
            values={title: str(overall.figures[name]) for title, name in _TITLES.items()},
        )
