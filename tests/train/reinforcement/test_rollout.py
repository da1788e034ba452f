"""What is read, sampled, injected and handed to TRL's loss in one rollout."""

import inspect
import math
from itertools import chain

import numpy as np
import pytest
import torch
from trl.trainer.grpo_trainer import GRPOTrainer

from mmrad.box import Box
from mmrad.corpus import Reference, SourceInfo, write_corpus
from mmrad.errors import TrainingError
from mmrad.image import encode_png
from mmrad.inspectors.chat import encode
from mmrad.inspectors.local import vision_tokens
from mmrad.sample import Region, Sample
from mmrad.train.recipe import Asking, settings_from
from mmrad.train.reinforcement.contrast import advantages
from mmrad.train.reinforcement.queries import REUSED, QueryReader, Rollouts, RolloutSampler, query_rows
from mmrad.train.reinforcement.rewards import judge
from mmrad.train.reinforcement.rollout import ROW, _seed
from mmrad.train.reinforcement.shaping import SHAPED
from reinforced import contrasting_examples, disturb, grpo_recipe, made_trainer, next_rows

# TRL's own calls.
UNREADABLE = "I cannot say."


@pytest.fixture
def examples(squares):
    return contrasting_examples(squares)


def sampling(texts):
    """In place of TRL's sampling: the texts, with log-probabilities as from vLLM when asked."""

    def sample(self, prompt_ids, *_):
        assert len(prompt_ids) == len(texts)
        ids = [
            [*self._tokenizer.encode(text, add_special_tokens=False), self._tokenizer.eos_token_id]
            for text in texts
        ]
        return ids, None

    return sample


def decoded(trainer, batch):
    texts = []
    for ids, mask in zip(batch["completion_ids"], batch["completion_mask"], strict=True):
        kept = ids[mask.bool()].tolist()
        assert kept[-1] == trainer._tokenizer.eos_token_id
        assert not mask[len(kept) :].any()
        texts.append(trainer._tokenizer.decode(kept, skip_special_tokens=True))
    return texts


def wrong(example):
    return "<answer>No.</answer>" if example.boxes else example.negatives[0]


def test_images_reach_the_model_as_in_inspection(tmp_path):
    """Views of odd shapes, and one larger than the processor would leave it."""
    raw = tmp_path / "odd"
    raw.mkdir()
    samples, sizes = [], [(200, 61), (61, 200), (113, 280), (257, 99)]
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(sizes):
        (raw / f"{number}.png").write_bytes(encode_png(rng.integers(0, 255, (height, width, 3), np.uint8)))
        regions = (Region(Box(3, 5, 16, 48), "stain"),) if number % 2 else ()
        name, size_wh = f"{number}.png", (width, height)
        samples.append(Sample(f"odd/{number}", "odd", "part", "test", name, size_wh, regions, "CC0-1.0"))
    info = SourceInfo(adapter="folder", root=str(raw), licence="CC0-1.0")
    corpus = write_corpus(tmp_path / "corpus", {"odd": info}, samples)
    others = [f"{(number + 1) % 4}.png" for number in range(4)]
    corpus.write_references(
        [Reference(one.id, 0, other, "random", 0.0) for one, other in zip(samples, others, strict=True)]
    )
    examples = contrasting_examples(corpus, settings_from(Asking(max_pixels=200 * 200, reasoning=False)))
    trainer = made_trainer(grpo_recipe(responses=2, max_tokens=4), examples, tmp_path)
    trainer.processing_class.image_processor.size = {"shortest_edge": 28 * 28, "longest_edge": 100 * 100}
    rows = next_rows(trainer)
    looked = []

    def look(module, arguments, keywords):
        looked.append(inspect.signature(module.forward).bind(*arguments, **keywords).arguments)

    trainer.model.model.visual.register_forward_pre_hook(look, with_kwargs=True)
    batch = trainer._generate_and_score_completions(rows)
    processor = trainer.processing_class
    expected = encode(processor, [row["example"].messages for row in rows])
    sampled_by = looked[0]
    for pixels in (batch["pixel_values"], sampled_by["hidden_states"]):
        torch.testing.assert_close(pixels, expected["pixel_values"])
    for grid in (batch["image_grid_thw"], sampled_by["grid_thw"]):
        torch.testing.assert_close(grid, expected["image_grid_thw"])
    torch.testing.assert_close(batch["prompt_ids"], expected["input_ids"])
    torch.testing.assert_close(batch["prompt_mask"], expected["attention_mask"])
    kinds = expected["mm_token_type_ids"]
    torch.testing.assert_close(batch["mm_token_type_ids"][:, : kinds.shape[1]], kinds)
    assert len({tuple(grid) for grid in expected["image_grid_thw"].tolist()}) > 2


def test_groups_get_right_and_wrong_texts(examples, tmp_path, monkeypatch):
    """A group all right, one all wrong, one unreadable, one with both kinds."""
    trainer = made_trainer(grpo_recipe(max_tokens=60), examples, tmp_path)
    rows = next_rows(trainer)
    asked = [row["example"] for row in rows[::4]]
    given = [
        *[asked[0].completion] * 4,
        *[wrong(asked[1])] * 4,
        *[UNREADABLE] * 4,
        *[asked[3].completion, wrong(asked[3]), UNREADABLE, asked[3].completion],
    ]
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", sampling(given))
    batch = trainer._generate_and_score_completions(rows)
    used = decoded(trainer, batch)

    groups = [used[first : first + 4] for first in range(0, 16, 4)]
    changed = [
        sum(one != other for one, other in zip(group, given[4 * number :][:4], strict=True))
        for number, group in enumerate(groups)
    ]
    assert changed[:3] == [2, 1, 1]  # in the first the verified text came too, in the place of an equal one
    assert {text for text in groups[0] if text != asked[0].completion} <= {*asked[0].negatives}
    for group, example in zip(groups, asked, strict=True):
        assert example.completion in group
        assert len({judge(text, example.boxes).correct for text in group}) == 2

    rewards = [judge(text, rows[row]["example"].boxes).reward for row, text in enumerate(used)]
    expected = np.concatenate([advantages(rewards[first : first + 4]) for first in range(0, 16, 4)])
    np.testing.assert_allclose(batch["advantages"].numpy(), expected, atol=1e-3)
    assert (np.abs(expected).reshape(4, 4).max(axis=1) > 0.5).all()

    shaped = [row for row, flag in enumerate(batch[SHAPED].tolist()) if flag]
    assert [row // 4 for row in shaped] == [0, 1, 2, 3]
    assert all(used[row] == rows[row]["example"].completion for row in shaped)
    assert batch[ROW].tolist() == list(range(16))


def test_log_probabilities_of_injected_texts_are_the_models_own(examples, tmp_path, monkeypatch):
    trainer = made_trainer(grpo_recipe(max_tokens=60), examples, tmp_path)
    rows = next_rows(trainer)
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", sampling([UNREADABLE] * 16))
    batch = trainer._generate_and_score_completions(rows)
    processor = trainer.processing_class
    injected = batch[SHAPED].nonzero().flatten().tolist()
    assert len(injected) == 4
    for row in injected:
        example = rows[row]["example"]
        alone = encode(processor, [example.messages], completions=[example.completion])
        with torch.no_grad():
            logits = trainer.model(**alone).logits[0, :-1].log_softmax(-1)
        ids = alone["input_ids"][0]
        length = int(batch["completion_mask"][row].sum())
        assert batch["completion_ids"][row, :length].tolist() == ids[-length:].tolist()
        expected = logits.gather(1, ids[1:, None])[-length:, 0]
        for name in ("old_per_token_logps", "ref_per_token_logps"):
            torch.testing.assert_close(batch[name][row, :length], expected, rtol=1e-3, atol=1e-4)


def test_figures_are_of_what_the_model_gave(examples, tmp_path, monkeypatch):
    trainer = made_trainer(grpo_recipe(max_tokens=60), examples, tmp_path)
    rows = next_rows(trainer)
    asked = [row["example"] for row in rows[::4]]
    given = [text for example in asked for text in (example.completion, *[wrong(example)] * 2, UNREADABLE)]
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", sampling(given))
    trainer._generate_and_score_completions(rows)
    figures = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    judged = [judge(text, row["example"].boxes) for text, row in zip(given, rows, strict=True)]
    rewards = [one.reward for one in judged]
    assert figures["reward"] == pytest.approx(np.mean(rewards))
    assert figures["reward_std"] == pytest.approx(np.std(rewards))
    assert figures["parse_rate"] == 0.75
    assert figures["correct"] == 0.25
    readable = [one.anomalous for one in judged if one.anomalous is not None]
    assert figures["answer_yes"] == pytest.approx(np.mean(readable))
    overlaps = [overlap for one in judged for overlap in one.overlaps]
    assert figures["mean_iou"] == pytest.approx(np.mean(overlaps))
    assert (figures["zero_advantage"], figures["zero_advantage_after"]) == (0.0, 0.0)
    assert (figures["injected_reference"], figures["injected_negatives"]) == (4, 0)
    lengths = [1 + len(trainer._tokenizer.encode(text, add_special_tokens=False)) for text in given]
    assert figures["completion_tokens"] == pytest.approx(np.mean(lengths))


def test_texts_longer_than_responses_are_lacking(examples, tmp_path, monkeypatch):
    trainer = made_trainer(grpo_recipe(max_tokens=6), examples, tmp_path)
    rows = next_rows(trainer)
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", sampling(["No."] * 16))
    batch = trainer._generate_and_score_completions(rows)
    anomalous = sum(bool(row["example"].boxes) for row in rows[::4])
    assert 0 < anomalous < 4
    assert int(batch[SHAPED].sum()) == 4 - anomalous  # "No." has room, boxes have not
    assert trainer._metrics["train"]["lacking_reference"] == [anomalous]
    assert batch["completion_ids"].shape[1] <= 6


def test_without_contrast_responses_are_trls_own(examples, tmp_path):
    trainer = made_trainer(grpo_recipe(contrast=False), examples, tmp_path)
    rows = next_rows(trainer)
    batch = trainer._generate_and_score_completions(rows)
    plain = GRPOTrainer(
        model=trainer.model,
        reward_funcs=trainer.reward_funcs,
        args=trainer.args,
        train_dataset=trainer.train_dataset,
        processing_class=trainer.processing_class,
    )
    disturb(_seed(trainer.args.seed, 0, 0))
    expected = plain._generate_and_score_completions(rows)
    assert expected.keys() == batch.keys() - {ROW, SHAPED}
    for name in ("completion_ids", "completion_mask", "advantages", "old_per_token_logps", "pixel_values"):
        torch.testing.assert_close(batch[name], expected[name])
    assert not batch[SHAPED].any()


def test_injected_texts_have_no_log_probabilities_of_vllm(examples, tmp_path, monkeypatch):
    trainer = made_trainer(grpo_recipe(max_tokens=60), examples, tmp_path)
    trainer._rows = next_rows(trainer)
    sample = sampling([UNREADABLE] * 16)

    def with_logprobs(self, *arguments):
        ids, _ = sample(self, *arguments)
        return ids, [[-0.5] * len(one) for one in ids]

    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", with_logprobs)
    ids, logprobs = trainer._generate_single_turn([[1]] * 16, None, {}, 4)
    replaced = [row for row, one in enumerate(logprobs) if one[0] is None]
    assert [row // 4 for row in replaced] == [0, 1, 2, 3]
    assert [len(one) for one in logprobs] == [len(one) for one in ids]
    assert all({*logprobs[row]} == {None} for row in replaced)


def test_what_is_sampled_depends_on_the_seed_and_the_rollout_alone(examples, tmp_path):
    trainer = made_trainer(grpo_recipe(), examples, tmp_path)
    rows = next_rows(trainer)
    found = []
    for seed, step in ((1, 0), (2, 0), (3, 1), (3, 2)):
        disturb(seed)
        trainer.state.global_step = step
        found.append(trainer._generate_and_score_completions(rows)["completion_ids"].tolist())
    assert found[0] == found[1] == found[2] != found[3]


def test_image_tokens_are_never_sampled(examples, tmp_path):
    trainer = made_trainer(grpo_recipe(), examples, tmp_path)
    forbidden = vision_tokens(trainer.model.config)
    assert len(forbidden) == 4

    def favour(module, arguments, logits):
        logits[..., forbidden] += 100
        return logits

    trainer.model.lm_head.register_forward_hook(favour)
    batch = trainer._generate_and_score_completions(next_rows(trainer))
    sampled = ~batch[SHAPED]
    assert not torch.isin(batch["completion_ids"][sampled], torch.tensor(forbidden)).any()


def test_damaged_weights_are_named_with_the_queries(examples, tmp_path):
    trainer = made_trainer(grpo_recipe(), examples, tmp_path)
    with torch.no_grad():
        trainer.model.model.language_model.norm.weight[0] = math.nan
    rows = next_rows(trainer)
    with pytest.raises(TrainingError, match=r"rollout 0: .* not finite; its queries were made/part/test"):
        trainer._generate_and_score_completions(rows)


class Order:
    rollouts = 2

    def queries_of(self, rollout):
        return [[0, 1], [3, 2], [1, 2]][rollout]


def test_the_sampler_reads_each_rollout_once_and_goes_on_where_it_was():
    shape = Rollouts(queries=5, count=3, prompts=2, responses=2, repeats=3, updates=3)
    rows = query_rows(5, epochs=2)
    unread = [10] * 8
    expected = [[0, 0, 1, 1, *unread], [3, 3, 2, 2, *unread], [6, 6, 7, 7, *unread]]
    assert len(RolloutSampler(Order(), shape, lambda: 0)) == 36
    for done in range(4):
        assert list(RolloutSampler(Order(), shape, lambda done=done: done)) == [*chain(*expected[done:])]
    assert rows[10] == {"epoch": 0, "query": REUSED}
    assert [rows[row] for row in (3, 6)] == [{"epoch": 0, "query": 3}, {"epoch": 1, "query": 1}]


def test_rows_of_a_query_share_one_reading(examples):
    reads = []

    class Counting:
        samples = examples.samples

        def __getitem__(self, index):
            reads.append((examples.epoch, index))
            return examples[index]

        set_epoch = staticmethod(examples.set_epoch)

    def row(epoch, query):
        return {"epoch": epoch, "query": query}

    found = QueryReader(Counting())([row(0, 3), row(0, 3), row(1, 3), row(0, REUSED)])
    assert sorted(reads) == [(0, 3), (1, 3)]
    assert found[0]["example"] is found[1]["example"]
    assert found[0]["example"].completion != found[2]["example"].completion or not np.array_equal(
        found[0]["images"][1], found[2]["images"][1]
    )
    assert found[3] == {"prompt": None, "query": REUSED}
