import io
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrad import image as image_module
from mmrad.errors import DataError
from mmrad.image import encode_png, image_size, read_image, read_mask

READERS = (read_image, image_size, read_mask)
CORNERS = np.array(
    [[[255, 0, 0], [0, 255, 0], [9, 9, 9]], [[0, 0, 255], [255, 255, 0], [70, 70, 70]]], np.uint8
)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_rgb_is_read_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(CORNERS))
    assert (read_image(path) == CORNERS).all() and read_image(path).dtype == np.uint8
    assert image_size(path) == (3, 2)


def test_grey_palette_and_one_bit(tmp_path: Path) -> None:
    grey = np.array([[0, 128, 255]], np.uint8)
    assert read_image(save(tmp_path / "l.png", Image.fromarray(grey)))[0, :, 1].tolist() == [0, 128, 255]
    bits = Image.fromarray(np.array([[True, False]]))
    assert bits.mode == "1"
    assert read_image(save(tmp_path / "1.png", bits)).tolist() == [[[255] * 3, [0] * 3]]
    palette = Image.fromarray(CORNERS).quantize(6)
    assert palette.mode == "P"
    expected = np.asarray(palette.convert("RGB"))
    assert (read_image(save(tmp_path / "p.png", palette)) == expected).all()


def test_cmyk_jpeg(tmp_path: Path) -> None:
    ink = Image.new("CMYK", (16, 8), (0, 255, 255, 0))
    pixels = read_image(save(tmp_path / "c.jpg", ink, quality=95)).astype(int)
    assert pixels.shape == (8, 16, 3)
    assert abs(pixels - [255, 0, 0]).max() < 12


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
@pytest.mark.parametrize("brightest", [40, 300, 65535])
def test_16_bits_are_scaled_by_their_full_range(tmp_path: Path, name: str, brightest: int) -> None:
    values = np.array([[0, 255, brightest]], np.uint16)
    path = save(tmp_path / name, Image.fromarray(values))
    assert read_image(path)[0, :, 0].tolist() == [0, 0, brightest >> 8]
    assert read_mask(path).tolist() == values.tolist()


def test_16_bits_of_the_other_byte_order_and_of_pgm(tmp_path: Path) -> None:
    values = np.array([[0, 0x1234, 0xFEDC]], np.uint16)
    big = Image.frombytes("I;16B", (3, 1), values.astype(">u2").tobytes())
    pgm = tmp_path / "a.pgm"
    pgm.write_bytes(b"P5 3 1 65535\n" + values.astype(">u2").tobytes())
    for path in (save(tmp_path / "b.tif", big), pgm):
        assert read_image(path)[0, :, 0].tolist() == [0, 0x12, 0xFE]


def test_32_bit_integers_are_clipped_to_16(tmp_path: Path) -> None:
    wide = Image.fromarray(np.array([[-5, 256, 70_000]], np.int32))
    assert wide.mode == "I"
    assert read_image(save(tmp_path / "i.tif", wide))[0, :, 0].tolist() == [0, 1, 255]


def test_floating_point_is_refused_since_its_range_is_unknown(tmp_path: Path) -> None:
    path = save(tmp_path / "f.tif", Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)))
    with pytest.raises(DataError, match=r"f\.tif.*floating-point"):
        read_image(path)


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], np.uint8)
    assert read_image(save(tmp_path / "rgba.png", Image.fromarray(rgba))).tolist() == [
        [[10, 20, 30], [255, 255, 255], [127, 127, 127]]
    ]
    la = Image.merge("LA", [Image.new("L", (2, 1), 40), Image.fromarray(np.array([[255, 0]], np.uint8))])
    assert read_image(save(tmp_path / "la.png", la))[0, :, 0].tolist() == [40, 255]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None).convert("P")
    palette.putpalette([200, 0, 0, 0, 0, 200])
    path = save(tmp_path / "p.png", palette, transparency=1)
    assert read_image(path).tolist() == [[[200, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    # What a camera stores for an upright picture, by the EXIF definition of the eight values.
    stored = {
        1: CORNERS,
        2: CORNERS[:, ::-1],
        3: CORNERS[::-1, ::-1],
        4: CORNERS[::-1],
        5: CORNERS.transpose(1, 0, 2),
        6: np.rot90(CORNERS, 1),
        7: CORNERS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(CORNERS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "e.png", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert (read_image(path) == CORNERS).all()
    assert image_size(path) == (3, 2)
    assert read_mask(path).shape == stored.shape[:2]  # masks are raw


@pytest.mark.parametrize("read", READERS)
def test_missing_empty_and_foreign_files_are_named(tmp_path: Path, read) -> None:
    with pytest.raises(DataError, match=r"gone\.png: no such image"):
        read(tmp_path / "gone.png")
    for name, content in {"empty.png": b"", "text.jpg": b"<html>not found</html>"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)
    with pytest.raises(DataError):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_truncated_pixels_are_an_error(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    path = tmp_path / "cut"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match="cut: not a readable image"):
            read(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
def test_damaged_files_raise_nothing_but_a_data_error(tmp_path: Path, kind: str, seed: int = 0) -> None:
    dice = random.Random(seed)
    buffer = io.BytesIO()
    exif = (
        {}
        if kind in ("BMP", "GIF", "PPM")
        else {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"}
    )
    Image.fromarray(np.tile(CORNERS, (6, 6, 1))).save(buffer, kind, **exif)
    path = tmp_path / "damaged"
    for _ in range(60):
        content = bytearray(buffer.getvalue())
        for _ in range(dice.choice([1, 3, 20])):
            content[dice.randrange(min(len(content), dice.choice([100, 10**6])))] = dice.randrange(256)
        path.write_bytes(content)
        for read in READERS:
            try:
                read(path)
            except DataError as error:
                assert "damaged" in str(error)


def test_huge_images_are_refused_before_they_are_decoded(png: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "MAX_PIXELS", 599)
    for read in READERS:
        with pytest.raises(DataError, match="30x20 is over the limit of 599"):
            read(png)


def test_one_pixel(tmp_path: Path) -> None:
    path = save(tmp_path / "dot.png", Image.new("RGB", (1, 1), (1, 2, 3)))
    assert read_image(path).tolist() == [[[1, 2, 3]]] and image_size(path) == (1, 1)


def test_masks_keep_their_values(tmp_path: Path) -> None:
    indices = Image.fromarray(np.array([[0, 3, 7]], np.uint8)).convert("P")
    colour = np.array([[[0, 0, 0], [0, 9, 0], [5, 0, 200]]], np.uint8)
    for name, mask, expected in [
        ("l.png", Image.fromarray(np.array([[0, 1, 255]], np.uint8)), [[0, 1, 255]]),
        ("1.png", Image.fromarray(np.array([[False, True, True]])), [[0, 255, 255]]),
        ("p.png", indices, [[0, 3, 7]]),
        ("rgb.png", Image.fromarray(colour), [[0, 9, 200]]),
        ("rgba.png", Image.fromarray(np.dstack([colour, np.full((1, 3), 255, np.uint8)])), [[0, 9, 200]]),
    ]:
        found = read_mask(save(tmp_path / name, mask))
        assert found.tolist() == expected and np.issubdtype(found.dtype, np.integer)


def test_png_bytes_are_lossless_and_always_the_same(tmp_path: Path, png: Path) -> None:
    pixels = read_image(png)
    again = tmp_path / "again.png"
    again.write_bytes(encode_png(pixels))
    assert (read_image(again) == pixels).all()
    assert encode_png(pixels) == encode_png(pixels.copy())


def test_reading_in_threads_leaves_the_warnings_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    with pytest.warns(UserWarning, match="still heard"):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(read_image, [path] * 200))
        warnings.warn("still heard", stacklevel=1)
