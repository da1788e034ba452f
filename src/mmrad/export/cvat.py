"""A corpus as "CVAT for images 1.1", to be checked in CVAT; `mmrad import-reviews` takes it back.

1.  In CVAT create a task, paste `labels.json` into the tab Raw of its labels, and add the files of `images`.
2.  In the menu of the task choose Upload annotations, the format CVAT 1.1 and the file `annotations.xml`.

The annotator tags each image that is done: the tag has the attributes `outcome` (keep, drop or unsure) and
`reason`, which a drop needs.

Formats:  https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat, https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.corpus.reviews import Outcome
from mmrad.export.images import (
    Progress,
    each,
    image_suffix,
    label_names,
    refuse_filled,
    write_image,
)
from mmrad.files import write_text

_TAG = "mmrad review"
"""Label of the tag that says what an annotator decided of an image."""


def export_cvat(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/images/*`, `OUT/labels.json` and `OUT/annotations.xml`.

    Boxes have the corners `xtl`, `ytl`, `xbr` and `ybr` in pixels; the lower right one is one past the last
    pixel. Masks do not go along; split and category stand in the names of the images.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        progress: Told after every image.

    Returns:
        How many images were written.

    Raises:
        UsageError: When the folder holds anything.
        DataError: When an image cannot be read.
    """
    refuse_filled(out)
    stems = file_stems(corpus.samples)
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = _labels(label_names(corpus))
    root.append(_meta(labels, len(corpus.samples)))
    for number, sample in enumerate(each(corpus.samples, progress)):
        path = corpus.resolve(sample.source, sample.image)
        name = f"{stems[sample.id]}{image_suffix(path)}"
        write_image(path, out / "images" / name)
        width, height = map(str, sample.size_wh)
        image = ElementTree.SubElement(root, "image", id=str(number), name=name, width=width, height=height)
        for region in sample.regions:
            corners = zip(("xtl", "ytl", "xbr", "ybr"), region.box.xyxy, strict=True)
            ElementTree.SubElement(
                image,
                "box",
                {"label": region.label, "source": "manual", "occluded": "0", "z_order": "0"}
                | {key: f"{value:.2f}" for key, value in corners},
            )
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", xml_declaration=False)
    write_text(out / "labels.json", json.dumps(labels, ensure_ascii=False, indent=2) + "\n")
    write_text(out / "annotations.xml", f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
    return len(corpus.samples)


def _labels(names: list[str]) -> list[dict[str, Any]]:
    """The labels as the tab Raw of CVAT takes them: those of regions, and the tag."""
    outcomes = list(get_args(Outcome))
    attributes = [
        _attribute("outcome", "select", outcomes[0], outcomes),
        _attribute("reason", "text", "", [""]),
    ]
    regions = [{"name": name, "type": "rectangle", "attributes": []} for name in names]
    return [*regions, {"name": _TAG, "type": "tag", "attributes": attributes}]


def _attribute(name: str, kind: str, default: str, values: list[str]) -> dict[str, Any]:
    return {"name": name, "mutable": False, "input_type": kind, "default_value": default, "values": values}


def _meta(labels: list[dict[str, Any]], images: int) -> ElementTree.Element:
    """What the file says of the task: its labels, before all."""
    meta = ElementTree.Element("meta")
    task = ElementTree.SubElement(meta, "task")
    _fill(task, {"name": "mmrad", "size": str(images), "mode": "annotation"})
    listed = ElementTree.SubElement(task, "labels")
    for label in labels:
        entry = ElementTree.SubElement(listed, "label")
        _fill(entry, {"name": label["name"], "type": label["type"]})
        attributes = ElementTree.SubElement(entry, "attributes")
        for attribute in label["attributes"]:
            texts = attribute | {"mutable": "False", "values": "\n".join(attribute["values"])}
            _fill(ElementTree.SubElement(attributes, "attribute"), texts)
    return meta


def _fill(element: ElementTree.Element, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(element, name).text = text
