"""The two components of the browser that show pictures: the grid of samples, and one picture with boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui

from mmrad.corpus.tables import region_row
from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.pages.parts import told
from mmrad.review.pages.shell import ASSETS
from mmrad.sample import Region, Sample

_MODULE = {"mmrad-grid": str(ASSETS / "grid")}


class Grid(ui.element, component=ASSETS / "grid.js", esm=_MODULE):
    """Samples as thumbnails with their boxes; fetches what is in sight from the application.

    Args:
        application: The application.
        source: Address that answers with samples, without prefix and place, as `samples_of` makes it.
        opens: What a sample links to before its id, as `/sample?id=`; None when `on_opened` is told of it.
        on_counted: Called with the number of samples when they have changed.
        on_opened: Called with the id of the sample that was chosen.
    """

    def __init__(
        self,
        application: Application,
        source: str,
        *,
        opens: str | None = None,
        on_counted: Callable[[int], Any] | None = None,
        on_opened: Callable[[str], Any] | None = None,
    ) -> None:
        super().__init__()
        self.props.update({"prefix": application.options.prefix, "url": source, "href": opens})
        if on_counted:
            self.on("counted", told(lambda event: on_counted(event.args)))
        if on_opened:
            self.on("opened", told(lambda event: on_opened(event.args)))

    def show(self, source: str) -> None:
        """Show other samples."""
        self.props["url"] = source


def samples_of(criteria: Criteria) -> str:
    """The address of the samples that have something in common."""
    chosen = criteria.model_dump_json(exclude_defaults=True)
    return f"/api/samples?{urlencode({'criteria': chosen})}"


@dataclass(frozen=True, slots=True)
class Layer:
    """Boxes of one origin over a picture.

    Attributes:
        kind: Their look: `true` and `claimed`, or `first` and `second`.
        name: Whose they are.
        regions: Boxes in pixels of the original image, with labels.
    """

    kind: str
    name: str
    regions: Sequence[Region]


class Picture(ui.element, component=ASSETS / "picture.js", esm=_MODULE):
    """The image of a sample, as large as there is room, with boxes and their labels over it.

    Args:
        application: The application.
        sample: The sample.
        layers: The boxes.
    """

    def __init__(self, application: Application, sample: Sample, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.props.update(
            {
                "prefix": application.options.prefix,
                "image": f"/image?id={quote(sample.id, safe='')}",
                "name": f"The image {sample.id}",
                "size": list(sample.size_wh),
                "layers": [_layer(layer) for layer in layers],
            }
        )


def _layer(layer: Layer) -> dict[str, Any]:
    regions = [region_row(region) for region in layer.regions]
    return {"kind": layer.kind, "name": layer.name, "regions": regions}
