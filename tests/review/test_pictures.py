"""Images, masks and thumbnails, and what a real browser shows of them."""

from __future__ import annotations

import base64
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from playwright.sync_api import Page

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError, UsageError
from mmrad.image import image_size, read_image
from mmrad.review.picture_cache import PictureCache
from mmrad.review.pictures import MARK_RGB, Picture, Pictures
from mmrad.sample import Region, Sample
from mmrad.sources.marks import marked_pixels
from reviewed import CLEAR, DEEP, GOOD, PART, TURNED, WIDE, reviewed_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return reviewed_corpus(tmp_path / "corpus", 12)


@pytest.fixture
def pictures(corpus: Corpus, tmp_path: Path) -> Pictures:
    return Pictures(corpus, tmp_path / "cache")


def sample_of(corpus: Corpus, name: str) -> Sample:
    return next(sample for sample in corpus.samples if sample.id == name)


def content_of(picture: Picture) -> bytes:
    return picture.content if isinstance(picture.content, bytes) else picture.content.read_bytes()


def pixels_of(picture: Picture, mode: str = "RGB") -> NDArray[np.uint8]:
    """The pixels as they are stored, EXIF left alone."""
    with Image.open(io.BytesIO(content_of(picture))) as image:
        assert Image.MIME[str(image.format)] == picture.media_type
        return np.asarray(image.convert(mode))


def test_images_are_upright_and_as_they_are_read(corpus: Corpus, pictures: Pictures) -> None:
    for sample in corpus.samples:
        truth = read_image(corpus.resolve(sample.source, sample.image))
        assert np.array_equal(pixels_of(pictures.query(sample)), truth)
        assert truth.shape[1::-1] == sample.size_wh
        for rank in (0, 1):
            reference = corpus.references[sample.id][rank].image
            shown = pixels_of(pictures.reference(sample, rank))
            assert np.array_equal(shown, read_image(corpus.resolve(sample.source, reference)))
        with pytest.raises(UsageError, match="no reference of rank 2"):
            pictures.reference(sample, 2)


def test_only_ordinary_files_are_passed_on(corpus: Corpus, pictures: Pictures) -> None:
    passed = pictures.query(sample_of(corpus, GOOD))
    assert passed.content == corpus.resolve("line", "good.jpg")
    for name in (TURNED, DEEP, PART, CLEAR):
        picture = pictures.query(sample_of(corpus, name))
        assert isinstance(picture.content, bytes)
        assert picture.media_type == "image/png"


def test_thumbnails_are_small_and_upright(corpus: Corpus, pictures: Pictures) -> None:
    for sample in corpus.samples:
        small = pixels_of(pictures.thumbnail(sample, 96))
        width, height = sample.size_wh
        scale = 96 / max(width, height)
        assert max(small.shape[:2]) == 96
        assert abs(small.shape[1] - width * scale) <= 1
        assert abs(small.shape[0] - height * scale) <= 1
        truth = Image.fromarray(read_image(corpus.resolve(sample.source, sample.image)))
        whole = np.asarray(truth.resize(small.shape[1::-1], Image.Resampling.BOX)).astype(int)
        assert np.abs(whole - small).mean() < 8


def test_an_image_is_not_made_larger_for_its_thumbnail(corpus: Corpus, pictures: Pictures) -> None:
    sample = sample_of(corpus, DEEP)
    assert pixels_of(pictures.thumbnail(sample, 1000)).shape[1::-1] == sample.size_wh


def test_masks_show_what_is_marked_inside_the_boxes(corpus: Corpus, pictures: Pictures) -> None:
    sample = sample_of(corpus, WIDE)
    picture = pictures.mask(sample)
    assert picture
    shown = pixels_of(picture, "RGBA")
    assert shown.shape == (150, 400, 4)
    marked = marked_pixels(corpus, "line", "wide_mask.png")
    assert marked[0, 0]  # a speck outside of the boxes
    expected = np.zeros_like(marked)
    for x1, y1, x2, y2 in ((40, 30, 200, 70), (260, 100, 300, 130)):
        expected[y1:y2, x1:x2] = marked[y1:y2, x1:x2]
    assert np.array_equal(shown[..., 3], np.where(expected, 255, 0))
    assert set(map(tuple, shown[expected][:, :3].tolist())) == {MARK_RGB}
    assert pictures.mask(sample_of(corpus, TURNED)) is None
    assert pictures.mask(sample_of(corpus, GOOD)) is None


def test_a_mask_follows_its_boxes(corpus: Corpus, pictures: Pictures) -> None:
    sample = sample_of(corpus, WIDE)
    first = sample.regions[0]
    moved = replace(
        sample, regions=(replace(first, box=Box(40, 30, 120, 70)), Region(Box(0, 0, 9, 9), "new"))
    )
    before, after = pictures.mask(sample), pictures.mask(moved)
    assert before and after
    assert before.etag != after.etag
    shown = pixels_of(after, "RGBA")[..., 3] > 0
    assert not shown[:, 120:].any()
    assert not shown[:9, :9].any()
    assert shown[30:70, 40:120].any()


def test_a_changed_file_is_another_picture(corpus: Corpus, pictures: Pictures) -> None:
    sample = sample_of(corpus, DEEP)
    path = corpus.resolve(sample.source, sample.image)
    before = [pictures.query(sample), pictures.thumbnail(sample)]
    assert [pictures.query(sample).etag, pictures.thumbnail(sample).etag] == [one.etag for one in before]
    Image.fromarray(np.full((160, 220), 60000, np.uint16)).save(path)
    os.utime(path, ns=(1, 1))
    after = [pictures.query(sample), pictures.thumbnail(sample)]
    assert all(one.etag != other.etag for one, other in zip(before, after, strict=True))
    assert pixels_of(after[0]).min() == 60000 >> 8
    assert len({one.etag for one in (*before, *after)}) == 4


def test_each_picture_is_made_once(
    corpus: Corpus, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    together = threading.Barrier(8, timeout=30)

    def slowly(path: Path) -> NDArray[np.uint8]:
        read.append(path)
        return read_image(path)

    monkeypatch.setattr("mmrad.review.pictures.read_image", slowly)
    sample = sample_of(corpus, TURNED)

    def ask(_: int) -> bytes:
        together.wait()
        return content_of(pictures.query(sample))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(read) == 1
    pictures.query(sample)
    assert len(read) == 1


def test_errors_do_not_tell_where_files_lie(corpus: Corpus, pictures: Pictures, tmp_path: Path) -> None:
    turned, wide = sample_of(corpus, TURNED), sample_of(corpus, WIDE)
    corpus.resolve("line", turned.image).write_bytes(b"no picture")
    (tmp_path / "corpus" / "raw" / "line" / "wide_mask.png").write_bytes(b"no picture")
    corpus.resolve("line", wide.image).unlink()
    asked: list[tuple[Callable[[], object], str]] = [
        (lambda: pictures.query(turned), "turned.jpg: not a readable image"),
        (lambda: pictures.thumbnail(turned), "turned.jpg: not a readable image"),
        (lambda: pictures.mask(wide), "wide_mask.png: not a readable image"),
        (lambda: pictures.query(wide), "wide.png: no such image"),
        (lambda: pictures.thumbnail(wide), "wide.png: no such image"),
    ]
    for ask, expected in asked:
        with pytest.raises(DataError, match=expected) as raised:
            ask()
        assert str(tmp_path) not in str(raised.value)


def test_a_cut_jpeg_is_an_error_not_half_a_picture(corpus: Corpus, pictures: Pictures) -> None:
    sample = sample_of(corpus, GOOD)
    path = corpus.resolve("line", sample.image)
    path.write_bytes(path.read_bytes()[:-900])
    for ask in (pictures.query, pictures.thumbnail):
        with pytest.raises(DataError, match=r"good\.jpg: not a readable image"):
            ask(sample)


@pytest.mark.parametrize("name", ["../../outside.png", "/{}/outside.png", "a/../../../outside.png"])
def test_files_outside_of_the_source_are_refused(name: str, tmp_path: Path) -> None:
    """A corpus may come from somebody else."""
    Image.new("RGB", (30, 20)).save(tmp_path / "outside.png")
    (tmp_path / "corpus" / "raw").mkdir(parents=True)
    name = name.format(tmp_path)
    mask = (Region(Box(1, 1, 9, 9), "x", name),)
    sample = Sample("s/c/test/1", "s", "c", "test", name, (30, 20), mask, "CC0-1.0")
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    pictures = Pictures(write_corpus(tmp_path / "corpus", {"s": info}, [sample]), tmp_path / "cache")
    for ask in (pictures.query, pictures.thumbnail, pictures.mask):
        with pytest.raises(DataError, match="outside of the source"):
            ask(sample)


def test_the_cache_may_be_removed_or_not_be_written(corpus: Corpus, tmp_path: Path) -> None:
    sample = sample_of(corpus, TURNED)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    pictures = Pictures(corpus, blocked / "cache")
    expected = content_of(pictures.query(sample))
    pictures = Pictures(corpus, tmp_path / "cache")
    for _ in range(2):
        assert content_of(pictures.query(sample)) == expected
        kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        assert [re.fullmatch(r"[0-9a-f]{64}\.png", path.name) is not None for path in kept] == [True]
        kept[0].unlink()


def test_the_cache_removes_what_was_not_asked_for_the_longest(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, limit=1000)
    for number in range(9):
        name = f"{number:02}.png"
        assert cache.get(name, lambda: bytes(100)) == bytes(100)
        os.utime(tmp_path / name[:2] / name, ns=(number, number))
    cache.get("00.png", lambda: b"made again")
    for number in range(9, 14):
        cache.get(f"{number:02}.png", lambda: bytes(100))
    left = {path.name for path in tmp_path.rglob("*.png")}
    assert {"00.png", "13.png"} <= left
    assert not {"01.png", "02.png", "03.png"} & left
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.png")) <= 1000


def test_a_picture_that_cannot_be_made_fails_for_all_who_wait(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    entered, go = threading.Event(), threading.Event()
    made: list[int] = []

    def fail() -> bytes:
        made.append(1)
        entered.set()
        go.wait(30)
        raise DataError("damaged")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "aa.png", fail)
        entered.wait(30)
        second = pool.submit(cache.get, "aa.png", fail)
        go.set()
        for waiting in (first, second):
            with pytest.raises(DataError, match="damaged"):
                waiting.result()
    assert cache.get("aa.png", lambda: b"now") == b"now"


# What a browser shows -----------------------------------------------------------------------------------


def odd_files(folder: Path) -> Iterator[Path]:
    """Files of one picture, 60x40 upright, each stored in another way."""
    rows, columns = np.mgrid[:40, :60]
    pixels = np.stack([columns * 4, rows * 6, np.full_like(rows, 90)], axis=2).astype(np.uint8)
    pixels[5:15, 5:25] = (220, 30, 30)
    image, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])

    def save(name: str, picture: Image.Image, **options: Any) -> Path:
        picture.save(folder / name, **options)
        return folder / name

    jpeg = {"quality": 95, "subsampling": 0}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield save(f"exif{orientation}.jpg", image, exif=exif, **jpeg)
        yield save(f"exif{orientation}.png", image, exif=exif)
    measured = Image.Exif()
    measured[0x011A], measured[0x011B], measured[0x0128] = 144.0, 144.0, 2
    measured.get_ifd(0x8769).update({0xA002: 30, 0xA003: 20})
    yield save("measured.jpg", image, exif=measured, **jpeg)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    yield save("profile.jpg", image, icc_profile=profile, **jpeg)
    yield save("profile.png", image, icc_profile=profile)
    yield save("progressive.jpg", image, progressive=True, **jpeg)
    yield save("grey.jpg", grey, **jpeg)
    yield save("cmyk.jpg", image.convert("CMYK"), **jpeg)
    yield save("grey.png", grey)
    yield save("palette.png", image.convert("P", palette=Image.Palette.ADAPTIVE))
    yield save("bits.png", grey.convert("1"))
    yield save("clear.png", image, transparency=(220, 30, 30))
    alpha = image.copy()
    alpha.putalpha(grey)
    yield save("alpha.png", alpha)
    yield save("deep.png", Image.fromarray(pixels[..., 0].astype(np.uint16) * 257))
    (folder / "deep_colour.png").write_bytes(
        cv2.imencode(".png", pixels.astype(np.uint16) * 257)[1].tobytes()
    )
    yield folder / "deep_colour.png"
    (folder / "gamma.png").write_bytes(with_gamma(save("plain.png", image).read_bytes()))
    yield folder / "gamma.png"
    yield folder / "plain.png"
    for ending in ("bmp", "gif", "tif", "webp"):
        yield save(f"image.{ending}", image)


def with_gamma(png: bytes) -> bytes:
    """A PNG file that says that its pixels are linear."""
    import zlib

    chunk = b"gAMA" + (100000).to_bytes(4, "big")
    return png[:33] + (4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[33:]


DRAWN = """async (source) => {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const found = context.getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.width, canvas.height, Array.from(found.data)];
}"""


def test_a_browser_shows_what_is_read(page: Page, tmp_path: Path) -> None:
    raw = tmp_path / "corpus" / "raw"
    raw.mkdir(parents=True)
    samples = [
        Sample(f"s/c/test/{path.name}", "s", "c", "test", path.name, image_size(path), (), "CC0-1.0")
        for path in odd_files(raw)
    ]
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    pictures = Pictures(write_corpus(tmp_path / "corpus", {"s": info}, samples), tmp_path / "cache")
    for sample in samples:
        picture = pictures.query(sample)
        encoded = base64.b64encode(content_of(picture)).decode()
        width, height, data = page.evaluate(DRAWN, f"data:{picture.media_type};base64,{encoded}")
        assert (width, height) == sample.size_wh, sample.id
        shown = np.array(data, np.uint8).reshape(height, width, 4)
        assert (shown[..., 3] == 255).all(), sample.id
        off = np.abs(shown[..., :3] - read_image(raw / sample.image).astype(int)).max()
        assert off <= (6 if isinstance(picture.content, Path) else 0), sample.id
    passed = {sample.image for sample in samples if isinstance(pictures.query(sample).content, Path)}
    assert passed == {"exif1.jpg", "progressive.jpg", "grey.jpg"}
