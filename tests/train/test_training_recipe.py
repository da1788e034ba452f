import pytest

from mmrad.errors import DataError
from mmrad.train.recipe import load_recipe

TWO_STARTS = """
name = "two"
data = { corpus = "corpus" }
asking = {}
base = { path = "anomaly-r1-nano" }

[nano]
text_width = 32
text_layers = 1
text_heads = 2
text_mlp = 64
vision_width = 32
vision_layers = 1
vision_heads = 2
vision_mlp = 32
vocabulary = 1600
"""


def test_a_recipe_has_one_start(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO_STARTS)
    with pytest.raises(DataError, match=r"two\.toml.*name one start: \[base\], or \[nano\]"):
        load_recipe(path)
    path.write_text(TWO_STARTS.partition("[nano]")[0])
    assert load_recipe(path).base
