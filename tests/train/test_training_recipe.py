from pathlib import Path

import pytest

from mmrad.errors import DataError
from mmrad.train.recipe import load_recipe

NANO = Path(__file__).parents[2] / "recipes" / "nano.toml"
BASE = '[base]\npath = "anomaly-r1-nano"\n'


def test_a_recipe_has_one_start(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(NANO.read_text("utf-8") + BASE)
    with pytest.raises(DataError, match=r"two\.toml.*name one start: \[base\], or \[nano\]"):
        load_recipe(path)
    path.write_text(NANO.read_text("utf-8").partition("[nano]")[0] + BASE)
    assert load_recipe(path).base
