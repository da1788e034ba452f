"""A chat model inspecting through its provider's batch API: all queries handed in, answered within a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrad.endpoint import Batches, Endpoint, Reply, Spending, request_of
from mmrad.errors import DataError
from mmrad.image import image_hash
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.plan import blank_view
from mmrad.inspectors.reply import verdict_from_reply
from mmrad.sample import RETRIED, Pair, Usage, Verdict


class BatchInspector(ChatInspector):
    """Inspect through batches; see `ChatInspector` for the rest and `Batches` for what a kill leaves.

    A process that is killed at any moment leaves in `state` what the next one needs to find its batches
    again; their answers come first then, and only what they lack is handed in. The verdicts are those of
    `ChatInspector`, under the same key: a run may be begun with one and finished with the other.

    Under a cap on money all requests of a batch count with the longest answer they may get; what does not
    fit is handed in when the batch is in, as far as money is left.

    Args:
        model: An endpoint with the batch API.
        settings: How to ask.
        state: Journal of the batches, one for each run and beside it.
        name: Name for tables; the model's by default.
        logprobs: Whether to ask for the probabilities of tokens, from which the score is made.
        spending: The cap on money, with what was spent before; at the full price, whatever a batch costs.
        about: What tables say of the model besides its price.

    Raises:
        ProviderError: When there is neither a key nor an endpoint that may need none.
        UsageError: When there is a cap and the price is unknown.
    """

    def __init__(
        self,
        model: Endpoint,
        settings: InspectionSettings | None = None,
        *,
        state: Path,
        name: str | None = None,
        logprobs: bool = False,
        spending: Spending | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model, settings, name=name, logprobs=logprobs, spending=spending, about=about)
        self._endpoint, self.state = model, state

    def inspect(self, pairs: Sequence[Pair]) -> Generator[tuple[int, Verdict], None, None]:
        """Yield `(index into pairs, verdict)` as the batches come in.

        Raises:
            ProviderError: When the endpoint does not take a batch, or a batch failed as a whole.
            BudgetReached: When all that was handed in is answered and the cap leaves pairs unasked.
        """
        self.allowance.begin()
        asking = _Asking(self, pairs)
        with Batches(self._endpoint, self.state) as batches:
            yield from asking.collect(batches)
            while batches.hand_in(asking.requests()):
                yield from asking.collect(batches)
        yield from asking.failures()
        if unasked := asking.unasked():
            raise self.allowance.reached(unasked, len(pairs))

    def body(self, pair: Pair) -> tuple[dict[str, Any], float]:
        """The request about a pair, and the most dollars that it may cost."""
        messages, _ = self.settings.ask(pair)
        return request_of(self._endpoint, messages, self.parameters), self.allowance.estimate(messages)


class _Asking:
    """Where each pair of one call stands.

    A failed answer of an earlier process is asked again and not yielded at once: its batch may come in once
    more, and would hide the later answer.
    """

    def __init__(self, inspector: BatchInspector, pairs: Sequence[Pair]) -> None:
        self._inspector, self._pairs = inspector, pairs
        key = json.dumps(inspector.key(), sort_keys=True)
        self._failed: dict[int, Verdict] = {}
        self._index = {_custom_id(key, pair): index for index, pair in enumerate(pairs)}
        self._open = set(self._index.values())
        self._asked: set[int] = set()
        self._reserved: dict[int, float] = {}

    def requests(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Requests about the pairs that are open and not asked in this call, as far as the money goes."""
        for custom_id, index in self._index.items():
            if index not in self._open or index in self._asked:
                continue
            try:
                body, estimate = self._inspector.body(self._pairs[index])
            except DataError as error:
                self._failed[index] = failed_verdict("failed", str(error))
                self._open.discard(index)
                continue
            if not self._inspector.allowance.take(estimate):
                return
            self._reserved[index] = estimate
            self._asked.add(index)
            yield custom_id, body

    def collect(self, batches: Batches) -> Iterator[tuple[int, Verdict]]:
        """The verdicts of all batches that are not done with; each pair once."""
        for custom_id, reply in batches.answers(self._index.__contains__):
            index = self._index[custom_id]
            if index in self._open and (verdict := self._verdict(index, reply)):
                self._open.discard(index)
                self._failed.pop(index, None)
                yield index, verdict
        for index in list(self._reserved):  # an expired batch leaves some unanswered, and they cost nothing
            self._inspector.allowance.give_back(self._reserved.pop(index), Usage(0, 0))

    def failures(self) -> Iterator[tuple[int, Verdict]]:
        """A verdict for each pair that was asked, or cannot be, without an answer that counts."""
        for index in sorted(self._open & self._asked):
            late = failed_verdict("failed", "its batch ended without an answer")
            yield index, self._failed.pop(index, late)
            self._open.discard(index)
        for index in sorted(self._failed.keys() - self._open):
            yield index, self._failed[index]

    def unasked(self) -> int:
        """How many pairs were not asked."""
        return len(self._open)

    def _verdict(self, index: int, reply: Reply) -> Verdict | None:
        """What a reply says; None where it is no answer that counts."""
        pair, inspector = self._pairs[index], self._inspector
        view = blank_view(pair.sample.size_wh, inspector.settings.budget)
        verdict = verdict_from_reply(reply, view, settings=inspector.settings)
        if index in self._reserved:
            inspector.allowance.give_back(self._reserved.pop(index), reply.usage)
        elif verdict.status not in RETRIED:
            inspector.allowance.add(reply.usage)
        if verdict.status not in RETRIED:
            return verdict
        if index in self._asked:
            self._failed[index] = verdict
        return None


def _custom_id(key: str, pair: Pair) -> str:
    """An id that says what is asked: the same in every process, another one for another image or setting."""
    parts = [key, pair.sample.id, *(image_hash(path) for path in (pair.image, *pair.references))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
