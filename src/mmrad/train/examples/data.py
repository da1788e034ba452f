"""The data of a recipe: a corpus that is there, or one made by the factory; examples of either kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.factory import ASSORTED, SOURCES, factory_roots, make_factory
from mmrad.files import write_text
from mmrad.inspectors.base import InspectionSettings
from mmrad.reference import retrieve
from mmrad.sample import Pair, Sample
from mmrad.sources import build_corpus
from mmrad.teach import (
    LabelSimilarity,
    ScriptedTeacher,
    Teaching,
    read_knowledge,
    teach,
    write_scripted_negatives,
)
from mmrad.teach.wrong import ScriptedNegatives
from mmrad.train.examples.example import Examples
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.examples.stored import CorpusExamples
from mmrad.train.recipe import Data, FactoryData, Images, Recipe, seed_of, settings_from

Progress = Callable[[int, int], None]


def factory_corpus(data: FactoryData, folder: Path, *, progress: Progress | None = None) -> Corpus:
    """Make a factory and the corpus of it with references, unless an earlier call has finished them.

    Args:
        data: How much to make.
        folder: Gets `factory/` and `corpus/`.
        progress: Called with images done and images in all, for each of the three steps.
    """
    corpus, root, made = folder / "corpus", folder / "factory", folder / "factory-is-made"
    if not (corpus / "references.parquet").exists():
        if not made.exists():
            shutil.rmtree(root, ignore_errors=True)  # of a call that was killed
            _make(root, data, data.seed, progress, sources=SOURCES)
            if data.assorted:
                _make(root, data.assorted, data.seed, progress, sources=(), assorted=data.assorted.products)
            write_text(made, "")
        built = build_corpus(factory_roots(root), corpus, progress=progress)
        retrieve(built.corpus, progress=progress)
    return Corpus(corpus)


def _make(root: Path, images: Images, seed: int, progress: Progress | None, **which: Any) -> None:
    make_factory(
        root,
        seed=seed,
        train=images.train,
        good=images.good,
        per_anomaly=images.per_anomaly,
        workers=os.cpu_count() or 1,
        progress=progress,
        **which,
    )


def training_corpus(recipe: Recipe, folder: Path, *, progress: Progress | None = None) -> Corpus:
    """The corpus of a recipe; one of the factory gets texts and negatives where stored ones are wanted.

    Args:
        recipe: The recipe.
        folder: Gets what the factory makes.
        progress: Called with what is done and what there is, for each step.

    Raises:
        DataError: When the recipe names neither a factory nor a corpus, or both; or there is no such corpus.
    """
    data = recipe.data
    if (data.factory is None) == (data.corpus is None):
        raise DataError(f"the recipe {recipe.name!r} needs a [data.factory] table, or data.corpus = FOLDER")
    if data.corpus is not None:
        return Corpus(data.corpus)
    assert data.factory is not None
    corpus = factory_corpus(data.factory, folder, progress=progress)
    if data.texts == "stored":
        _write_texts(corpus, trained_on(corpus, data), settings_from(recipe.asking), progress)
    return corpus


def _write_texts(
    corpus: Corpus, samples: Sequence[Sample], settings: InspectionSettings, progress: Progress | None
) -> None:
    """Have the scripted teacher write what is missing; cheap when nothing is."""
    teaching = Teaching(
        budget=settings.budget, progress=progress and (lambda tally: progress(tally.done, tally.total))
    )
    teach(corpus, [ScriptedTeacher()], samples, teaching)
    write_scripted_negatives(corpus, budget=settings.budget, samples=samples, progress=progress)


def trained_on(corpus: Corpus, data: Data) -> list[Sample]:
    """The samples that a recipe trains on: all splits of the sources that are not held out (paper, 5.1).

    Raises:
        DataError: When a named source is not in the corpus, or nothing is left.
    """
    known = list(corpus.manifest.sources)
    if unknown := {*data.sources, *data.hold_out} - {*known}:
        raise DataError(f"{corpus.path}: has no source {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    kept = [source for source in data.sources or known if source not in data.hold_out]
    samples = corpus.select(sources=kept) if kept else []
    if len({sample.anomalous for sample in samples}) < 2:
        found = "only anomalous" if any(sample.anomalous for sample in samples) else "no anomalous"
        raise DataError(
            f"{corpus.path}: {found} samples in {', '.join(kept) or 'no source'}; both are needed"
        )
    return samples


def training_examples(
    recipe: Recipe, folder: Path, *, negatives: bool = False, progress: Progress | None = None
) -> Examples:
    """The training examples of a recipe.

    Args:
        recipe: The recipe.
        folder: Gets what the factory makes.
        negatives: Whether fresh texts come with wrong ones, which reinforcement learning alone reads; those
            of a corpus come with it.
        progress: Called with what is done and what there is, for each step.

    Raises:
        DataError: When there is no such corpus, it lacks references or texts, or has one class only.
        UsageError: When its texts were written for another size of the views.
    """
    corpus = training_corpus(recipe, folder, progress=progress)
    data = recipe.data
    samples = trained_on(corpus, data)
    knowledge = read_knowledge(corpus)
    settings = settings_from(recipe.asking, knowledge if data.knowledge else None)
    if data.texts == "fresh":
        wrong = ScriptedNegatives(knowledge, LabelSimilarity()) if negatives else None
        pairs = [_named(pair) for pair in corpus.pairs(samples, references=data.references)]
        return ScriptedExamples(pairs, settings, seed=seed_of(recipe), negatives=wrong)
    return CorpusExamples(
        corpus,
        samples,
        settings,
        teachers=data.teachers,
        references=data.references,
        seed=seed_of(recipe),
    )


def _named(pair: Pair) -> Pair:
    """The pair as of a "product" where its category is but a number: hundreds of those are much to learn."""
    if pair.sample.source != ASSORTED:
        return pair
    return replace(pair, sample=replace(pair.sample, category="product"))
