"""What each stage of a training reads and minimises."""

from dataclasses import replace

import pytest
import torch

from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.pretraining.features import CHANNELS
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.pretraining.objectives import NUMBER_WEIGHT, Features, Pairs, Texts
from mmrad.train.pretraining.patches import cut
from mmrad.train.pretraining.seeing import prepare_tower
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
    prepare_tower(model.model.visual)
    return model, processor


def trained(model, loss) -> set[str]:
    loss.backward()
    return {name for name, weight in model.named_parameters() if weight.grad is not None}


def test_features_train_the_vision_tower_only(read, nano):
    model, processor = nano
    maps = [torch.zeros(8, 8, CHANNELS).half() for _ in range(len(read))]
    objective = Features(read, maps, processor, "cpu")
    model.heads = objective.heads(32)
    batch = objective.collate([objective.dataset()[index] for index in (0, 1)])
    names = trained(model, objective.loss(model, batch))
    assert any("visual" in name for name in names)
    assert not any("language_model" in name for name in names)


def test_features_are_in_the_order_of_the_tokens(read, nano):
    """A token's four features are those of the patches that the processor merges into it."""
    model, processor = nano
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    places = torch.zeros(8, 8, CHANNELS)
    places[..., 0], places[..., 1] = rows, columns
    objective = Features(read, [places.half()] * len(read), processor, "cpu")
    batch = objective.collate([1, 0])
    assert batch["tokens"].tolist() == [*range(32)]
    # Token 5 is the second cell of the second row.
    right = torch.zeros(16, 4, CHANNELS)
    for token in range(16):
        top, left = 2 * (token // 4), 2 * (token % 4)
        for corner, (down, across) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            right[token, corner, :2] = torch.tensor([top + down, left + across])
    model.heads = {
        "features": lambda tokens: right.flatten(1).repeat(2, 1),
        "seen": lambda tokens, targets: torch.zeros(()),
    }
    assert objective.loss(model, batch).item() == 0
    # The same order in the patches themselves: the bright square of the query fills whole patches.
    view, truth = read.query(1)
    bright = cut([view.image])["pixels"].float().mean(dim=(2, 3, 4)).reshape(16, 4) > 200
    assert len(truth) == 1
    assert torch.equal(bright, batch["grounding"][:16, :4] > 0)


def test_pairs_train_the_lower_layers_and_leave_the_model_whole(read, nano):
    model, processor = nano
    objective = Pairs(read, processor, model.model.get_rope_index, "cpu")
    model.heads = objective.heads(32)
    batch = objective.collate([objective.dataset()[index] for index in (0, 1)])
    assert batch["attention_mask"].sum(dim=1).tolist() == [32, 32]
    assert batch["tokens"].tolist() == [*range(32)]
    names = trained(model, objective.loss(model, batch))
    assert any("language_model.layers.0" in name for name in names)
    assert not any("language_model.layers.2" in name for name in names)
    assert len(model.model.language_model.layers) == 3


def test_pairs_are_seen_as_in_the_conversations_of_the_texts(read, nano):
    """Same forms, same tokens, same loss of grounding as when a text is read with them, up to the noise."""
    model, processor = nano
    with_reference, alone = 1, 2
    read.pairs = [*read.pairs]
    read.pairs[alone] = replace(read.pairs[alone], references=())
    quiet = replace(read.reading(with_reference).exposure, gain=1.0, offset=0.0, noise=0.0)
    plain = read.reading
    read.reading = lambda index: replace(plain(index), exposure=quiet, reference_exposure=quiet)
    pairs = Pairs(read, processor, model.model.get_rope_index, "cpu")
    texts = Texts(read, processor, model.model.get_rope_index)
    for index in (with_reference, alone):
        small = pairs.collate([pairs.dataset()[index]])
        large = texts.collate([texts.dataset()[index]])
        image = large["input_ids"][0] == processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        here = small["attention_mask"][0] == 1
        assert torch.equal(small["position_ids"][:, 0, here], large["position_ids"][:, 0, image])
        assert torch.equal(small["grounding"], large["grounding"])
        seen = []
        model.heads = {
            "seen": lambda tokens, targets, seen=seen: seen.append(tokens) or tokens.sum() * 0,
            "compared": lambda tokens, targets: tokens.sum() * 0,
        }
        pairs.loss(model, small)
        texts.loss(model, large)
        torch.testing.assert_close(*seen, rtol=1e-4, atol=1e-4)


def test_texts_train_everything(read, nano):
    model, processor = nano
    objective = Texts(read, processor, model.model.get_rope_index)
    model.heads = objective.heads(32)
    names = trained(model, objective.loss(model, objective.collate([read[0], read[1]])))
    assert names == {name for name, _ in model.named_parameters()}


def test_numbers_weigh_more_than_words(read, nano):
    model, processor = nano
    objective = Texts(read, processor, model.model.get_rope_index)
    none = torch.zeros(())
    model.heads = {"seen": lambda *_: none, "compared": lambda *_: none}
    batch = objective.collate([read[1]])
    logits = torch.randn((len(batch["labels"]), len(processor.tokenizer)))
    model.lm_head.forward = lambda states: logits
    each = torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="none")
    tokens = processor.tokenizer.convert_ids_to_tokens(batch["labels"].tolist())
    weights = torch.tensor([NUMBER_WEIGHT if token.isdecimal() else 1.0 for token in tokens])
    assert 4 <= (weights > 1).sum() < len(weights)
    expected = (each * weights).sum() / weights.sum()
    torch.testing.assert_close(objective.loss(model, batch), expected)


def test_near_numbers_have_near_embeddings(nano):
    model, processor = nano
    ids = processor.tokenizer.convert_tokens_to_ids(["40", "41", "90"])
    one, near, far = model.model.language_model.embed_tokens.weight[ids]
    assert torch.cosine_similarity(one, near, dim=0) > 0.8
    assert torch.cosine_similarity(one, far, dim=0) < 0.6
