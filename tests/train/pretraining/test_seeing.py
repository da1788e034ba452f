import numpy as np
import pytest
import torch

from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import encode
from mmrad.sample import Sample
from mmrad.train.examples.example import Example
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.pretraining.pair_batches import PairCollator
from mmrad.train.pretraining.seeing import gathered, prepare_tower, see
from mmrad.view import View

TINY = NanoSize(
    text_width=32, text_layers=1, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip


@pytest.fixture(scope="module")
def nano():
    texts = ["You inspect industrial products. Is there an anomaly? Yes. No. stain row column upper left"]
    return build_nano(train_tokenizer(texts, TINY), TINY, seed=0)


def images(sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3)).astype(np.uint8) for height, width in sizes]


def test_images_of_any_sizes_are_seen_as_by_the_model_itself(nano):
    model, processor = nano
    shown = images([(112, 112), (84, 140), (112, 112), (140, 84), (84, 140)])
    batch = processor.image_processor(
        shown, do_resize=False, input_data_format="channels_last", return_tensors="pt"
    )
    own = model.model.visual(batch["pixel_values"], grid_thw=batch["image_grid_thw"]).pooler_output
    gradient = torch.randn_like(own)
    own.backward(gradient)
    expected = {name: weight.grad.clone() for name, weight in model.model.visual.named_parameters()}
    model.zero_grad()
    prepare_tower(model.model.visual)
    seen = see(model.model.visual, processor.image_processor, gathered(shown))
    assert [len(tokens) for tokens in seen] == [16, 15, 16, 15, 15]
    torch.testing.assert_close(torch.cat(seen), own, rtol=1e-4, atol=1e-4)
    torch.cat(seen).backward(gradient)
    for name, weight in model.model.visual.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-3, atol=1e-3)


def test_a_batch_is_what_the_processor_and_the_model_make_of_the_same(nano):
    model, processor = nano
    settings = InspectionSettings()
    examples = []
    for number, (reference, query) in enumerate([((112, 112), (84, 140)), ((140, 84), (56, 56))]):
        views = [View(image, image.shape[1::-1]) for image in images([reference, query])]
        sample = Sample(
            f"made/part/test/{number}", "made", "part", "test", "0.png", views[1].size_wh, (), "CC0-1.0"
        )
        messages = settings.messages(sample, views[1], views[:1])
        examples.append(Example(sample, messages, f"<answer>{'No. ' * (number + 1)}</answer>", ()))
    batch = PairCollator(processor, model.model.get_rope_index, answers=True)(examples)
    processor.tokenizer.padding_side = "right"
    whole = encode(
        processor, [one.messages for one in examples], completions=[one.completion for one in examples]
    )
    assert torch.equal(batch["input_ids"], whole["input_ids"])
    assert torch.equal(batch["attention_mask"], whole["attention_mask"])
    positions, _ = model.model.get_rope_index(
        whole["input_ids"], whole["mm_token_type_ids"], whole["image_grid_thw"],
        attention_mask=whole["attention_mask"],
    )  # fmt: skip
    assert torch.equal(batch["position_ids"], positions)
    learned = [row[row != -100] for row in batch["labels"]]
    texts = [processor.tokenizer.decode(row) for row in learned]
    assert texts == [f"{one.completion}<|im_end|>" for one in examples]
    assert batch["query_tokens"].sum(dim=1).tolist() == [15, 4]
    assert batch["grounding"].shape == (19, 8)
    assert sorted(batch["images"]) == ["112x112", "140x84", "56x56", "84x140", "order"]
    alone = PairCollator(processor, model.model.get_rope_index, answers=False)(examples)
    image = batch["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    for number, count in enumerate((31, 19)):  # the images keep their places between the words
        kept = positions[:, number, image[number]]
        assert torch.equal(alone["position_ids"][:, number, :count], kept)
        assert alone["attention_mask"][number].sum() == count
    assert alone["query_tokens"].sum(dim=1).tolist() == [15, 4]
    assert torch.equal(alone["grounding"], batch["grounding"])
