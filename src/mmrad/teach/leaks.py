"""Hints that a text lets slip: it must read as if everything was found by looking.

A teacher sees the true boxes in red and is told places and labels (paper section 3.2). Which words betray
that depends on their neighbours: "the marked area" does, "a marked difference" does not. So the patterns are
phrases, and a phrase whose telling word belongs to the product or its defect is no leak.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from mmrad.reasoning import plain, stem

_SENTENCE_END = re.compile(r"[.!?;]\s")

_SHARED = re.compile(
    r"\b(?:both|each|either|all) (?:of the )?(?:two )?(?:images?|pictures?|samples?|photos?)\b"
)
"""What both images show is part of the product: boxes are drawn in one of them only."""

_AREA = "(?:areas?|regions?|locations?|places?|positions?|spots?|sections?|portions?|zones?|coordinates?)"
_BOX = "(?:box|bbox)(?:es)?"
_SHAPE = rf"(?:{_BOX}|rectangles?|frames?|outlines?|squares?|borders?|circles?|markers?)"
_MARKED = "marked|highlighted|outlined|circled|boxed|framed|enclosed|flagged"
_GIVEN = "provided|supplied|given"
_TOLD = rf"(?:(?:bounding )?{_BOX}|{_AREA}|labels?|information|(?:anomaly|defect) types?)"
_QUERY = "the (?:second|last|query|input|test|inspected) (?:image|picture|photo|sample)"
_IMAGES = (
    r"(?:with )?(?:two|both|images|pictures|(?:an?|the) (?:\w+ ){0,2}(?:images?|samples?|pairs?|reference)|"
    r"the (?:two|first|second|reference|normal|last))\b"
)
"""What a text may say it was given: the images, which every inspector gets."""

# The group of a pattern is its telling word.
_PATTERNS = (
    # boxes that were drawn
    r"red (?:bounding )?(box(?:es|ed)?|bbox(?:es)?)",
    rf"red ({_SHAPE}) (?:that |which )?(?:highlight|mark|indicat|enclos|denot|point|drawn|overlaid)\w*",
    rf"(?:{_MARKED}|surrounded|indicated|denoted) (?:in|with|by|within|inside) (?:a |the )?red ({_SHAPE})",
    rf"({_MARKED}) in red",
    rf"(?:drawn|overlaid|superimposed|plotted|highlighted) (?:red |bounding )?({_BOX}|rectangles?)",
    rf"({_BOX}|rectangles?) (?:is |are |was |were )?(?:drawn|overlaid|superimposed|plotted)",
    # areas that were marked
    rf"(?:pre ?)?({_MARKED}) (?:red |rectangular |abnormal |defective )?{_AREA}",
    rf"({_MARKED}) in {_QUERY}",
    rf"as ({_MARKED})(?! by (?:the|its|an?) )",
    r"(annotat(?:ed|ions?|ors?|es?))",
    r"ground truths?",
    # hints
    r"(reminders?)",
    r"(?:the|these|those|your|our|given|provided|visual|textual|red|additional) (hints?)(?! of\b)",
    r"th(?:is|at) (hint)(?! of\b)",
    r"(?:according to|based on|as per|per|following|as an?) (?:an? )?(hints?)(?! of\b)",
    rf"(hinted) {_AREA}",
    r"(?<!\ba )(hints?)(?= ?:)",
    # what was given or told
    rf"as (?:already |previously )?(?:{_GIVEN}|hinted|told|instructed|informed)"
    r"(?! (?:as|by|below|here|in the answer)\b)",
    r"(?<!\ba )(?<!\bany )(?<!\bits )(?<!\btheir )(?<!\bcorrect )"
    rf"(?:{_GIVEN}|specified|indicated|known|predefined) "
    rf"(?:(?!(?:the|its|this|that|these|those|their|such)\b)\w+ )?{_TOLD}",
    rf"(?:coordinates?|locations?|information|bounding {_BOX}) (?:that )?"
    rf"(?:(?:was|were|has been|have been) )?(?:{_GIVEN})(?! ?(?:as|by|below|here|above|in|:|\[))",
    rf"(?:{_GIVEN}|told|mentioned|stated|specified) "
    r"(?:to (?:us|me)|by (?:you|the user)|in the (?:prompt|instructions?|question|task))",
    r"you(?: have|'ve)?(?: also| already)? (?:told|gave|given|provided|mention(?:ed)?|indicated?|marked|"
    r"specif(?:y|ied)|pointed|suppl(?:y|ied)|said|stated|highlight(?:ed)?|annotated|hinted|described|showed|shown)",
    r"your (?:notes?|instructions?|coordinates|information|markings?|guidance|box(?:es)?|labels?)",
    r"(?:(?:i|we) (?:was|were|am|are|have been|had been)|i'm|we're|(?:i|we)'ve been)(?: also| already)? "
    rf"(?:{_GIVEN}|told|informed|instructed|reminded)\b(?! {_IMAGES})",
    r"it (?:is|was) (?:already )?(?:given|told|known|provided) that",
    # the task, and keeping quiet about it
    r"(?:according to|as per|per|following|in|by|from) (?:the|your|this|my) "
    r"(?:instructions?|task description|question)",
    r"(?:the|this|your|system) prompt",
    r"without (?:mentioning|revealing|disclosing)",
    r"(?:(?:must|should|can|may|will|do|am|is)(?: not|n't)|cannot|won't|not (?:allowed|supposed) to) "
    r"(?:mention|reveal|disclose)",
)
_LEAKS = tuple(re.compile(rf"\b(?:{pattern})(?!\w)") for pattern in _PATTERNS)

_ANY = re.compile(
    rf"\b(?:red|drawn|overlaid|superimposed|plotted|(?:pre)?(?:{_MARKED})|annotat|ground truth|remind|hint|"
    rf"{_GIVEN}|told|instruct|informed|specified|indicated|known|predefined|mention|stated|you|question|task|"
    r"prompt|reveal|disclos)"
)
"""A word that every leak has; most texts have none, and are through with one search."""


def find_leaks(text: str, own: Collection[str] = (), phrases: Sequence[str] = ()) -> list[str]:
    """What of a text tells that its writer was helped, in the order of the text.

    Args:
        text: Any string.
        own: Stems of words that belong to the product and its defects; such a telling word is none.
        phrases: Further phrases that are leaks, letter case and spacing aside.
    """
    flat = plain(text)
    found = sorted({*_known(flat, own), *_given(flat, phrases)})
    return list(dict.fromkeys(phrase for _, phrase in found))


def _known(flat: str, own: Collection[str]) -> Iterator[tuple[int, str]]:
    for pattern in _LEAKS if _ANY.search(flat) else ():
        for match in pattern.finditer(flat):
            telling = match[1] if pattern.groups else ""
            if telling and (stem(telling) in own or _SHARED.search(_sentence(flat, match))):
                continue
            yield match.start(), match[0]


def _given(flat: str, phrases: Sequence[str]) -> Iterator[tuple[int, str]]:
    for phrase in map(plain, phrases):
        for match in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", flat) if phrase else ():
            yield match.start(), match[0]


def _sentence(flat: str, match: re.Match[str], reach: int = 200) -> str:
    """The sentence of a match, as far as it lies within reach."""
    before = flat[max(0, match.start() - reach) : match.start()]
    after = flat[match.end() : match.end() + reach]
    return _SENTENCE_END.split(before)[-1] + match[0] + _SENTENCE_END.split(after)[0]
