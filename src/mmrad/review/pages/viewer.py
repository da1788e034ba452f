"""One sample, large: its picture with the true boxes and those of runs, and what was written about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool

from mmrad.corpus.reviews import Review, Status
from mmrad.review.application import Application
from mmrad.review.criteria import Verdict as Judged
from mmrad.review.pages.choice import STATUS_NAMES, VERDICT_NAMES
from mmrad.review.pages.grid import Layer, Picture
from mmrad.review.pages.parts import box, dialog, link, text
from mmrad.sample import Reasoning, Region, Sample, Verdict


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown of a sample."""

    sample: Sample
    status: Status
    history: Sequence[Review]
    texts: Sequence[Reasoning]
    verdicts: Sequence[tuple[str, Verdict | None, Judged | None]]


async def show_sample(application: Application, sample_id: str, *runs: str | None) -> None:
    """Open a dialog with a sample, and with what some runs say of it."""
    names = [name for name in runs if name]
    shown = await run_in_threadpool(_read, application, sample_id, names)
    with dialog(sample_id, wide=True), box("div", "viewer"):
        Picture(application, shown.sample, _layers(shown))
        with box("div", "viewer-side"):
            _facts(shown)
            _verdicts(shown)
            _texts(shown)
            _history(shown)
            if not application.read_only:
                link("Open in the desk", application.url(desk_path(sample_id)), "button plain")


def desk_path(sample_id: str) -> str:
    """Address of the desk with one sample."""
    return "/sample?" + urlencode({"id": sample_id})


def _read(application: Application, sample_id: str, names: Sequence[str]) -> _Shown:
    index, ledger = application.index, application.ledger
    return _Shown(
        sample=ledger.sample(index.sample(sample_id)),
        status=ledger.standing(sample_id).status,
        # Whoever still reviews may have to do so without seeing what others decided.
        history=ledger.history(sample_id) if application.read_only else (),
        texts=index.texts(sample_id, ledger.history(sample_id)),
        verdicts=[(name, index.verdict(name, sample_id), index.judged(name, sample_id)) for name in names],
    )


def _layers(shown: _Shown) -> list[Layer]:
    kinds = ("claimed", "second")
    claimed = [
        Layer(kind, name, verdict.claimed if verdict else ())
        for kind, (name, verdict, _) in zip(kinds, shown.verdicts, strict=False)
    ]
    return [Layer("true", "truth", shown.sample.regions), *claimed]


def _facts(shown: _Shown) -> None:
    sample = shown.sample
    with box("dl", "facts"):
        for name, value in (
            ("Source", sample.source),
            ("Category", sample.category),
            ("Split", sample.split),
            ("Size", f"{sample.size_wh[0]} × {sample.size_wh[1]} px"),
            ("Review", STATUS_NAMES[shown.status]),
            ("Truth", ", ".join(_labels(sample.regions)) or "normal"),
        ):
            with box("div"):
                text("dt", name)
                text("dd", value)


def _labels(regions: Sequence[Region]) -> list[str]:
    return list(dict.fromkeys(region.label for region in regions))


def _verdicts(shown: _Shown) -> None:
    for name, verdict, judged in shown.verdicts:
        text("h3", name)
        if verdict is None:
            text("p", "Not asked.", "soft")
            continue
        said = {True: "anomalous", False: "normal", None: f"no judgement ({verdict.status})"}[
            verdict.anomalous
        ]
        score = "" if verdict.score is None else f", score {verdict.score:.2f}"
        text("p", f"{VERDICT_NAMES[judged] if judged else ''}: says {said}{score}")
        text("pre", verdict.think or verdict.raw_text or verdict.detail or "no text", "written")


def _texts(shown: _Shown) -> None:
    for written in shown.texts:
        failed = [name.replace("_", " ") for name, passed in written.checks.items() if not passed]
        text("h3", f"Text by {written.teacher}")
        text("p", "fails " + ", ".join(failed) if failed else "passes all checks", "soft")
        text("pre", written.text, "written")


def _history(shown: _Shown) -> None:
    if shown.history:
        text("h3", "Reviews")
    for review in shown.history:
        reason = f": {review.reason}" if review.reason else ""
        text("p", f"{review.at[:10]} {review.reviewer} – {review.outcome}{reason}", "soft")
