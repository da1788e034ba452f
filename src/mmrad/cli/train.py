"""`mmrad train`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmrad.cli.ablate import ablate
from mmrad.cli.options import CorpusArgument, JsonOption, SourceOption
from mmrad.cli.progress import progress
from mmrad.cli.publish import publish
from mmrad.cli.train_mllm import grpo, sft
from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.inspectors.experts.expert import Expert
    from mmrad.inspectors.experts.settings import ExpertSettings

app = typer.Typer(
    help="Train models: MLLMs by SFT and GRPO, ablations, expert detectors.", no_args_is_help=True
)


app.command()(sft)
app.command()(grpo)
app.command()(ablate)
app.command()(publish)


class Classes(Enum):
    """Values of `--classes`."""

    ONE = "one"
    ALL = "all"


class Device(Enum):
    """Values of `--device`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@app.command()
def expert(
    corpus: CorpusArgument,
    out: Annotated[Path, typer.Option(help="Folder for the expert.")],
    model: Annotated[str | None, typer.Option(help="padim, patchcore, hgad, dinomaly or inp-former.")] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="TOML file with the detector and its settings; options given here win over it."),
    ] = None,
    source: SourceOption = None,
    backbone: Annotated[
        str | None, typer.Option(help="Frozen network: lite0 (bundled), wide_resnet50_2, dinov2_base, …")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File with its weights, in timm's names; else package, cache or hub.")
    ] = None,
    classes: Annotated[
        Classes | None, typer.Option(help="One detector for each category, or one for all of them.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Images are resized to this many pixels a side.")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(min=1, help="Of that, the middle square of this side is seen.")
    ] = None,
    memory: Annotated[float | None, typer.Option(help="Most memory for features at once, in GiB.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random choices.")] = None,
    device: Annotated[Device | None, typer.Option(help="auto takes a GPU where there is one.")] = None,
    feature_cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder of feature maps, shared with bench and `mmrad reference`; by default "
            "CORPUS/features. It may be deleted at any time."
        ),
    ] = None,
    no_feature_cache: Annotated[
        bool, typer.Option("--no-feature-cache", help="Compute feature maps anew and keep none.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train an expert detector on the normal train images of a corpus.

    A fifth of them, at least 10 and at most half, is held out for thresholds.
    The same command again goes on where it stopped.

    Example:  mmrad train expert corpus --model patchcore --out experts/patchcore
    """
    from mmrad.bench.experts import FEATURES
    from mmrad.corpus import Corpus
    from mmrad.inspectors.experts.fit import fit_expert
    from mmrad.inspectors.experts.settings import TITLES

    said = {
        "detector": model,
        "backbone": backbone,
        "weights": weights,
        "classes": classes and classes.value,
        "size": size,
        "crop": crop,
        "memory_gib": memory,
        "seed": seed,
        "device": device and device.value,
    }
    settings = _expert_settings(recipe, {name: value for name, value in said.items() if value is not None})
    if feature_cache and no_feature_cache:
        raise UsageError("give --feature-cache or --no-feature-cache, not both")
    cache = None if no_feature_cache else feature_cache or corpus / FEATURES
    opened = Corpus(corpus)
    with progress(f"{TITLES[settings.detector]}, images") as update:
        trained = fit_expert(opened, settings, out, sources=source, cache=cache, progress=update)
    if as_json:
        typer.echo(json.dumps(_expert_record(trained), indent=2))
    else:
        _tell_expert(trained)
        typer.echo(f"judge with it:  mmrad bench {corpus} --model {out} --out RUNS")


def _expert_settings(recipe: Path | None, said: dict[str, Any]) -> ExpertSettings:
    from pydantic import ValidationError

    from mmrad.inspectors.experts.settings import DETECTORS, ExpertSettings
    from mmrad.recipe import problem_of, read_recipe

    base = read_recipe(recipe, ExpertSettings).model_dump() if recipe else {}
    if "detector" not in base | said:
        raise UsageError(f"which expert? give --model ({', '.join(DETECTORS)}) or --recipe")
    try:
        return ExpertSettings.model_validate(base | said)
    except ValidationError as error:
        raise UsageError(problem_of(error)) from error


def _expert_record(trained: Expert) -> dict[str, Any]:
    from dataclasses import asdict

    from mmrad.inspectors.experts.thresholds import thresholds

    return {
        "expert": str(trained.folder),
        "settings": trained.settings.model_dump(mode="json"),
        "backbone": trained.info.backbone,
        "categories": {
            category: {
                "fitted": len(part.categories[category].fitted),
                "seconds": part.seconds,
                "thresholds": asdict(thresholds(trained.calibration(category))),
            }
            for category, part in trained.parts.items()
        },
    }


def _tell_expert(trained: Expert) -> None:
    from mmrad.inspectors.experts.thresholds import fewest, thresholds

    poor = 0
    for category, part in trained.parts.items():
        found = thresholds(trained.calibration(category))
        poor += found.kind == "max"
        kind = f"conformal, {found.alpha:.0%}" if found.kind == "conformal" else "their maximum"
        fitted = len(part.categories[category].fitted)
        typer.echo(f"{category}: {fitted} images fitted, {found.held_out} held out; threshold: {kind}")
    if poor:
        typer.secho(
            f"caution: {poor} of {len(trained.parts)} categories have fewer than {fewest(found.alpha)} "
            "held-out images: their maximum is the threshold, which promises no rate of false alarms",
            fg="yellow",
            err=True,
        )
