"""Which images are kept, and what licences ask for."""

import numpy as np
import pytest
from pydantic import ValidationError

from mmrad.curate.labels import label_table, plain_label
from mmrad.curate.licences import terms
from mmrad.curate.selection import ALL_FINDINGS, KEPT, Selection, select
from mmrad.sources import ADAPTERS


def flags(count: int, **given: list[int]) -> dict[str, np.ndarray]:
    found = {name: np.zeros(count, bool) for name in ALL_FINDINGS}
    for name, rows in given.items():
        found[name][rows] = True
    return found


def test_images_with_dropped_findings_go_and_say_why() -> None:
    found = flags(4, blurry=[0, 1], leak=[1], dark=[2])
    reasons = select(Selection(drop=("leak", "blurry")), found, list("abcd"), ["c"] * 4, np.zeros(4, bool))
    assert reasons == ["blurry", "blurry, leak", KEPT, KEPT]


def test_the_draw_depends_on_ids_and_seed_only() -> None:
    ids = [f"part/{number}" for number in range(40)]
    order = list(reversed(range(40)))

    def drawn(rows: list[int], seed: int) -> set[str]:
        names = [ids[row] for row in rows]
        count = len(rows)
        reasons = select(
            Selection(per_category=7, seed=seed), flags(count), names, ["c"] * count, np.zeros(count, bool)
        )
        return {name for name, reason in zip(names, reasons, strict=True) if reason == KEPT}

    assert drawn(list(range(40)), 0) == drawn(order, 0)
    assert len(drawn(order, 0)) == 7
    assert drawn(order, 0) != drawn(order, 1)


def test_categories_are_drawn_after_the_drops() -> None:
    found = flags(6, small=[0, 1, 2])
    policy = Selection(drop=("small",), per_category=3)
    reasons = select(policy, found, list("abcdef"), ["c"] * 6, np.zeros(6, bool))
    assert [reason == KEPT for reason in reasons] == [False] * 3 + [True] * 3


def test_an_unknown_finding_is_refused() -> None:
    with pytest.raises(ValidationError, match="ugly"):
        Selection(drop=("ugly",))


def test_licences_of_all_sources_are_known_or_said_to_be_unknown() -> None:
    free = {name for name, adapter in ADAPTERS.items() if terms(adapter.licence).commercial}
    assert free == {"visa", "visa-converted", "goodsad", "wfdd", "texture-ad", "bsdata", "folder"}
    assert not terms("MIT, research purpose only").commercial
    assert "ask the authors" in terms("unknown").duties[0]


def test_tables_of_labels_belong_to_adapters_and_are_plain() -> None:
    for name in ADAPTERS:
        for key, words in label_table(name).items():
            assert words == words.lower().strip()
            assert words != key
    assert plain_label({"x": "a", "c/x": "b"}, "c", "x") == "b"
    assert plain_label({"x": "a"}, "c", "x") == "a"
    assert plain_label({}, "c", "x") == "x"
