"""Estimates of memory, against real models and against what a forward pass really keeps."""

import re

import pytest
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from mmrad.errors import ProviderError, UsageError
from mmrad.train.lora import with_adapters
from mmrad.train.memory import Device, MemoryEstimate, _language, count_parameters, estimate
from mmrad.train.models import load_model
from mmrad.train.recipe import Asking, Base, Data, Lora, Recipe, Reinforcement, Supervised
from tiny_models import FAMILIES, write_tiny

GPU = Device.gpu(80 * 2**30)

SEVEN_B = {
    "text_config": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 128000,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    "vision_config": {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
        "out_hidden_size": 3584, "patch_size": 14, "fullatt_block_indexes": [7, 15, 23, 31],
    },
    "tie_word_embeddings": False,
}  # fmt: skip
"""The sizes that Qwen publishes for Qwen2.5-VL-7B-Instruct."""


def recipe(lora: Lora | None = None, checkpointing: bool = True, **grpo) -> Recipe:
    return Recipe(
        name="r",
        data=Data(),
        asking=Asking(max_pixels=602112, max_tokens=512),
        base=Base(path="unused", lora=lora, checkpointing=checkpointing),
        sft=Supervised(),
        grpo=Reinforcement(**grpo),
    )


@pytest.fixture(scope="module")
def seven_b(tmp_path_factory):
    folder = tmp_path_factory.mktemp("7b")
    Qwen2_5_VLConfig(**SEVEN_B).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_those_of_the_real_model(family, tmp_path):
    folder = write_tiny(family, tmp_path)
    model = load_model(folder)[0]
    every = sum(weight.numel() for weight in model.parameters())
    assert count_parameters(folder, None)[1:] == (every, every)
    found = estimate(recipe(), "sft", folder, GPU)
    assert found.gradients == 4 * every
    if family == "qwen2_5_vl":
        adapted = with_adapters(model, Lora(rank=5))
        trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
        assert count_parameters(folder, Lora(rank=5))[1:] == (every + trained, trained)


def test_the_7b_model_is_counted_from_its_configuration(seven_b):
    found = estimate(recipe(), "sft", seven_b, GPU)
    assert found.parameters == found.trainable == 8_292_166_656  # as its model card says, 8.29 billion
    assert found.weights + found.gradients + found.optimizer == 16 * found.parameters
    assert not found.fits
    adapted = estimate(recipe(Lora()), "sft", seven_b, GPU)
    # r (in + out) of q, k, v, o, gate, up, down in 28 layers
    per_layer = 16 * (3 * (3584 + 18944) + 2 * (3584 + 3584) + 2 * (3584 + 512))
    assert adapted.trainable == 28 * per_layer
    assert adapted.weights == 2 * found.parameters + 4 * adapted.trainable
    assert adapted.fits


def test_checkpointing_and_vllm_save_what_they_save(seven_b):
    kept = estimate(recipe(Lora(), checkpointing=False), "sft", seven_b, GPU)
    again = estimate(recipe(Lora()), "sft", seven_b, GPU)
    assert again.activations < kept.activations / 10
    plain = estimate(recipe(Lora()), "grpo", seven_b, GPU)
    # 256 responses; 28 layers, keys and values of 4 x 128 numbers, 2 bytes; gate, up, product of prompts
    assert plain.generation == 256 * (28 * 2 * 512 * 2 * 2560 + 3 * 18944 * 2 * 2048)
    assert not plain.fits
    # Two images of 768 tokens, 4 patches of 2 x 3 x 14 x 14 numbers each, 4 bytes
    assert plain.rollout == 256 * 2 * 768 * 4 * (2 * 3 * 14 * 14) * 4
    assert kept.rollout == 0
    served = estimate(recipe(Lora(), vllm=True), "grpo", seven_b, GPU)
    assert served.fits
    assert served.reference == 0
    assert estimate(recipe(beta=0.001), "grpo", seven_b, GPU).reference == 4 * 8_292_166_656
    assert estimate(recipe(beta=0.0), "grpo", seven_b, GPU).reference == 0


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_layers_keep_what_is_estimated(checkpointing, precision):
    tokens = 300
    kept = {layers: _kept(layers, tokens, checkpointing, precision) for layers in (2, 5)}
    config = _config(2)
    layers = _language(config)
    device = Device(1, 2 if precision == "bfloat16" else 4)
    expected = {
        count: layers_of(layers, count).kept(tokens, tokens, device, 4, checkpointing) for count in (2, 5)
    }
    per_layer, guessed = kept[5] - kept[2], expected[5] - expected[2]
    if (
        precision == "bfloat16" and not checkpointing
    ):  # each layer keeps its weights in bfloat16 too: `copies`
        per_layer -= 3 * 2 * sum(size for size in _matrices(config))
    assert guessed == pytest.approx(per_layer, rel=0.1)


def test_the_table_says_what_there_is(seven_b):
    table = estimate(recipe(Lora()), "grpo", seven_b, GPU).table()
    assert re.search(r"^parameters +8,332,536,832$", table, re.M)
    assert re.search(r"^  trained +40,370,176  \(0\.48%\)$", table, re.M)
    assert re.search(r"^the device has +85\.90 GB  \(does not fit\)$", table, re.M)
    assert "reference" not in table
    small = MemoryEstimate(10, 5, 1, 2, 3, 4, 5, 6, 50, None)
    assert (small.total, small.fits) == (1 + 3 + 5 + 50, None)
    assert "the device has" not in small.table()
    assert MemoryEstimate(10, 5, 1, 2, 3, 4, 5, 60, 50, 75).total == 1 + 3 + 5 + 2 + 4 + 60
    assert MemoryEstimate(10, 5, 1, 2, 3, 4, 5, 60, 50, 75).fits
    assert not MemoryEstimate(10, 5, 1, 2, 3, 4, 5, 60, 50, 75, rollout=1).fits


def test_what_cannot_be_estimated_says_so(seven_b, tmp_path):
    with pytest.raises(ProviderError, match="cannot read the configuration of the model"):
        estimate(recipe(), "sft", tmp_path, GPU)
    with pytest.raises(UsageError, match=r"no \[grpo\] table"):
        estimate(recipe().model_copy(update={"grpo": None}), "grpo", seven_b, GPU)


def layers_of(layers, count):
    from dataclasses import replace

    return replace(layers, count=count)


def _config(layers: int) -> Qwen2_5_VLConfig:
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    text = {
        "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": layers, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 200, "rope_parameters": rope,
    }  # fmt: skip
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 64}
    ids = {"image_token_id": 190, "video_token_id": 191, "bos_token_id": 1, "eos_token_id": 2}
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)


def _matrices(config: Qwen2_5_VLConfig) -> list[int]:
    text = Qwen2_5_VLForConditionalGeneration(config).model.language_model.layers[0]
    return [weight.numel() for weight in text.parameters() if weight.ndim == 2]


def _kept(layers: int, tokens: int, checkpointing: bool, precision: str) -> int:
    """Bytes of all tensors but the weights that a forward pass of the language model saves."""
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(_config(layers)).train()
    model.set_attn_implementation("sdpa")
    if checkpointing:
        model.activation_checkpointing_enable()
    weights = {weight.data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # alive, so that no address comes twice
        return tensor

    ids = torch.randint(3, 180, (1, tokens))
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"),
    ):
        model.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
