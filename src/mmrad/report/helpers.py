"""How tables say that an expert has helped a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmrad.bench.run import RunInfo


def helper_text(info: RunInfo) -> str | None:
    """Which expert helped a model, and how; None of a run without help."""
    hints, fused = info.about.get("hints"), info.about.get("fused_from")
    told = [f"{hints['expert']}, {hints['as']}"] if hints else []
    return "; ".join([*told, f"{fused[1]}, fused"] if fused else told) or None


def helper_notes(infos: Sequence[RunInfo]) -> Iterator[str]:
    """A sentence on each run in which the expert had nothing to say of some queries."""
    for info in infos:
        if without := info.about.get("hints", {}).get("without"):
            yield f"{info.name}: queries without a hint, of which the expert says nothing: {len(without)}."
