"""Label Studio, CVAT and COCO tools as far as their files go: what they make of an export, and export again.

Their raw forms are those of  https://labelstud.io/guide/task_format,  https://docs.cvat.ai/docs/other/xml_format
and  https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmrad.corpus import Corpus, ReviewedCorpus
from mmrad.export.coco import export_coco
from mmrad.export.cvat import export_cvat
from mmrad.export.label_studio import export_label_studio
from mmrad.review.interchange import Taken, import_reviews
from mmrad.review.store import Store

Drawn = tuple[str, tuple[float, float, float, float]]
"""A label and the corners of a box in pixels, as a person draws it."""

Edit = Callable[[list[Drawn]], Sequence[Drawn]]
"""What a person makes of the boxes of an image."""


def taken(corpus: Corpus, tool: str, *files: Path, **options: Any) -> Taken:
    """Import files into a corpus, with its database beside it."""
    store = Store(f"sqlite:///{corpus.path / 'review.sqlite3'}")
    try:
        return import_reviews(corpus, store, files, tool, **options)
    finally:
        store.close()


class Elsewhere:
    """A corpus in another tool, where people work on it.

    Args:
        corpus: The corpus; what goes to the tool is what its reviews leave.
        folder: A new folder for the export and what the tool writes.
    """

    tool: str

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.count = 0
        self.export(ReviewedCorpus(corpus.path))

    def export(self, corpus: Corpus) -> None:
        raise NotImplementedError

    def edit(self, sample_id: str, edit: Edit = list, **said: Any) -> None:
        """A person changes boxes, and says of the image what the tool can say."""
        raise NotImplementedError

    def file(self) -> Path:
        """What the tool exports now."""
        raise NotImplementedError

    def _next(self, suffix: str) -> Path:
        self.count += 1
        return self.folder / f"{self.count}{suffix}"


class LabelStudio(Elsewhere):
    """Tasks are prelabelled with predictions; submitting makes an annotation."""

    tool = "label-studio"

    def export(self, corpus: Corpus) -> None:
        export_label_studio(corpus, self.out)
        self.sizes = {sample.id: sample.size_wh for sample in corpus.samples}
        self.tasks = json.loads((self.out / "tasks.json").read_text())
        for number, task in enumerate(self.tasks, start=1):
            task |= {"id": number, "annotations": [], "drafts": [], "meta": {}, "project": 1}
            task |= {"inner_id": number, "total_annotations": 0, "cancelled_annotations": 0}

    def edit(
        self, sample_id: str, edit: Edit = list, *, person: Any = 1, at: str = "2026-11-26T10:00:00.500000Z",
        outcome: str = "", reason: str = "", skipped: bool = False,
    ) -> None:  # fmt: skip
        [task] = [task for task in self.tasks if task["data"]["sample_id"] == sample_id]
        width, height = self.sizes[sample_id]
        shown = [result for prediction in task["predictions"] for result in prediction["result"]]
        boxes = [(one["value"]["rectanglelabels"][0], _from_percent(one)) for one in shown]
        results = [_rectangle(box, width, height, n) for n, box in enumerate(edit(boxes))]
        if outcome:
            results.append(_control("outcome", "choices", {"choices": [outcome]}))
        if reason:
            results.append(_control("reason", "textarea", {"text": [reason]}))
        task["annotations"].append(
            {
                "id": 1000 + len(task["annotations"]), "completed_by": person, "result": results,
                "was_cancelled": skipped, "ground_truth": False, "created_at": "2026-11-26T09:59:00.000000Z",
                "updated_at": at, "draft_created_at": None, "lead_time": 4.288,
                "prediction": next(iter(task["predictions"]), {}),
                "result_count": len(results), "task": task["id"], "project": 1, "parent_prediction": None,
            }
        )  # fmt: skip

    def file(self) -> Path:
        path = self._next(".json")
        path.write_text(json.dumps(self.tasks, indent=1))
        return path


def _from_percent(result: dict[str, Any]) -> tuple[float, float, float, float]:
    value, width, height = result["value"], result["original_width"], result["original_height"]
    x, y = value["x"] / 100 * width, value["y"] / 100 * height
    return (x, y, x + value["width"] / 100 * width, y + value["height"] / 100 * height)


def _rectangle(drawn: Drawn, width: int, height: int, number: int) -> dict[str, Any]:
    label, (x1, y1, x2, y2) = drawn
    return {
        "id": f"Dx_{number}", "type": "rectanglelabels", "from_name": "label", "to_name": "image",
        "original_width": width, "original_height": height, "image_rotation": 0,
        "origin": "prediction-changed",
        "value": {
            "x": 100 * x1 / width, "y": 100 * y1 / height, "width": 100 * (x2 - x1) / width,
            "height": 100 * (y2 - y1) / height, "rotation": 0, "rectanglelabels": [label],
        },
    }  # fmt: skip


def _control(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "type": kind,
        "from_name": name,
        "to_name": "image",
        "origin": "manual",
        "value": value,
    }


class Cvat(Elsewhere):
    """A task of the images, to which the annotations were uploaded."""

    tool = "cvat"

    def export(self, corpus: Corpus) -> None:
        export_cvat(corpus, self.out)
        self.root = ElementTree.parse(self.out / "annotations.xml").getroot()
        order = [sample.id for sample in corpus.samples]
        self.images = dict(zip(order, self.root.findall("image"), strict=True))
        meta = self.root.find("meta")
        assert meta is not None
        self.meta = meta
        self.at("2026-11-26 12:00:00.500000+02:00")

    def assign(self, person: str) -> None:
        task = self.meta.find("task")
        assert task is not None
        assignee = ElementTree.SubElement(task, "assignee")
        ElementTree.SubElement(assignee, "username").text = person
        ElementTree.SubElement(assignee, "email").text = f"{person}@example.org"

    def at(self, moment: str) -> None:
        """When the file is written."""
        for old in self.meta.findall("dumped"):
            self.meta.remove(old)
        ElementTree.SubElement(self.meta, "dumped").text = moment

    def edit(self, sample_id: str, edit: Edit = list, *, outcome: str = "", reason: str = "") -> None:
        image = self.images[sample_id]
        shown = [
            (box.attrib["label"], tuple(float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr")))
            for box in image.findall("box")
        ]
        for element in list(image):
            image.remove(element)
        for label, corners in edit(shown):
            texts = zip(("xtl", "ytl", "xbr", "ybr"), (f"{value:.2f}" for value in corners), strict=True)
            box = {"label": label, "source": "manual", "occluded": "1", "z_order": "0"}
            ElementTree.SubElement(image, "box", box | dict(texts))
        if outcome:
            tag = ElementTree.SubElement(image, "tag", label="mmrad review", source="manual")
            ElementTree.SubElement(tag, "attribute", name="outcome").text = outcome
            ElementTree.SubElement(tag, "attribute", name="reason").text = reason

    def file(self) -> Path:
        path = self._next(".xml")
        path.write_bytes(ElementTree.tostring(self.root, encoding="utf-8", xml_declaration=True))
        return path


class Coco(Elsewhere):
    """A tool that keeps the names of files and its own ids, and nothing else of an image."""

    tool = "coco"

    def export(self, corpus: Corpus) -> None:
        export_coco(corpus, self.out)
        self.content: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
        self.ids: dict[str, int] = {}
        for path in sorted((self.out / "annotations").iterdir()):
            read = json.loads(path.read_text())
            self.content["categories"] = read["categories"]
            self.content["annotations"] += [
                {key: one[key] for key in ("id", "image_id", "category_id", "bbox", "area", "iscrowd")}
                for one in read["annotations"]
            ]
            for image in read["images"]:
                self.ids[image["sample_id"]] = image["id"]
                kept = {key: image[key] for key in ("id", "width", "height")}
                name = f"{path.stem}/{image['file_name']}"
                self.content["images"].append(kept | {"file_name": name, "license": 0, "date_captured": 0})

    def edit(self, sample_id: str, edit: Edit = list) -> None:
        names = {entry["id"]: entry["name"] for entry in self.content["categories"]}
        ids = {name: key for key, name in names.items()}
        own = [a for a in self.content["annotations"] if a["image_id"] == self.ids[sample_id]]
        rest = [a for a in self.content["annotations"] if a["image_id"] != self.ids[sample_id]]
        shown = []
        for entry in own:
            x, y, width, height = entry["bbox"]
            shown.append((names[entry["category_id"]], (x, y, x + width, y + height)))
        for label, (x1, y1, x2, y2) in edit(shown):
            if label not in ids:
                ids[label] = max(ids.values(), default=0) + 1
                self.content["categories"].append({"id": ids[label], "name": label})
            rest.append(
                {
                    "id": 10_000 + len(rest), "image_id": self.ids[sample_id], "category_id": ids[label],
                    "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0,
                    "segmentation": [], "attributes": {"occluded": False},
                }
            )  # fmt: skip
        self.content["annotations"] = rest

    def file(self) -> Path:
        path = self._next(".json")
        path.write_text(json.dumps(self.content))
        return path


def moved(dx: float, dy: float) -> Edit:
    """An edit that moves every box."""
    return lambda boxes: [(label, (a + dx, b + dy, c + dx, d + dy)) for label, (a, b, c, d) in boxes]


def drawn(label: str, *corners: float) -> Edit:
    """An edit that draws one more box."""
    x1, y1, x2, y2 = corners
    return lambda boxes: [*boxes, (label, (x1, y1, x2, y2))]
