from collections import Counter

import pytest

from mmrad.teach import LabelSimilarity
from mmrad.teach.wrong import ScriptedNegatives
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.recipe import Asking, settings_from
from mmrad.train.reinforcement.rewards import judge


@pytest.mark.parametrize("references", [0, 1])
@pytest.mark.parametrize("reasoning", [True, False])
def test_right_texts_earn_all_and_negatives_less(squares, references, reasoning):
    pairs = squares.pairs(squares.samples, references=references)
    negatives = ScriptedNegatives({"part": ("stain", "dent")}, LabelSimilarity())
    settings = settings_from(Asking(reasoning=reasoning))
    read = ScriptedExamples(pairs, settings, seed=0, negatives=negatives)
    counts: Counter[int] = Counter()
    for index in range(len(read)):
        example = read[index]
        assert judge(example.completion, example.boxes).reward == 1
        assert ("<think>" in example.completion) == reasoning
        rewards = [judge(text, example.boxes).reward for text in example.negatives]
        assert all(reward < 1 for reward in rewards)
        assert not any("eference" in text for text in example.negatives if not references)
        counts[len(rewards)] += 1
    assert counts == {2: len(read)}
