"""Maps on disk: the same as from the network, whatever happens to the files."""

import hashlib
import resource
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmrad.errors import DataError
from mmrad.features import FeatureMaps, Geometry, load_weights
from mmrad.features.backbones import BACKBONES
from mmrad.features.cache import MapCache
from mmrad.image import encode_png

GEOMETRY = Geometry(64)


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    rng = np.random.default_rng(0)
    for path, size_wh in zip(paths, [(80, 60), (30, 90), (64, 64)], strict=True):
        path.write_bytes(encode_png(cv2.resize(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8), size_wh)))
    return paths


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def runs():
    """How many images networks have been run on."""
    seen = []

    def note(module, inputs, _):
        if isinstance(module, torch.nn.Conv2d) and module.in_channels == 3:
            seen.append(len(inputs[0]))

    with torch.nn.modules.module.register_module_forward_hook(note):
        yield seen


def maps(cache, images, strides=(4, 8), geometry=GEOMETRY, **options):
    return FeatureMaps("lite0", strides, geometry, cache=cache, **options).of(images)


def files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


def same(first, second):
    return len(first) == len(second) and all(map(torch.equal, first, second))


def test_one_network_serves_several_geometries(images, cache, runs):
    small = Geometry(32)
    first = FeatureMaps("lite0", (4, 8), GEOMETRY, cache=cache)
    found = [first.at(small).of(images), first.of(images)]
    wanted = [maps(None, images, geometry=one) for one in (small, GEOMETRY)]
    assert all(map(same, found, wanted))
    assert len(files(cache)) == 6
    assert same(maps(cache, images, geometry=small), wanted[0])
    assert runs == [3] * 4  # the last ones are from the cache


def test_maps_are_the_same_without_with_and_from_the_cache(images, cache, runs):
    without = maps(None, images)
    written = maps(cache, images)
    assert runs == [3, 3]
    read = maps(cache, images)
    assert runs == [3, 3]
    assert same(without, written)
    assert same(without, read)
    assert [path.relative_to(cache).parts for path in files(cache)] == [
        (path.name[:2], path.name) for path in files(cache)
    ]
    assert len(files(cache)) == 3


def test_maps_can_be_trained_on(images, cache):
    for folder in (None, cache, cache):
        (found,) = maps(folder, images, (8,))
        layer = torch.nn.Conv2d(40, 1, 1)
        layer(found).sum().backward()
        assert layer.weight.grad is not None


def test_an_image_does_not_depend_on_its_batch(images):
    together = maps(None, images)
    for number, image in enumerate(images):
        for whole, alone in zip(together, maps(None, [image]), strict=True):
            torch.testing.assert_close(whole[number], alone[0], rtol=2e-3, atol=2e-3)


def test_what_is_missing_is_computed_and_joined(images, cache, runs):
    maps(cache, images, (4,))
    assert all(set(load_file(path)) == {"4"} for path in files(cache))
    deeper = maps(cache, images, (16, 8))
    assert runs == [3, 3]
    assert all(set(load_file(path)) == {"4", "8", "16"} for path in files(cache))
    assert same(maps(cache, images, (8, 4, 16)), maps(None, images, (8, 4, 16)))
    assert same(deeper, maps(None, images, (16, 8)))
    assert runs == [3, 3, 3, 3]


def test_only_missing_images_are_run(images, cache, runs):
    maps(cache, images[1:2])
    found = maps(cache, images)
    assert runs == [1, 2]
    # In the same batches: last digits depend on them.
    alone, others = maps(None, images[1:2]), maps(None, images[::2])
    wanted = [torch.stack([two[0], one[0], two[1]]) for one, two in zip(alone, others, strict=True)]
    assert same(found, wanted)


def test_what_another_process_kept_meanwhile_is_not_lost(cache):
    store = MapCache(cache, "net", "0", Geometry(8), {4: 5, 8: 6})
    store.save("ab", {4: torch.ones(2, 2, 5).half(), 8: torch.ones(1, 1, 6).half()})
    store.save("ab", {4: torch.zeros(2, 2, 5).half()})
    found = store.load("ab")
    assert {stride: float(one.mean()) for stride, one in found.items()} == {4: 0, 8: 1}


def test_equal_images_are_kept_once(images, cache, runs, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(images[0].read_bytes())
    found = maps(cache, [images[0], copy, images[1], images[0]])
    assert runs == [2]
    assert len(files(cache)) == 2
    assert same(found, [one[[0, 0, 1, 0]] for one in maps(None, images[:2])])


def test_everything_that_changes_maps_has_files_of_its_own(images, cache, tmp_path):
    tensors = load_weights(BACKBONES["lite0"]).tensors
    other = {
        key: one.contiguous() * 0.5 if "conv_stem" in key else one.contiguous()
        for key, one in tensors.items()
    }
    save_file(other, tmp_path / "other.safetensors")
    one = images[:1]
    variants = [
        {},
        {"geometry": Geometry(80)},
        {"geometry": Geometry(80, 64)},
        {"weights": tmp_path / "other.safetensors"},
    ]
    for count, options in enumerate(variants, 1):
        first = maps(cache, one, **options)
        assert len(files(cache)) == count
        assert same(first, maps(None, one, **options))
    images[0].write_bytes(images[1].read_bytes())
    assert same(maps(cache, one), maps(None, images[1:2]))
    assert len(files(cache)) == len(variants) + 1


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def garbled(path):
    path.write_bytes(b"\xff" * path.stat().st_size)


def of_another_shape(path):
    save_file({stride: one[1:].contiguous() for stride, one in load_file(path).items()}, path)


def of_another_type(path):
    save_file({stride: one.view(torch.bfloat16) for stride, one in load_file(path).items()}, path)


def of_another_name(path):
    save_file({f"layer{stride}": one for stride, one in load_file(path).items()}, path)


@pytest.mark.parametrize(
    "damage", [truncated, emptied, garbled, of_another_shape, of_another_type, of_another_name]
)
def test_a_damaged_file_is_computed_again(images, cache, runs, damage):
    maps(cache, images[1:2])  # alone, as when it is computed again: last digits depend on the batch
    (path,) = files(cache)
    wanted = maps(cache, images)
    damage(path)
    assert same(maps(cache, images), wanted)
    assert runs == [1, 2, 1]
    assert same(maps(cache, images), wanted)
    assert runs == [1, 2, 1]


def test_a_full_disk_costs_a_warning_and_no_result(images, cache, runs):
    features = FeatureMaps("lite0", (4, 8), GEOMETRY, cache=cache)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # Python turns the signal into an OSError
    try:
        with pytest.warns(UserWarning, match="not kept any more: .*File too large") as warned:
            first = features.of(images)
        second = features.of(images)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(warned) == 1
    assert runs == [3, 3]
    assert files(cache) == []
    assert same(first, second)
    assert same(first, maps(None, images))


def test_a_cache_that_is_no_folder_costs_no_result(images, cache):
    cache.write_text("a file")
    with pytest.warns(UserWarning, match="not kept any more"):
        found = maps(cache, images)
    assert same(found, maps(None, images))
    assert cache.read_text() == "a file"


def test_a_bad_image_is_named_and_nothing_is_kept_of_it(images, cache, tmp_path):
    images[1].write_bytes(b"no image")
    for folder in (None, cache):
        with pytest.raises(DataError, match=r"1\.png: not a readable image"):
            maps(folder, images)
        with pytest.raises(DataError, match=r"gone\.png: no such image"):
            maps(folder, [images[0], tmp_path / "gone.png"])
    assert not cache.exists()


CHILD = """
import hashlib, os, pathlib, signal, sys
from mmrad.features import FeatureMaps, Geometry

if sys.argv[1] == "killed":
    pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
cache, *images = map(pathlib.Path, sys.argv[2:])
features = FeatureMaps("lite0", (4, 8), Geometry(64), cache=cache)
for _ in range(3):
    print(hashlib.sha256(b"".join(one.numpy().tobytes() for one in features.of(images))).hexdigest())
"""


def child(mode, cache, images):
    command = [sys.executable, "-c", CHILD, mode, str(cache), *map(str, images)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_no_half_file(images, cache, runs):
    killed = child("killed", cache, images)
    assert killed.communicate()[0] == ""
    assert killed.returncode == -signal.SIGKILL
    assert files(cache), "it was killed before it wrote anything"
    assert not list(cache.rglob("*.safetensors"))
    found = maps(cache, images)
    assert same(found, maps(None, images))
    assert runs == [3, 3]
    assert len(list(cache.rglob("*.safetensors"))) == 3


def test_two_processes_share_a_cache(images, cache):
    both = [child("whole", cache, images) for _ in range(2)]
    printed = [one.communicate()[0].split() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    wanted = hashlib.sha256(b"".join(one.numpy().tobytes() for one in maps(None, images))).hexdigest()
    assert printed == [[wanted] * 3] * 2
    assert len(files(cache)) == 3
