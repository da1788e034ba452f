"""`mmrad reference`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.options import CorpusArgument, SeedOption
from mmrad.cli.progress import progress


def reference(
    corpus: CorpusArgument,
    method: Annotated[str, typer.Option(help="auto, aligned (paper, Appendix B), given or random.")] = "auto",
    features: Annotated[
        str, typer.Option(help="lite0 (bundled) or another network, as resnet18 (needs its weights).")
    ] = "lite0",
    weights: Annotated[Path | None, typer.Option(help="File with the weights of --features.")] = None,
    feature_cache: Annotated[
        Path | None, typer.Option(help="Folder where feature maps are kept, also for expert detectors.")
    ] = None,
    top: Annotated[int, typer.Option(help="How many references to keep for each sample.")] = 10,
    seed: SeedOption = 0,
) -> None:
    """Choose spatially aligned normal references for every sample of a corpus.

    Example:  mmrad reference corpus
    """
    from mmrad.corpus import Corpus
    from mmrad.reference import retrieve

    opened = Corpus(corpus)
    with progress("reference") as update:
        found = retrieve(
            opened,
            method=method,
            top=top,
            features=features,
            weights=weights,
            cache=feature_cache,
            seed=seed,
            progress=update,
        )
    typer.echo(f"{len({reference.sample_id for reference in found})} samples have references")
