"""Names of files for samples, where a format or a tool knows images by nothing else."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

from mmrad.sample import Sample

_LONGEST = 150
"""Bytes of a file's stem; file systems take 255 with suffix, and temporary files have longer names."""


def file_stems(samples: Iterable[Sample]) -> dict[str, str]:
    """A file name without suffix for each sample, by sample id.

    It is the id with all but letters, digits, `_`, `.` and `-` replaced, so that it needs no quoting in
    any file system, URL or list; a hash is added where it would be too long, or equal to another in some
    letter case. It never depends on the order of the samples.
    """
    plain = {sample.id: re.sub(r"[^\w.-]+", "_", sample.id.replace("/", "-")) for sample in samples}
    hashed = {sample_id for sample_id, stem in plain.items() if len(stem.encode()) > _LONGEST}
    while True:
        stems = {key: _hashed(key, stem) if key in hashed else stem for key, stem in plain.items()}
        taken = Counter(stem.casefold() for stem in stems.values())
        again = {key for key, stem in stems.items() if taken[stem.casefold()] > 1} - hashed
        if not again:
            return stems
        hashed |= again


def _hashed(sample_id: str, stem: str) -> str:
    short = stem.encode()[: _LONGEST - 17].decode(errors="ignore")
    return f"{short}-{hashlib.sha256(sample_id.encode()).hexdigest()[:16]}"
