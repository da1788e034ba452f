"""What a stored text must fit, to be what a model learns to answer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from mmrad.errors import UsageError
from mmrad.image import MAX_PIXELS
from mmrad.inspectors.base import InspectionSettings
from mmrad.sample import Reasoning, Sample
from mmrad.view import FACTOR, Budget, view_size

_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)


def completion_of(text: str, settings: InspectionSettings) -> str:
    """What a model asked in this way should write of a think-then-answer text: the answer alone, or all."""
    answers = _ANSWER.findall(text)
    return text if settings.reasoning or not answers else f"<answer>{answers[-1]}</answer>"


def refuse_other_views(samples: Sequence[Sample], texts: Mapping[str, Reasoning], budget: Budget) -> None:
    """Refuse a budget that gives a sample another view than its text was written for.

    Raises:
        UsageError: With the size that the text was written for, and the budget that gives it.
    """
    written = {sample.id: (sample.size_wh, texts[sample.id].view_wh) for sample in samples}
    for name, (size_wh, view_wh) in written.items():
        if (given := view_size(size_wh, budget)) == view_wh:
            continue
        least = max(budget.min_pixels, *(_least_area(*sizes) for sizes in written.values()))
        fitting = Budget(budget.min_pixels, least)
        if all(view_size(size, fitting) == view for size, view in written.values()):
            remedy = f"give --max-pixels {least}"
        else:
            remedy = "the texts were written for several budgets: choose those of one teacher"
        raise UsageError(
            f"{name}: its text was written for a view of {view_wh[0]}x{view_wh[1]} pixels, and "
            f"--max-pixels {budget.max_pixels} makes one of {given[0]}x{given[1]}; {remedy}"
        )


def _least_area(size_wh: tuple[int, int], view_wh: tuple[int, int]) -> int:
    """The smallest `max_pixels` with which an image gets a view that is not smaller than the given one."""
    if view_size(size_wh, Budget(max_pixels=MAX_PIXELS)) == view_wh:
        return math.prod(view_wh)
    # No budget makes a side shorter than FACTOR, so that such a side says nothing of the budget.
    scales = (seen / side for side, seen in zip(size_wh, view_wh, strict=True) if seen > FACTOR)
    # One more than is exact, for `view_size` rounds down.
    return math.ceil(math.prod(size_wh) * max(scales, default=0) ** 2) + 1
