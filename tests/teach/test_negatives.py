"""Negatives are wrong for sure, differ, and are written once."""

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmrad.answer import Instance, parse, render
from mmrad.box import Box, iou_matrix
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.errors import DataError
from mmrad.image import encode_png
from mmrad.sample import Region, Sample
from mmrad.teach import passed, verify
from mmrad.teach.lesson import Lesson
from mmrad.teach.negatives import (
    Negative,
    NegativeJournal,
    accept,
    is_wrong,
    kind_of,
    negative_path,
    read_negatives,
)
from mmrad.teach.wrong import APART_IOU, ScriptedNegatives, write_scripted_negatives
from mmrad.view import Budget, View

BUDGET = Budget(max_pixels=140 * 140)
A, B = Instance(Box(0, 0, 100, 10), "scratch"), Instance(Box(50, 50, 80, 90), "hole")
ONE, TWO, GOOD = "made/nut/test/one", "made/nut/test/two", "made/nut/test/good"


def same(first: str, second: str) -> float:
    return float(first == second)


def kind(instances, truth, similarity=same, think="I looked."):
    text = render(think, instances)
    found = kind_of(text, truth, similarity)
    assert is_wrong(text, truth, similarity) == (found is not None)
    return found


def moved(place: Instance, width: float) -> Instance:
    """A place of the same corner and height: its IoU with one 100 wide is `width / 100`."""
    return replace(place, box=Box(place.box.x1, place.box.y1, place.box.x1 + width, place.box.y2))


def write(corpus: Corpus, **options):
    return write_scripted_negatives(corpus, budget=BUDGET, similarity=same, **options)


def lines(corpus: Corpus, origin: str = "scripted") -> list[dict]:
    return [json.loads(line) for line in negative_path(corpus, origin).read_text().splitlines()]


def rebuilt(corpus: Corpus, **changes: object) -> Corpus:
    """The corpus with another truth of the sample `one`."""
    samples = [replace(s, **changes) if s.id == ONE else s for s in corpus.samples]
    references = [reference for some in corpus.references.values() for reference in some]
    again = write_corpus(
        corpus.path, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, samples
    )
    again.write_references(references)
    return again


def test_what_counts_as_wrong():
    assert kind([A], []) == "false_alarm"
    assert kind([], [A]) == "miss"
    assert kind([moved(A, 40)], [A]) == "wrong_box"
    assert kind([A], [A, B]) == "missed_place"
    assert kind([A, B], [A]) == "false_place"
    assert kind([replace(A, label="hole")], [A]) == "wrong_label"
    assert kind_of("<think>Bad.</think><answer>Yes.</answer>", [A], same) == "missed_place"


def test_what_is_right_or_imprecise_is_not_wrong():
    assert kind([], []) is None
    assert kind([B, A], [A, B]) is None
    assert kind([moved(A, 60)], [A]) is None
    assert kind([A, moved(A, 80)], [A]) is None
    assert kind([replace(A, label="")], [A]) is None
    assert kind([A], [replace(A, label="")]) is None
    assert kind([A, replace(A, label="hole")], [A, replace(A, label="hole")]) is None


@pytest.mark.parametrize("text", ["", "<think>x", "<think>x</think><answer>Perhaps.</answer>"])
def test_what_cannot_be_read_is_not_wrong(text):
    assert not is_wrong(text, [A], same)
    assert not is_wrong(text, [], same)


def test_places_match_above_the_iou_of_the_reward():
    assert kind([moved(A, 50)], [A]) == "wrong_box"
    assert kind([moved(A, 51)], [A]) is None


def test_labels_differ_up_to_a_similarity():
    place = replace(A, label="cut")
    assert kind([place], [A], lambda *_: 0.4) == "wrong_label"
    assert kind([place], [A], lambda *_: 0.41) is None


def test_a_label_is_compared_with_those_of_its_own_place():
    assert kind([replace(A, label="hole"), replace(B, label="scratch")], [A, B]) == "wrong_label"


def test_truth_of_a_pixel_is_compared_in_whole_pixels():
    tiny = Instance(Box(3.4, 3.4, 4.4, 4.4), "dot")
    assert kind([Instance(Box(3, 3, 4, 4), "dot")], [tiny]) is None


def test_accepting_says_what_is_wrong_or_why_not(corpus):
    (sample,) = (s for s in corpus.samples if s.id == ONE)
    wh = (260, 140)  # twice the original: the truth is at [20, 10, 120, 40]
    right = Instance(Box(20, 10, 120, 40), "red stain")
    wrong = render("There, at [10, 5, 60, 20].", [Instance(Box(10, 5, 60, 20), "red stain")])
    assert accept(wrong, sample, wh, "org/m", same) == Negative(ONE, "org/m", "wrong_box", wh, wrong)
    assert "right" in accept(render("Seen.", [right]), sample, wh, "m", same)
    assert accept("<think>maybe", sample, wh, "m", same).startswith("truncated: ")
    assert accept("<answer>No.</answer>", sample, wh, "m", same) == "no reasoning before the answer"


def test_every_sample_gets_negatives(corpus):
    seen = []
    summary = write(corpus, progress=lambda done, total: seen.append((done, total)))
    assert (summary.samples, summary.written.total(), summary.known, summary.short) == (4, 8, 0, [])
    assert seen == [(i, 4) for i in range(1, 5)]
    found = read_negatives(corpus)
    assert list(found) == [sample.id for sample in corpus.samples]
    assert all(len(some) == 2 for some in found.values())
    assert {negative.kind for negative in found[GOOD]} == {"false_alarm"}
    assert len({negative.text for some in found.values() for negative in some}) == 8
    assert {negative.view_wh for some in found.values() for negative in some} == {(140, 56)}
    assert "8 negatives for 4 samples; 8 new (" in summary.describe()


def test_all_kinds_are_written(corpus):
    write(corpus, per_sample=4)
    kinds = {sample_id: {n.kind for n in some} for sample_id, some in read_negatives(corpus).items()}
    assert kinds[ONE] == {"miss", "wrong_box", "wrong_label"}
    assert kinds[TWO] == {"miss", "wrong_box", "wrong_label", "missed_place"}


def test_running_again_appends_only_what_is_missing(corpus):
    write(corpus)
    before = negative_path(corpus, "scripted").read_bytes()
    again = write(corpus)
    assert (again.written.total(), again.known) == (0, 8)
    assert negative_path(corpus, "scripted").read_bytes() == before
    more = write(corpus, per_sample=3)
    assert (more.written.total(), more.known) == (4, 8)
    assert negative_path(corpus, "scripted").read_bytes().startswith(before)
    assert len({line["key"] for line in lines(corpus)}) == 12


def test_a_torn_line_and_an_interruption_cost_their_own_texts_only(corpus):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(corpus, progress=stop)
    path = negative_path(corpus, "scripted")
    whole = path.read_bytes()
    assert len(whole.splitlines()) == 6
    path.write_bytes(whole[:-20])
    assert write(corpus).written.total() == 3
    assert path.read_bytes().startswith(whole)
    assert len(lines(corpus)) == 8


def test_the_texts_of_a_sample_depend_on_it_and_the_seed_only(corpus):
    write(corpus, samples=corpus.samples[2:])
    some = read_negatives(corpus)
    negative_path(corpus, "scripted").unlink()
    write(corpus)
    assert some.items() <= read_negatives(corpus).items()
    write(corpus, seed=1)
    assert len(lines(corpus)) == 16


def test_negatives_for_another_truth_are_left_out(corpus):
    write(corpus)
    corpus = rebuilt(corpus, regions=())
    assert ONE not in read_negatives(corpus)
    assert write(corpus, samples=[s for s in corpus.samples if s.id == ONE]).written == {"false_alarm": 2}
    assert {negative.kind for negative in read_negatives(corpus)[ONE]} == {"false_alarm"}


def test_an_unreadable_image_is_said_and_the_rest_written(corpus):
    (corpus.path / "raw/two.png").write_bytes(b"broken")
    summary = write(corpus)
    assert summary.written.total() == 6
    assert "two.png: not a readable image" in summary.unreadable[0]
    assert "1 samples unreadable" in summary.describe()


def test_texts_of_a_model_are_judged_and_all_kept(corpus):
    (sample,) = (s for s in corpus.samples if s.id == ONE)
    miss = render("Nothing differs.", ())
    with NegativeJournal(corpus, "org/model", same) as journal:
        assert journal.keep("k1", sample, (130, 70), miss, output_tokens=7).kind == "miss"
        assert isinstance(journal.keep("k2", sample, (130, 70), "I cannot."), str)
        assert journal.known == {"k1", "k2"}
    assert lines(corpus, "org/model")[0]["output_tokens"] == 7
    assert lines(corpus, "org/model")[1]["text"] == "I cannot."
    with NegativeJournal(corpus, "org/model", same) as journal:
        assert journal.known == {"k1", "k2"}
    write(corpus)
    (negative,) = read_negatives(corpus, ["org/model"])[ONE]
    assert (negative.kind, negative.origin, negative.text) == ("miss", "org/model", miss)
    assert len(read_negatives(corpus)[ONE]) == 3
    assert len(read_negatives(corpus, ["scripted"])[ONE]) == 2


def test_what_is_not_there_or_damaged_is_an_error(corpus):
    assert read_negatives(corpus) == {}
    write(corpus)
    with pytest.raises(DataError, match=r"gpt\.jsonl: no such negatives; there are \['scripted'\]"):
        read_negatives(corpus, ["gpt"])
    record = lines(corpus)[0] | {"kind": "odd"}
    negative_path(corpus, "scripted").write_text(json.dumps(record) + "\n")
    with pytest.raises(DataError, match=rf"the record of {GOOD} is no negative"):
        read_negatives(corpus)


def test_a_false_alarm_is_where_a_turned_photograph_differs_most(tmp_path):
    """The spot is at the lower right as seen, elsewhere as stored: places follow the upright image."""
    reference = np.full((168, 84, 3), 90, np.uint8)
    query = reference.copy()
    query[140:160, 10:30] = 130
    (tmp_path / "raw").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned left by 90 degrees
    Image.fromarray(np.rot90(query)).save(tmp_path / "raw/query.png", exif=exif)
    (tmp_path / "raw/good.png").write_bytes(encode_png(reference))
    sample = Sample("made/nut/test/q", "made", "nut", "test", "query.png", (84, 168), (), "CC0-1.0")
    corpus = write_corpus(
        tmp_path, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, [sample]
    )
    corpus.write_references([Reference(sample.id, 0, "good.png", "random", 0.0)])
    write(corpus, per_sample=1)
    ((negative,),) = read_negatives(corpus).values()
    (place,) = parse(negative.text).instances
    assert negative.view_wh == (84, 168)
    spot = Box(10, 140, 30, 160)
    assert iou_matrix([place.box], [spot]).item() > 0
    assert place.box.x1 < 30 < 84 / 2
    assert "brighter" in negative.text


def boxes(width: int, height: int) -> st.SearchStrategy[Box]:
    def from_corner(x1: float, y1: float, w: float, h: float) -> Box:
        return Box(
            x1 * width, y1 * height, x1 * width + w * width * (1 - x1), y1 * height + h * height * (1 - y1)
        )

    share = st.floats(0, 0.999)
    return st.builds(from_corner, share, share, st.floats(0.001, 1), st.floats(0.001, 1))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_scripted_texts_are_wrong_for_sure(data):
    width, height = (28 * data.draw(st.integers(1, 8)) for _ in range(2))
    noise = np.random.default_rng(data.draw(st.integers(0, 99)))
    query, other = (
        noise.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((height, width), (56, 140))
    )
    labels = st.sampled_from(["scratch", "worker's mark", "a, b}", "missing  part"])
    truth = tuple(data.draw(st.lists(st.builds(Instance, boxes(width, height), labels), max_size=4)))
    regions = tuple(Region(place.box, place.label) for place in truth)
    sample = Sample("s/metal_nut/test/0", "s", "metal_nut", "test", "0.png", (width, height), regions, "")
    lesson = Lesson(
        sample, View(query, (width, height)), View(other, (140, 56)), truth, data.draw(st.sampled_from("ab"))
    )
    writer = ScriptedNegatives({"metal_nut": ("scratch", "bent", "worker's mark")}, same)
    texts = list(islice(writer.write(lesson), 6))
    assert len(set(texts)) == len(texts) == 6
    assert texts[:3] == list(islice(writer.write(lesson), 3))
    true = [Box(*place.box.rounded()) for place in truth]
    for text in texts:
        answer = parse(text, strict=True)
        assert answer.status == "ok"
        assert is_wrong(text, truth, same)
        assert not passed(verify(text, truth, same))
        invented = [place.box for place in answer.instances if place.box not in true]
        assert len(invented) == (kind_of(text, truth, same) in ("false_alarm", "wrong_box"))
        for box in invented:
            assert box.clipped((width, height)) == box
            assert all(box.iou(other) < APART_IOU for other in true)
