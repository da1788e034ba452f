"""AnomalyGPT as an inspector: its word is the verdict, its map is kept beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.features import Geometry, network_input
from mmrad.image import encode_png, read_image
from mmrad.inspectors.anomalygpt.installation import Installation
from mmrad.inspectors.anomalygpt.process import Answer, Handshake, ItemFailure, Worker
from mmrad.inspectors.anomalygpt.worker import PROTOCOL, SIDE
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.experts.maps import MapStore
from mmrad.inspectors.seeds import seed_of
from mmrad.sample import Pair, Status, Usage, Verdict

GEOMETRY = Geometry(SIDE)
"""Images are squashed to squares, which the checkout's own resizing and cropping leave as they are."""

DESCRIPTION = (
    "This is a photo of {name} for anomaly detection. It should have no damage, flaw, defect, scratch, hole "
    "or broken part."
)
"""What is told of a product that nobody has described."""

QUESTION = "Is there any anomaly in the image?"

RULE = 1
"""Version of how a text becomes a verdict (`judgement`); it stands in the key of runs."""

_LEADING = re.compile(r"(yes|no)\b", re.IGNORECASE)
_ANYWHERE = re.compile(r"\b(Yes|No)\b")


class AnomalyGptInspector:
    """Judges by AnomalyGPT, which runs in a process and an environment of its own.

    It names no places: its verdicts have no regions. The score is the map's maximum.

    Args:
        installation: Where it is installed.
        settings: Of these only the seed is used: the wording is the model's own.
        name: Of the run.
        about: What tables say of it, see `Inspector.about`.
        maps: Folder in which its maps are kept, beside which its log is; None keeps neither.

    Raises:
        UsageError: When the settings tell what it cannot be told.
    """

    def __init__(
        self,
        installation: Installation,
        settings: InspectionSettings,
        *,
        name: str,
        about: Mapping[str, Any] | None = None,
        maps: Path | None = None,
    ) -> None:
        told: dict[str, object] = {
            "domain knowledge": settings.domain_knowledge,
            "hints": settings.hints,
            "a confidence in words": settings.confidence,
        }
        if asked := [what for what, given in told.items() if given]:
            raise UsageError(f"{name}: answers one question of its own; leave out {', '.join(asked)}")
        self.name = name
        self.installation = installation
        self._seed = settings.seed
        self._about = dict(about or {})
        self._maps = maps

    def key(self) -> dict[str, Any]:
        """See `Inspector`."""
        words = json.dumps([DESCRIPTION, QUESTION, sorted(self.installation.described.items())])
        return {
            "inspector": "anomalygpt",
            "protocol": PROTOCOL,
            **self.installation.key,
            "prompts_hash": hashlib.sha256(words.encode()).hexdigest()[:12],
            "geometry": asdict(GEOMETRY),
            "seed": self._seed,
            "rule": RULE,
        }

    def about(self) -> dict[str, Any]:
        """See `Inspector`; `trained_on` names what it must not be judged on, see `mmrad.bench.leaks`."""
        title = self._about.get("title", self.name)
        return {
            **self._about,
            "title": f"{title}, {self.installation.weights}",
            "threshold": "none",
            "localization": "none",
            "trained_on": self.installation.seen,
        }

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """Yield `(index into pairs, verdict)` one by one."""
        with TemporaryDirectory(prefix="mmrad-") as scratch:
            log = self._maps.parent / "worker.log" if self._maps else Path(scratch) / "worker.log"
            with self._worker(log) as worker:
                for index, pair in enumerate(pairs):
                    with TemporaryDirectory(dir=scratch) as folder:
                        verdict = self._judge(worker, pair, Path(folder))
                    yield index, verdict

    def _worker(self, log: Path) -> Worker:
        return Worker(
            self.installation.command(),
            log,
            admit=self._admit,
            start_seconds=self.installation.start_seconds,
            item_seconds=self.installation.item_seconds,
        )

    def _admit(self, handshake: Handshake) -> None:
        """Make sure that the worker runs what the run's key and the check of leaks speak of."""
        if handshake.checkpoint_sha256 != self.installation.checkpoint_sha256:
            raise ProviderError(f"{self.name}: the worker has loaded other weights than the checkpoint")
        if untold := set(handshake.trained_on or ()) - self.installation.seen.keys():
            raise UsageError(
                f"{self.name}: the worker says that its weights were trained on {', '.join(sorted(untold))}, "
                "too; add it to  trained_on"
            )

    def _judge(self, worker: Worker, pair: Pair, folder: Path) -> Verdict:
        try:
            image, *normals = (
                _square(path, folder / f"{number}.png")
                for number, path in enumerate((pair.image, *pair.references))
            )
            request = {
                "id": pair.sample.id,
                "image": str(image),
                "normals": [str(path) for path in normals],
                "prompt": self.prompt(pair.sample.category),
                "seed": seed_of(self._seed, pair.sample.id),
            }
            answer = worker.ask(request, folder)
        except (DataError, ItemFailure) as error:
            return failed_verdict("failed", str(error))
        if self._maps:
            MapStore(self._maps).save(pair.sample.id, answer.values)
        return verdict_of(answer)

    def prompt(self, category: str) -> str:
        """What the model is asked about a product of a category."""
        described = self.installation.described.get(category)
        return f"{described or DESCRIPTION.format(name=category.replace('_', ' '))} {QUESTION}"


def judgement(text: str) -> bool | None:
    """Whether a text says that there is an anomaly; None where it says neither.

    It begins with Yes or No. Where it does not, the first of these words counts that is written with a
    capital, as the model's authors look for them: a "no" inside a sentence may be about anything.
    """
    found = _LEADING.match(text.strip()) or _ANYWHERE.search(text)
    return None if found is None else found[1].lower() == "yes"


def verdict_of(answer: Answer) -> Verdict:
    """The verdict in an answer."""
    anomalous = judgement(answer.text)
    usage = Usage(seconds=answer.seconds)
    if anomalous is None:
        status: Status = "unparsed" if answer.text.strip() else "empty"
        detail = "it says neither Yes nor No"
        return Verdict(None, (), "", answer.text, None, status, detail, usage, answer.model)
    score = float(answer.values.max())
    return Verdict(anomalous, (), "", answer.text, score, "ok", "", usage, answer.model, score_kind="map")


def _square(source: Path, target: Path) -> Path:
    target.write_bytes(encode_png(network_input(read_image(source), GEOMETRY)))
    return target
