from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mmrad.bench import Run
from mmrad.report.gallery import choose, gallery
from mmrad.report.thumbnails import Thumbnails


def without(run: Run, *names: str) -> Run:
    """The run, before it has come to some of its queries."""
    fewer = Run(run.path, run.info)
    kept = {key: v for key, v in run.verdicts.items() if key.rpartition("/")[2] not in names}
    fewer.__dict__.update(verdicts=kept)
    return fewer


def test_outcomes_have_their_turn_before_any_has_a_second(runs: list[Run]) -> None:
    chosen = [sample.id.rpartition("/")[2] for sample, _ in choose(runs[1:], 3)]
    assert {name[:3] for name in chosen[:3]} == {"bad", "goo"}
    assert {"good1", "good2"} <= set(chosen)  # the only false alarm and the only right answer


def test_the_same_queries_are_chosen_every_time(runs: list[Run]) -> None:
    assert choose(runs, 3) == choose(runs, 3)
    assert len(choose(runs, 99)) == 5


def test_a_query_that_no_run_has_come_to_is_not_shown(runs: list[Run]) -> None:
    waiting = [without(runs[0], "bad1", "bad2"), without(runs[1], "bad1")]
    chosen = {sample.id.rpartition("/")[2] for sample, _ in choose(waiting, 99)}
    assert chosen == {"bad2", "bad3", "good1", "good2"}


def test_equal_pictures_are_embedded_once(runs: list[Run]) -> None:
    thumbnails = Thumbnails(16)
    queries = gallery(runs, 99, thumbnails)["queries"]
    assert len(set(queries["reference"])) == 1
    assert len(thumbnails.uris) == 5  # four readable queries and one reference
    for uri in thumbnails.uris.values():
        head, _, body = uri.partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(body))) as picture:
            assert picture.size == (16, 12)


def test_an_unreadable_picture_is_said_and_costs_nothing_else(runs: list[Run]) -> None:
    queries = gallery(runs, 99, Thumbnails(16))["queries"]
    found = dict(zip((key.rpartition("/")[2] for key in queries["id"]), queries["query"], strict=True))
    assert "not a readable image" in found["bad3"]["problem"]
    assert isinstance(found["bad1"], str)


def test_each_run_answers_each_of_its_queries(runs: list[Run]) -> None:
    fewer = Run(runs[1].path, runs[1].info.model_copy(update={"sample_ids": runs[1].info.sample_ids[:3]}))
    shown = gallery([without(runs[0], "bad1"), fewer], 99, Thumbnails(16))
    outcomes = [
        dict(zip((key.rpartition("/")[2] for key in shown["queries"]["id"]), answers["outcome"], strict=True))
        for answers in shown["answers"]
    ]
    assert outcomes[0]["bad1"] == "not_asked"
    assert outcomes[0]["bad2"] == "partly"
    assert outcomes[1]["good1"] is None  # not among its queries
    assert outcomes[1]["bad1"] == "missed"


def test_the_boxes_of_the_text_stand_beside_those_in_the_image(runs: list[Run]) -> None:
    answer = "Yes. {'bbox_2d': [8, 8, 28, 24], 'label': 'x'}"
    text = f"<think>a dent at [8, 8, 28, 24]</think><answer>{answer}</answer>"
    run = Run(runs[0].path, runs[0].info)
    key = next(key for key in runs[0].verdicts if key.endswith("bad1"))
    said = runs[0].verdicts[key]
    places = (replace(said.regions[0], label="x"),)
    spoken = replace(said, raw_text=text, think="a dent at [8, 8, 28, 24]", regions=places)
    run.__dict__.update(verdicts={**runs[0].verdicts, key: spoken})
    shown = gallery([run], 99, Thumbnails(16))
    row = shown["queries"]["id"].index(key)
    answers = shown["answers"][0]
    assert answers["regions"][row] == [["x", 4, 4, 14, 12, 1, 1.0, [8, 8, 28, 24]]]
    assert spoken.think.join(answers["around"][row]) == text
    assert answers["iou"][row] == 1.0


def test_pictures_that_do_not_fit_lie_beside_the_page(runs: list[Run], tmp_path: Path) -> None:
    folder = tmp_path / "page_files"
    thumbnails = Thumbnails(16, beside=folder, embedded=700)
    gallery(runs, 99, thumbnails)
    embedded = [uri for uri in thumbnails.uris.values() if uri.startswith("data:")]
    beside = [uri for uri in thumbnails.uris.values() if not uri.startswith("data:")]
    assert embedded and beside and thumbnails.apart
    assert sorted(uri.partition("/")[2] for uri in beside) == sorted(file.name for file in folder.iterdir())
    assert {uri.partition("/")[0] for uri in beside} == {"page_files"}


def test_only_stray_thumbnails_are_removed(runs: list[Run], tmp_path: Path) -> None:
    folder = tmp_path / "page_files"
    folder.mkdir()
    for name in ("0123456789abcdef.jpg", "holiday.jpg"):
        (folder / name).write_bytes(b"")
    thumbnails = Thumbnails(16, beside=folder)
    gallery(runs, 99, thumbnails)
    thumbnails.remove_strays()
    assert len(list(folder.iterdir())) == 5 + 1
    assert (folder / "holiday.jpg").exists()
    Thumbnails(16, beside=folder).remove_strays()
    assert [file.name for file in folder.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("embedded", [0, 10**6])
def test_an_empty_folder_does_not_stay(runs: list[Run], tmp_path: Path, embedded: int) -> None:
    folder = tmp_path / "page_files"
    thumbnails = Thumbnails(16, beside=folder, embedded=embedded)
    gallery(runs, 99, thumbnails)
    thumbnails.remove_strays()
    assert folder.exists() == (embedded == 0)
