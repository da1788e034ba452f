from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, from_view
from mmrad.endpoint import Endpoint
from mmrad.errors import ProviderError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.probe import (
    ANSWERED,
    READINGS,
    SIZES_WH,
    VIEW_YX,
    Attempt,
    Finding,
    ask,
    expected_usage,
    question,
    settle,
    targets,
)
from mmrad.view import Budget, View, make_view
from seeing import Write, answer, sees, writes
from servers import FaultServer, Reply, fails, says, unused_port

SMALL, LARGE = Budget(), Budget(max_pixels=1280 * 28 * 28)


def probed(reply: Reply, settings: InspectionSettings | None = None) -> Finding:
    with FaultServer(default=reply) as server:
        endpoint = Endpoint("m", server.base_url, concurrency=2, retries=0)
        found = dict(ask(endpoint, settings or InspectionSettings()))
    assert sorted(found) == list(range(len(SIZES_WH)))
    return settle([found[index] for index in sorted(found)])


@pytest.mark.parametrize("budget", [SMALL, LARGE])
@pytest.mark.parametrize("space", CoordinateSpace)
def test_a_model_that_sees_is_settled_whatever_it_was_asked_for(
    space: CoordinateSpace, budget: Budget
) -> None:
    asked_in = CoordinateSpace.UNIT if space is CoordinateSpace.VIEW else CoordinateSpace.VIEW
    finding = probed(sees(writes(space), budget), InspectionSettings(space=asked_in, budget=budget))
    assert finding.settled is space and finding.verdict.startswith(f"settled as {space.value}")
    assert finding.statuses == {ANSWERED: 12}
    assert finding.iou[space.value] > 0.8 and finding.margin is not None and finding.margin > 0.4


@pytest.mark.parametrize("budget", [SMALL, LARGE])
@pytest.mark.parametrize("space", CoordinateSpace)
def test_a_few_percent_of_noise_do_not_matter(space: CoordinateSpace, budget: Budget) -> None:
    finding = probed(sees(writes(space, noise=0.02), budget), InspectionSettings(budget=budget))
    assert finding.settled is space
    assert finding.iou[space.value] < 0.85


def test_pixels_with_y_first_are_found_and_not_settled() -> None:
    def write(box: Box, view: View) -> str:
        return answer(Box(box.y1, box.x1, box.y2, box.x2), CoordinateSpace.VIEW)

    finding = probed(sees(write))
    assert finding.settled is None and next(iter(finding.iou)) == VIEW_YX
    assert "y first" in finding.verdict


def test_nonsense_fits_no_convention() -> None:
    def write(box: Box, view: View) -> str:
        x, y = np.random.default_rng(sum(view.size_wh)).uniform(0, 800, 2)
        return answer(Box(x, y, x + 90, y + 120), CoordinateSpace.VIEW)

    finding = probed(sees(write))
    assert finding.settled is None and finding.answered == 12
    assert "no convention fits (best IoU 0.0" in finding.verdict


@pytest.mark.parametrize("every", [2, 3, 4])
@pytest.mark.parametrize(
    ("usual", "other"),
    [
        (CoordinateSpace.VIEW, CoordinateSpace.THOUSAND),
        (CoordinateSpace.THOUSAND, CoordinateSpace.UNIT),
        (CoordinateSpace.THOUSAND_YX, CoordinateSpace.THOUSAND),
    ],
)
def test_a_model_that_changes_its_convention_is_not_settled(
    usual: CoordinateSpace, other: CoordinateSpace, every: int
) -> None:
    turns = count()

    def write(box: Box, view: View) -> str:
        return writes(other if next(turns) % every == 0 else usual)(box, view)

    finding = probed(sees(write))
    assert finding.settled is None and finding.verdict.startswith("not settled")


def test_one_slip_is_put_up_with() -> None:
    turns = count()

    def write(box: Box, view: View) -> str:
        space = CoordinateSpace.THOUSAND if next(turns) == 5 else CoordinateSpace.VIEW
        return writes(space)(box, view)

    assert probed(sees(write)).settled is CoordinateSpace.VIEW


def test_two_conventions_that_fit_alike_are_not_settled() -> None:
    """Pictures alone whose view has the size of the original."""
    attempts = []
    for target in [targets()[1]] * 12:
        view = make_view(target.image, SMALL)
        attempts.append(Attempt(target, view, ANSWERED, "", view.to_view(target.box)))
    finding = settle(attempts)
    assert finding.settled is None and "view and original fit alike" in finding.verdict


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (says(""), "empty"),
        (says("I cannot see it."), "unparsed"),
        (says("<think>It is at [10, 20, 30, 40]"), "truncated"),
        (says("<answer>Yes. {'bbox_2d': [10, 20", finish="length"), "truncated"),
        (says("<answer>No.</answer>"), "says normal"),
        (says("<answer>Yes.</answer>"), "no box"),
        (says("<answer>Yes. {'bbox_2d': [x1, y1, x2, y2], 'label': ''}</answer>"), "no box"),
        (says("<answer>Yes. [[1, 2, 3, 4], [5, 6, 7, 8]]</answer>"), "several boxes"),
        (says("<answer>Yes. [[1, 2, 3, 4]]</answer>", model="another"), "wrong_model"),
        (says(None, refusal="[1, 2, 3, 4]"), "refused"),
    ],
)
def test_what_is_no_single_box_is_counted_and_never_read(reply: Reply, status: str) -> None:
    finding = probed(reply)
    assert finding.statuses == {status: 12} and finding.answered == 0
    assert finding.settled is None and "too few answers (0" in finding.verdict
    assert finding.iou == {} and finding.margin is None
    assert all(attempt.box is None for attempt in finding.attempts)


@pytest.mark.parametrize(("answers", "settled"), [(7, None), (8, CoordinateSpace.THOUSAND)])
def test_some_answers_must_be_there_and_only_they_count(
    answers: int, settled: CoordinateSpace | None
) -> None:
    turns = count()
    write: Write = writes(CoordinateSpace.THOUSAND)
    finding = probed(sees(lambda box, view: write(box, view) if next(turns) < answers else "No."))
    assert finding.settled is settled and finding.answered == answers
    assert finding.iou["thousand"] > 0.8


def test_an_endpoint_that_is_not_there_is_said() -> None:
    endpoint = Endpoint("m", f"http://127.0.0.1:{unused_port()}/v1", retries=0)
    with pytest.raises(ProviderError, match="cannot be reached"):
        list(ask(endpoint, InspectionSettings()))


def test_a_failed_request_is_one_attempt_s_trouble() -> None:
    with FaultServer([says("No.")], default=fails(500)) as server:
        found = list(ask(Endpoint("m", server.base_url, concurrency=1, retries=0), InspectionSettings()))
    assert settle([attempt for _, attempt in found]).statuses == {"says normal": 1, "failed": 11}


def test_a_model_is_asked_as_in_real_use_without_what_it_rejects() -> None:
    settings = InspectionSettings(space=CoordinateSpace.THOUSAND, max_tokens=77, temperature=0.5, seed=3)
    with FaultServer(default=says("No.")) as server:
        list(ask(Endpoint("m", server.base_url), settings, rejects=("temperature",)))
    assert len(server.calls) == 12
    for call in server.calls:
        assert (call.body["max_tokens"], call.body["seed"]) == (77, 3) and "temperature" not in call.body
        *pictures, text = call.body["messages"][-1]["content"]
        assert [part["type"] for part in pictures] == ["image_url", "image_url"]
        assert "bright rectangle" in text["text"] and "from 0 to 1000" in text["text"]


def test_pictures_are_of_all_kinds_and_the_same_every_time() -> None:
    made = targets()
    sizes = [(target.image.shape[1], target.image.shape[0]) for target in made]
    assert sizes == list(SIZES_WH) and len({*sizes}) == 12
    assert {size for size in sizes if size[0] * size[1] > 2e6} and min(map(min, sizes)) < 50
    assert {w / h for w, h in sizes} >= {1, 4, 0.25}
    assert sum(w % 28 > 0 and h % 28 > 0 for w, h in sizes) >= 6
    for target, again, other in zip(made, targets(), targets(seed=1), strict=True):
        assert np.array_equal(target.image, again.image) and target.box == again.box
        assert target.box != other.box
        x1, y1, x2, y2 = target.box.rounded()
        assert target.image[y1:y2, x1:x2].min() > 190
        changed = np.any(target.image != target.image[0, 0], axis=2)
        assert changed.sum() == (x2 - x1) * (y2 - y1) == changed[y1:y2, x1:x2].sum()


@pytest.mark.parametrize("budget", [SMALL, LARGE])
@pytest.mark.parametrize("seed", range(3))
def test_no_two_conventions_look_alike_on_the_pictures(budget: Budget, seed: int) -> None:
    """A perfect answer in one reading overlaps by 0.4 at most, on average, when read in another."""
    shown = [(target, make_view(target.image, budget)) for target in targets(seed)]
    for written in CoordinateSpace:
        finding = settle(
            [
                Attempt(target, view, ANSWERED, "", from_view(view.to_view(target.box), written, view))
                for target, view in shown
            ]
        )
        assert finding.settled is written
        assert set(finding.iou) == set(READINGS) and list(finding.iou.values())[1] < 0.4


def test_the_reference_is_the_plain_ground() -> None:
    target = targets()[0]
    messages, view = question(target, InspectionSettings())
    plain, query, _ = messages[-1].parts
    assert query is view and isinstance(plain, View) and plain.size_wh == view.size_wh
    assert (
        np.array_equal(plain.image[0, 0], target.image[0, 0]) and np.ptp(plain.image, axis=(0, 1)).max() == 0
    )


def test_the_cost_is_foreseen() -> None:
    usage = expected_usage(InspectionSettings())
    more = expected_usage(InspectionSettings(budget=LARGE))
    assert usage.input_tokens is not None and more.input_tokens is not None
    assert 5_000 < usage.input_tokens < more.input_tokens < 40_000
