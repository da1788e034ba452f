"""A choice of samples in words, and in an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from mmrad.corpus.reviews import Status
from mmrad.errors import UsageError
from mmrad.review.criteria import Criteria, Order, Verdict

STATUS_NAMES: dict[Status, str] = {
    "open": "open", "keep": "kept", "drop": "dropped", "unsure": "unsure", "waiting": "waiting for others",
    "disputed": "disputed",
}  # fmt: skip
VERDICT_NAMES: dict[Verdict, str] = {
    "right": "right", "wrong": "wrong", "missed": "missed", "false_alarm": "false alarm",
    "unanswered": "no answer",
}  # fmt: skip
ORDER_NAMES: dict[Order, str] = {
    "corpus": "as in the corpus", "random": "shuffled", "uncertain": "least certain first",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives of one kind.

    Attributes:
        field: The field of `Criteria`.
        facet: The name of its counts.
        title: Heading.
        phrase: What is said of a choice, with the values in place of `{}`.
        names: Words for values; others are shown as they are, `_` as a space.
    """

    field: str
    facet: str
    title: str
    phrase: str = "{}"
    names: Mapping[Any, str] | None = None

    def name(self, value: str) -> str:
        """A value in words."""
        if self.names is not None:
            return self.names[value]
        return value.replace("_", " ") if self.facet in ("finding", "failed_check") else value


GROUPS = (
    Group("statuses", "status", "Review", names=STATUS_NAMES),
    Group("sources", "source", "Source"),
    Group("categories", "category", "Category"),
    Group("splits", "split", "Split"),
    Group("labels", "label", "Label"),
    Group("findings", "finding", "Audit finding"),
    Group("failed_checks", "failed_check", "Text fails", "text fails {}"),
    Group("verdicts", "verdict", "Verdict", names=VERDICT_NAMES),
)


def phrases(criteria: Criteria) -> list[str]:
    """A choice in words, a phrase for each thing that is asked for."""
    said = []
    for group in GROUPS:
        values = getattr(criteria, group.field)
        if values:
            said.append(group.phrase.format(_alternatives([group.name(value) for value in values])))
    if criteria.run and criteria.verdicts:
        said[-1] += f" by {criteria.run}"
    if criteria.anomalous is not None:
        said.append("anomalous" if criteria.anomalous else "normal")
    if criteria.teachers_disagree:
        said.append("teachers disagree")
    if criteria.runs_disagree:
        said.append("runs disagree")
    if criteria.smallest is not None:
        said.append(f"a region of at most {criteria.smallest:g} px")
    if criteria.search:
        said.append(f"“{criteria.search}”")
    return said


def _alternatives(names: Sequence[str]) -> str:
    """Names as alternatives, only counted from the third on when they are more than three."""
    few = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} others"]
    return " or ".join(few)


def title_of(criteria: Criteria) -> str:
    """A title for a queue of such samples."""
    title = ", ".join(phrases(criteria)) or "everything"
    if criteria.order == "uncertain":
        title += f", least certain of {criteria.run} first"
    return title[:1].upper() + title[1:]


def to_query(criteria: Criteria) -> str:
    """A choice as the query of an address, readable and short; empty for everything."""
    return urlencode(criteria.model_dump(exclude_defaults=True, mode="json"), doseq=True)


def from_query(query: QueryParams) -> Criteria:
    """The choice that `to_query` wrote.

    Raises:
        UsageError: When the address asks for something that does not exist.
    """
    fields = Criteria.model_fields
    unknown = sorted(set(query) - set(fields))
    if unknown:
        raise UsageError(f"the address asks for {', '.join(unknown)}, which no sample has; choose again")
    values: dict[str, Any] = {
        name: query.getlist(name) if isinstance(fields[name].default, tuple) else query[name]
        for name in query
    }
    try:
        return Criteria(**values)
    except ValidationError as error:
        where = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        raise UsageError(f"the address has a value for {where} that cannot be; choose again") from error


def values_of(group: Group, everything: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The values that a group offers: the known ones in their order, others most frequent first."""
    counts = everything.get(group.facet, {})
    if group.names is not None:
        known = [*group.names]
        return [value for value in known if counts.get(value)]
    return sorted(counts, key=lambda value: (-counts[value], value))
