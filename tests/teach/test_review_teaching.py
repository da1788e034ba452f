"""Teaching and verifying after people have reviewed texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builders import make_corpus
from decisions import decision, on_text, write_reviews
from mmrad.corpus import Corpus, Reference, ReviewedCorpus, write_corpus
from mmrad.sample import Sample
from mmrad.teach import ScriptedTeacher, Teaching, plan, read_texts, teach, verify_corpus
from mmrad.teach.texts import SCRIPTED, text_path
from mmrad.teach.verify import CHECKS

ALL = dict.fromkeys(CHECKS, True)


@pytest.fixture
def taught(tmp_path: Path) -> Corpus:
    made = make_corpus(tmp_path, 4)
    teach(made, [ScriptedTeacher()])
    return made


def refuse(corpus: Corpus, sample: Sample) -> None:
    text = read_texts(corpus, SCRIPTED)[sample.id].text
    write_reviews(corpus.path, decision(sample, text=on_text(text, False, by=SCRIPTED)))


def test_a_refused_text_is_open_to_the_next_teacher(taught: Corpus) -> None:
    refuse(taught, taught.samples[1])
    again = ScriptedTeacher()
    (first,) = teach(Corpus(taught.path), [again])
    assert (first.verified, first.answers) == (3, 0)  # its own text was its only try

    class Other(ScriptedTeacher):
        name = "other"

    opened = Corpus(taught.path)
    _, second = teach(opened, [again, Other()])
    assert (second.total, second.answers) == (1, 1)
    assert set(read_texts(Corpus(taught.path), "other")) == {taught.samples[1].id}


def test_nothing_is_asked_where_a_person_wrote_the_text_for_the_new_truth(taught: Corpus) -> None:
    sample = taught.samples[1]
    left = (replace(sample.regions[0], label="deep scratch"),)
    text = read_texts(taught, SCRIPTED)[sample.id].text
    edited = text.replace("scratch", "deep scratch")
    write_reviews(taught.path, decision(sample, left, text=on_text(text, True, edited, ALL, SCRIPTED)))
    rebuilt = write_corpus(taught.path, taught.manifest.sources, ReviewedCorpus(taught.path).samples)
    rebuilt.write_references(Reference(one.id, 0, "good.png", "random", 0.0) for one in rebuilt.samples)
    (planned,) = plan(rebuilt, [ScriptedTeacher()], None, Teaching())
    assert planned.samples == 0
    (tally,) = teach(rebuilt, [ScriptedTeacher()])
    assert (tally.verified, tally.answers) == (4, 0)
    assert read_texts(rebuilt, SCRIPTED)[sample.id].text == edited


def test_verifying_again_checks_what_people_wrote(taught: Corpus) -> None:
    sample, other = taught.samples[1], taught.samples[3]
    text = read_texts(taught, SCRIPTED)[sample.id].text
    edited = text.replace("<think>", "<think>I wrote this. ")
    # Somebody reviewed it on a machine that cannot compare labels.
    checks = {name: True for name in CHECKS if name != "label"}
    write_reviews(taught.path, decision(sample, text=on_text(text, True, edited, checks, SCRIPTED)))
    refuse(taught, other)
    opened = Corpus(taught.path)
    assert not read_texts(opened, SCRIPTED)[sample.id].verified
    found = verify_corpus(opened, SCRIPTED, similarity=lambda *labels: 1.0)
    assert (found.changed, found.samples.overall.verified) == (1, 3)
    now = read_texts(Corpus(taught.path), SCRIPTED)
    assert (now[sample.id].text, now[sample.id].verified) == (edited, True)
    assert not now[other.id].verified
    journal = text_path(opened, SCRIPTED).read_bytes()
    assert verify_corpus(Corpus(taught.path), SCRIPTED, similarity=lambda *labels: 1.0).changed == 0
    assert text_path(opened, SCRIPTED).read_bytes() == journal
