"""Teaching: reasoning texts for the samples of a corpus, and their verification."""

from mmrad.teach.course import Tally
from mmrad.teach.knowledge import domain_knowledge
from mmrad.teach.mllm import MLLMTeacher
from mmrad.teach.plan import Plan, plan
from mmrad.teach.run import Teaching, teach
from mmrad.teach.scripted import ScriptedTeacher
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import chosen_texts, read_texts, teachers
from mmrad.teach.verify import Limits, passed, verify

__all__ = [
    "LabelSimilarity",
    "Limits",
    "MLLMTeacher",
    "Plan",
    "ScriptedTeacher",
    "Tally",
    "Teaching",
    "chosen_texts",
    "domain_knowledge",
    "passed",
    "plan",
    "read_texts",
    "teach",
    "teachers",
    "verify",
]
