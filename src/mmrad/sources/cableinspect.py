"""CableInspect-AD: a COCO file of boxes for each of three cables, outlines for one of three passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mmrad.errors import DataError
from mmrad.sources.base import Adapter, RawSample, Rejection
from mmrad.sources.coco import CocoImage, read_coco
from mmrad.sources.walk import dataset_folder, relative

_CABLES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class CableInspectTree(Adapter):
    """Adapter for `cable_K.json` (boxes, some rotated) and `cable_K_seg.json` (outlines of pass 01).

    An image without a box is normal. The data has no splits; all of it is `test`.
    """

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        base = dataset_folder(root, ("CableInspect-AD",))
        files = {cable: file for cable in _CABLES if (file := base / f"cable_{cable}.json").is_file()}
        if not files:
            raise DataError(f"{root}: no cable_1.json here; it should look like\n{self.layout}")
        for cable in _CABLES:
            if cable in files:
                yield from _cable(root, base, files[cable])
            else:
                yield Rejection(f"cable_{cable}.json", f"missing, so there is no category Cable_{cable}")


def _cable(root: Path, base: Path, file: Path) -> Iterator[RawSample | Rejection]:
    name = relative(file, root)
    listed, problems = read_coco(file, name)
    yield from (Rejection(name, problem) for problem in problems)
    outlined = _outlined(root, file.with_name(f"{file.stem}_seg.json"))
    prefix = PurePosixPath(relative(base, root))
    for image in listed:
        path = (prefix / image.file_name).as_posix()
        if image.problem:
            yield Rejection(path, image.problem)
            continue
        # The boxes around outlines are tighter than turned boxes set upright.
        tight = outlined.get(image.file_name)
        same = tight is not None and not tight.problem and len(tight.regions) == len(image.regions)
        yield RawSample(
            category=file.stem.capitalize(),
            split="test",
            stem="-".join(PurePosixPath(image.file_name).parts[2:]).rpartition(".")[0],
            image=path,
            anomalous=bool(image.regions),
            regions=tight.regions if tight is not None and same else image.regions,
            provenance=f"{file.stem}_seg.json" if same else file.name,
        )


def _outlined(root: Path, file: Path) -> dict[str, CocoImage]:
    """The images of the file of outlines; it is a help, its absence no fault."""
    if not file.is_file():
        return {}
    return {image.file_name: image for image in read_coco(file, relative(file, root))[0]}


CABLEINSPECT = CableInspectTree(
    name="cableinspect",
    title="CableInspect-AD",
    licence="unknown",
    url="https://github.com/mila-iqia/cableinspect-ad-code",
    layout="""\
ROOT/                                          or ROOT/CableInspect-AD/
  cable_1.json                                 COCO: boxes, attributes.rotation in degrees
  cable_1_seg.json                             COCO: outlines of pass 01
  Cable_1/images/01/C01_A1_000123.png          images without a box are normal""",
    expected="3 categories, 4798 images: 2159 normal, 2639 anomalous",
)
