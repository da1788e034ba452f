"""Corpora in the formats of other tools: `mmrad.export.FORMAT.export_FORMAT`, one module a format."""
