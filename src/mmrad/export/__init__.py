"""Corpora in the formats of other tools, one module a format."""

from mmrad.export.release import export_release

__all__ = ["export_release"]
