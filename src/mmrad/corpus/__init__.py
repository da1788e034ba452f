"""The corpus on disk: samples, their references and their reasoning texts."""

from mmrad.corpus.manifest import SourceInfo
from mmrad.corpus.reviewed import ReviewedCorpus
from mmrad.corpus.store import Corpus, Reference
from mmrad.corpus.write import write_corpus

__all__ = ["Corpus", "Reference", "ReviewedCorpus", "SourceInfo", "write_corpus"]
