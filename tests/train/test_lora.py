"""Adapters on the language model, and none on the vision tower."""

import pytest
import torch

from mmrad.errors import UsageError
from mmrad.train.lora import merged, with_adapters
from mmrad.train.models import load_model
from mmrad.train.recipe import Lora
from tiny_models import write_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny("qwen2_5_vl", tmp_path_factory.mktemp("tiny"))


def test_only_linear_layers_of_the_language_model_get_adapters(folder):
    model = with_adapters(load_model(folder)[0], Lora(rank=3))
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    layers = {name.rsplit(".lora_", 1)[0] for name in trained}
    kinds = {"self_attn": "qkvo", "mlp": ("gate", "up", "down")}
    assert layers == {
        f"base_model.model.model.language_model.layers.{layer}.{part}.{name}_proj"
        for layer in range(2)
        for part, names in kinds.items()
        for name in names
    }
    assert len(trained) == 2 * len(layers)


def test_merged_weights_give_what_adapters_gave(folder):
    model = with_adapters(load_model(folder)[0], Lora(rank=3, alpha=6)).eval()
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.3)
    ids = torch.randint(20, 200, (2, 9))
    with torch.no_grad():
        adapted = model(input_ids=ids).logits
        with model.disable_adapter():
            plain = model(input_ids=ids).logits
        whole = merged(model)
        torch.testing.assert_close(whole(input_ids=ids).logits, adapted, rtol=1e-3, atol=1e-4)
    assert (adapted - plain).abs().max() > 0.01
    assert not [name for name in whole.state_dict() if "lora" in name]


def test_targets_that_fit_nothing_say_so(folder):
    with pytest.raises(
        UsageError, match=r"base\.lora\.targets = 'nothing' does not fit the model Qwen2_5_VL"
    ):
        with_adapters(load_model(folder)[0], Lora(targets="nothing"))
