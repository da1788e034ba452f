"""`mmrad inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mmrad.cli.chat import Provider
from mmrad.cli.options import BaseUrlOption, JsonOption, ModelHelp, ModelsOption, PromptsOption
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import ProviderError
from mmrad.sample import Verdict

_SCORES = {"probability": "probability of an anomaly", "confidence": "stated confidence in an anomaly"}


def inspect(
    part: Annotated[Path, typer.Argument(help="Image of the part to judge.")],
    reference: Annotated[list[Path], typer.Option(help="Image of a good part; may be repeated.")],
    model: Annotated[str, typer.Option(help=ModelHelp)] = "anomaly-r1-nano",
    out: Annotated[Path | None, typer.Option(help="Annotated picture; beside PART by default.")] = None,
    prompts: PromptsOption = "default",
    base_url: BaseUrlOption = None,
    provider: Annotated[
        Provider | None, typer.Option(help="`inspect` for a model of inspect-ai's providers.")
    ] = None,
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
    from mmrad.inspectors.make import BUNDLED, make_inspector
    from mmrad.picture import annotate
    from mmrad.prompt import load_prompts
    from mmrad.sample import Pair, Sample

    image = read_image(part)
    for path in reference:
        read_image(path)
    height, width = image.shape[:2]
    sample = Sample(part.stem, "user", part.parent.name, "test", part.name, (width, height), (), "")
    inspector = make_inspector(
        model,
        InspectionSettings(prompts=load_prompts(prompts)),
        base_urls=(base_url,) if base_url else (),
        provider="inspect" if provider is Provider.INSPECT else None,
        catalogue_file=own,
        score="confidence" if confidence else "auto",
        space=space,
    )
    if model in BUNDLED:
        typer.secho(
            f"caution: {model} is a toy that does not judge real parts; give --model", fg="yellow", err=True
        )
    [(_, verdict)] = list(inspector.inspect([Pair(sample, part, tuple(reference))]))
    picture = out or part.with_name(f"{part.stem}.inspected.png")
    if verdict.status == "ok":
        picture.write_bytes(encode_png(annotate(image, verdict)))
    if as_json:
        typer.echo(
            json.dumps({**_record(verdict), "picture": str(picture) if verdict.status == "ok" else None})
        )
    else:
        _tell(verdict, picture)
    if verdict.status != "ok":
        raise ProviderError(f"{inspector.name} gave no judgement ({verdict.status}): {verdict.detail}")


def _record(verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.status,
        "anomalous": verdict.anomalous,
        "score": verdict.score,
        "score_kind": verdict.score_kind,
        "regions": [{"box_xyxy": list(region.box.xyxy), "label": region.label} for region in verdict.regions],
        "think": verdict.think,
        "detail": verdict.detail,
    }


def _tell(verdict: Verdict, picture: Path) -> None:
    if verdict.status != "ok":
        return
    typer.secho(
        "ANOMALOUS" if verdict.anomalous else "NORMAL", fg="red" if verdict.anomalous else "green", bold=True
    )
    if verdict.score is not None and verdict.score_kind is not None:
        typer.echo(f"{_SCORES.get(verdict.score_kind, 'score')}: {verdict.score:.2f}")
    for region in verdict.regions:
        typer.echo(f"  {region.label or 'anomaly'} at x {region.box.x1:.0f}-{region.box.x2:.0f}, "
                   f"y {region.box.y1:.0f}-{region.box.y2:.0f}")  # fmt: skip
    typer.echo(f"reason: {verdict.think}")
    typer.echo(f"picture: {picture}")
