"""A whole benchmark: the models of a recipe, each asked in its way about the same queries."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from mmrad.bench.expert_runs import MAPS
from mmrad.bench.experts import expert_inspector
from mmrad.bench.hints import read_hints
from mmrad.bench.leaks import refuse_seen
from mmrad.bench.oracle import derive_oracle
from mmrad.bench.pixel_figures import pixel_figures
from mmrad.bench.progress import Progress
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.bench.run import INFO_FILE, Run, load_info, price_of, read_lines, spent
from mmrad.bench.runner import bench
from mmrad.corpus import Corpus
from mmrad.endpoint import Price, ResponseCache, Spending
from mmrad.errors import BudgetReached, MissingExtraError, ProviderError, UsageError
from mmrad.files import file_name
from mmrad.inspectors.base import InspectionSettings, Inspector
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.make import BUNDLED, make_inspector
from mmrad.inspectors.plan import Plan, plan_of
from mmrad.prompt import load_prompts
from mmrad.sample import RETRIED, Sample, Usage
from mmrad.teach import read_knowledge

Tell = Callable[[Progress], None]
"""Is told how a run goes."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a benchmark is carried out with; no answer depends on it.

    Attributes:
        catalogue_file: The user's own entries of the catalogue.
        cache: File of answers known before, and where new ones are kept.
        max_cost: US dollars for all runs together, earlier calls included; None for no cap.
    """

    catalogue_file: Path | None = None
    cache: Path | None = None
    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run.

    Attributes:
        name: Its name.
        run: The run; None when nothing could be asked.
        problem: Why it is not complete; empty when it is.
    """

    name: str
    run: Run | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """What one run would take.

    Attributes:
        name: Its name.
        samples: All of its queries.
        plan: What is left of them to ask.
        problem: Why nothing could be asked; empty when it could.
    """

    name: str
    samples: int
    plan: Plan
    problem: str


@dataclass(slots=True)
class _Job:
    entry: Entry
    name: str
    about: dict[str, Any]
    samples: list[Sample]
    settings: InspectionSettings
    make: Callable[[Tell | None], Inspector]
    inspector: Inspector | None = None
    problem: str = ""


class Benchmark:
    """The runs of a recipe on a corpus.

    Args:
        corpus: The corpus.
        recipe: Who is asked, how, and on what.
        out: Folder of the runs.
        means: What it is carried out with.

    Attributes:
        cache: The response cache while and after it was used.
    """

    def __init__(self, corpus: Corpus, recipe: BenchRecipe, out: Path, means: Means | None = None) -> None:
        self.corpus, self.recipe, self.out = corpus, recipe, out
        self.means = means or Means()
        self.cache: ResponseCache | None = None
        self._hints = lru_cache(partial(read_hints, corpus))  # of one expert to several runs

    def run(self, progress: Tell | None = None) -> Iterator[Outcome]:
        """Ask everybody, one after the other; called again, it goes on where it stopped.

        What is wrong with the asking itself comes out before anybody is asked. A model that cannot be
        reached, or a cap that is reached, ends that run alone. A detector is trained when its turn comes, and
        has a second outcome: its run under the paper's thresholds, see `mmrad.bench.oracle`.

        Args:
            progress: Told how each run goes.

        Raises:
            UsageError: When a run cannot be asked as the recipe says, or there is nothing to ask about.
            DataError: When a file is unreadable.
        """
        if self.means.cache is None:
            yield from self._run(progress)
            return
        with ResponseCache(self.means.cache) as self.cache:
            yield from self._run(progress)

    def _run(self, progress: Tell | None) -> Iterator[Outcome]:
        spending = Spending(self.means.max_cost, self._spent_before())
        jobs = list(self._prepared(spending))
        for job in jobs:
            outcome = self._outcome(job, progress)
            yield outcome
            if job.entry.of_expert and outcome.run and not outcome.problem:
                pixel_figures(outcome.run, progress)
                oracle = derive_oracle(outcome.run, progress)
                yield Outcome(oracle.info.name, oracle)

    def plan(self) -> Iterator[Intent]:
        """What is left to ask of each run; nothing is asked and no local model is loaded.

        Raises:
            UsageError: See `run`.
        """
        for job in self._prepared(Spending()):
            answered = self._answered(job.name)
            open_samples = [sample for sample in job.samples if sample.id not in answered]
            pairs = self.corpus.pairs(open_samples, references=job.entry.beside)
            if isinstance(job.inspector, ChatInspector):
                plan = job.inspector.plan(pairs)
            elif job.entry.of_expert:  # reads no prompt
                plan = Plan(len(pairs), Usage(0, 0), 0.0, 0.0)
            else:  # a model in this process costs no money
                plan = plan_of(pairs, job.settings, Price(0.0, 0.0))
            yield Intent(job.name, len(job.samples), plan, job.problem)

    def _answered(self, name: str) -> set[str]:
        lines = read_lines(self.out / file_name(name))
        return {key for key, (_, verdict) in lines.items() if verdict.status not in RETRIED}

    def _spent_before(self) -> float:
        """Dollars of these runs' earlier answers."""
        total = 0.0
        for _, name, _ in self.recipe.repeats():
            folder = self.out / file_name(name)
            price = price_of(load_info(folder)) if (folder / INFO_FILE).exists() else None
            total += spent(folder, price) if price else 0.0
        return total

    def _prepared(self, spending: Spending) -> Iterator[_Job]:
        """The runs; models behind endpoints are made at once, local ones only when their turn comes."""
        for entry, name, about in self.recipe.repeats():
            settings, samples = self._settings(entry), self._samples(entry)
            if entry.expert:
                told = self._hints(entry.expert)
                settings = told.into(settings, entry.hints, samples)
                about |= told.about(entry.hints, samples)
            make = self._maker(entry, name, about.get("repeat", 1), settings, spending)
            job = _Job(entry, name, about, samples, settings, make)
            if not _loads_weights(entry):
                try:
                    job.inspector = job.make(None)
                    refuse_seen(self.corpus, samples, job.inspector)
                except (ProviderError, MissingExtraError) as error:
                    job.problem = str(error)
            yield job

    def _outcome(self, job: _Job, progress: Tell | None) -> Outcome:
        if job.problem:
            return Outcome(job.name, problem=job.problem)
        try:
            inspector = job.inspector or job.make(progress)
            run = bench(
                self.corpus,
                job.samples,
                inspector,
                self.out,
                references=job.entry.beside,
                about=job.about,
                progress=progress,
            )
            return Outcome(job.name, run)
        except (ProviderError, MissingExtraError, BudgetReached) as error:
            folder = self.out / file_name(job.name)
            return Outcome(job.name, Run.load(folder) if (folder / INFO_FILE).exists() else None, str(error))

    def _selected(self, entry: Entry) -> list[Sample]:
        """All samples of the entry's sources and splits."""
        sources = entry.sources or self.recipe.sources
        samples = self.corpus.select(sources=sources or None, splits=self.recipe.splits)
        if not samples:
            raise UsageError(f"{self.corpus.path}: no samples of the splits {', '.join(self.recipe.splits)}")
        return samples

    def _samples(self, entry: Entry) -> list[Sample]:
        samples = self._selected(entry)
        if self.recipe.limit is None:
            return samples
        drawn = random.Random(self.recipe.seed).sample(samples, min(self.recipe.limit, len(samples)))
        return sorted(drawn, key=lambda sample: sample.id)

    def _settings(self, entry: Entry) -> InspectionSettings:
        return InspectionSettings(
            prompts=load_prompts(entry.prompts),
            reasoning=entry.reasoning,
            domain_knowledge=read_knowledge(self.corpus) if entry.knowledge else {},
            min_p=entry.min_p or 0.0,
            seed=entry.seed,
        )

    def _maker(
        self, entry: Entry, name: str, repeat: int, settings: InspectionSettings, spending: Spending
    ) -> Callable[[Tell | None], Inspector]:
        if entry.of_expert:
            sources = sorted({sample.source for sample in self._selected(entry)})
            return lambda tell: expert_inspector(self.corpus, entry, name, self.out, sources, tell)
        # A model that takes no seed would answer its repeats out of the cache: they would be no repeats.
        cached = not (_loads_weights(entry) or entry.batch or entry.provider == "inspect" or repeat > 1)
        return lambda _: make_inspector(
            entry.model,
            settings,
            name=name,
            base_urls=entry.base_urls,
            provider=entry.provider,
            catalogue_file=self.means.catalogue_file,
            score=entry.score,
            space=entry.space,
            max_pixels=entry.max_pixels,
            max_tokens=entry.max_tokens,
            temperature=entry.temperature,
            batch_size=entry.batch_size,
            concurrency=entry.concurrency,
            requests_per_minute=entry.requests_per_minute,
            tokens_per_minute=entry.tokens_per_minute,
            cache=self.cache if cached else None,
            max_cost=spending,
            batch_state=self.out / file_name(name) / "batches.jsonl" if entry.batch else None,
            maps=self.out / file_name(name) / MAPS,
        )


def _loads_weights(entry: Entry) -> bool:
    """Whether the model runs in this process, which takes long to begin."""
    if entry.of_expert:
        return True
    if entry.base_urls or entry.provider == "inspect":
        return False
    return entry.provider == "vllm" or entry.model in BUNDLED or Path(entry.model).is_dir()
