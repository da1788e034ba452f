"""Teaching: reasoning texts for the samples of a corpus, and their verification."""

from mmrad.teach.scripted import ScriptedTeacher, Teacher

__all__ = ["ScriptedTeacher", "Teacher"]
