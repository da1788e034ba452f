"""AnomalyGPT behind its protocol, with a stand-in for the worker that breaks it in every way."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from builders import make_corpus
from fake_anomalygpt import installed, models_file, requests, starts
from mmrad.bench.recipe import load_bench_recipe
from mmrad.catalogue import catalogue
from mmrad.corpus import Corpus
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.features import Geometry
from mmrad.inspectors.anomalygpt import AnomalyGptInspector, Installation
from mmrad.inspectors.anomalygpt.inspector import judgement
from mmrad.inspectors.anomalygpt.process import GIVE_UP_AFTER, RESTART_AFTER
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.experts.maps import MapStore, placed
from mmrad.inspectors.make import make_inspector
from mmrad.sample import Pair, Sample, Verdict

NAME = "anomalygpt-7b"
BAD = "003"


@pytest.fixture(autouse=True)
def _no_file_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMRAD_MODELS", raising=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 6)


def make(folder: Path, mode: str = "good", **options: Any) -> AnomalyGptInspector:
    """The inspector of an installation in `folder/gpt`, as the command line makes it."""
    table = {"item_seconds": 60.0, "start_seconds": 60.0, **options.pop("table", {})}
    weights = options.pop("weights", "train_visa")
    file = models_file(folder, installed(folder / "gpt", mode, weights=weights, **table))
    made = make_inspector(
        NAME, InspectionSettings(), catalogue_file=file, maps=folder / "run" / "maps", **options
    )
    assert isinstance(made, AnomalyGptInspector)
    return made


def verdicts(corpus: Corpus, inspector: AnomalyGptInspector) -> list[Verdict]:
    found = dict(inspector.inspect(corpus.pairs(corpus.samples)))
    assert sorted(found) == list(range(len(corpus.samples)))
    return [found[index] for index in range(len(corpus.samples))]


def gone(pid: int) -> bool:
    """Whether a process is neither running nor a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_its_word_is_the_verdict_and_its_map_the_score(tmp_path: Path, corpus: Corpus) -> None:
    inspector = make(tmp_path)
    found = verdicts(corpus, inspector)
    assert [verdict.anomalous for verdict in found] == [sample.anomalous for sample in corpus.samples]
    assert found[1].raw_text == "Yes, there is a scratch."
    assert {(verdict.status, verdict.regions, verdict.score_kind) for verdict in found} == {("ok", (), "map")}
    assert {(verdict.usage.seconds, verdict.model_reported) for verdict in found} == {(0.5, "AnomalyGPT-7B")}
    store = MapStore(tmp_path / "run" / "maps")
    for number, (sample, verdict) in enumerate(zip(corpus.samples, found, strict=True)):
        values = store.load(sample.id)
        assert values == pytest.approx(np.full((224, 224), number / 255), abs=1e-4)
        assert verdict.score == values.max()
    assert len(starts(tmp_path / "gpt")) == 1
    assert all(gone(pid) for pid in starts(tmp_path / "gpt"))


def test_what_it_is_asked_depends_on_seed_and_sample_alone(tmp_path: Path, corpus: Corpus) -> None:
    inspector = make(tmp_path, "seedless")
    told = [verdict.detail for verdict in verdicts(corpus, inspector)]
    assert len(set(told)) == len(told)
    again = dict(inspector.inspect(corpus.pairs(corpus.samples[2:3])))
    assert again[0].detail == told[2]


def test_places_lie_right_on_an_image_that_is_no_square(tmp_path: Path) -> None:
    """On a turned one at that: what is squashed is the upright image."""
    pixels = np.zeros((120, 300, 3), np.uint8)
    pixels[30:38, 244:256] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen, it is turned by 90 degrees clockwise: row 30 becomes column 120 - 1 - 30
    Image.fromarray(pixels).save(tmp_path / "long.png", exif=exif)
    sample = Sample("s/c/test/long", "s", "c", "test", "long.png", (120, 300), (), "CC0-1.0")
    inspector = make(tmp_path)
    [(_, verdict)] = inspector.inspect([Pair(sample, tmp_path / "long.png")])
    assert verdict.anomalous
    geometry = Geometry(**inspector.key()["geometry"])
    values = placed(MapStore(tmp_path / "run" / "maps").load(sample.id), geometry, sample.size_wh)
    assert values.shape == (300, 120)
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert 244 <= row < 256
    assert 120 - 38 <= column < 120 - 30
    bright = np.argwhere(values > 0.5)
    assert np.abs(bright.min(axis=0) - (244, 82)).max() <= 1
    assert np.abs(bright.max(axis=0) - (255, 89)).max() <= 1


def test_what_is_printed_before_the_handshake_is_passed_over(tmp_path: Path, corpus: Corpus) -> None:
    assert {verdict.status for verdict in verdicts(corpus, make(tmp_path, "chatter"))} == {"ok"}


def test_a_full_error_output_holds_nothing_up_and_is_kept(tmp_path: Path, corpus: Corpus) -> None:
    assert {verdict.status for verdict in verdicts(corpus, make(tmp_path, "flood"))} == {"ok"}
    log = (tmp_path / "run" / "worker.log").read_text("utf-8")
    assert log.count("x") == 6 * 3_000_000
    assert '"torch":"1.13.1"' in log


@pytest.mark.parametrize(
    ("mode", "status", "detail", "lives"),
    [
        ("error", "failed", "CUDA out of memory", 1),
        ("crash", "failed", "the worker ended with exit status 3", 2),
        ("nonsense", "failed", "wrote something else than the answer", 2),
        ("wrong id", "failed", "wrote something else than the answer", 2),
        ("nan", "failed", "no numbers", 1),
        ("shape", "failed", r"float16 of shape \(224, 223\)", 1),
        ("integers", "failed", r"uint8 of shape \(224, 224\)", 1),
        ("pickle", "failed", "cannot be read", 1),
        ("no map", "failed", "cannot be read", 1),
        ("elsewhere", "failed", "not in the folder of its request", 1),
        ("wordless", "failed", "text: Field required", 1),
        ("endless", "failed", "seconds: Input should be a finite number", 1),
        ("unsure", "unparsed", "neither Yes nor No", 1),
        ("empty", "empty", "neither Yes nor No", 1),
    ],
)
def test_a_fault_is_the_one_verdict_that_it_concerns(
    tmp_path: Path, corpus: Corpus, mode: str, status: str, detail: str, lives: int
) -> None:
    found = verdicts(corpus, make(tmp_path, f"{mode}@{BAD}"))
    assert [verdict.status for verdict in found] == ["ok"] * 3 + [status] + ["ok"] * 2
    assert found[3].anomalous is None
    assert found[3].score is None
    assert re.search(detail, found[3].detail)
    assert len(starts(tmp_path / "gpt")) == lives
    assert all(gone(pid) for pid in starts(tmp_path / "gpt"))


def test_one_that_hangs_is_killed_after_its_time(tmp_path: Path, corpus: Corpus) -> None:
    found = verdicts(corpus, make(tmp_path, f"hang@{BAD}", table={"item_seconds": 4.0}))
    assert [verdict.status for verdict in found] == ["ok"] * 3 + ["failed"] + ["ok"] * 2
    assert found[3].detail == "the worker did not answer in time"
    first, second = starts(tmp_path / "gpt")
    assert gone(first)
    assert gone(second)


def test_one_that_reads_nothing_holds_nothing_up(tmp_path: Path, corpus: Corpus) -> None:
    """However long the request is: no pipe holds this one."""
    table = {"item_seconds": 0.5, "descriptions": {"part": "x" * 1_000_000}}
    inspector = make(tmp_path, "deaf", table=table)
    [(_, verdict)] = inspector.inspect(corpus.pairs(corpus.samples[:1]))
    assert verdict.detail == "the worker did not answer in time"
    assert all(gone(pid) for pid in starts(tmp_path / "gpt"))


@pytest.mark.parametrize("mode", ["seedless", "crash", "nan"])
def test_one_that_always_fails_is_started_anew_and_then_given_up(tmp_path: Path, mode: str) -> None:
    corpus = make_corpus(tmp_path / "corpus", GIVE_UP_AFTER + 2)
    found = []
    with pytest.raises(ProviderError, match=f"failed {GIVE_UP_AFTER} times in a row, in the end"):
        for _, verdict in make(tmp_path, mode).inspect(corpus.pairs(corpus.samples)):
            found.append(verdict)
    assert [verdict.status for verdict in found] == ["failed"] * GIVE_UP_AFTER
    assert len(requests(tmp_path / "gpt")) == GIVE_UP_AFTER
    lives = GIVE_UP_AFTER if mode == "crash" else GIVE_UP_AFTER // RESTART_AFTER
    assert len(starts(tmp_path / "gpt")) == lives
    assert all(gone(pid) for pid in starts(tmp_path / "gpt"))


@pytest.mark.parametrize(
    ("mode", "error", "message"),
    [
        ("protocol", ProviderError, "speaks protocol 2, not 1"),
        ("silent", ProviderError, "did not answer in time"),
        ("exits", ProviderError, "ended with exit status 1; last lines of worker.log: .*no kernel image"),
        ("half", ProviderError, "handshake's torch: Field required"),
        ("other weights", ProviderError, "has loaded other weights"),
        ("leaks", UsageError, "trained on mvtec, too"),
    ],
)
def test_one_that_does_not_start_as_it_should_answers_nothing(
    tmp_path: Path, corpus: Corpus, mode: str, error: type[Exception], message: str
) -> None:
    inspector = make(tmp_path, mode, table={"start_seconds": 5.0})
    with pytest.raises(error, match=message):
        list(inspector.inspect(corpus.pairs(corpus.samples)))
    assert requests(tmp_path / "gpt") == []
    assert all(gone(pid) for pid in starts(tmp_path / "gpt"))


def test_an_unreadable_image_is_its_own_fault_alone(tmp_path: Path, corpus: Corpus) -> None:
    (tmp_path / "corpus/raw/002.png").write_bytes(b"\x89PNG")
    found = verdicts(corpus, make(tmp_path))
    assert [verdict.status for verdict in found] == ["ok"] * 2 + ["failed"] + ["ok"] * 3
    assert "002.png" in found[2].detail
    assert len(requests(tmp_path / "gpt")) == 5


def test_nothing_stays_behind_when_nobody_listens_any_more(tmp_path: Path, corpus: Corpus) -> None:
    before = threading.active_count()
    answers = make(tmp_path).inspect(corpus.pairs(corpus.samples))
    next(answers)
    [pid] = starts(tmp_path / "gpt")
    assert not gone(pid)
    answers.close()  # type: ignore[attr-defined]
    assert gone(pid)
    assert threading.active_count() == before


def test_ctrl_c_ends_the_worker_while_it_hangs(tmp_path: Path, corpus: Corpus) -> None:
    inspector = make(tmp_path, f"hang@{BAD}")

    def interrupt() -> None:
        while len(requests(tmp_path / "gpt")) < 4:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: to the process, not to this thread

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            list(inspector.inspect(corpus.pairs(corpus.samples)))
    finally:
        signal.signal(signal.SIGINT, previous)
    [pid] = starts(tmp_path / "gpt")
    assert gone(pid)


@pytest.mark.parametrize(
    ("text", "anomalous"),
    [
        ("Yes, there is a scratch.", True),
        ("No.", False),
        (" \n yes", True),
        ("NO, it is fine", False),
        ("### Assistant: No, there are no anomalies.", False),
        ("The answer is Yes; No doubt.", True),
        ("Notable: nothing", None),
        ("Yesterday it was broken", None),
        ("There is no doubt that it is broken", None),
        ("Nothing. yes", None),
        ("", None),
    ],
)
def test_a_text_begins_with_its_judgement(text: str, anomalous: bool | None) -> None:
    assert judgement(text) is anomalous


def test_it_is_told_what_the_product_looks_like(tmp_path: Path) -> None:
    """In the user's words, else in those of the scripts of the checkout, which are read and not run."""
    inspector = make(tmp_path, table={"descriptions": {"bottle": "A round bottle."}})
    script = tmp_path / "gpt/repository/code/test_mvtec.py"
    lines = [
        "raise SystemExit",
        "d['bottle'] = 'Theirs.'",
        'd["metal_nut"] = "A nut\'s photo."',
        "d[1] = 'x'",
    ]
    script.write_text("\n".join([*lines, "d['y'] = 2"]))
    assert inspector.prompt("bottle") == "A round bottle. Is there any anomaly in the image?"
    assert inspector.prompt("metal_nut") == "A nut's photo. Is there any anomaly in the image?"
    assert inspector.prompt("cable_gland").startswith("This is a photo of cable gland for anomaly detection.")
    assert sorted(inspector.installation.described) == ["bottle", "metal_nut"]
    script.write_text("d['broken")
    assert make(tmp_path).prompt("metal_nut").startswith("This is a photo of metal nut")


def test_the_key_knows_what_changes_an_answer(tmp_path: Path) -> None:
    key = make(tmp_path).key()
    assert key["geometry"] == {"size": 224, "crop": None}
    assert str(tmp_path) not in str(key)
    for part in ("code/ckpt/train_visa", "pretrained_ckpt/pandagpt_ckpt/7b"):
        changed = make(tmp_path)
        (tmp_path / "gpt/repository" / part / "pytorch_model.pt").write_text("others")
        assert changed.key() != key, part
    assert make(tmp_path, table={"descriptions": {"part": "A part."}}).key() != key
    assert make(tmp_path).key() == key
    assert make(tmp_path, table={"item_seconds": 1.0}).key() == key


def test_tables_tell_the_weights_and_that_nothing_is_localized(tmp_path: Path) -> None:
    about = make(tmp_path, temperature=0.5).about()
    assert about["title"] == "AnomalyGPT-7B, train_visa"
    assert about["published"] == "AnomalyGPT-7B"
    assert (about["threshold"], about["localization"]) == ("none", "none")
    assert about["trained_on"] == {"visa": "train_mvtec"}
    assert about["dropped"] == ["temperature"]


def test_without_an_installation_it_is_said_what_to_do() -> None:
    with pytest.raises(UsageError, match=r'\["anomalygpt-7b".installed\].*docs/anomalygpt.md'):
        make_inspector(NAME, InspectionSettings())
    assert catalogue()[NAME].installed == {}


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/anomalygpt.md").read_text("utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    seen = {}
    for number, example in enumerate(examples):
        path = tmp_path / f"{number}.toml"
        path.write_text(example, "utf-8")
        if "[[runs]]" in example:
            asked = [entry.model for entry in load_bench_recipe(path).runs]
            continue
        for name, model in catalogue(path).items():
            if model.installed:
                seen[name] = list(Installation.model_validate(model.installed).seen)
    assert seen == {"anomalygpt-7b": ["visa"], "anomalygpt-7b-for-visa": ["mvtec"]}
    assert asked == list(seen)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"python": "/no/such/python"}, DataError, "python = .* is no program"),
        (
            {"repository": "/no/such/checkout"},
            DataError,
            "repository: /no/such/checkout/code/model/openllama.py",
        ),
        ({"vicuna": "/no/such/vicuna"}, DataError, "vicuna: /no/such/vicuna is not there"),
        ({"checkpoint": "/no/such/train_visa/w.pt"}, DataError, "checkpoint: /no/such"),
        ({"item_seconds": 0}, DataError, "item_seconds: Input should be greater than 0"),
        ({"gpu": 1}, DataError, "gpu: Extra inputs"),
        ({"trained_on": None}, DataError, "trained_on"),
    ],
)
def test_what_is_wrong_with_an_installation_is_told(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    table = {**installed(tmp_path / "gpt"), **change}
    if change == {"trained_on": None}:
        table = installed(tmp_path / "gpt", trained_on=7)
    with pytest.raises(error, match=message) as raised:
        make_inspector(NAME, InspectionSettings(), catalogue_file=models_file(tmp_path, table))
    assert '"anomalygpt-7b".installed' in str(raised.value)
    assert "docs/anomalygpt.md" in str(raised.value)


def test_weights_of_ones_own_need_a_word_on_what_they_have_seen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nobody says what .* was trained on"):
        make(tmp_path, weights="mine")
    assert make(tmp_path, weights="mine", table={"trained_on": []}).installation.seen == {}
    own = make(tmp_path, weights="mine", table={"trained_on": ["visa", "mpdd"]}).installation
    assert own.seen == {"mpdd": "other weights", "visa": "train_mvtec"}
    hidden = make(tmp_path, weights="train_supervised", table={"trained_on": []}).installation
    assert hidden.seen.keys() == {"mvtec", "visa", "loco"}


def test_published_weights_are_known_behind_a_link(tmp_path: Path) -> None:
    real = Path(installed(tmp_path / "gpt", weights="train_supervised")["checkpoint"])
    (real.parent.parent / "harmless").symlink_to(real.parent)
    table = installed(tmp_path / "gpt", weights="harmless", trained_on=[])
    made = make_inspector(NAME, InspectionSettings(), catalogue_file=models_file(tmp_path, table))
    assert made.about()["trained_on"].keys() == {"mvtec", "visa", "loco"}


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"domain_knowledge": {"part": ("scratch",)}}, {}, "domain knowledge"),
        ({}, {"score": "confidence"}, "a confidence in words"),
        ({}, {"score": "probability"}, "its map's maximum"),
        ({}, {"batch_state": Path("b")}, "no batches"),
        ({}, {"base_urls": ("http://here/v1",)}, "docs/anomalygpt.md"),
    ],
)
def test_it_is_not_asked_in_ways_that_it_does_not_know(
    tmp_path: Path, settings: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    file = models_file(tmp_path, installed(tmp_path / "gpt"))
    with pytest.raises(UsageError, match=message):
        make_inspector(NAME, InspectionSettings(**settings), catalogue_file=file, **options)
