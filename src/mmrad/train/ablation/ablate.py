"""Running the ablations: every row of Table 5 is trained and judged, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from accelerate.utils.memory import clear_device_cache  # type: ignore[import-untyped]

from mmrad.corpus import Corpus
from mmrad.files import write_text
from mmrad.inspectors.base import InspectionSettings
from mmrad.metrics.scores import COUNTS, sample_counts
from mmrad.sample import Sample, Verdict
from mmrad.teach import read_knowledge
from mmrad.train.ablation.rows import (
    AblationRecipe,
    Row,
    Training,
    claim_folder,
    is_pretrained,
    judged_file,
    start_of,
    trainings_of,
)
from mmrad.train.ablation.table import AblationTable, Judged, tabulate
from mmrad.train.examples.data import factory_corpus, training_corpus, training_examples
from mmrad.train.examples.example import Examples
from mmrad.train.pretraining.pretrain import pretrain
from mmrad.train.recipe import Recipe, settings_from
from mmrad.train.reinforcement.grpo import batch_arguments, grpo
from mmrad.train.sft import sft

Show = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Shows the progress of a piece of work with a title: gives what is told how much is done and in all."""

TABLE_FILE, TABLE_JSON = "table.md", "table.json"


class Judge(Protocol):
    """Asks a model for verdicts; a call that was interrupted goes on when it is made again."""

    def __call__(
        self,
        model: Path,
        settings: InspectionSettings,
        corpus: Corpus,
        samples: Sequence[Sample],
        out: Path,
        *,
        name: str,
        references: int,
    ) -> Mapping[str, Verdict]:
        """The verdicts by sample id.

        Args:
            model: Folder of the model.
            settings: How it is asked.
            corpus: The corpus of the queries.
            samples: The queries.
            out: Folder for what is kept of the answers.
            name: What the model is called there.
            references: Normal images beside each query.
        """


def ablate(
    recipe: AblationRecipe,
    out: Path,
    judge: Judge,
    *,
    rows: Sequence[Row],
    seeds: Sequence[int] | None = None,
    show: Show = lambda _: nullcontext(lambda done, total: None),
) -> AblationTable:
    """Train and judge rows of Table 5; called again, it goes on where it stopped.

    Args:
        recipe: The recipe.
        out: Folder of everything.
        judge: Asks the trained models.
        rows: The rows.
        seeds: Seeds of the trainings; those of the recipe by default.
        show: Shows progress.

    Returns:
        The table of all rows and seeds that are judged by now, of earlier calls too; it also lies in
        `out/table.md` and `out/table.json`, brought up to date after each row.

    Raises:
        UsageError: When the folder was begun with another recipe, or numbers of it do not fit together.
    """
    assert recipe.grpo, "a valid recipe has it"
    batch_arguments(recipe.grpo)  # refused now rather than after the first cold start
    claim_folder(recipe, out)
    corpus, groups = _queries(recipe, out, show)
    _pretrain(recipe, out, show)
    for seed in recipe.seeds if seeds is None else seeds:
        for row in rows:
            path = judged_file(row, seed, out)
            if not path.exists():
                for training in trainings_of(row, recipe, seed, out):
                    _train(training, out, show)
                samples = [sample for group in groups.values() for sample in group]
                _judge(row, recipe, seed, out, judge, corpus, samples)
                _write(recipe, groups, out)
    return _write(recipe, groups, out)


def _queries(recipe: AblationRecipe, out: Path, show: Show) -> tuple[Corpus, dict[str, list[Sample]]]:
    """The corpus that models are judged on, and its queries: of each held-out source, and of all others."""
    others: list[str] = []
    with show("data") as update:
        if recipe.judging.factory is None:
            corpus = training_corpus(recipe, out / "data", progress=update)
        else:
            corpus = factory_corpus(recipe.judging.factory, out / "judging", progress=update)
            trained = recipe.data.sources or tuple(corpus.manifest.sources)
            others = [
                one for one in corpus.manifest.sources if one in trained and one not in recipe.data.hold_out
            ]
    named = {f"{source}, held out": [source] for source in recipe.data.hold_out}
    if others and recipe.judging.trained_on:
        named[f"{', '.join(others)}, trained on"] = others
    return corpus, {name: corpus.select(sources=sources, splits=["test"]) for name, sources in named.items()}


def _pretrain(recipe: AblationRecipe, out: Path, show: Show) -> None:
    if is_pretrained(recipe, out):
        return
    plain = recipe.plain()
    examples = _examples(plain, out, show)
    with show("pretraining, features") as update:
        pretrain(plain, examples, Path(start_of(recipe, out)).parent, progress=update)


def _train(training: Training, out: Path, show: Show) -> None:
    if training.done:
        return
    examples = _examples(training.recipe, out, show, negatives=training.kind == "grpo")
    run = sft if training.kind == "sft" else grpo
    with show(f"{training.folder.relative_to(out)}, updates") as update:
        run(training.recipe, examples, training.folder, start=training.start, progress=update)
    clear_device_cache(garbage_collection=True)  # trainers hold each other, and so the model, in cycles


def _examples(recipe: Recipe, out: Path, show: Show, *, negatives: bool = False) -> Examples:
    with show("data") as update:
        return training_examples(recipe, out / "data", negatives=negatives, progress=update)


def _judge(
    row: Row,
    recipe: AblationRecipe,
    seed: int,
    out: Path,
    judge: Judge,
    corpus: Corpus,
    samples: Sequence[Sample],
) -> None:
    trained = trainings_of(row, recipe, seed, out)[-1]
    settings = replace(
        settings_from(trained.recipe.asking, read_knowledge(corpus) if row.knowledge else None),
        temperature=recipe.judging.temperature,
        min_p=recipe.judging.min_p,
        seed=seed,
    )
    verdicts = judge(
        trained.model,
        settings,
        corpus,
        samples,
        out / f"seed-{seed}" / "runs",
        name=row.key,
        references=int(row.reference),
    )
    counts = {sample.id: sample_counts(sample, verdicts.get(sample.id)).tolist() for sample in samples}
    path = judged_file(row, seed, out)
    write_text(path, json.dumps({"columns": COUNTS, "counts": counts}) + "\n")


def _write(recipe: AblationRecipe, groups: Mapping[str, Sequence[Sample]], out: Path) -> AblationTable:
    table = tabulate(recipe, groups, Judged.read(out))
    write_text(out / TABLE_FILE, table.to_markdown())
    write_text(out / TABLE_JSON, json.dumps(table.to_dict(), indent=2) + "\n")
    return table
