from __future__ import annotations

import base64
import io

from PIL import Image

from mmrad.bench import Run
from mmrad.report.gallery import Thumbnails, choose, items


def test_outcomes_have_their_turn_before_any_has_a_second(runs: list[Run]) -> None:
    chosen = [sample.id.rpartition("/")[2] for sample, _ in choose(runs[1:], 3)]
    assert {name[:3] for name in chosen[:3]} == {"bad", "goo"}
    assert {"good1", "good2"} <= set(chosen)  # the only false alarm and the only right answer


def test_the_same_queries_are_chosen_every_time(runs: list[Run]) -> None:
    assert choose(runs, 3) == choose(runs, 3)
    assert len(choose(runs, 99)) == 5


def test_equal_pictures_are_embedded_once(runs: list[Run]) -> None:
    thumbnails = Thumbnails(16)
    found = items(runs, 99, thumbnails)
    assert {item["reference"]["image"] for item in found} == {found[0]["reference"]["image"]}
    assert len(thumbnails.uris) == 5  # four readable queries and one reference
    for uri in thumbnails.uris.values():
        head, _, body = uri.partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(body))) as picture:
            assert picture.size == (16, 12)


def test_an_unreadable_picture_is_said_and_costs_nothing_else(runs: list[Run]) -> None:
    found = {item["id"].rpartition("/")[2]: item for item in items(runs, 99, Thumbnails(16))}
    assert "not a readable image" in found["bad3"]["query"]["problem"]
    assert "image" in found["bad1"]["query"]


def test_each_run_that_has_the_query_answers(runs: list[Run]) -> None:
    for item in items(runs, 99, Thumbnails(16)):
        assert [answer["run"] for answer in item["answers"]] == [0, 1]
