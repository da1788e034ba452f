"""`mmrad inspect`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmrad.cli.inspect_expert import Judged, by_expert
from mmrad.cli.options import (
    BaseUrlOption,
    JsonOption,
    ModelHelp,
    ModelsOption,
    PromptsOption,
    ProviderOption,
)
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError, ProviderError, UsageError

if TYPE_CHECKING:
    from mmrad.image import RGB
    from mmrad.inspectors.base import Inspector

_SCORES = {"probability": "probability of an anomaly", "confidence": "stated confidence in an anomaly"}

_DRAWN = ".inspected.png"


def inspect(
    part: Annotated[Path, typer.Argument(help="Image of the part to judge.")],
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image of a good part, or a folder of them; may be repeated. Experts learn from all images "
            "of a folder, a language model is shown the first."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help=f"{ModelHelp} Also patchcore or padim, or the folder of a trained expert.")
    ] = "anomaly-r1-nano",
    category: Annotated[
        str | None, typer.Option(help="`source/category`, for a trained expert that knows several.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Annotated picture; beside PART by default.")] = None,
    prompts: PromptsOption = "default",
    base_url: BaseUrlOption = None,
    provider: ProviderOption = None,
    space: Annotated[
        CoordinateSpace | None,
        typer.Option(help="Convention of the model's boxes, where neither catalogue nor family says it."),
    ] = None,
    own: ModelsOption = None,
    confidence: Annotated[
        bool, typer.Option(help="Ask for a confidence in words, for models without probabilities.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge one part against good ones: a verdict, the reason, and a picture with boxes.

    Example:  mmrad inspect part.png --reference good.png
    """
    # An unreadable picture should be told before a model is loaded.
    from mmrad.image import encode_png, read_image
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.inspectors.experts.expert import is_expert
    from mmrad.inspectors.experts.settings import DETECTORS
    from mmrad.inspectors.make import make_inspector, refuse_for_expert
    from mmrad.prompt import load_prompts

    image = read_image(part)
    references = reference or []
    if model in DETECTORS or is_expert(Path(model)):
        for_language = {
            "--prompts": prompts != "default",
            "--base-url": base_url is not None,
            "--provider": provider is not None,
            "--space": space is not None,
            "--models": own is not None,
            "--confidence": confidence,
        }
        refuse_for_expert(model, for_language)
        good = [path for given in references for path in (_images(given) if given.is_dir() else [given])]
        judged = by_expert(part, image, good, model, category)
    elif category:
        raise UsageError(f"--category is for a trained expert, and {model} is none")
    else:
        shown = _shown(references, part, model)
        inspector = make_inspector(
            model,
            InspectionSettings(prompts=load_prompts(prompts)),
            base_urls=(base_url,) if base_url else (),
            provider=provider,
            catalogue_file=own,
            score="confidence" if confidence else "auto",
            space=space,
        )
        judged = _asked(inspector, part, image, shown)
    picture = None
    if judged.drawn is not None:
        picture = out or part.with_name(part.stem + _DRAWN)
        picture.write_bytes(encode_png(judged.drawn))
    if as_json:
        typer.echo(json.dumps(_record(judged, picture)))
    elif picture:
        _tell(judged, picture)
    if judged.verdict.status != "ok":
        raise ProviderError(f"{model} gave no judgement ({judged.verdict.status}): {judged.verdict.detail}")


def _images(folder: Path) -> list[Path]:
    """The images of a folder by name, without the pictures that this command drew."""
    from mmrad.sources.walk import images

    found = [
        path for path in images(folder, folder) if isinstance(path, Path) and not path.name.endswith(_DRAWN)
    ]
    if not found:
        raise DataError(f"{folder}: no images there; give a folder with images of good parts")
    return found


def _shown(references: Sequence[Path], part: Path, model: str) -> list[Path]:
    """What a language model is shown: the given images, and the first of each given folder."""
    from mmrad.image import image_hash, read_image

    if not references:
        raise UsageError(f"{model} compares with a good part: give one by --reference")
    shown = []
    for given in references:
        if given.is_dir():
            images = _images(given)
            given = next((image for image in images if image_hash(image) != image_hash(part)), images[0])
            typer.echo(f"of {len(images)} good images {model} is shown {given.name}", err=True)
        read_image(given)
        shown.append(given)
    return shown


def _asked(inspector: Inspector, part: Path, image: RGB, references: Sequence[Path]) -> Judged:
    from mmrad.inspectors.make import BUNDLED
    from mmrad.picture import annotate
    from mmrad.sample import Pair, Sample

    if inspector.name in BUNDLED:
        typer.secho(
            f"caution: {inspector.name} is a toy that does not judge real parts; give --model",
            fg="yellow",
            err=True,
        )
    height, width = image.shape[:2]
    sample = Sample(part.stem, "user", part.parent.name, "test", part.name, (width, height), (), "")
    [(_, verdict)] = list(inspector.inspect([Pair(sample, part, tuple(references))]))
    return Judged(verdict, annotate(image, verdict) if verdict.status == "ok" else None)


def _record(judged: Judged, picture: Path | None) -> dict[str, Any]:
    verdict = judged.verdict
    return {
        "status": verdict.status,
        "anomalous": verdict.anomalous,
        "score": verdict.score,
        "score_kind": verdict.score_kind,
        **({"thresholds": asdict(judged.levels)} if judged.levels else {}),
        "regions": [{"box_xyxy": list(region.box.xyxy), "label": region.label} for region in verdict.regions],
        "think": verdict.think,
        "detail": verdict.detail,
        "picture": str(picture) if picture else None,
    }


def _tell(judged: Judged, picture: Path) -> None:
    verdict = judged.verdict
    typer.secho(
        "ANOMALOUS" if verdict.anomalous else "NORMAL", fg="red" if verdict.anomalous else "green", bold=True
    )
    if judged.levels:
        typer.echo(f"score: {verdict.score:.4g}, anomalous over {judged.levels.image:.4g}")
    elif verdict.score is not None and verdict.score_kind is not None:
        typer.echo(f"{_SCORES.get(verdict.score_kind, 'score')}: {verdict.score:.2f}")
    for region in verdict.regions:
        typer.echo(f"  {region.label or 'anomaly'} at x {region.box.x1:.0f}-{region.box.x2:.0f}, "
                   f"y {region.box.y1:.0f}-{region.box.y2:.0f}")  # fmt: skip
    if verdict.think:
        typer.echo(f"reason: {verdict.think}")
    typer.echo(f"picture: {picture}")
