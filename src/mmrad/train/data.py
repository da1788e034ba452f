"""The data of a recipe: made by the factory, read back by the adapters, paired by retrieval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.factory import factory_roots, make_factory
from mmrad.reference import retrieve
from mmrad.sources import build_corpus
from mmrad.train.examples import ScriptedExamples
from mmrad.train.recipe import FactoryData, Recipe, settings_from


def factory_corpus(
    data: FactoryData, folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> Corpus:
    """Make a factory and the corpus of it with references, unless an earlier call has finished them.

    Args:
        data: How much to make.
        folder: Gets `factory/` and `corpus/`.
        progress: Called with images done and images in all, for each of the three steps.
    """
    corpus = folder / "corpus"
    if not (corpus / "references.parquet").exists():
        make_factory(
            folder / "factory",
            seed=data.seed,
            train=data.train,
            good=data.good,
            per_anomaly=data.per_anomaly,
            workers=2,
            progress=progress,
        )
        built = build_corpus(factory_roots(folder / "factory"), corpus, progress=progress)
        retrieve(built.corpus, progress=progress)
    return Corpus(corpus)


def factory_examples(
    recipe: Recipe, folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> ScriptedExamples:
    """The training examples of a recipe: every sample of the sources that are not held out.

    Raises:
        DataError: When the recipe names no factory.
    """
    if recipe.data.factory is None:
        raise DataError(f"the recipe {recipe.name!r} has no [data.factory] table; add one")
    corpus = factory_corpus(recipe.data.factory, folder, progress=progress)
    kept = [source for source in corpus.manifest.sources if source not in recipe.data.hold_out]
    samples = corpus.select(sources=kept)
    pairs = corpus.pairs(samples, references=recipe.data.references)
    return ScriptedExamples(pairs, settings_from(recipe.asking), seed=recipe.training.seed)
