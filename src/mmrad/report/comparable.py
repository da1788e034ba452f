"""Whether runs may stand in one table: only what was asked alike, of the same queries, can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmrad.bench import Run
from mmrad.errors import UsageError
from mmrad.metrics import scorer_hash, task_hash
from mmrad.sample import Sample

SHORT = 8
"""Digits of a hash that people are shown."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What figures of a run depend on besides its inspector.

    Attributes:
        scorer: Hash of the definitions of the figures.
        prompts: Hash of the prompts; None for an inspector that is not asked in words, or whose prompts are
            not known.
        tasks: Hash of the queries and their truth, by source.
    """

    scorer: str
    prompts: str | None
    tasks: dict[str, str]


def identity(run: Run) -> Identity:
    """The hashes of a run.

    Raises:
        DataError: When its corpus has moved or changed.
    """
    by_source: dict[str, list[Sample]] = {}
    for sample in run.samples:
        by_source.setdefault(sample.source, []).append(sample)
    tasks = {source: task_hash(samples) for source, samples in by_source.items()}
    return Identity(scorer_hash(), run.info.inspector.get("prompts_hash"), tasks)


def check_comparable(runs: Sequence[Run], *, mixed: bool = False) -> list[str]:
    """Refuse to put runs into one table that were asked otherwise, or other queries of a source.

    Runs on different sources may stand in one table: each source has rows of its own. So may an inspector
    without prompts beside others.

    Args:
        runs: The runs.
        mixed: Whether to allow it.

    Returns:
        What the table must say of the runs when it is allowed; nothing when they are comparable.

    Raises:
        UsageError: When there are no runs, or they are not comparable and `mixed` is not set; it names runs,
            what differs, and what to do.
    """
    if not runs:
        raise UsageError("there is no run to put into a table; make one with  mmrad bench")
    identities = {run.info.name: identity(run) for run in runs}
    problems = []
    prompts = {name: one.prompts for name, one in identities.items() if one.prompts}
    if differ := _first_two(prompts):
        problems.append(
            _Problem(
                f"{differ} were asked with different prompts", "bench them again with the same --prompts"
            )
        )
    for source in sorted({source for one in identities.values() for source in one.tasks}):
        tasks = {name: one.tasks[source] for name, one in identities.items() if source in one.tasks}
        if differ := _first_two(tasks):
            problems.append(
                _Problem(
                    f"{differ} were given different queries of {source!r}, or its truth has changed",
                    "bench them on the same corpus with the same --limit, --seed and splits",
                )
            )
    if problems and not mixed:
        first = problems[0]
        raise UsageError(
            f"not comparable: {first.what}; {first.remedy}, score one of them alone, or put them into one "
            "table all the same with --mixed"
        )
    return [f"Not comparable: {problem.what}." for problem in problems]


def scorer_note() -> str:
    """What stands under every table."""
    return f"Scorer {scorer_hash()[:SHORT]}; an unanswered query is wrong."


@dataclass(frozen=True, slots=True)
class _Problem:
    what: str
    remedy: str


def _first_two(hashes: Mapping[str, str]) -> str:
    """Two runs with different hashes, in words; empty when all have the same."""
    for name, digest in hashes.items():
        first, expected = next(iter(hashes.items()))
        if digest != expected:
            return f"{first!r} ({expected[:SHORT]}) and {name!r} ({digest[:SHORT]})"
    return ""
