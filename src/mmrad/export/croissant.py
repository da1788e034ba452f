"""The Croissant description of the dataset that `mmrad.export.hugging_face` writes.

Format:  https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrad.files import write_text

if TYPE_CHECKING:
    from mlcroissant import Field

_FILES, _RECORDS = "parquet-files", "samples"
"""Ids of the set of Parquet files and of the rows in them."""


def write_croissant(out: Path, description: str, licences: list[str]) -> None:
    """Write `OUT/croissant.json` for `OUT/data/*.parquet`.

    Whoever publishes the dataset adds its `url`, `creator` and `datePublished`, which nothing here knows.

    Args:
        out: The folder.
        description: What the dataset is, in words.
        licences: Names of its licences.
    """
    from mlcroissant import FileSet, Metadata, RecordSet

    files = FileSet(
        id=_FILES, name=_FILES, includes=["data/*.parquet"], encoding_formats=["application/x-parquet"]
    )
    records = RecordSet(id=_RECORDS, name=_RECORDS, key=[f"{_RECORDS}/id"], fields=_fields())
    metadata = Metadata(
        name="mmrad",
        description=description,
        license=licences,
        conforms_to="http://mlcommons.org/croissant/1.0",
        distribution=[files],
        record_sets=[records],
    )
    content = json.dumps(metadata.to_json(), indent=2, ensure_ascii=False)
    write_text(out / "croissant.json", f"{content}\n")


def _fields() -> list[Field]:
    from mlcroissant import DataType, Field

    image, text, number = DataType.IMAGE_OBJECT, DataType.TEXT, DataType.INTEGER
    objects = Field(
        id=f"{_RECORDS}/objects",
        name="objects",
        description="The anomalous regions",
        sub_fields=[
            # mlcroissant reads boxes only from lists and text, which Parquet does not give; it goes by the
            # first type, and the second says what the numbers are.
            _field(
                "objects/bbox",
                [DataType.FLOAT, DataType.BOUNDING_BOX],
                "x, y, width and height in pixels of the query",
                "bbox",
                repeated=True,
            ),
            _field("objects/categories", text, "What each of them is", "categories", repeated=True),
        ],
    )
    return [
        _field("id", text, "source/category/split/stem"),
        _field("query", image, "The image to judge", "bytes"),
        _field("reference", image, "A normal image of the same product", "bytes"),
        objects,
        _field("label", number, "0 for normal, 1 for anomalous"),
        _field("category", text, "Category of the product"),
        _field("source", text, "Dataset that the image is from"),
        _field("licence", text, "Licence of that dataset"),
        _field("split", text, "train, validation or test"),
        _field("text", text, "Verified reasoning and answer, coordinates in pixels of the view"),
        _field("view_width", number, "Width of the view in pixels"),
        _field("view_height", number, "Height of the view in pixels"),
    ]


def _field(
    name: str, kinds: Any, description: str, within: str | None = None, *, repeated: bool = False
) -> Field:
    """A field from the column of its name.

    Args:
        name: Its name; of a field in another `PARENT/NAME`.
        kinds: Its data type, or several.
        description: What it is.
        within: The entry of the column's dictionary that it is.
        repeated: Whether it is a list.
    """
    from mlcroissant import Extract, Field, Source, Transform

    return Field(
        id=f"{_RECORDS}/{name}",
        name=name,
        description=description,
        data_types=kinds,
        repeated=repeated,
        source=Source(
            file_set=_FILES,
            extract=Extract(column=name.partition("/")[0]),
            transforms=[Transform(json_path=within)] if within else [],
        ),
    )
