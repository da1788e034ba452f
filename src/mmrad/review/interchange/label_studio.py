"""What annotators did in Label Studio, from its export "JSON".

Formats:  https://labelstud.io/guide/task_format, https://labelstud.io/tags/rectanglelabels
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmrad.errors import DataError
from mmrad.review.interchange.annotated import UNREADABLE, Annotation, base_name, moment, problem_of
from mmrad.review.interchange.documents import parse_json
from mmrad.sample import Region
from mmrad.sources.polygons import rotated_corners


def read_label_studio(name: str, content: bytes) -> Iterator[Annotation]:
    """The annotations of an export; predictions and drafts are none, and what was skipped is not finished.

    Args:
        name: What messages call the file.
        content: The file.

    Raises:
        DataError: When it is another file, such as JSON-MIN.
    """
    tasks = parse_json(name, content)
    if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
        raise DataError(
            f"{name}: not an export of Label Studio with tasks and their annotations; "
            "export the project as JSON (not JSON-MIN, CSV or another)"
        )
    for number, task in enumerate(tasks):
        where = f"{name}, task {task.get('id', number)}"
        about = {"sample_id": task["data"].get("sample_id"), "image": base_name(task["data"].get("image"))}
        done = [one for one in task["annotations"] if not one.get("was_cancelled")]
        if not done:
            yield Annotation(where, **about, finished=False)
        for annotation in done:
            yield _annotation(Annotation(where, **about, finished=True), annotation, task)


def _is_task(task: Any) -> bool:
    return (
        isinstance(task, dict)
        and isinstance(task.get("data"), dict)
        and isinstance(task.get("annotations"), list)
        and all(isinstance(annotation, dict) for annotation in task["annotations"])
    )


def _annotation(found: Annotation, annotation: dict[str, Any], task: dict[str, Any]) -> Annotation:
    person = annotation.get("completed_by")
    if isinstance(person, dict):
        person = person.get("id")
    found.person = "" if person is None else str(person)
    try:
        found.at = moment(annotation["updated_at"])
        found.seconds = float(annotation.get("lead_time") or 0.0)
        outcome, reason = "keep", ""
        for result in annotation.get("result") or ():
            match (result["type"], result.get("from_name")):
                case ("choices", "outcome"):
                    outcome = _only(result["value"]["choices"])
                case ("textarea", "reason"):
                    text = result["value"]["text"]
                    reason = text if isinstance(text, str) else " ".join(text)
                case _:
                    _place(found, result)
        found.decide(outcome, reason)
        found.shown = _shown(annotation, task)
    except UNREADABLE as error:
        found.problem = problem_of(error)
    return found


def _shown(annotation: dict[str, Any], task: dict[str, Any]) -> list[Region] | None:
    """The places that the annotation began with: those of a prediction, or none where there was none."""
    prediction = annotation.get("prediction") or {}
    began = Annotation("")
    for result in prediction.get("result", ()):
        _place(began, result)
    return began.regions if prediction or not task.get("predictions") else None


def _place(found: Annotation, result: dict[str, Any]) -> None:
    """Add the place of a result; Label Studio writes percent of the width and the height."""
    if result.get("image_rotation"):
        raise ValueError("the image was turned in Label Studio; turn it back there")
    size_wh = (int(result["original_width"]), int(result["original_height"]))
    if found.size_wh not in (None, size_wh):
        raise ValueError("the results name two sizes of the image")
    found.size_wh = size_wh
    value, kind = result["value"], result["type"]
    across, down = (side / 100 for side in size_wh)
    match kind:
        case "rectanglelabels":
            label = _only(value[kind])
            left, top = value["x"] * across, value["y"] * down
            width, height = value["width"] * across, value["height"] * down
            if degrees := value.get("rotation"):
                found.add_outline(label, _turned(left, top, width, height, degrees))
            else:
                found.add_box(label, (left, top, left + width, top + height))
        case "polygonlabels":
            label = _only(value[kind])
            found.add_outline(label, [(x * across, y * down) for x, y in value["points"]])
        case _:
            raise ValueError(f"results of the type {kind!r} are not read; draw boxes")


def _turned(
    left: float, top: float, width: float, height: float, degrees: float
) -> list[tuple[float, float]]:
    """Corners of a box that Label Studio has turned clockwise about its upper left corner."""
    corners = rotated_corners((left, top, width, height), degrees)  # about its centre
    dx, dy = left - corners[0][0], top - corners[0][1]
    return [(x + dx, y + dy) for x, y in corners]


def _only(values: list[Any]) -> Any:
    if len(values) != 1:
        raise ValueError(f"one value is expected, not {values!r}")
    return values[0]
