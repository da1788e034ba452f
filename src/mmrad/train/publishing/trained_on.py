"""What a training reads, kept beside its model: sources, licences and numbers of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mmrad.errors import DataError
from mmrad.files import write_text
from mmrad.recipe import Table
from mmrad.sample import Sample

FILE_NAME = "trained_on.json"


class TrainedOn(Table):
    """The part of a source that was trained on.

    Attributes:
        source: Its name in the corpus.
        licence: Licence of the images.
        images: How many were read.
        anomalous: How many of them are anomalous.
    """

    source: str
    licence: str
    images: int
    anomalous: int


_Record = TypeAdapter(tuple[TrainedOn, ...])


def sources_of(samples: Iterable[Sample]) -> tuple[TrainedOn, ...]:
    """The sources of samples, in order of their names; a source with two licences is two of them."""
    counts = Counter((sample.source, sample.licence, sample.anomalous) for sample in samples)
    parts = sorted({(source, licence) for source, licence, _ in counts})
    return tuple(
        TrainedOn(
            source=source,
            licence=licence,
            images=counts[source, licence, False] + counts[source, licence, True],
            anomalous=counts[source, licence, True],
        )
        for source, licence in parts
    )


def write_trained_on(folder: Path, samples: Iterable[Sample]) -> None:
    """Keep in the folder of a training what it reads.

    Args:
        folder: The folder.
        samples: The samples of its examples.
    """
    write_text(folder / FILE_NAME, _Record.dump_json(sources_of(samples), indent=2).decode() + "\n")


def read_trained_on(folder: Path) -> Sequence[TrainedOn] | None:
    """What `write_trained_on` wrote; None when the training kept nothing.

    Raises:
        DataError: When the file is damaged.
    """
    path = folder / FILE_NAME
    try:
        return _Record.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path}: unreadable ({error}); delete it and publish with  --corpus CORPUS  of the training"
        ) from error
