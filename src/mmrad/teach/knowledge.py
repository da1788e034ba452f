"""Domain knowledge: which anomalies are known of each product."""

from __future__ import annotations

from mmrad.corpus import Corpus


def domain_knowledge(corpus: Corpus) -> dict[str, tuple[str, ...]]:
    """The labels that occur in each category, sorted, as the paper's domain-knowledge prompt wants them.

    A category name that several sources share gets the labels of all of them.

    Args:
        corpus: The corpus.

    Returns:
        Labels by category; a category without anomalies is left out.
    """
    labels: dict[str, set[str]] = {}
    for sample in corpus.samples:
        for region in sample.regions:
            labels.setdefault(sample.category, set()).add(region.label)
    return {category: tuple(sorted(found)) for category, found in sorted(labels.items())}
