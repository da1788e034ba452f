"""PNG files that are their own views: passed on only when every decoder sees the same pixels in them."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mmrad.errors import DataError
from mmrad.image import decode_png, encode_png, part_of, plain_png, read_image
from mmrad.view import Budget, make_view, read_view, view_reader

SIZE_WH = (84, 56)


def pixels(seed: int = 0, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)


def saved(path: Path, image: Image.Image, **settings: Any) -> Path:
    image.save(path, **settings)
    return path


def anything(_: tuple[int, int]) -> bool:
    return True


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """A PNG file with one more chunk behind its header."""
    body = kind + data
    return png[:33] + struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def test_a_plain_file_is_passed_on_as_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(pixels()), dpi=(72, 72))
    found = plain_png(path, anything)
    assert found == (path.read_bytes(), SIZE_WH)
    view = read_view(path, Budget())
    assert view.size_wh == view.original_wh == SIZE_WH
    assert base64.b64decode(view.png_base64) == path.read_bytes()
    assert (view.image == read_image(path)).all()


def test_the_pixels_sent_are_those_of_the_view_in_any_case(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(pixels(size_wh=(112, 56)))
    files = [
        saved(tmp_path / "plain.png", image),
        saved(tmp_path / "turned.png", image, exif=exif),
        saved(tmp_path / "turned.jpg", image, exif=exif),
        saved(tmp_path / "grey.png", image.convert("L")),
        saved(tmp_path / "large.png", Image.fromarray(pixels(1, (300, 200)))),
        saved(tmp_path / "odd.png", Image.fromarray(pixels(2, (85, 56)))),
        Path(part_of(str(tmp_path / "plain.png"), (28, 0, 56, 56))),
    ]
    budget = Budget(max_pixels=200 * 200)
    for path in files:
        expected = make_view(read_image(path), budget)
        view = read_view(path, budget)
        assert (view.size_wh, view.original_wh) == (expected.size_wh, expected.original_wh), path
        sent = np.asarray(Image.open(io.BytesIO(base64.b64decode(view.png_base64))))
        assert (sent == expected.image).all() and (view.image == expected.image).all(), path
    assert read_view(files[1], budget).size_wh == (56, 112)


def not_plain(folder: Path) -> dict[str, Path]:
    image = Image.fromarray(pixels())
    exif = Image.Exif()
    exif[0x0112] = 3
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "taken by Jane")
    plain = io.BytesIO()
    image.save(plain, "PNG")
    wide = (pixels().astype(np.uint16) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in wide)
    sixteen = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [
            (b"IHDR", struct.pack(">IIBBBBB", *SIZE_WH, 16, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(raw)),
            (b"IEND", b""),
        ]
    )
    contents = {
        "gamma": with_chunk(plain.getvalue(), b"gAMA", struct.pack(">I", 100_000)),
        "animation": with_chunk(plain.getvalue(), b"acTL", struct.pack(">II", 1, 0)),
        "16 bits": b"\x89PNG\r\n\x1a\n" + sixteen,
        "behind": plain.getvalue() + b"more",
        "empty": b"",
        "header only": plain.getvalue()[:33],
    }
    files = {
        "grey": saved(folder / "grey.png", image.convert("L")),
        "palette": saved(folder / "palette.png", image.convert("P")),
        "alpha": saved(folder / "alpha.png", image.convert("RGBA")),
        "colour key": saved(folder / "key.png", image, transparency=(0, 0, 0)),
        "exif": saved(folder / "exif.png", image, exif=exif),
        "text": saved(folder / "text.png", image, pnginfo=text),
        "profile": saved(folder / "profile.png", image, icc_profile=b"\0" * 200),
        "jpeg": saved(folder / "jpeg.jpg", image),
        "jpeg as png": saved(folder / "named.png", image, format="JPEG"),
    }
    for name, content in contents.items():
        files[name] = folder / f"{name}.png"
        files[name].write_bytes(content)
    return files


def test_nothing_else_is_passed_on(tmp_path: Path) -> None:
    for name, path in not_plain(tmp_path).items():
        assert plain_png(path, anything) is None, name
    assert plain_png(tmp_path / "none.png", anything) is None
    assert plain_png(tmp_path, anything) is None
    path = saved(tmp_path / "a.png", Image.fromarray(pixels()))
    assert plain_png(path, lambda size_wh: size_wh == (56, 84)) is None


def test_every_byte_that_is_wrong_or_missing_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(pixels()))
    whole = path.read_bytes()
    for position in (*range(60), *range(60, len(whole), 97)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert plain_png(path, anything) is None, position
        path.write_bytes(whole[:position])
        assert plain_png(path, anything) is None, position
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.png: not a readable image"):
        read_view(path, Budget())


def test_right_checksums_around_nonsense_are_told_when_it_is_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(pixels()))
    start = path.read_bytes()[:33]
    chunks = [(b"IDAT", b"nonsense"), (b"IEND", b"")]
    made = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(start + made)
    with pytest.raises(DataError, match="cannot be decoded"):
        _ = read_view(path, Budget()).image


def test_png_bytes_hold_the_pixels() -> None:
    for size_wh in ((1, 1), (28, 56), (131, 77)):
        image = pixels(3, size_wh)
        assert (np.asarray(Image.open(io.BytesIO(encode_png(image)))) == image).all()
        assert (decode_png(encode_png(image)) == image).all()


def test_an_image_without_a_view_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "thin.png", Image.new("RGB", (1, 300)))
    with pytest.raises(DataError, match=r"thin\.png: .*aspect ratio"):
        read_view(path, Budget())


def test_the_last_references_are_read_once(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{n}.png", Image.fromarray(pixels(n))) for n in range(3)]
    read = view_reader(Budget(), keep=2)
    first = read(paths[0])
    assert read(paths[0]) is first and first.png_base64 is read(paths[0]).png_base64
    read(paths[1])
    read(paths[2])
    assert read(paths[0]) is not first
