"""Names of files for samples."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mmrad.corpus.names import file_stems
from mmrad.sample import Sample

ids = st.lists(st.text(alphabet="ab A_/.-é", min_size=1, max_size=4), unique=True, max_size=8)


def stems(*names: str) -> dict[str, str]:
    return file_stems(Sample(name, "s", "c", "test", "a.png", (1, 1), (), "CC0-1.0") for name in names)


def test_a_name_is_the_id_in_letters_that_need_no_quoting() -> None:
    assert stems("own/nut & bolt/test/1: a.b") == {"own/nut & bolt/test/1: a.b": "own-nut_bolt-test-1_a.b"}


def test_equal_names_all_get_a_hash_whatever_comes_first() -> None:
    both = stems("s/c/a b", "s/c/A_b")
    assert both == stems("s/c/A_b", "s/c/a b")
    assert all(re.fullmatch(r"s-c-[aA]_b-[0-9a-f]{16}", stem) for stem in both.values())


def test_a_long_name_is_cut() -> None:
    long, other = stems("é" * 200 + "1", "é" * 200 + "2").values()
    assert long != other
    assert len(long.encode()) <= 150


def test_a_name_made_to_equal_anothers_hash_does_not() -> None:
    """Else writing one image could overwrite another."""
    names = ["s/c/a b", "s/c/a_b"]
    for _ in range(3):
        names.append(stems(*names)[names[-1]])
        assert len({stem.casefold() for stem in stems(*names).values()}) == len(names)


@given(ids)
def test_no_two_names_are_equal_in_any_letter_case(names: list[str]) -> None:
    found = stems(*names)
    assert len({stem.casefold() for stem in found.values()}) == len(names)
    assert found == stems(*reversed(names))
    assert all(re.fullmatch(r"[\w.-]+", stem) for stem in found.values())
