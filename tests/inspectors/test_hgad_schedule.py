from __future__ import annotations

from itertools import pairwise

import pytest

from mmrad.errors import UsageError
from mmrad.inspectors.experts.hgad.schedule import Schedule, check
from mmrad.inspectors.experts.settings import HgadSettings

PUBLISHED = HgadSettings()


def test_the_published_schedule() -> None:
    schedule = Schedule(PUBLISHED, images=80)  # ten updates a pass
    assert schedule.steps == 2000
    assert [schedule.within(step) for step in (0, 159, 160, 1999)] == [False, False, True, True]
    assert schedule.learning_rate(0) == pytest.approx(2e-5)
    assert schedule.learning_rate(1000) == pytest.approx(2e-4 * (0.001 + 0.999 / 2))
    assert schedule.learning_rate(1999) == pytest.approx(2e-7, rel=1e-2)
    rates = [schedule.learning_rate(step) for step in range(2000)]
    assert rates[:161] == sorted(rates[:161])
    assert rates[160:] == sorted(rates[160:], reverse=True)
    jumps = [abs(after - before) for before, after in pairwise(rates)]
    assert max(jumps) < 2e-6, "the warm-up ends where the cosine is"


def test_passes_count_images_not_batches() -> None:
    few = Schedule(HgadSettings(passes=30, first_passes=3, warmup_passes=3), images=3)  # in batches of 8
    assert few.steps == 12
    assert [few.within(step) for step in range(3)] == [False, False, True]


@pytest.mark.parametrize("name", ["first_passes", "warmup_passes"])
def test_a_schedule_without_a_second_phase_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"hgad\.{name} is 16 of hgad\.passes 16"):
        check(HgadSettings(passes=16, **{"first_passes": 1, "warmup_passes": 1} | {name: 16}))
    check(HgadSettings(passes=17))
