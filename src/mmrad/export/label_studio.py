"""A corpus as tasks for Label Studio, to be checked there; `mmrad import-reviews` takes them back.

Label Studio serves the images from its own disk, by URLs relative to a document root. To use the folder OUT:

1.  Start Label Studio with the environment variables  LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true  and
    LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT  set to the absolute path of OUT.
2.  In a project, paste `labeling_config.xml` under Settings > Labeling Interface > Code.
3.  Under Settings > Cloud Storage add a source storage of the type Local files with the absolute path of
    `OUT/images`. It permits the images; it need not be synced.
4.  Import `tasks.json`, and see under Settings > Annotation that predictions prelabel tasks.

The truth of the corpus goes along as predictions: what comes back as an annotation was looked at by somebody.

Formats:  https://labelstud.io/guide/tasks, https://labelstud.io/guide/predictions
Local files:  https://labelstud.io/guide/storage#Local-storage
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote
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
    relative_xywh,
    write_image,
)
from mmrad.files import write_text
from mmrad.sample import Region, Sample

_URL = "/data/local-files/?d="
"""Before paths relative to Label Studio's document root."""

_IMAGE, _LABELS = "image", "label"
"""Names of the tags of the labeling configuration, which results refer to."""


def export_label_studio(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/images/*`, `OUT/tasks.json` and `OUT/labeling_config.xml`.

    Each task of an anomalous image has one prediction with the regions as rectangles, in percent of the
    image's width and height. Masks do not go along. Beside the labels the annotator has a choice `outcome` of
    keep, drop and unsure (none means keep), and a field `reason` that a drop needs. The data manager shows
    `sample_id`, `source`, `category` (of the product), `split` and `licence` as columns.

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
    tasks = []
    for sample in each(corpus.samples, progress):
        path = corpus.resolve(sample.source, sample.image)
        place = f"images/{stems[sample.id]}{image_suffix(path)}"
        write_image(path, out / place)
        tasks.append(_task(sample, place))
    write_text(out / "tasks.json", json.dumps(tasks, ensure_ascii=False) + "\n")
    write_text(out / "labeling_config.xml", _config(label_names(corpus)))
    return len(tasks)


def _task(sample: Sample, place: str) -> dict[str, Any]:
    results = [_rectangle(str(number), region, sample) for number, region in enumerate(sample.regions)]
    return {
        "data": {
            _IMAGE: f"{_URL}{quote(place)}",
            "sample_id": sample.id,
            "source": sample.source,
            "category": sample.category,
            "split": sample.split,
            "licence": sample.licence,
        },
        "predictions": [{"model_version": "mmrad", "result": results}] if results else [],
    }


def _rectangle(name: str, region: Region, sample: Sample) -> dict[str, Any]:
    width, height = sample.size_wh
    x, y, w, h = (100 * share for share in relative_xywh(region.box, sample.size_wh))
    return {
        "id": name,
        "type": "rectanglelabels",
        "from_name": _LABELS,
        "to_name": _IMAGE,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": w, "height": h, "rotation": 0, "rectanglelabels": [region.label]},
    }


def _config(labels: list[str]) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name=_IMAGE, value=f"${_IMAGE}")
    rectangles = ElementTree.SubElement(
        view, "RectangleLabels", name=_LABELS, toName=_IMAGE, canRotate="false"
    )
    for label in labels:
        ElementTree.SubElement(rectangles, "Label", value=label)
    choices = ElementTree.SubElement(
        view, "Choices", name="outcome", toName=_IMAGE, choice="single", showInline="true"
    )
    for outcome in get_args(Outcome):
        ElementTree.SubElement(choices, "Choice", value=outcome)
    when_dropped = {"visibleWhen": "choice-selected", "whenTagName": "outcome", "whenChoiceValue": "drop"}
    ElementTree.SubElement(
        ElementTree.SubElement(view, "View", when_dropped),
        "TextArea", name="reason", toName=_IMAGE, maxSubmissions="1", required="true", placeholder="Why?",
    )  # fmt: skip
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
