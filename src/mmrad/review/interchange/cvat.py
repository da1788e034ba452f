"""What annotators did in CVAT, from its export "CVAT for images 1.1".

Format:  https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from mmrad.errors import DataError
from mmrad.review.interchange.annotated import UNREADABLE, Annotation, base_name, moment, problem_of
from mmrad.review.interchange.documents import parse_xml
from mmrad.sources.polygons import rotated_corners


def read_cvat(name: str, content: bytes) -> Iterator[Annotation]:
    """The images of an export; those with a tag that has an attribute `outcome` are finished.

    The person is the one that the task or job is assigned to.

    Args:
        name: What messages call the file.
        content: The file.

    Raises:
        DataError: When it is another file, such as one for video.
    """
    root = parse_xml(name, content)
    if root.tag != "annotations" or root.find("track") is not None:
        raise DataError(f'{name}: not "CVAT for images 1.1"; export the task in that format')
    person = root.findtext("meta/*/assignee/username") or ""
    dumped = root.findtext("meta/dumped")
    for image in root.iter("image"):
        file = image.get("name", "")
        found = Annotation(f"{name}, {file}", image=base_name(file), person=person)
        try:
            found.at = moment(dumped) if dumped else None
            found.size_wh = (int(image.attrib["width"]), int(image.attrib["height"]))
            for element in image:
                _element(found, element)
        except UNREADABLE as error:
            found.problem = problem_of(error)
        yield found


def _element(found: Annotation, element: Element) -> None:
    """Take over a shape, or the tag that says the decision."""
    label = element.get("label")
    match element.tag:
        case "tag":
            said = {entry.get("name"): entry.text for entry in element.iter("attribute")}
            if "outcome" in said:
                found.decide(said["outcome"], said.get("reason"))
                found.finished = True
        case "box":
            x1, y1, x2, y2 = (float(element.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            if degrees := float(element.get("rotation", 0)):
                found.add_outline(label, rotated_corners((x1, y1, x2 - x1, y2 - y1), degrees))
            else:
                found.add_box(label, (x1, y1, x2, y2))
        case "polygon":
            pairs = (pair.split(",") for pair in element.attrib["points"].split(";"))
            found.add_outline(label, [(float(x), float(y)) for x, y in pairs])
        case "mask":
            left, top, width, height = (
                int(element.attrib[key]) for key in ("left", "top", "width", "height")
            )
            found.add_outline(label, [(left, top), (left + width, top + height)])
        case kind:
            raise ValueError(f"shapes of the kind {kind!r} are not read; draw boxes")
