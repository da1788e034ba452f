"""Teaching: reasoning texts for the samples of a corpus, and their verification."""

from mmrad.teach.knowledge import domain_knowledge
from mmrad.teach.run import TeachSummary, run_teacher, verify_corpus
from mmrad.teach.scripted import ScriptedTeacher, Teacher
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import chosen_texts, read_texts, teachers
from mmrad.teach.verify import passed, verify

__all__ = [
    "LabelSimilarity",
    "ScriptedTeacher",
    "TeachSummary",
    "Teacher",
    "chosen_texts",
    "domain_knowledge",
    "passed",
    "read_texts",
    "run_teacher",
    "teachers",
    "verify",
    "verify_corpus",
]
