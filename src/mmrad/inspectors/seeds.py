"""Seeds of sampling for models on this machine."""

from __future__ import annotations

import hashlib


def seed_of(seed: int, sample_id: str) -> int:
    """The seed for one query: the same whatever else is asked before it, beside it, or after an interruption.

    Args:
        seed: Seed of the whole inspection.
        sample_id: The query.

    Returns:
        A number below 2**63, as much as samplers take.
    """
    digest = hashlib.sha256(f"{seed}\n{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
