"""The audit of a corpus as a page with pictures of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.curate.audit import Audit, Case
from mmrad.files import write_text
from mmrad.report.html import render
from mmrad.report.thumbnails import Thumbnails
from mmrad.sample import Sample

FILE_NAME = "audit.html"

SHOWN_REJECTIONS = 500

FINDING_NAMES = {
    "dark": "Dark",
    "light": "Overexposed",
    "low_information": "Low information",
    "odd_aspect_ratio": "Odd aspect ratio",
    "blurry": "Blurred",
    "odd_size": "Odd size for its category",
    "small": "Too small",
    "exact_duplicate": "Exact duplicate",
    "near_duplicate": "Near duplicate",
    "leak": "Leak: a duplicate in another split or source",
    "covering_box": "Box over the whole image",
    "tiny_box": "Tiny box",
}


def write_audit(corpus: Corpus, audit: Audit, out: Path, *, thumb: int = 240) -> Path:
    """Write `audit.html`, which holds everything it shows and asks the network for nothing.

    Args:
        corpus: The corpus.
        audit: What was found.
        out: Folder to write into; created when missing.
        thumb: Longest side of an embedded picture in pixels.

    Returns:
        The file written.
    """
    thumbnails = Thumbnails(thumb)
    groups = [
        {
            "key": name,
            "title": FINDING_NAMES[name],
            "count": sum(source.findings[name] for source in audit.sources),
            "cases": [_shown(case, corpus, thumbnails) for case in cases],
        }
        for name, cases in audit.cases.items()
    ]
    page = render(
        "audit.html.j2",
        corpus=corpus.path.resolve().name,
        sources=audit.sources,
        names=FINDING_NAMES,
        found=[name for name in FINDING_NAMES if name in audit.cases],
        groups=groups,
        images=sum(source.images for source in audit.sources),
        rejections=audit.rejections[:SHOWN_REJECTIONS],
        rejected=len(audit.rejections),
        pictures=thumbnails.uris,
    )
    write_text(out / FILE_NAME, page)
    return out / FILE_NAME


def _shown(case: Case, corpus: Corpus, thumbnails: Thumbnails) -> dict[str, Any]:
    pictures = [_picture(case.sample, corpus, thumbnails)]
    if case.original:
        pictures.append(_picture(case.original, corpus, thumbnails))
    return {"pictures": pictures}


def _picture(sample: Sample, corpus: Corpus, thumbnails: Thumbnails) -> dict[str, Any]:
    width, height = sample.size_wh
    boxes = [
        {
            "left": 100 * box.x1 / width,
            "top": 100 * box.y1 / height,
            "width": 100 * (box.x2 - box.x1) / width,
            "height": 100 * (box.y2 - box.y1) / height,
        }
        for box in (region.box for region in sample.regions)
    ]
    key = thumbnails.add(corpus.resolve(sample.source, sample.image))
    return {"id": sample.id, "size": f"{width} x {height}", "key": key, "boxes": boxes}
