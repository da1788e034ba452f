"""What can be said of a reasoning by its words alone: how many there are, their language, and loops."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from itertools import chain

from mmrad.reasoning import SENTENCE_END, plain, stem, words

LOOP = 16
"""So many words and marks in a row are no coincidence when they return again and again."""

_SHORT = 4
"""Sentences of fewer words and marks ("No defects.") may return: lists are made of them."""

_TOKEN = re.compile(r"\w+|[^\w\s]")

_COMMON = """
about above across after against all along already also although and anomalies anomalous anomaly any appear
appearance appears are area areas around at bad based be because been before below between both bottom
bright brighter broken but by can center clear clearly color colors column compare compared comparing
comparison could damage damaged dark darker defect defective defects did differ difference differences
different differs does doing during each edge edges even everything find first five for found four from good
had has have however if instead into it its last left lighter like located location look looking looks lower
made middle missing more most much must near next nine not nothing noticeable now observed once one only
onto or other over picture placed query rather region right row same sample second see seems seen seven
shape shapes should show showing shown shows side similar since six size small so some spot still such tall
ten than that the their them then there therefore these they third this those though three through thus tiny
to top toward towards two under until up upon upper very was we well were what when where whether which
while who why wide will with within without would you
"""
_ENGLISH = frozenset(_COMMON.split())
"""Common in English prose about images (half of its words), and rare in other languages."""


def is_english(text: str, own: Collection[str], min_english: float, max_foreign: float) -> bool:
    """Whether a text is English, by its script and its most common words.

    Args:
        text: Any string; one without words counts as English.
        own: Stems of words that may be of any language: those of the true labels and the category.
        min_english: Least share of common English words among the words.
        max_foreign: Largest share of letters of other scripts among the letters.
    """
    judged = [word for word in words(plain(text)) if stem(word) not in own]
    letters = sum(map(len, judged))
    foreign = sum(not _is_latin(letter) for word in judged if not word.isascii() for letter in word)
    english = sum(word.partition("'")[0] in _ENGLISH for word in judged)
    return foreign <= max_foreign * letters and english >= min_english * len(judged)


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter <= "\u1eff"


def repeats(text: str) -> int:
    """How often the most repeated passage stands in a text: a sentence, or `LOOP` words and marks."""
    flat = text.casefold()
    tokens = _TOKEN.findall(flat)
    passages = Counter(tuple(tokens[i : i + LOOP]) for i in range(len(tokens) - LOOP + 1))
    sentences = (tuple(_TOKEN.findall(part)) for part in SENTENCE_END.split(flat))
    told = Counter(sentence for sentence in sentences if len(sentence) >= _SHORT)
    return max(chain(passages.values(), told.values()), default=0)
