"""Texts in a corpus: written once, kept through kills, verified again."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mmrad.answer import Instance, parse, render
from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.teach import ScriptedTeacher, Tally, Teaching, chosen_texts, read_texts, teach
from mmrad.view import Budget

BUDGET = Budget(max_pixels=140 * 140)


class Counting(ScriptedTeacher):
    """A scripted teacher that knows how often it was asked, and can stop the process."""

    def __init__(self, *, kill_at: int | None = None) -> None:
        self.asked = 0
        self._kill_at = kill_at

    def write(self, *args, **kwargs):
        self.asked += 1
        if self.asked == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(*args, **kwargs)


class Liar(ScriptedTeacher):
    """Says that everything is normal."""

    name = "org/liar"

    def write(self, *args, **kwargs):
        return render("All is well with every part.", ())


def run(corpus: Corpus, teacher: ScriptedTeacher, samples=None, **how) -> Tally:
    [tally] = teach(corpus, [teacher], samples, Teaching(**{"budget": BUDGET, **how}))
    return tally


def lines(corpus: Corpus, name: str = "scripted") -> list[bytes]:
    return (corpus.path / "texts" / f"{name}.jsonl").read_bytes().splitlines(keepends=True)


def rewritten(corpus: Corpus, **changes: object) -> Corpus:
    """The corpus built again with another truth of the sample `one`."""
    samples = [replace(s, **changes) if s.id.endswith("/one") else s for s in corpus.samples]
    references = [reference for some in corpus.references.values() for reference in some]
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    again = write_corpus(corpus.path, {"made": info}, samples)
    again.write_references(references)
    return again


def test_every_sample_gets_a_verified_text(corpus):
    seen = []
    tally = run(corpus, ScriptedTeacher(), progress=lambda state: seen.append((state.done, state.total)))
    assert (tally.total, tally.done, tally.verified, tally.answers) == (4, 4, 4, 4)
    assert not tally.failed_checks
    assert seen[0] == (0, 4) and seen[-1] == (4, 4)
    assert "4 of 4 samples have a verified text (100.0 %)" in tally.describe()
    texts = read_texts(corpus, "scripted")
    two = texts["made/nut/test/two"]
    assert two.verified
    assert two.view_wh == (140, 84) or two.view_wh[0] % 28 == two.view_wh[1] % 28 == 0
    assert len(parse(f"<answer>{two.answer}</answer>").instances) == 2
    assert "[" in two.think
    assert "<" not in two.think + two.answer
    assert texts["made/nut/test/fine"].answer == "No."


def test_running_again_asks_nobody(corpus):
    run(corpus, ScriptedTeacher())
    before = lines(corpus)
    teacher = Counting()
    tally = run(corpus, teacher)
    assert (teacher.asked, tally.answers, tally.verified) == (0, 0, 4)
    assert lines(corpus) == before


def test_texts_do_not_depend_on_which_samples_are_asked(corpus):
    run(corpus, ScriptedTeacher(), corpus.samples[2:])
    some = read_texts(corpus, "scripted")
    assert len(some) == 2
    (corpus.path / "texts/scripted.jsonl").unlink()
    run(corpus, ScriptedTeacher())
    assert some.items() <= read_texts(corpus, "scripted").items()


@pytest.mark.parametrize("change", ["seed", "budget", "version", "reference"])
def test_what_changes_a_text_makes_it_anew(corpus, change):
    run(corpus, ScriptedTeacher())
    teacher = Counting()
    if change == "version":
        teacher.version = "other"
    if change == "reference":
        corpus.write_references(replace(some[0], image="one.png") for some in corpus.references.values())
    budget = Budget(max_pixels=84 * 84) if change == "budget" else BUDGET
    run(corpus, teacher, budget=budget, seed=int(change == "seed"))
    assert teacher.asked == 4


def test_a_changed_truth_is_taught_again_and_fails_verification_until_then(corpus):
    run(corpus, ScriptedTeacher())
    corpus = rewritten(corpus, regions=(Region(Box(70, 30, 120, 60), "red stain"),))
    assert not read_texts(corpus, "scripted")["made/nut/test/one"].verified
    assert "made/nut/test/one" not in chosen_texts(corpus)
    teacher = Counting()
    assert run(corpus, teacher).verified == 4
    assert teacher.asked == 1


def test_wrong_texts_are_kept_as_such(corpus):
    tally = run(corpus, Liar())
    assert (tally.answers, tally.verified) == (4, 2)
    assert tally.failed_checks["verdict"] == 2
    assert len(lines(corpus, "org_liar")) == 4
    assert not read_texts(corpus, "org/liar")["made/nut/test/two"].verified


def test_a_torn_line_is_done_again(corpus):
    run(corpus, ScriptedTeacher())
    whole = lines(corpus)
    path = corpus.path / "texts/scripted.jsonl"
    path.write_bytes(b"".join(whole)[:-20])
    assert len(read_texts(corpus, "scripted")) == 3
    teacher = Counting()
    run(corpus, teacher)
    assert teacher.asked == 1
    assert lines(corpus) == whole


def test_a_kill_loses_nothing_that_was_on_disk(corpus):
    """A process is killed while it teaches the fourth of four samples, ."""
    code = (
        "from pathlib import Path; import sys; sys.path.insert(0, sys.argv[2]);"
        "from mmrad.corpus import Corpus; from test_run import Counting, run;"
        "run(Corpus(Path(sys.argv[1])), Counting(kill_at=4))"
    )
    arguments = [sys.executable, "-c", code, str(corpus.path), str(Path(__file__).parent)]
    killed = subprocess.run(arguments, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(lines(corpus)) == 3
    teacher = Counting()
    assert run(corpus, teacher).verified == 4
    assert teacher.asked == 1


def test_an_unreadable_image_fails_alone(corpus):
    (corpus.path / "raw/two.png").write_bytes(b"broken")
    tally = run(corpus, ScriptedTeacher())
    assert (tally.done, tally.verified) == (4, 3)
    [reason] = tally.unreadable
    assert reason.startswith("made/nut/test/two: ") and "two.png: not a readable image" in reason
    assert "1 samples with unreadable images" in tally.describe()


def test_an_image_of_another_size_fails_alone(corpus):
    tally = run(rewritten(corpus, size_wh=(131, 70)), ScriptedTeacher())
    [reason] = tally.unreadable
    assert "(130, 70) pixels wide and high, the corpus says (131, 70)" in reason


def test_samples_need_references(corpus):
    corpus.write_references([])
    with pytest.raises(DataError, match="has no reference; run  mmrad reference"):
        run(corpus, ScriptedTeacher())


def test_texts_that_do_not_exist_are_an_error(corpus):
    run(corpus, ScriptedTeacher())
    with pytest.raises(DataError, match=r"no texts by the teacher 'gpt'; there are texts by \['scripted'\]"):
        read_texts(corpus, "gpt")


def test_a_foreign_record_is_named(corpus):
    run(corpus, ScriptedTeacher())
    record = json.loads(lines(corpus)[0])
    del record["text"]
    (corpus.path / "texts/scripted.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(
        DataError, match=r"scripted\.jsonl: the record of made/nut/test/good is no teacher's text"
    ):
        read_texts(corpus, "scripted")


def test_the_written_places_are_those_of_the_truth_in_the_view(corpus):
    run(corpus, ScriptedTeacher())
    (text,) = (t for t in read_texts(corpus, "scripted").values() if t.sample_id.endswith("/one"))
    (found,) = parse(f"<think></think><answer>{text.answer}</answer>").instances
    sx, sy = text.view_wh[0] / 130, text.view_wh[1] / 70
    assert found == Instance(Box(*Box(10, 5, 60, 20).scaled(sx, sy).rounded()), "red stain")
