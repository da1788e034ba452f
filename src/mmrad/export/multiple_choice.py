"""A corpus as multiple-choice questions, in the tree and the JSON file of MMAD and as plain JSON lines.

Format:  https://github.com/jam-cc/MMAD; the adapter `mmad` reads it back.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.export.conversations import write_jsonl
from mmrad.export.images import Progress, each, image_suffix, refuse_filled, write_image
from mmrad.export.release import COMBINED, write_truth_mask
from mmrad.files import write_text
from mmrad.sample import Pair, Sample
from mmrad.teach import read_knowledge

_LETTERS = "ABCD"
_WRONG = len(_LETTERS) - 1

_CELLS = (
    "Top left", "Top", "Top right",
    "Left", "Center", "Right",
    "Bottom left", "Bottom", "Bottom right",
)  # fmt: skip
"""The thirds of an image's width and height, row by row."""

_SHARES = ((0.01, "Less than 1 %"), (0.05, "1 to 5 %"), (0.2, "5 to 20 %"), (1.0, "More than 20 %"))
"""Upper ends of shares of an image's area, exclusive but for the last."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One question; the first option is right, the others are wrong."""

    type: str
    text: str
    options: tuple[str, ...]


def export_multiple_choice(
    corpus: Corpus,
    out: Path,
    *,
    references: int = 1,
    splits: Sequence[str] = ("test",),
    progress: Progress | None = None,
) -> int:
    """Write `OUT/mmad.json`, `OUT/questions.jsonl` and `OUT/SOURCE/CATEGORY/{image,mask,train}/KIND/*`.

    Asked is whether there is a defect, and of the largest of an anomalous sample which type it has, where it
    is and how large, and how many there are. Wrong types are those of the same category and, where it has
    too few, of others; places that any defect touches are never wrong. A question that has no wrong option,
    or where two defects are the largest, is left out. Letters are shuffled, by question, in the same way
    each time.

    Images are linked where the disk allows and copied else. Both files hold the same questions; `KIND` is
    `good`, the one label of an image, or `combined`.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        references: How many references a query gets; 0 for none.
        splits: The splits, together one benchmark.
        progress: Told after every sample.

    Returns:
        How many samples were written.

    Raises:
        UsageError: When the folder holds anything, or the corpus has no such split.
        DataError: When a reference is missing, or an image or a mask cannot be read.
    """
    refuse_filled(out)
    samples = corpus.select(splits=splits)
    pairs = corpus.pairs(samples, references=references)
    knowledge = read_knowledge(corpus)
    files = _Files(out)
    content: dict[str, dict[str, Any]] = {}
    for sample, pair in zip(each(samples, progress), pairs, strict=True):
        image, mask = files.write(corpus, pair)
        templates = [files.template(pair.sample, path) for path in pair.references]
        content[image] = {
            "image_path": image,
            "mask_path": mask,
            # Two names for what MMAD's scripts show before the query: its best template, or any.
            "similar_templates": templates,
            "random_templates": templates,
            "conversation": [_lettered(sample, question) for question in _questions(sample, knowledge)],
            "sample_id": sample.id,
        }
    write_text(out / "mmad.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write_jsonl(out / "questions.jsonl", _lines(content))
    return len(samples)


def _lines(content: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The questions one by one."""
    for image, entry in content.items():
        for item in entry["conversation"]:
            yield {
                "sample_id": entry["sample_id"],
                "type": item["type"],
                "references": entry["similar_templates"],
                "image": image,
                "question": item["Question"],
                "options": item["Options"],
                "answer": item["Answer"],
            }


def _lettered(sample: Sample, question: _Question) -> dict[str, Any]:
    """A question in MMAD's form, its options in an order that depends on nothing but what is asked."""
    order = list(question.options)
    random.Random(f"{sample.id}\n{question.type}").shuffle(order)
    return {
        "Question": question.text,
        "Options": {letter: f"{option}." for letter, option in zip(_LETTERS, order, strict=False)},
        "Answer": _LETTERS[order.index(question.options[0])],
        "type": question.type,
    }


def _questions(sample: Sample, knowledge: Mapping[str, Sequence[str]]) -> list[_Question]:
    """The questions about a sample; the types that MMAD has too are named as there."""
    verdict = ("Yes", "No") if sample.anomalous else ("No", "Yes")
    questions = [_Question("Anomaly Detection", "Is there any defect on the product?", verdict)]
    if sample.anomalous:
        rng = random.Random(sample.id)
        questions += _about_largest(sample, knowledge, rng)
        numbers = _count(len(sample.regions), rng)
        questions.append(_Question("Defect Count", "How many separate defects are there?", numbers))
    return [question for question in questions if len(question.options) > 1]


def _about_largest(
    sample: Sample, knowledge: Mapping[str, Sequence[str]], rng: random.Random
) -> list[_Question]:
    first, *others = sorted(sample.regions, key=lambda region: -region.box.area)
    if any(other.box.area == first.box.area for other in others):
        return []
    kind = _kind_of(first.label, sample, knowledge, rng)
    place = _place(first.box, sample, rng)
    return [
        _Question("Defect Classification", "Of what type is the largest defect?", kind),
        _Question("Defect Localization", "Where is the largest defect?", place),
        _Question(
            "Defect Size",
            "How much of the image does the bounding box of the largest defect cover?",
            _size(first.box, sample.size_wh),
        ),
    ]


def _kind_of(
    label: str, sample: Sample, knowledge: Mapping[str, Sequence[str]], rng: random.Random
) -> tuple[str, ...]:
    """The label of a region, and others that no region of the sample has."""
    near = list(knowledge[sample.category])
    far = sorted({name for names in knowledge.values() for name in names} - set(near))
    for names in (near, far):
        rng.shuffle(names)
    # Options that differ in letter case alone are the same to a reader.
    taken = {region.label.casefold() for region in sample.regions}
    wrong: dict[str, str] = {}
    for name in near + far:
        if name.casefold() not in taken:
            wrong.setdefault(name.casefold(), name)
    return tuple(_sentence(name) for name in (label, *islice(wrong.values(), _WRONG)))


def _place(box: Box, sample: Sample, rng: random.Random) -> tuple[str, ...]:
    """The cell of a box's center, and cells that no region of the sample touches."""
    width, height = sample.size_wh
    x, y = box.center
    right = _CELLS[3 * int(3 * y / height) + int(3 * x / width)]
    free = [
        name
        for number, name in enumerate(_CELLS)
        if not any(_touches(region.box, number, sample.size_wh) for region in sample.regions)
    ]
    return (right, *rng.sample(free, min(_WRONG, len(free))))


def _touches(box: Box, cell: int, size_wh: tuple[int, int]) -> bool:
    """Whether a box and a cell have some area in common."""
    row, column = divmod(cell, 3)
    # Boxes are whole pixels, so that three times their corners compare exactly with the lines of the grid.
    x1, y1, x2, y2 = (3 * value for value in box.xyxy)
    width, height = size_wh
    return x1 < (column + 1) * width and column * width < x2 and y1 < (row + 1) * height and row * height < y2


def _size(box: Box, size_wh: tuple[int, int]) -> tuple[str, ...]:
    share = box.area / (size_wh[0] * size_wh[1])
    right = next(name for end, name in _SHARES if share < end or end == 1)
    return (right, *(name for _, name in _SHARES if name != right))


def _count(right: int, rng: random.Random) -> tuple[str, ...]:
    near = [number for number in range(max(1, right - _WRONG), right + _WRONG + 1) if number != right]
    return tuple(str(number) for number in (right, *rng.sample(near, _WRONG)))


def _sentence(label: str) -> str:
    return label[:1].upper() + label[1:]


class _Files:
    """The images and masks of the tree.

    They are numbered: MMAD's own scorer takes an image for normal that has "good" anywhere in its path.

    Args:
        out: The folder.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._numbers = (f"{number:06}" for number in count())
        self._templates: dict[tuple[str, Path], str] = {}

    def write(self, corpus: Corpus, pair: Pair) -> tuple[str, str]:
        """Write an image and its mask; their paths, below the folder and below the category's."""
        folder = _folder(pair.sample)
        kind, number = _kind(pair.sample), next(self._numbers)
        image = f"{folder}/image/{kind}/{number}{image_suffix(pair.image)}"
        write_image(pair.image, self._out / image)
        if not pair.sample.anomalous:
            return image, ""
        mask = f"mask/{kind}/{number}.png"
        write_truth_mask(corpus, pair.sample, self._out / folder / mask)
        return image, mask

    def template(self, sample: Sample, reference: Path) -> str:
        """Write a reference of a sample, unless its category has it already; its path below the folder."""
        folder = _folder(sample)
        if (folder, reference) not in self._templates:
            path = f"{folder}/train/good/{next(self._numbers)}{image_suffix(reference)}"
            write_image(reference, self._out / path)
            self._templates[folder, reference] = path
        return self._templates[folder, reference]


def _folder(sample: Sample) -> str:
    return f"{_name(sample.source)}/{_name(sample.category)}"


def _kind(sample: Sample) -> str:
    """Name of the folder that tells MMAD what is wrong with an image."""
    labels = {region.label for region in sample.regions}
    if not labels:
        return "good"
    label = labels.pop()
    # With "good" in its path it would count as normal.
    return COMBINED if labels or "good" in label.casefold() else _name(label)


def _name(text: str) -> str:
    """A text as the name of one folder."""
    return text.replace("/", "-").replace("\0", "") or "_"
