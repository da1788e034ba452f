import numpy as np
import pytest
import torch

from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import encode
from mmrad.sample import Sample
from mmrad.train.examples.example import Example
from mmrad.train.pretraining.conversing import ConversationCollator
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.pretraining.patches import cut
from mmrad.train.pretraining.seeing import prepare_tower, see
from mmrad.view import View

TINY = NanoSize(
    text_width=32, text_layers=1, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip


@pytest.fixture
def nano():
    texts = ["You inspect industrial products. Is there an anomaly? Yes. No. stain row column upper left"]
    return build_nano(train_tokenizer(texts, TINY), TINY, seed=0)


def images(sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3)).astype(np.uint8) for height, width in sizes]


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_images_of_any_sizes_are_seen_as_by_the_model_itself(nano, kernel):
    model, processor = nano
    model.set_attn_implementation(kernel)
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
    seen = see(model.model.visual, processor.image_processor, cut(shown))
    assert seen.shape == (5, 16, 32)
    whole = torch.cat([seen[number, :count] for number, count in enumerate((16, 15, 16, 15, 15))])
    torch.testing.assert_close(whole, own, rtol=1e-4, atol=1e-4)
    whole.backward(gradient)
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
    batch = ConversationCollator(processor, model.model.get_rope_index)(examples)
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
    ids = batch["input_ids"].flatten()
    assert torch.equal(ids[batch["answers"] + 1], batch["labels"])
    ends = "".join(f"{one.completion}<|im_end|>" for one in examples)
    assert processor.tokenizer.decode(batch["labels"]) == ends
    assert batch["cells"] == [16, 15, 15, 4]
    assert batch["patches"]["grids"].tolist() == [[8, 8], [6, 10], [10, 6], [4, 4]]
    # The image tokens of the queries, which are the last ones of each conversation.
    image = (batch["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")).flatten()
    length = batch["input_ids"].shape[1]
    first, second = image.nonzero().flatten()[:31], image.nonzero().flatten()[31:]
    assert first[-1] < length <= second[0]
    assert batch["tokens"].tolist() == [*first[16:].tolist(), *second[15:].tolist()]
    assert batch["grounding"].shape == (19, 8)
