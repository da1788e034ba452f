"""A corpus as "CVAT for images 1.1".

Zip the content of the folder and create a project or task from it, or make a task of the images and upload
`annotations.xml` to it.

Formats:  https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat, https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from mmrad.corpus import Corpus
from mmrad.export.images import (
    Progress,
    each,
    file_stems,
    image_suffix,
    label_names,
    refuse_filled,
    write_image,
)
from mmrad.files import write_text


def export_cvat(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/images/*` and `OUT/annotations.xml`.

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
    root.append(_meta(label_names(corpus), len(corpus.samples)))
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
    write_text(out / "annotations.xml", f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
    return len(corpus.samples)


def _meta(labels: list[str], images: int) -> ElementTree.Element:
    """What the file says of the task: its labels, before all."""
    meta = ElementTree.Element("meta")
    task = ElementTree.SubElement(meta, "task")
    for name, text in (("name", "mmrad"), ("size", str(images)), ("mode", "annotation")):
        ElementTree.SubElement(task, name).text = text
    listed = ElementTree.SubElement(task, "labels")
    for label in labels:
        entry = ElementTree.SubElement(listed, "label")
        ElementTree.SubElement(entry, "name").text = label
        ElementTree.SubElement(entry, "type").text = "rectangle"
        ElementTree.SubElement(entry, "attributes")
    return meta
