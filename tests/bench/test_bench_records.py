from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.bench import verdict_from_record, verdict_to_record
from mmrad.box import Box
from mmrad.errors import DataError
from mmrad.sample import Region, Status, Usage, Verdict

_corner = st.floats(0, 1e4)
_boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), _corner, _corner, st.floats(0.5, 1e4), st.floats(0.5, 1e4)
)
_regions = st.lists(st.builds(Region, _boxes, st.text(), st.none() | st.text()), max_size=3).map(tuple)


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    status = draw(st.sampled_from(get_args(Status)))
    return Verdict(
        anomalous=draw(st.booleans()) if status == "ok" else None,
        regions=draw(_regions),
        think=draw(st.text()),
        raw_text=draw(st.text()),
        score=draw(st.none() | st.floats(0, 1)),
        status=status,
        detail=draw(st.text()),
        usage=Usage(
            draw(st.none() | st.integers(0)),
            draw(st.none() | st.integers(0)),
            draw(st.none() | st.floats(0, 9)),
        ),
        model_reported=draw(st.none() | st.text()),
    )


@given(verdicts())
@settings(deadline=None, max_examples=50)
def test_a_verdict_comes_back_from_its_json_unchanged(verdict: Verdict) -> None:
    assert verdict_from_record(json.loads(json.dumps(verdict_to_record(verdict)))) == verdict


OK = verdict_to_record(Verdict(True, (Region(Box(1, 2, 3, 4), "dent"),), "", "Yes", 0.5, "ok"))


@pytest.mark.parametrize(
    "change",
    [
        {"status": "fine"},
        {"anomalous": None},
        {"anomalous": "yes"},
        {"regions": [{"box": [3, 2, 1, 4], "label": "", "mask": None}]},
        {"regions": [{"box": [1, 2, 3], "label": "", "mask": None}]},
        {"regions": None},
        {"usage": {"tokens": 3}},
        {"unknown": 1},
    ],
)
def test_what_is_no_verdict_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="not a verdict"):
        verdict_from_record(OK | change)


def test_a_record_without_a_field_is_refused() -> None:
    with pytest.raises(DataError, match="not a verdict"):
        verdict_from_record({key: value for key, value in OK.items() if key != "think"})
