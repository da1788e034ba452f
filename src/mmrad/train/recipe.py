"""Training recipes: TOML files that say everything a training depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import settings_for
from mmrad.recipe import Table, read_recipe
from mmrad.train.pretraining.nano import NanoSize
from mmrad.train.reinforcement.rewards import RewardRules


class Images(Table):
    """How many images the factory makes of each category.

    Attributes:
        train: Normal train images.
        good: Normal test images.
        per_anomaly: Images with each of its anomalies.
    """

    train: int
    good: int
    per_anomaly: int


class Assorted(Images):
    """Images of products composed by chance, as the source `assorted`.

    Attributes:
        products: How many products.
    """

    products: int


class FactoryData(Images):
    """Images of the four sources.

    Attributes:
        seed: Of all images.
        assorted: Further products.
    """

    seed: int
    assorted: Assorted | None = None


class Data(Table):
    """What is trained on.

    Attributes:
        factory: Make this much with the factory.
        corpus: Folder of a corpus with references and verified texts; this or `factory`.
        sources: Only these; none means all.
        hold_out: Sources never trained on.
        references: From how many of its best references a query gets one at each reading; 0 shows none.
        texts: `fresh`: the scripted teacher writes anew at each reading, of pairs mirrored and recoloured;
            `stored`: the verified texts of the corpus, and its negatives.
        teachers: Whose stored texts; none means everybody's.
        knowledge: Whether the known anomalies of a category are told.
        max_prompt_tokens: A longer prompt, images included, is refused.
    """

    factory: FactoryData | None = None
    corpus: Path | None = None
    sources: tuple[str, ...] = ()
    hold_out: tuple[str, ...] = ()
    references: int = 1
    texts: Literal["fresh", "stored"] = "stored"
    teachers: tuple[str, ...] = ()
    knowledge: bool = False
    max_prompt_tokens: int = 2048


class Asking(Table):
    """How the model is asked, in training and later; saved beside its weights."""

    prompts: str = "brief"
    max_pixels: int = 112 * 112
    max_tokens: int = 192
    reasoning: bool = True


class Lora(Table):
    """Low-rank adapters on the linear layers of the language model (paper, Appendix D).

    Attributes:
        rank: Their rank.
        alpha: Their scale times the rank.
        dropout: Share of inputs dropped.
        targets: Regular expression over whole module names; the vision tower stays out.
    """

    rank: int = 16
    alpha: int = 16
    dropout: float = 0.0
    targets: str = r".*language_model.*\.(?:q|k|v|o|gate|up|down)_proj"


class Base(Table):
    """The model that is fine-tuned.

    Attributes:
        path: Folder, or a name on a model hub.
        lora: Adapters; none trains all weights.
        checkpointing: Whether activations are computed again in the backward pass, to save memory.
    """

    path: str
    lora: Lora | None = None
    checkpointing: bool = False


class Stage(Table):
    """One stage of a pretraining, with a cosine schedule.

    Attributes:
        objective: What is learned: `features` (the vision tower imitates a trained network and finds
            anomalies in single images), `pairs` (image tokens find them beside a reference) or `texts`.
        steps: Updates.
        batch_size: Images or pairs of an update.
        learning_rate: Largest learning rate of matrices, see `mmrad.train.pretraining.muon`.
        warmup_steps: Updates until it is reached.
        lower_rate: Learning rate of what finds the anomalies (the vision tower and the language layers below
            the grounding heads), as a share of that of the layers above; in a stage `texts`, less than 1
            keeps what stages before have learned.
        freeze_vision: Whether the vision tower stays as it is, which makes an update half as long.
        reasoning: Whether the texts of a stage `texts` reason before they answer, if the recipe asks for it;
            answers alone are short, so that more places are read in the same time.
    """

    objective: Literal["features", "pairs", "texts"]
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 100
    lower_rate: float = Field(default=1.0, gt=0.0, le=1.0)
    freeze_vision: bool = False
    reasoning: bool = True


class Pretraining(Table):
    """How a nano model is made, from nothing or from a base: stages, each from the model of the one before.

    Attributes:
        stages: The stages.
        weight_decay: Decoupled weight decay of all parameters.
        seed: Seed of all random choices.
        save_steps: Updates between checkpoints.
        logging_steps: Updates between lines of the log.
        workers: Processes that make batches; 0 makes them in the training process.
    """

    stages: tuple[Stage, ...]
    weight_decay: float
    seed: int
    save_steps: int = 500
    logging_steps: int = 50
    workers: int = 0


class Optimisation(Table):
    """What supervised and reinforcement learning have in common.

    Attributes:
        steps: Updates; 0 takes as many as `epochs` need.
        epochs: Readings of all examples.
        learning_rate: The largest one.
        schedule: How it falls.
        warmup: Share of the updates until it is reached.
        weight_decay: Decoupled weight decay.
        max_grad_norm: Gradients are clipped to this norm.
        micro_batch: Sequences in memory at once on each device; the batch is made of as many as it takes.
        seed: Seed of all random choices.
        save_steps: Updates between checkpoints.
        logging_steps: Updates between lines of the log.
        sample_steps: Updates between texts written for a look; 0 writes none.
        workers: Processes that read images.
    """

    steps: int = Field(default=0, ge=0)
    epochs: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(gt=0)
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    micro_batch: int = Field(default=4, ge=1)
    seed: int = 0
    save_steps: int = Field(default=100, ge=1)
    logging_steps: int = Field(default=10, ge=1)
    sample_steps: int = Field(default=100, ge=0)
    workers: int = Field(default=0, ge=0)


class Supervised(Optimisation):
    """Supervised fine-tuning, the cold start; defaults are the paper's (Appendix D).

    Attributes:
        batch: Conversations of an update, over all devices.
    """

    batch: int = Field(default=4, ge=1)
    epochs: float = Field(default=3.0, gt=0)
    learning_rate: float = Field(default=2e-5, gt=0)
    weight_decay: float = 0.1


class Reward(Table):
    """See `mmrad.train.reinforcement.rewards.RewardRules`."""

    penalty: float = 0.2
    iou: float = 0.5
    soft: bool = False

    def rules(self) -> RewardRules:
        """The same for the pure functions."""
        return RewardRules(penalty=self.penalty, iou=self.iou, soft=self.soft)


class Reinforcement(Optimisation):
    """GRPO; defaults are the paper's (section 5.1 and Appendix D).

    Attributes:
        preset: Published variant of the loss: `grpo`, `grpo_sequence`, `dapo`, `gspo`, `dr_grpo`; see
            `mmrad.train.reinforcement.presets`.
        prompts: Queries of a rollout, over all devices.
        responses: Responses to each.
        updates: Updates from each rollout; must divide `prompts`.
        max_tokens: Longest response.
        temperature: Of sampling.
        top_p: Of sampling.
        beta: Weight of the divergence from the model that training starts from; none takes the preset's.
        epsilon: Ratios are clipped to within this of 1; none takes the preset's.
        contrast: Whether groups get right and wrong texts (contrastive sampling).
        reward: The numbers in the reward.
        balance: Whether each rollout has as many anomalous as normal queries.
        curriculum: Whether queries that are answered rightly about half the time come more often.
        shaping: LUFFY's constant for injected right texts; 0 takes their ratio as it is.
        vllm: Whether vLLM generates; needs a GPU.
    """

    preset: Literal["grpo", "grpo_sequence", "dapo", "gspo", "dr_grpo"] = "grpo"
    prompts: int = Field(default=32, ge=1)
    responses: int = Field(default=8, ge=2)
    updates: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=512, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    learning_rate: float = Field(default=2e-6, gt=0)
    micro_batch: int = Field(default=8, ge=1)
    beta: float | None = Field(default=None, ge=0)
    epsilon: float | None = Field(default=None, gt=0)
    contrast: bool = True
    reward: Reward = Reward()
    balance: bool = False
    curriculum: bool = False
    shaping: float = Field(default=0.0, ge=0)
    vllm: bool = False


class Recipe(Table):
    """A whole recipe; see `recipes/nano.toml` and `recipes/anomaly-r1-7b.toml`.

    Attributes:
        name: Of the model.
        data: What is trained on.
        asking: How the model is asked.
        nano: Widths and depths of a model built from nothing; with `pretraining`.
        base: The model that is fine-tuned, instead of a new one.
        pretraining: What either is taught before that.
        sft: Supervised fine-tuning.
        grpo: Reinforcement learning.
    """

    name: str
    data: Data
    asking: Asking
    nano: NanoSize | None = None
    pretraining: Pretraining | None = None
    base: Base | None = None
    sft: Supervised | None = None
    grpo: Reinforcement | None = None

    @model_validator(mode="after")
    def _with_one_start(self) -> Self:
        if self.base and self.nano:
            raise ValueError("name one start: [base], or [nano] with [pretraining]")
        return self


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; its paths are relative to the folder that the command runs in.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    return read_recipe(path, Recipe)


def seed_of(recipe: Recipe) -> int:
    """The seed of new weights and of what is drawn from the data: that of the recipe's first training."""
    return next((part.seed for part in (recipe.pretraining, recipe.sft, recipe.grpo) if part), 0)


def settings_from(asking: Asking, knowledge: Mapping[str, Sequence[str]] | None = None) -> InspectionSettings:
    """The inspection settings that a recipe's `[asking]` table means.

    Args:
        asking: The table.
        knowledge: Known anomaly labels by category, told to the model; None tells none.
    """
    settings = settings_for(InspectionSettings(), **asking.model_dump())
    told = {category: tuple(labels) for category, labels in (knowledge or {}).items()}
    return replace(settings, domain_knowledge=told)
