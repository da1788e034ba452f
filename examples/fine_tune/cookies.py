"""Sorts photographs of cookies as an engineer sorts parts: those to learn from, and those to judge by.

    python examples/fine_tune/cookies.py ../shared/data/cookies OUT

One cookie was photographed several times, whole and later broken. All photographs of a cookie go into the
same folder, or the model would be judged on cookies that it knows. Who is who was seen by eye.
"""

from __future__ import annotations

import sys
from pathlib import Path

JUDGED = {"normal": [*range(8, 12), *range(20, 31)], "anomaly": [*range(15, 21), *range(29, 33)]}
"""Numbers of the photographs of four cookies, whole and broken."""

FOLDERS = {"normal": "good", "anomaly": "crack"}


def sort(data: Path, out: Path) -> None:
    """Link the photographs into `OUT/taught/cookie` and `OUT/judged/cookie`, each with good, crack and masks.

    Args:
        data: The folder with `training-images` and `mask-images`.
        out: The new folder.
    """
    for image in sorted((data / "training-images").iterdir()):
        kind, number = image.stem.split("-")
        part = "judged" if int(number) in JUDGED[kind] else "taught"
        _link(image, out / part / "cookie" / FOLDERS[kind] / image.name)
        if kind == "anomaly":
            mask = data / "mask-images" / f"{image.stem}.png"
            _link(mask, out / part / "cookie" / "masks" / "crack" / mask.name)
    for part in ("taught", "judged"):
        (out / part / "cookie" / "mmrad.toml").write_text('licence = "CC BY-SA 4.0"\n', encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


if __name__ == "__main__":
    sort(Path(sys.argv[1]), Path(sys.argv[2]))
