"""Retrieval over small corpora with real features."""

import sys
from dataclasses import replace
from pathlib import Path

import appendix_b
import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from commands import run
from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.features import FeatureMaps
from mmrad.image import encode_png
from mmrad.reference import retrieve
from mmrad.reference.align import histograms
from mmrad.reference.retrieve import GEOMETRY
from mmrad.sample import Region, Sample

SIZE_WH = (90, 60)


def part(x: int, y: int, *, spot: bool = False) -> np.ndarray:
    """A bright square at (x, y) on a noisy ground."""
    rng = np.random.default_rng(x * 100 + y)
    image = rng.integers(40, 60, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    image[y : y + 20, x : x + 25] = [200, 120, 60]
    if spot:
        image[y + 5 : y + 10, x + 5 : x + 10] = 0
    return image


def corpus_of(folder: Path, images: dict[str, np.ndarray], *, given: tuple[str, ...] = ()) -> Corpus:
    """Samples from `category/split/stem` names; a stem that starts with `bad` is anomalous."""
    samples = []
    for name, image in images.items():
        category, split, stem = name.split("/")
        path = folder / "raw" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(image))
        regions = (Region(Box(1, 1, 9, 9), "spot"),) if stem.startswith("bad") else ()
        samples.append(
            Sample(
                f"made/{name}", "made", category, split, f"{name}.png", SIZE_WH, regions, "CC0-1.0", "", given
            )
        )
    return write_corpus(folder, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, samples)


PLACES = [(5, 5), (60, 5), (5, 38), (60, 38), (32, 20)]


def nut(folder: Path) -> Corpus:
    images = {f"nut/train/{i}": part(x, y) for i, (x, y) in enumerate(PLACES)}
    images |= {f"nut/test/bad{i}": part(x, y, spot=True) for i, (x, y) in enumerate(PLACES)}
    return corpus_of(folder, images | {"nut/test/good": part(60, 38)})


def test_the_best_aligned_normal_comes_first(tmp_path):
    corpus = nut(tmp_path)
    seen = []
    found = retrieve(corpus, top=3, progress=lambda done, total: seen.append((done, total)))
    assert corpus.references == Corpus(tmp_path).references
    assert {reference.method for reference in found} == {"aligned"}
    for i in range(len(PLACES)):
        chosen = corpus.references[f"made/nut/test/bad{i}"]
        assert [reference.rank for reference in chosen] == [0, 1, 2]
        assert chosen[0].image == f"nut/train/{i}.png"
        assert chosen[0].distance <= chosen[1].distance <= chosen[2].distance
    same = corpus.references["made/nut/test/good"][0]
    assert same.image == "nut/train/3.png"
    assert same.distance == pytest.approx(0, abs=1e-6)
    assert seen[-1] == (11, 11)


def test_the_references_are_those_of_appendix_b(tmp_path, monkeypatch):
    corpus, codes = nut(tmp_path), []

    def recorded(found, entries, grid):
        codes.extend(found.tolist())
        return histograms(found, entries, grid)

    monkeypatch.setattr(sys.modules[retrieve.__module__], "histograms", recorded)
    retrieve(corpus, top=3)
    # Normal images first, then the others, each once.
    images = sorted((sample.image for sample in corpus.samples), key=lambda image: "/train/" not in image)
    tables = {
        image: appendix_b.smoothed(appendix_b.block_histograms(one, 12, 5))
        for image, one in zip(images, codes, strict=True)
    }
    for sample in corpus.samples:
        normals = [image for image in images[:5] if image != sample.image]
        best, distances = appendix_b.nearest(
            [tables[image] for image in normals], tables[sample.image], ignored=5, top=3
        )
        chosen = corpus.references[sample.id]
        assert [reference.image for reference in chosen] == [normals[index] for index in best]
        assert [reference.distance for reference in chosen] == distances


def test_samples_on_one_image_have_the_same_references(tmp_path):
    corpus = nut(tmp_path)
    twice = [replace(sample, id=f"{sample.id}-again") for sample in corpus.samples]
    corpus = write_corpus(tmp_path, corpus.manifest.sources, [*corpus.samples, *twice])
    seen = []
    retrieve(corpus, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (11, 11)
    for sample in corpus.samples[:11]:
        first, second = (corpus.references[name] for name in (sample.id, f"{sample.id}-again"))
        assert [reference.image for reference in first] == [reference.image for reference in second]
        assert sample.image not in {reference.image for reference in second}


def test_nothing_is_its_own_reference(tmp_path):
    corpus = nut(tmp_path)
    for method in ("aligned", "random"):
        retrieve(corpus, method=method)
        for sample in corpus.samples:
            images = [reference.image for reference in corpus.references[sample.id]]
            assert sample.image not in images
            assert len(images) == len(set(images)) == (4 if sample.split == "train" else 5)
            assert all(image.startswith("nut/train/") for image in images)


def test_random_repeats_by_seed(tmp_path):
    corpus = nut(tmp_path)
    first, again, other = (retrieve(corpus, method="random", top=2, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_categories_without_train_split_use_their_other_normals(tmp_path):
    images = {"nut/test/a": part(5, 5), "nut/test/b": part(60, 5), "nut/test/bad": part(5, 5, spot=True)}
    corpus = corpus_of(tmp_path, images)
    retrieve(corpus, top=1)
    assert corpus.references["made/nut/test/a"][0].image == "nut/test/b.png"
    assert corpus.references["made/nut/test/bad"][0].image == "nut/test/a.png"


def test_the_only_train_image_takes_another_split(tmp_path):
    images = {"nut/train/a": part(5, 5), "nut/test/b": part(60, 5), "nut/test/bad": part(60, 5, spot=True)}
    corpus = corpus_of(tmp_path, images)
    retrieve(corpus)
    found = {key: [reference.image for reference in value] for key, value in corpus.references.items()}
    assert found == {
        "made/nut/train/a": ["nut/test/b.png"],
        "made/nut/test/b": ["nut/train/a.png"],
        "made/nut/test/bad": ["nut/train/a.png"],
    }


@pytest.mark.parametrize("method", ["auto", "random"])
def test_a_category_without_normal_images_is_named(tmp_path, method):
    images = {"nut/train/a": part(5, 5), "nut/test/b": part(5, 5), "screw/test/bad": part(60, 5)}
    corpus = corpus_of(tmp_path, images)
    with pytest.raises(DataError, match="made/screw has no normal image"):
        retrieve(corpus, method=method)
    assert not corpus.references


def test_given_pairs_are_kept_in_their_order(tmp_path):
    corpus = corpus_of(tmp_path, {"pcb/test/bad": part(5, 5)}, given=("z.png", "a.png", "b.png"))
    for method in ("auto", "given"):
        found = retrieve(corpus, method=method, top=2)
        assert [(r.image, r.rank, r.method) for r in found] == [("z.png", 0, "given"), ("a.png", 1, "given")]


def test_given_fails_for_samples_without_pairs(tmp_path):
    with pytest.raises(DataError, match=r"names no references for made/nut/train/0 \(11 samples"):
        retrieve(nut(tmp_path), method="given")


def test_a_broken_image_is_named(tmp_path):
    corpus = nut(tmp_path)
    (tmp_path / "raw/nut/train/2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2\.png: not a readable image"):
        retrieve(corpus)


@pytest.mark.parametrize(
    "call", [{"method": "best"}, {"features": "vgg"}, {"features": "dinov2_base"}, {"top": 0}]
)
def test_what_does_not_exist_is_refused(tmp_path, call):
    with pytest.raises(UsageError):
        retrieve(nut(tmp_path), **call)


def chosen(corpus):
    return {name: [(one.image, one.distance) for one in found] for name, found in corpus.references.items()}


def test_features_are_kept_and_shared(tmp_path):
    """The second retrieval runs no network, and a detector that wants deeper stages does not undo that."""
    corpus, cache, ran = nut(tmp_path / "corpus"), tmp_path / "cache", []
    retrieve(corpus)
    without = chosen(corpus)
    with torch.nn.modules.module.register_module_forward_hook(lambda *call: ran.append(call)):
        run("reference", corpus.path, "--feature-cache", cache)
        assert ran
        assert chosen(Corpus(corpus.path)) == without
        images = [corpus.resolve(sample.source, sample.image) for sample in corpus.samples]
        FeatureMaps("lite0", (8, 16), GEOMETRY, cache=cache).of(images)
        ran.clear()
        run("reference", corpus.path, "--feature-cache", cache)
        assert not ran
    assert chosen(Corpus(corpus.path)) == without


def test_weights_may_be_given(tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "resnet18.safetensors")
    corpus = nut(tmp_path / "corpus")
    run("reference", corpus.path, "--features", "resnet18", "--weights", tmp_path / "resnet18.safetensors")
    found = Corpus(corpus.path).references["made/nut/test/good"][0]
    assert found.image == "nut/train/3.png"
    assert found.distance == pytest.approx(0, abs=1e-6)


def test_weights_that_cannot_be_had_are_an_error_and_no_other_network(tmp_path, monkeypatch):
    def absent(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("not in the cache")

    def offline(*_: object, **__: object) -> None:
        raise OfflineModeIsEnabled("Cannot reach the hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", absent)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", offline)
    corpus = nut(tmp_path)
    with pytest.raises(ProviderError, match=r"neither in .* cache .*Cannot reach the hub.*--weights FILE"):
        retrieve(corpus, features="resnet18")
    assert not corpus.references
