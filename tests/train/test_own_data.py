"""Fine-tuning on one's own parts: the recipe, its base model, and how the example sorts photographs."""

import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.inspectors.make import bundled_nano
from mmrad.train.examples.data import trained_on
from mmrad.train.models import load_model
from mmrad.train.recipe import load_recipe

ROOT = Path(__file__).parents[2]
RECIPE = load_recipe(ROOT / "recipes" / "own-data-nano.toml")


def test_the_recipe_starts_from_the_bundled_nano():
    model, processor = load_model(RECIPE.base.path)
    assert model.config._name_or_path == str(bundled_nano())
    assert processor.tokenizer.eos_token == "<|im_end|>"


def test_the_recipe_never_trains_on_what_is_judged(squares: Corpus, tmp_path: Path):
    def of(source: str) -> list:
        return [replace(one, id=f"{source}/{one.id}", source=source) for one in squares.samples]

    info = SourceInfo(adapter="folder", root=str(squares.root("made")), licence="your own")
    corpus = write_corpus(tmp_path / "both", {"taught": info, "judged": info}, [*of("taught"), *of("judged")])
    assert [sample.id for sample in trained_on(corpus, RECIPE.data)] == [one.id for one in of("taught")]


def test_the_example_puts_all_photographs_of_a_cookie_on_one_side(tmp_path: Path):
    data, out = tmp_path / "cookies", tmp_path / "parts"
    names = [*(f"normal-{n}.jpg" for n in range(1, 32)), *(f"anomaly-{n}.jpg" for n in range(1, 33))]
    for name in names:
        (data / "training-images").mkdir(parents=True, exist_ok=True)
        (data / "training-images" / name).touch()
        if name.startswith("anomaly"):
            (data / "mask-images").mkdir(exist_ok=True)
            (data / "mask-images" / name.replace("jpg", "png")).touch()
    script = ROOT / "examples" / "fine_tune" / "cookies.py"
    subprocess.run([sys.executable, script, data, out], check=True)
    found = defaultdict(set)
    for path in out.rglob("*.jpg"):
        found[path.relative_to(out).parts[0]].add(path.stem)
        if path.parent.name == "crack":
            assert (path.parents[1] / "masks" / "crack" / f"{path.stem}.png").exists()
    assert found["taught"].isdisjoint(found["judged"])
    assert len(found["taught"] | found["judged"]) == len(names)
    # The same cookie, whole and broken: see the photographs.
    for cookie in ({"normal-8", "anomaly-31"}, {"normal-24", "anomaly-18"}, {"normal-28", "anomaly-15"}):
        assert cookie <= found["judged"]
