"""Raw datasets in: one adapter for each layout, and the builder that turns them into a corpus."""

from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.build import BuildResult, build_corpus
from mmrad.sources.registry import ADAPTERS, describe_sources

__all__ = [
    "ADAPTERS",
    "Adapter",
    "BuildResult",
    "MaskFile",
    "RawSample",
    "Rejection",
    "build_corpus",
    "describe_sources",
]
