"""MMAD's multiple-choice questions, asked of any chat model and scored by MMAD's own metric."""

from mmrad.bench.mmad.answers import Answer, Asking, MmadRun, ask_mmad
from mmrad.bench.mmad.questions import Question, choice_in, read_questions
from mmrad.bench.mmad.scores import Row, mmad_rows

__all__ = [
    "Answer",
    "Asking",
    "MmadRun",
    "Question",
    "Row",
    "ask_mmad",
    "choice_in",
    "mmad_rows",
    "read_questions",
]
