"""Where the user has installed AnomalyGPT: the table `installed` of its entry in a file of models."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, PositiveFloat, ValidationError

from mmrad.errors import DataError, UsageError
from mmrad.files import sha256_of
from mmrad.inspectors.anomalygpt import worker
from mmrad.recipe import Table, problem_of

if TYPE_CHECKING:
    from mmrad.catalogue import Model

UNSEEN = {"mvtec": "train_visa", "visa": "train_mvtec", "loco": "train_visa or train_mvtec"}
"""The published weights that have not seen a dataset, by the dataset."""

SAMPLING = {"max_length": 512, "top_p": 0.1, "temperature": 1.0}
"""As in the checkout's `code/test_mvtec.py`."""

_DOCS = "see docs/anomalygpt.md"
_SCRIPTS = ("code/test_mvtec.py", "code/test_visa.py")
_PRETRAINED = {
    "imagebind": "pretrained_ckpt/imagebind_ckpt/imagebind_huge.pth",
    "vicuna": "pretrained_ckpt/vicuna_ckpt/7b_v0",
    "delta": "pretrained_ckpt/pandagpt_ckpt/7b/pytorch_model.pt",
}
"""Where the README of the checkout puts its parts."""


class Installation(Table):
    """An installation of AnomalyGPT.

    Attributes:
        python: Interpreter of its own environment.
        repository: Checkout of its repository.
        checkpoint: Its weights; the folder's name says what they have seen.
        imagebind: File of ImageBind-Huge; by default where the checkout's README puts it, as the next two.
        vicuna: Folder of Vicuna-7B, version 0.
        delta: PandaGPT's weights.
        trained_on: Datasets (names of mmrad's adapters) that the weights have seen, for weights of one's own.
        descriptions: What the model is told of a product, by category, in place of the checkout's own words.
        start_seconds: How long loading may take.
        item_seconds: How long an answer may take.
    """

    python: Path
    repository: Path
    checkpoint: Path
    imagebind: Path | None = None
    vicuna: Path | None = None
    delta: Path | None = None
    trained_on: tuple[str, ...] | None = None
    descriptions: dict[str, str] = Field(default_factory=dict)
    start_seconds: PositiveFloat = 1800.0
    item_seconds: PositiveFloat = 300.0

    @property
    def weights(self) -> str:
        """Name of the weights, for tables."""
        return self.checkpoint.parent.name

    @property
    def seen(self) -> dict[str, str]:
        """The datasets that the weights were trained on, each with the weights to take instead.

        Raises:
            UsageError: When nobody says what they were trained on.
        """
        folders = {_absolute(self.checkpoint).parent.name, _absolute(self.checkpoint).resolve().parent.name}
        published = [worker.TRAINED_ON[name] for name in sorted(folders) if name in worker.TRAINED_ON]
        if self.trained_on is None and not published:
            raise UsageError(
                f"nobody says what {self.checkpoint} was trained on: published weights lie in a folder "
                f"{' or '.join(worker.TRAINED_ON)}, for your own give  trained_on = […]; {_DOCS}"
            )
        datasets = {*(self.trained_on or ()), *(name for names in published for name in names)}
        return {name: UNSEEN.get(name, "other weights") for name in sorted(datasets)}

    def check(self) -> None:
        """Make sure that everything is there.

        Raises:
            DataError: When something is missing; the message names the key.
            UsageError: See `seen`.
        """
        if shutil.which(self.python.expanduser()) is None:
            raise DataError(f"python = {str(self.python)!r} is no program; {_DOCS}")
        needed = {
            "repository": _absolute(self.repository) / "code/model/openllama.py",
            "checkpoint": _absolute(self.checkpoint),
            **{name: self._part(name) for name in _PRETRAINED},
        }
        for key, path in needed.items():
            if not path.exists():
                raise DataError(f"{key}: {path} is not there; {_DOCS}")
        _ = self.seen

    def command(self) -> list[str]:
        """The command line of the worker."""
        # A virtual environment is found by where its interpreter is called from: no link is followed.
        python = shutil.which(self.python.expanduser()) or str(self.python)
        paths = {
            "repository": _absolute(self.repository),
            "checkpoint": _absolute(self.checkpoint),
            **{name: self._part(name) for name in _PRETRAINED},
        }
        options = {**paths, **{name.replace("_", "-"): value for name, value in SAMPLING.items()}}
        given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return [python, str(Path(worker.__file__).resolve()), *given]

    @cached_property
    def checkpoint_sha256(self) -> str:
        """Hash of the weights."""
        return sha256_of(_absolute(self.checkpoint))

    @cached_property
    def key(self) -> dict[str, Any]:
        """What an answer depends on, as JSON values; the two large public parts are known by their sizes."""
        imagebind, vicuna = self._part("imagebind"), self._part("vicuna")
        files = sorted(path for path in vicuna.iterdir() if path.is_file())
        return {
            "checkpoint": self.checkpoint_sha256,
            "delta": sha256_of(self._part("delta")),
            "imagebind_bytes": imagebind.stat().st_size,
            "vicuna_bytes": {path.name: path.stat().st_size for path in files},
            **SAMPLING,
        }

    @cached_property
    def described(self) -> dict[str, str]:
        """What products look like, by category: in the user's words, else in those of the checkout."""
        found = (item for script in _SCRIPTS for item in _descriptions(_absolute(self.repository) / script))
        return {**dict(found), **self.descriptions}

    def _part(self, name: str) -> Path:
        """Where imagebind, vicuna or delta lies."""
        given: Path | None = getattr(self, name)
        return _absolute(given) if given else _absolute(self.repository) / _PRETRAINED[name]


def installation_of(known: Model) -> Installation:
    """What a model's entry says of its installation.

    Raises:
        UsageError: When it says nothing; the message tells what to do.
        DataError: When a key is missing, unknown or of the wrong type, or a file is not there.
    """
    if not known.installed:
        raise UsageError(f"{known.name}: {known.how_to_reach or f'not installed; {_DOCS}'}")
    try:
        installation = Installation.model_validate(known.installed)
        installation.check()
    except ValidationError as error:
        raise DataError(f'["{known.name}".installed] {problem_of(error)}; {_DOCS}') from error
    except (DataError, UsageError) as error:
        raise type(error)(f'["{known.name}".installed] {error}') from error
    return installation


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _descriptions(script: Path) -> Iterator[tuple[str, str]]:
    """The texts that a script of the checkout assigns by category, `NAME["category"] = "text"`.

    They are read where they are, since their licence allows no copy here; nothing is executed.
    """
    try:
        tree = ast.parse(script.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return
    for statement in tree.body:
        match statement:
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value=str(category)))],
                value=ast.Constant(value=str(text)),
            ):
                yield category, text
