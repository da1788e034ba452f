"""What each stage of a training reads and minimises."""

import pytest
import torch

from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.pretraining.features import CHANNELS
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.pretraining.objectives import Features, Pairs, Texts
from mmrad.train.recipe import Asking, settings_from

SIZE = NanoSize(
    text_width=32, text_layers=3, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip


@pytest.fixture
def read(squares):
    return ScriptedExamples(squares.pairs(squares.samples), settings_from(Asking()), seed=0)


@pytest.fixture
def nano():
    model, processor = build_nano(train_tokenizer(["Is there an anomaly? Yes. No."], SIZE), SIZE, seed=0)
    model.set_attn_implementation("eager")
    return model, processor


def trained(model, loss) -> set[str]:
    loss.backward()
    return {name for name, weight in model.named_parameters() if weight.grad is not None}


def test_features_train_the_vision_tower_only(read, nano):
    model, processor = nano
    maps = [torch.zeros(8, 8, CHANNELS).half() for _ in range(len(read))]
    objective = Features(read, maps, processor)
    model.heads = objective.heads(32)
    batch = objective.collate([objective.dataset()[index] for index in (0, 1)])
    assert batch["features"].shape == (32, 4 * CHANNELS)
    names = trained(model, objective.loss(model, batch))
    assert any("visual" in name for name in names)
    assert not any("language_model" in name for name in names)


def test_features_are_in_the_order_of_the_tokens(read, nano):
    """A token's four features are those of the patches that the processor merges into it."""
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    places = torch.zeros(8, 8, CHANNELS)
    places[..., 0], places[..., 1] = rows, columns
    batch = Features(read, [places.half()] * len(read), nano[1]).collate([1])
    seen = batch["features"].reshape(16, 4, CHANNELS)[..., :2].int().tolist()
    assert seen[0] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert seen[5] == [[2, 2], [2, 3], [3, 2], [3, 3]]
    # The same order in the patches themselves: the bright square of the query fills whole patches.
    view, truth = read.query(1)
    patches = nano[1].image_processor(batch["images"]["112x112"], do_resize=False, return_tensors="pt")
    bright = patches["pixel_values"].mean(dim=1).reshape(16, 4) > 0.5
    marked = batch["grounding"][:, :4] > 0
    assert len(truth) == 1
    assert torch.equal(bright, marked)
    assert view.size_wh == (112, 112)


def test_pairs_train_the_lower_layers_and_leave_the_model_whole(read, nano):
    model, processor = nano
    objective = Pairs(read, processor, model.model.get_rope_index)
    model.heads = objective.heads(32)
    batch = objective.collate([read[0], read[1]])
    assert "labels" not in batch
    assert batch["query_tokens"].sum(dim=1).tolist() == [16, 16]
    # Only the two images are read; the query's tokens are the last ones.
    assert (batch["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")).all()
    assert batch["query_tokens"][0].nonzero().flatten().tolist() == [*range(16, 32)]
    names = trained(model, objective.loss(model, batch))
    assert any("language_model.layers.0" in name for name in names)
    assert not any("language_model.layers.2" in name for name in names)
    assert len(model.model.language_model.layers) == 3


def test_texts_train_everything(read, nano):
    model, processor = nano
    objective = Texts(read, processor, model.model.get_rope_index)
    model.heads = objective.heads(32)
    names = trained(model, objective.loss(model, objective.collate([read[0], read[1]])))
    assert names == {name for name, _ in model.named_parameters()}


def test_near_numbers_have_near_embeddings(nano):
    model, processor = nano
    ids = processor.tokenizer.convert_tokens_to_ids(["40", "41", "90"])
    one, near, far = model.model.language_model.embed_tokens.weight[ids]
    assert torch.cosine_similarity(one, near, dim=0) > 0.8
    assert torch.cosine_similarity(one, far, dim=0) < 0.6
