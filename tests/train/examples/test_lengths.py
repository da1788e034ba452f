"""How long prompts are is known before any image is decoded."""

import numpy as np
import pytest

from builders import make_corpus
from finetuned import ASKING, fresh_examples, write_start
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.image import encode_png
from mmrad.inspectors.chat import encode
from mmrad.teach import ScriptedTeacher, Teaching, teach
from mmrad.train.examples.lengths import prompt_lengths, refuse_long
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.examples.stored import CorpusExamples
from mmrad.train.models import load_model
from mmrad.train.recipe import settings_from


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    made = make_corpus(tmp_path / "corpus", 6)
    large = np.zeros((112, 112, 3), np.uint8)
    (tmp_path / "corpus" / "raw" / "good.png").write_bytes(encode_png(large))  # larger than the queries
    return made


@pytest.fixture
def processor(corpus, tmp_path):
    return load_model(write_start(fresh_examples(corpus), tmp_path / "start"))[1]


def test_lengths_are_those_of_the_batch(corpus, processor):
    examples = fresh_examples(corpus)
    lengths = prompt_lengths(examples, processor)
    batch = encode(processor, [examples[index].messages for index in range(6)])
    assert lengths == batch["attention_mask"].sum(dim=1).tolist()


def test_knowledge_and_missing_references_count(corpus, processor):
    known = settings_from(ASKING, {"part": ["scratch", "dent"]})
    alone = corpus.pairs(corpus.samples, references=0)
    for settings, pairs in ((known, corpus.pairs(corpus.samples)), (known, alone)):
        examples = ScriptedExamples(pairs, settings, seed=0)
        batch = encode(processor, [examples[0].messages])
        assert prompt_lengths(examples, processor)[0] == int(batch["attention_mask"].sum())


def test_stored_texts_have_prompts_too(corpus, processor):
    settings = settings_from(ASKING)
    teach(corpus, [ScriptedTeacher()], corpus.samples, Teaching(budget=settings.budget))
    examples = CorpusExamples(corpus, corpus.samples, settings)
    assert prompt_lengths(examples, processor) == prompt_lengths(fresh_examples(corpus), processor)


def test_long_prompts_are_counted_and_the_longest_named(corpus, processor):
    examples = fresh_examples(corpus)
    longest = max(prompt_lengths(examples, processor))
    refuse_long(examples, processor, longest)
    with pytest.raises(DataError) as said:
        refuse_long(examples, processor, longest - 1)
    assert str(said.value) == (
        f"6 of 6 prompts have more than {longest - 1} tokens, images included; the longest has {longest} "
        "(made/part/test/000). Make asking.max_pixels smaller, or data.max_prompt_tokens larger"
    )
