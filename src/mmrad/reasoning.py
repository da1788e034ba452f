"""What a reasoning says, read from its words alone: its boxes, and the verdict it ends with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s*_`#~\-‐-―]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
_ENDING = re.compile(r"(?:ings?|ions?|ed|es|s|e)$")

_NUMBER = r"(-?\d{1,7}+(?:\.\d++)?+)"
_BOX = re.compile(rf"[\[(]\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+[\])]")

SENTENCE_END = re.compile(r"(?<![.!?;。！？])[.!?;。！？]++[\"'”’*_)\]]*+(?=\s|\Z)|\n+")


def plain(text: str) -> str:
    """A text as patterns see it: small letters, straight quotes, no tags and markup, single spaces."""
    flat = _INVISIBLE.sub("", unicodedata.normalize("NFKC", _TAG.sub(" ", text))).casefold()
    return _BETWEEN.sub(" ", flat.replace("’", "'").replace("‘", "'")).strip()


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A word without its ending, so that "marking" is also "marked"."""
    cut = _ENDING.sub("", word)
    return cut if len(cut) >= 3 else word


def stems(texts: Collection[str]) -> frozenset[str]:
    """Stems of the words of texts, such as labels and a category."""
    return frozenset(stem(word) for text in texts for word in _LETTERS.findall(plain(text)))


def words(text: str) -> list[str]:
    """The words of a text, numbers and marks left out."""
    return _WORD.findall(text)


def boxes_in(text: str) -> list[tuple[float, float, float, float]]:
    """The boxes that a text names, as `[x1, y1, x2, y2]` or in round brackets, in its own numbers.

    Returns:
        The four numbers of each, the smaller of both first on each axis, in the order of the text.
    """
    found = []
    for match in _BOX.finditer(text):
        a1, b1, a2, b2 = map(float, match.groups())
        found.append((min(a1, a2), min(b1, b2), max(a1, a2), max(b1, b2)))
    return found


_LONGEST = 400
"""Characters of a clause that may be a verdict."""

_CLAUSE = re.compile(
    r",? (?=(?:so|therefore|thus|hence|which (?:means|indicates|suggests)|indicating|meaning) )"
)
_CONTRAST = re.compile(
    r"\b(?:however|but|except|although|though|yet|nevertheless|nonetheless|closer|still)\b"
)

_ANOMALY = "(?:anomal(?:y|ies)|defects?|abnormalit(?:y|ies)|flaws?|faults?)"
_CHANGE = rf"(?:{_ANOMALY}|irregularit(?:y|ies)|damages?|deviations?|differences?)"
_CHANGES = rf"{_CHANGE}(?:(?: or | and |, | ?/ ?| ?\(){_CHANGE}\)?){{0,3}}"
_CLEAR = (
    "(?:(?:visible|obvious|apparent|clear|clearly|significant|noticeable|notable|detectable|discernible|evident|"
    "real|actual|signs? of|any|kind of) ){0,4}"
)
_SEEN = "(?:visible|present|found|detected|observed|seen|identified|apparent|evident|noted|discernible)"
_BE = (
    "(?:is|are|was|were|appears?(?: to be)?|seems?(?: to be)?|looks?|can be|could be|have been|has been|"
    "appears? to have|seems? to have)"
)
_SHOW = "(?:show|exhibit|have|contain|display|reveal|present)"
_SHOWS = f"(?:{_SHOW}s?|has)"
_SURELY = "(?:completely |entirely |fully |clearly |indeed |therefore |thus )?"
_SEVERAL = "(?:an?|one|two|three|four|five|six|several|some|multiple|many)"
_NOUN = "image|picture|photo|sample|product|part|item|object|component|unit"
_SAYS = r"(?:the )?(?:final )?(?:answer|verdict|conclusion)(?: is|:)"

_AFTER = (
    "(?:after|based on|from|upon|given|considering|following|by|with|since|as|compared (?:with|to)|comparing|"
    "beside|against) [^,]{1,160}, "
)
_THAT = (
    "(?:it (?:is (?:clear|evident|apparent|concluded)|(?:can|may) be (?:concluded|said|seen|determined)|"
    "appears|seems|follows)|(?:i|we)(?: can| could)? (?:conclude|determine|say|find|see|confirm)|"
    "this (?:indicates|means|suggests|shows|confirms)|which (?:indicates|means|suggests)|"
    "indicating|meaning|suggesting|confirming)(?: that)? "
)
_LEAD = (
    "(?:(?:therefore|thus|hence|so|overall|in (?:conclusion|summary|short)|to (?:conclude|summarize)|finally|"
    "consequently|as a result|accordingly|(?:final )?(?:conclusion|verdict|judge?ment))[,:]? )?"
    rf"(?:{_AFTER})?(?:(?:therefore|thus|so),? )?(?:{_THAT})?"
)
"""What may stand before a verdict without making it one of a part, a condition or an exception."""


def concludes(think: str, category: str, named: Collection[str]) -> bool | None:
    """The verdict that a reasoning clearly ends with: whether the product is anomalous.

    Only clauses that judge the whole product count ("there are no anomalies in the second image"), not those
    about a part, an exception or a condition. One is taken back by what follows: a "however", or the name of
    a defect after "no anomalies".

    Args:
        think: The reasoning.
        category: The product's category, which may stand for "product".
        named: Stems of the words of the answer's labels.

    Returns:
        None when it ends with no clear verdict.
    """
    normal, anomalous = _verdicts(category)
    later: list[str] = []
    for clause in reversed(list(_clauses(think))):
        found = True if anomalous.fullmatch(clause) else False if normal.fullmatch(clause) else None
        if found is not None:
            rest = " ".join(reversed(later))
            names_defect = any(stem(word) in named for word in words(rest))
            return None if _CONTRAST.search(rest) or (not found and names_defect) else found
        later.append(clause)
    return None


def _clauses(think: str) -> Iterator[str]:
    """The sentences of a reasoning, cut where a conclusion begins."""
    for sentence in SENTENCE_END.split(think):
        for clause in _CLAUSE.split(plain(sentence)):
            yield clause.strip(" ,:")


@lru_cache(maxsize=256)
def _verdicts(category: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Clauses that call a product of the category normal, and those that call it anomalous."""
    kind = re.escape(plain(category))
    nouns = f"{_NOUN}|{kind}" if kind else _NOUN
    product = rf"(?:the|this) (?:(?:second|last|query|input|test|inspected) )?(?:{nouns})"
    where = (
        rf"(?: {_SEEN}| at all| anywhere| whatsoever)*"
        rf"(?: (?:in|on|with|of|within|between) (?:{product}|it|(?:the two|both|the) images))?"
        r"(?:,? (?:when |as |if )?(?:compared|relative|in comparison|in relation) [^,]*)?"
    )
    change = f"{_CLEAR}{_CHANGES}{where}"
    cannot = r"(?:(?:do|did|can|could)(?: not|n't)|cannot)"
    normal = (
        rf"there {_BE} (?:no|not any) {change}",
        rf"no {_CLEAR}{_CHANGES}(?: {_BE} {_SEEN})?{where}",
        rf"(?:i|we) (?:can |could )?(?:see|find|found|observed?|notice|detect(?:ed)?) no {change}",
        rf"(?:i|we) {cannot} (?:see|find|observe|notice|detect|identify) any {change}",
        rf"{product} {_SHOWS} no {change}",
        rf"{product} (?:does|do)(?: not|n't) (?:appear to |seem to )?{_SHOW} any {change}",
        rf"{product} {_BE} {_SURELY}(?:normal|(?:defect|anomaly) free|flawless){where}",
        rf"{product} {_BE} {_SURELY}not (?:anomalous|defective|abnormal){where}",
        rf"{product} {_BE} {_SURELY}(?:free of|free from|without) {change}",
        rf"nothing {_BE} (?:anomalous|abnormal|defective|wrong|unusual){where}",
        rf"everything {_BE} (?:normal|fine){where}",
        rf"{_SAYS} (?:no|normal)",
    )
    anomalous = (
        rf"there {_BE} {_SURELY}{_SEVERAL} {_CLEAR}{_ANOMALY}{where}",
        rf"{_SEVERAL} {_CLEAR}{_ANOMALY}(?: {_BE} {_SEEN})?{where}",
        rf"{product} {_SURELY}(?:{_SHOWS}|{_BE}) {_SEVERAL} {_CLEAR}{_ANOMALY}{where}",
        rf"{product} {_BE} {_SURELY}(?:anomalous|defective|abnormal|faulty|not normal){where}",
        rf"{_SAYS} (?:yes|anomalous)",
    )
    return _any_of(normal), _any_of(anomalous)


def _any_of(verdicts: Collection[str]) -> re.Pattern[str]:
    return re.compile(rf"(?=.{{1,{_LONGEST}}}\Z){_LEAD}(?:{'|'.join(verdicts)})")
