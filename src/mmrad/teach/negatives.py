"""Negatives: texts whose answer is wrong, made ahead of a training that contrasts them with right ones.

Paper section 4.1 has a model write them while training, told the opposite of the truth. That is slow, and the
model may answer rightly all the same: here they are made beforehand, and kept only when really wrong.

negatives/ORIGIN.jsonl    one line a text, appended as it comes: `kind` says what is wrong with a negative,
                          `refused` why a text is none; it is kept too, so that nobody pays for it twice
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmrad.answer import Instance, parse
from mmrad.box import Box, iou_matrix
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.files import file_name
from mmrad.journal import Journal, Record, read_journal
from mmrad.sample import Sample
from mmrad.teach.lesson import truth_in
from mmrad.teach.texts import truth_hash
from mmrad.teach.verify import Similarity

Kind = Literal["false_alarm", "miss", "wrong_box", "missed_place", "false_place", "wrong_label"]
"""What is wrong with an answer, see `kind_of`."""

MATCH_IOU = 0.5
"""An answered and a true place match above this IoU, as in the paper's reward (section 4.1)."""

OTHER_MEANING = 0.4
"""Two labels mean something else up to this similarity.

With the bundled embeddings 16 of 19 pairs of different defects ("scratch", "hole") lie below, and 4 of 21
pairs of words for one defect ("stain", "contamination": 0.43). From here to the 0.6 of verification, a label
is neither right nor wrong.
"""


@dataclass(frozen=True, slots=True)
class Negative:
    """A think-then-answer text with a wrong answer.

    Attributes:
        sample_id: The sample it is wrong for.
        origin: Who wrote it: `scripted`, or the name of a model.
        kind: What is wrong.
        view_wh: Width and height of the view in whose pixels it gives places.
        text: The whole text.
    """

    sample_id: str
    origin: str
    kind: Kind
    view_wh: tuple[int, int]
    text: str


def kind_of(text: str, truth: Sequence[Instance], similarity: Similarity) -> Kind | None:
    """What is wrong with the answer of a text.

    Args:
        text: Any text.
        truth: The true places, in pixels of the view the text was written for; none for a normal query.
        similarity: Compares labels.

    Returns:
        The first that applies, of
        `false_alarm`: Yes for a normal query;
        `miss`: No for an anomalous one;
        `wrong_box`: a true place without a match, and an answered one without;
        `missed_place`: a true place without a match;
        `false_place`: an answered place without a match;
        `wrong_label`: a label that means something else than that of every true place its box matches.
        None when the text cannot be read, and when it is right or merely imprecise: places match above
        `MATCH_IOU`, not above the 0.9 of verification, one may match several, and a missing label says
        nothing wrong. The paper's own reward is lowered by the first four only.
    """
    answer = parse(text)
    if answer.status != "ok":
        return None
    if answer.anomalous != bool(truth):
        return "miss" if truth else "false_alarm"
    # In whole pixels, as places are told and written: a box of a pixel or two would miss its own text.
    true = [Instance(Box(*place.box.rounded()), place.label) for place in truth]
    near = iou_matrix([place.box for place in answer.instances], [place.box for place in true]) > MATCH_IOU
    missed, invented = not near.any(axis=0).all(), not near.any(axis=1).all()
    if missed:
        return "wrong_box" if invented else "missed_place"
    if invented:
        return "false_place"
    return "wrong_label" if _misnamed(answer.instances, true, near, similarity) else None


def _misnamed(
    found: Sequence[Instance], true: Sequence[Instance], near: NDArray[np.bool_], similarity: Similarity
) -> bool:
    """Whether the label of an answered place means something else than all those of the true places there."""
    for place, row in zip(found, near, strict=True):
        labels = [other.label for other, close in zip(true, row, strict=True) if close]
        if place.label and all(labels) and all(other_meaning(place.label, x, similarity) for x in labels):
            return True
    return False


def other_meaning(first: str, second: str, similarity: Similarity) -> bool:
    """Whether two labels mean something else."""
    return similarity(first, second) <= OTHER_MEANING


def is_wrong(text: str, truth: Sequence[Instance], similarity: Similarity) -> bool:
    """Whether a text can be read and its answer is wrong, see `kind_of`."""
    return kind_of(text, truth, similarity) is not None


def accept(
    text: str, sample: Sample, view_wh: tuple[int, int], origin: str, similarity: Similarity
) -> Negative | str:
    """Judge a text that was meant to be wrong.

    Args:
        text: The text, places in pixels of the view.
        sample: The sample it was written for.
        view_wh: Width and height of the view.
        origin: Who wrote it.
        similarity: Compares labels.

    Returns:
        The negative, or the reason why the text is none.
    """
    answer = parse(text)
    if answer.status != "ok":
        return f"{answer.status}: {answer.detail}"
    if not answer.think:
        return "no reasoning before the answer"
    kind = kind_of(text, truth_in(sample, view_wh), similarity)
    if kind is None:
        return "the answer is right, or imprecise at most"
    return Negative(sample.id, origin, kind, view_wh, text)


class NegativeJournal:
    """The texts of one origin, opened for more.

    Args:
        corpus: The corpus.
        origin: Who writes; see `Negative`.
        similarity: Compares labels.

    Attributes:
        known: Keys of the texts that are there, the refused ones among them: nobody need be asked for these.
        negatives: Keys of those that were negatives when the file was opened.

    Raises:
        DataError: When the file is damaged.
    """

    def __init__(self, corpus: Corpus, origin: str, similarity: Similarity) -> None:
        path = negative_path(corpus, origin)
        records = list(read_journal(path))
        self.known = {str(record.get("key")) for record in records}
        self.negatives = {str(record.get("key")) for record in records if "kind" in record}
        self._origin, self._similarity = origin, similarity
        self._journal = Journal(path)

    def keep(
        self, key: str, sample: Sample, view_wh: tuple[int, int], text: str, **further: Any
    ) -> Negative | str:
        """Judge a text as `accept` does, and append it.

        Args:
            key: A hash of everything that can change the text.
            sample: The sample it was written for.
            view_wh: Width and height of the view in whose pixels it gives places.
            text: The text.
            further: Whatever else the line should say, such as tokens and money.
        """
        outcome = accept(text, sample, view_wh, self._origin, self._similarity)
        refused = isinstance(outcome, str)
        record: Record = {
            "sample_id": sample.id,
            "key": key,
            "origin": self._origin,
            "refused" if refused else "kind": outcome if isinstance(outcome, str) else outcome.kind,
            "view_wh": list(view_wh),
            "truth": truth_hash(sample),
            "text": text,
            **further,
        }
        self._journal.append(record)
        self.known.add(key)
        return outcome

    def __enter__(self) -> NegativeJournal:
        """Start writing; what was appended is flushed and the file closed at the end, whatever happens."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush and close."""
        self._journal.__exit__(kind, error, trace)


def negative_path(corpus: Corpus, origin: str) -> Path:
    """The journal of an origin."""
    return corpus.path / "negatives" / f"{file_name(origin)}.jsonl"


def read_negatives(corpus: Corpus, origins: Sequence[str] = ()) -> dict[str, list[Negative]]:
    """The negatives of a corpus by sample id, in the order of the corpus, each text once.

    Those for another truth than the sample has now are left out: they may have become right.

    Args:
        corpus: The corpus.
        origins: Whose; none means everybody's, by name.

    Raises:
        DataError: When an origin has written nothing, or a file is damaged.
    """
    samples = {sample.id: sample for sample in corpus.samples}
    found: dict[str, dict[tuple[Any, str], Negative]] = {}
    folder = corpus.path / "negatives"
    paths = [negative_path(corpus, origin) for origin in origins] or sorted(folder.glob("*.jsonl"))
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"{path}: no such negatives; there are {sorted(p.stem for p in folder.glob('*.jsonl'))}"
            )
        for record in read_journal(path):
            sample = samples.get(str(record.get("sample_id")))
            if sample is None or "refused" in record or record.get("truth") != truth_hash(sample):
                continue
            negative = _negative(record, path)
            found.setdefault(sample.id, {})[negative.view_wh, negative.text] = negative
    return {sample_id: list(found[sample_id].values()) for sample_id in samples if sample_id in found}


def _negative(record: Record, path: Path) -> Negative:
    try:
        width, height = record["view_wh"]
        kind, text = record["kind"], record["text"]
        if kind not in get_args(Kind) or not isinstance(text, str):
            raise ValueError(f"kind {kind!r}, text {text!r:.80}")
        return Negative(record["sample_id"], record["origin"], kind, (int(width), int(height)), text)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: the record of {record.get('sample_id')} is no negative ({error!r}); remove its line"
        ) from error
