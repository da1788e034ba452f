"""Examples with the texts that a corpus holds: verified ones, and negatives beside them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from torch.utils.data import Dataset

from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.inspectors.base import InspectionSettings
from mmrad.sample import Pair, Sample
from mmrad.teach import chosen_texts, read_negatives
from mmrad.train.examples.conversations import completion_of, refuse_other_views
from mmrad.train.examples.example import Example
from mmrad.train.reinforcement.contrast import worse
from mmrad.view import View, read_view

_VIEWS = 256
"""How many views of references are kept; one of them serves many queries."""


class CorpusExamples(Dataset[Example]):
    """The samples of a corpus that have a verified text.

    Args:
        corpus: The corpus, with references and texts.
        samples: Those to take; the ones without a verified text are left out.
        settings: How the model is asked; its budget must be the one that the texts were written for.
        teachers: Whose texts, see `mmrad.teach.chosen_texts`.
        references: From how many of its best references a query gets one at each reading; 0 for none.
        seed: Seed of that choice.

    Raises:
        UsageError: When a text was written for another view than the budget gives.
        DataError: When there is no text, or a reference is missing.
    """

    def __init__(
        self,
        corpus: Corpus,
        samples: Sequence[Sample],
        settings: InspectionSettings,
        *,
        teachers: Sequence[str] = (),
        references: int = 1,
        seed: int = 0,
    ) -> None:
        self._texts = chosen_texts(corpus, teachers)
        self.samples: Sequence[Sample] = [sample for sample in samples if sample.id in self._texts]
        if not self.samples:
            raise DataError(
                f"{corpus.path}: none of {len(samples)} samples has a verified text; "
                f"run  mmrad teach {corpus.path}"
            )
        refuse_other_views(list(self.samples), self._texts, settings.budget)
        self.pairs: Sequence[Pair] = corpus.pairs(self.samples, references=references)
        self._negatives = read_negatives(corpus)
        self.settings = settings
        self.seed = seed
        self.epoch = 0
        self._reference_view = lru_cache(maxsize=_VIEWS)(self._view)

    def __len__(self) -> int:
        return len(self.samples)

    def set_epoch(self, epoch: int) -> None:
        """Choose other references."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> Example:
        pair = self.pairs[index]
        sample, text = pair.sample, self._texts[pair.sample.id]
        query = self._view(pair.image)
        if query.size_wh != text.view_wh:
            raise DataError(
                f"{pair.image}: its size is now {query.original_wh}, in the corpus {sample.size_wh}; "
                "build the corpus again"
            )
        rng = random.Random(f"{self.seed}/{self.epoch}/{index}")
        references = [rng.choice(pair.references)] if pair.references else []
        boxes = tuple(Box(*query.to_view(region.box).rounded()) for region in sample.regions)
        wrong = (one.text for one in self._negatives.get(sample.id, ()) if one.view_wh == query.size_wh)
        return Example(
            sample,
            self.settings.messages(sample, query, [self._reference_view(path) for path in references]),
            completion_of(text.text, self.settings),
            boxes,
            tuple(completion_of(one, self.settings) for one in worse(wrong, boxes)),
        )

    def _view(self, path: Path) -> View:
        return read_view(path, self.settings.budget)
