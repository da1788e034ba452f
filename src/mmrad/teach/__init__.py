"""Teaching: reasoning texts for the samples of a corpus, and their verification."""

from mmrad.teach.course import Tally
from mmrad.teach.descriptions import import_descriptions
from mmrad.teach.imported import import_texts
from mmrad.teach.judge import Agreement, judge_texts
from mmrad.teach.knowledge import collect_knowledge, read_knowledge, write_knowledge
from mmrad.teach.mllm import MLLMTeacher
from mmrad.teach.negatives import Negative, read_negatives
from mmrad.teach.opposite import write_opposite_negatives
from mmrad.teach.plan import Plan, plan
from mmrad.teach.reverify import Verification, verify_corpus
from mmrad.teach.run import Teaching, teach
from mmrad.teach.scripted import ScriptedTeacher
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import chosen_texts, read_texts, teachers
from mmrad.teach.verify import Limits, passed, verify
from mmrad.teach.wrong import NegativesSummary, write_scripted_negatives

__all__ = [
    "Agreement",
    "LabelSimilarity",
    "Limits",
    "MLLMTeacher",
    "Negative",
    "NegativesSummary",
    "Plan",
    "ScriptedTeacher",
    "Tally",
    "Teaching",
    "Verification",
    "chosen_texts",
    "collect_knowledge",
    "import_descriptions",
    "import_texts",
    "judge_texts",
    "passed",
    "plan",
    "read_knowledge",
    "read_negatives",
    "read_texts",
    "teach",
    "teachers",
    "verify",
    "verify_corpus",
    "write_knowledge",
    "write_opposite_negatives",
    "write_scripted_negatives",
]
