from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrad.errors import DataError
from mmrad.features import Geometry, network_input
from mmrad.files import unique_name
from mmrad.inspectors.experts.maps import MapStore, placed

MAP = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "sample_id",
    ["s/c/test/bad/1", "../../../etc/x", "a b:c\\d|e?*", "é/ü/日本/\ud800", ".", "", "x" * 5000, "n\0l\n"],
)
def test_any_id_is_kept_in_the_folder_under_a_safe_name(tmp_path: Path, sample_id: str) -> None:
    store = MapStore(tmp_path / "maps")
    assert not store.has(sample_id)
    store.save(sample_id, MAP)
    assert store.has(sample_id)
    assert (store.load(sample_id) == MAP).all()
    [file] = (tmp_path / "maps").iterdir()
    assert len(file.name) < 128 and file.name.isascii()


def test_ids_that_read_alike_are_kept_apart(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    alike = ["a/b", "a_b", "a b", "A/b", "y" * 99 + "1", "y" * 98 + "1"]
    for number, sample_id in enumerate(alike):
        store.save(sample_id, MAP + number)
    assert [store.load(sample_id)[0, 0] for sample_id in alike] == list(range(6))
    assert len({unique_name(sample_id).lower() for sample_id in alike}) == 6


def test_a_map_is_replaced_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    store.save("a", MAP)
    store.save("a", MAP[:, ::2] * 2)
    assert (store.load("a") == MAP[:, ::2] * 2).all()
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]


def test_missing_and_damaged_maps_are_named(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    with pytest.raises(DataError, match=r"a/b is not there.*bench again"):
        store.load("a/b")
    store.save("a/b", MAP)
    content = store.path("a/b").read_bytes()
    for damaged in (content[:-5], b"", b"hello"):
        store.path("a/b").write_bytes(damaged)
        with pytest.raises(DataError, match="unreadable map of a/b"):
            store.load("a/b")
    np.save(store.path("a/b"), np.array([{"code": 1}]), allow_pickle=True)
    with pytest.raises(DataError, match="unreadable map of a/b"):
        store.load("a/b")
    np.save(store.path("a/b"), MAP.astype(np.float64))
    with pytest.raises(DataError, match="float64"):
        store.load("a/b")


def test_a_map_is_laid_between_the_centres_of_its_cells() -> None:
    values = np.array([[0.0, 4.0]], np.float32)
    laid = placed(values, Geometry(8), (8, 2))
    assert laid.shape == (2, 8) and laid.dtype == np.float32
    # Centres of the two cells lie at 2 and 6, those of the pixels at 0.5, 1.5, …
    assert laid[0].tolist() == pytest.approx([0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4])
    assert (laid[0] == laid[1]).all()


def test_the_crop_is_undone() -> None:
    values = np.full((4, 4), 5, np.float32)
    values[0, 0] = 1
    laid = placed(values, Geometry(80, 40), (160, 80))
    seen = np.zeros((80, 160), bool)
    seen[20:60, 40:120] = True
    assert (laid[~seen] == 1).all()
    assert (laid[40:60, 80:120] == 5).all()
    assert laid[20, 40] == 1


@given(
    size=st.integers(8, 64),
    cut=st.integers(0, 30),
    wide=st.integers(1, 150),
    high=st.integers(1, 150),
    cells=st.integers(1, 40),
)
def test_the_map_lies_where_the_network_saw_the_pixels(
    size: int, cut: int, wide: int, high: int, cells: int
) -> None:
    """A map of what the network saw, of an image that is a slope, is the slope again."""
    geometry = Geometry(size, max(1, size - cut) if cut else None)
    image = np.broadcast_to(np.linspace(0, 250, wide)[None, :, None], (high, wide, 3)).astype(np.uint8)
    seen = network_input(np.ascontiguousarray(image), geometry)[:, :, 0].astype(np.float32)
    laid = placed(seen, geometry, (wide, high))
    margin = (size - geometry.side) // 2
    across, down = (np.arange(n) * 2 + 1 for n in (wide, high))  # centres of pixels, in half pixels
    inside = np.ix_(
        (2 * high * margin <= down * size) & (down * size < 2 * high * (margin + geometry.side)),
        (2 * wide * margin <= across * size) & (across * size < 2 * wide * (margin + geometry.side)),
    )
    step = 250 / min(wide, size)
    assert np.abs(laid - image[:, :, 0])[inside].max(initial=0) <= 2 * step + 2
    # However coarse the map, nothing is outside its range.
    coarse = placed(seen[:cells, :cells].copy(), geometry, (wide, high))
    assert coarse.min() >= seen[:cells, :cells].min() - 1e-3
    assert coarse.max() <= seen[:cells, :cells].max() + 1e-3


def test_no_two_threads_parse_the_header_of_a_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MapStore(tmp_path)
    store.save("a", MAP)
    load, within, most = np.load, [0], [0]

    def noting(*args: Any, **kwargs: Any) -> Any:
        within[0] += 1
        most[0] = max(most[0], within[0])
        time.sleep(0.01)  # lets the other threads run
        values = load(*args, **kwargs)
        within[0] -= 1
        return values

    monkeypatch.setattr(np, "load", noting)
    with ThreadPoolExecutor(4) as threads:
        assert all((values == MAP).all() for values in threads.map(store.load, ["a"] * 12))
    assert most == [1]
