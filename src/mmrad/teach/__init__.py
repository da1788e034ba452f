"""Teaching: reasoning texts for the samples of a corpus, and their verification."""

from mmrad.teach.knowledge import domain_knowledge
from mmrad.teach.run import TeachSummary, read_texts, run_teacher, verified_texts, verify_corpus
from mmrad.teach.scripted import ScriptedTeacher, Teacher
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.verify import passed, verify

__all__ = [
    "LabelSimilarity",
    "ScriptedTeacher",
    "TeachSummary",
    "Teacher",
    "domain_knowledge",
    "passed",
    "read_texts",
    "run_teacher",
    "verified_texts",
    "verify",
    "verify_corpus",
]
