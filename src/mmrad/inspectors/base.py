"""The one protocol of all inspectors, and how a model's text becomes a verdict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from mmrad.answer import Answer, Instance, parse
from mmrad.coordinates import CoordinateSpace, to_view
from mmrad.inspectors.hints import Details, read_details
from mmrad.prompt import Hint, Message, Prompts, load_prompts
from mmrad.sample import Pair, Region, Sample, ScoreKind, Status, Usage, Verdict
from mmrad.view import Budget, View, read_view

HintsAs = Literal["text", "crops"]
"""How a detector's places are told: in words, or enlarged beside the whole images as well."""


class Inspector(Protocol):
    """Gives verdicts on pairs.

    Attributes:
        name: Short name for tables and file names.
    """

    name: str

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer, as JSON values."""

    def about(self) -> dict[str, Any]:
        """What tables say of it and no answer depends on, as JSON values.

        `title` (name for people), `price` (`{"input": …, "output": …, "as_of": …}` in dollars per million
        tokens, or None where unknown), `dropped` (parameters that were asked for and not sent, by name),
        `published` (the model's row in the paper's Table 4); each only where there is such a thing.
        """

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """Yield `(index into pairs, verdict)` as they come, in any order, each index exactly once.

        A pair that cannot be judged yields a verdict with its status; only what makes every answer
        impossible (a model that does not load) raises.
        """


@dataclass(frozen=True, slots=True)
class InspectionSettings:
    """How a multimodal model is asked, whatever serves it.

    Attributes:
        prompts: The wordings.
        budget: Area of the views in pixels.
        reasoning: Whether to ask for reasoning.
        domain_knowledge: Known anomaly labels by category, told to the model; empty for none.
        max_tokens: Limit of an answer.
        temperature: Sampling temperature; 0 is greedy.
        min_p: Smallest probability of a token relative to the likeliest; 0 switches it off.
        seed: Seed of sampling.
        space: The convention in which the model is asked for boxes, and in which its answers are read.
        confidence: Whether to ask for a confidence in words, from which the score is made.
        hints: What a detector says of the queries, by sample id; a query without a hint is asked as ever.
        hints_as: How it is told.
    """

    prompts: Prompts = field(default_factory=load_prompts)
    budget: Budget = Budget()
    reasoning: bool = True
    domain_knowledge: dict[str, tuple[str, ...]] = field(default_factory=dict)
    max_tokens: int = 512
    temperature: float = 0.0
    min_p: float = 0.0
    seed: int = 0
    space: CoordinateSpace = CoordinateSpace.VIEW
    confidence: bool = False
    hints: Mapping[str, Hint] = field(default_factory=dict)
    hints_as: HintsAs = "text"

    def key(self) -> dict[str, Any]:
        """The settings as JSON values, for keys of runs; hints are in it where there are any."""
        return {
            "prompts": self.prompts.name,
            "prompts_hash": self.prompts.hash,
            "max_pixels": self.budget.max_pixels,
            "min_pixels": self.budget.min_pixels,
            "reasoning": self.reasoning,
            "domain_knowledge": {
                name: list(labels) for name, labels in sorted(self.domain_knowledge.items())
            },
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "min_p": self.min_p,
            "seed": self.seed,
            "space": self.space.value,
            "confidence": self.confidence,
            **({"hints": self._hints_key()} if self.hints else {}),
        }

    def _hints_key(self) -> dict[str, Any]:
        told = {
            key: [hint.alarm, *(place.xyxy for place in hint.places)]
            for key, hint in sorted(self.hints.items())
        }
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        return {"as": self.hints_as, "prompts_hash": self.prompts.hints_hash, "sha256": digest}

    def ask(
        self, pair: Pair, reference_view: Callable[[Path], View] | None = None
    ) -> tuple[list[Message], View]:
        """The messages for a pair, and the view of the query, with which the answer is read.

        Args:
            pair: The pair.
            reference_view: Reads the view of a reference, see `view_reader`; by default each is read anew.

        Raises:
            DataError: When an image cannot be read or has no view; the message names it.
        """
        query = read_view(pair.image, self.budget)
        read = reference_view or (lambda path: read_view(path, self.budget))
        references = [read(path) for path in pair.references]
        hint = self.hints.get(pair.sample.id)
        details = read_details(pair, hint, self.budget) if hint and self.hints_as == "crops" else ()
        return self.messages(pair.sample, query, references, details), query

    def messages(
        self, sample: Sample, query: View, references: Sequence[View], details: Details = ()
    ) -> list[Message]:
        """The messages for a query whose images are read.

        Args:
            sample: The query; its truth is not used.
            query: Its view.
            references: Views of its references.
            details: Enlarged views of the places of its hint, see `mmrad.inspectors.hints`.
        """
        labels = self.domain_knowledge.get(sample.category)
        return self.prompts.inspection(
            query,
            references,
            reasoning=self.reasoning,
            domain_knowledge=(sample.category, labels) if labels else None,
            space=self.space,
            confidence=self.confidence,
            hint=self.hints.get(sample.id),
            details=details,
        )


def verdict_from_text(
    text: str,
    view: View,
    *,
    space: CoordinateSpace = CoordinateSpace.VIEW,
    truncated: bool = False,
    score: float | None = None,
    score_kind: ScoreKind = "probability",
    usage: Usage = Usage(),
    model_reported: str | None = None,
) -> Verdict:
    """Parse a model's text into a verdict, boxes in original pixels.

    Args:
        text: The model's whole answer.
        view: View of the query.
        space: The convention its coordinates are in.
        truncated: Whether the model stopped at its token limit.
        score: Degree of anomaly from elsewhere; by default the confidence that the text gives, if any.
        score_kind: What that score is.
        usage: What the answer cost.
        model_reported: The model the response says it came from.
    """
    answer: Answer = parse(text)
    if score is None:
        score, score_kind = answer.confidence, "confidence"
    status: Status = answer.status
    if truncated and (status != "ok" or "</answer>" not in text):  # more places might have followed
        status = "truncated"
    regions = [region for place in answer.instances if (region := _region(place, space, view))]
    outside = len(answer.instances) - len(regions)
    detail = "; ".join(
        filter(None, [answer.detail, f"dropped {outside} box(es) outside the image" if outside else ""])
    )
    return Verdict(
        anomalous=answer.anomalous if status == "ok" else None,
        regions=tuple(regions) if status == "ok" else (),
        think=answer.think,
        raw_text=text,
        score=score if status == "ok" else None,
        status=status,
        detail=detail,
        usage=usage,
        model_reported=model_reported,
        score_kind=score_kind if status == "ok" and score is not None else None,
    )


def failed_verdict(
    status: Status, detail: str, *, raw_text: str = "", model_reported: str | None = None
) -> Verdict:
    """A verdict that says why there is no judgement."""
    return Verdict(None, (), "", raw_text, None, status, detail, Usage(), model_reported)


def _region(place: Instance, space: CoordinateSpace, view: View) -> Region | None:
    box = view.to_original(to_view(place.box, space, view)).clipped(view.original_wh)
    return Region(box, place.label) if box else None
