"""No model is judged on what it was trained on, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmrad.corpus import Corpus, SourceInfo
from mmrad.errors import UsageError
from mmrad.inspectors.base import Inspector
from mmrad.sample import Sample
from mmrad.sources import ADAPTERS

CATEGORIES = {
    "mvtec": (
        "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw",
        "tile", "toothbrush", "transistor", "wood", "zipper",
    ),
    "visa": (
        "candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2", "pcb1", "pcb2",
        "pcb3", "pcb4", "pipe_fryum",
    ),
    "loco": ("breakfast_box", "juice_bottle", "pushpins", "screw_bag", "splicing_connectors"),
}  # fmt: skip
"""The categories of datasets that models were trained on, by the adapter of the dataset."""

_LAYOUTS = ("mvtec", "visa", "visa-converted", "loco")
"""Adapters that may have read one of these datasets in the layout of another."""

_COLLECTIONS = ("mmad", "mmr-ad")
"""Adapters of collections, whose categories are called `DATASET_CATEGORY`."""


def refuse_seen(corpus: Corpus, samples: Sequence[Sample], inspector: Inspector) -> None:
    """Make sure that an inspector has not been trained on samples, by what it says (`about`, `trained_on`).

    Args:
        corpus: The corpus that the samples belong to.
        samples: What it is to be judged on.
        inspector: Who is to be judged.

    Raises:
        UsageError: When it has seen their dataset.
    """
    trained_on = inspector.about().get("trained_on") or {}
    for source, category in sorted({(sample.source, sample.category) for sample in samples}):
        dataset = dataset_of(corpus.manifest.sources[source], category)
        if dataset and dataset in trained_on:
            raise UsageError(
                f"{inspector.name}: was trained on {ADAPTERS[dataset].title}, and {source}/{category} in "
                f"{corpus.path} is of it: judge it by {trained_on[dataset]}, or leave it out (--source)"
            )


def dataset_of(info: SourceInfo, category: str) -> str | None:
    """The dataset that a category of a source comes from, whatever the source is called.

    The adapter tells it, but datasets are also read in each other's layout and as parts of collections:
    there the category does. A source with a licence of its own (`mmrad.toml` in its root), such as made-up
    products, only has a dataset's layout.

    Returns:
        The name of the dataset's adapter; None when it is none that mmrad knows.
    """
    adapter = ADAPTERS.get(info.adapter)
    if adapter is None or adapter.licence != info.licence:
        return None
    if adapter.name in _LAYOUTS:
        by_category = (name for name, known in CATEGORIES.items() if category.casefold() in known)
        return next(by_category, "visa" if adapter.name == "visa-converted" else adapter.name)
    if adapter.name in _COLLECTIONS:
        return max(_collected(category.casefold()), default=(0, adapter.name))[1]
    return adapter.name


def _collected(category: str) -> Iterator[tuple[int, str]]:
    """The datasets that `DATASET_CATEGORY` may be of, each with the length of the category that it has."""
    for name, known in CATEGORIES.items():
        for end in known:
            if category.endswith(f"_{end}") and name in category.removesuffix(end):
                yield len(end), name
