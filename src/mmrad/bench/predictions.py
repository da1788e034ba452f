"""Files of predictions that another harness has collected, read into one form.

Read are lmms-eval's `*_samples_*.jsonl`, VLMEvalKit's prediction files (xlsx, tsv, csv, json, jsonl), both of
tasks that `mmrad export` wrote, and a plain form that anyone can write, see `read_predictions`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError, MissingExtraError, UsageError
from mmrad.sample import Usage
from mmrad.view import Budget

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer, and what its file says of the question; None where it says nothing.

    Attributes:
        sample_id: The sample.
        text: The model's whole answer.
        error: Why there is no answer; empty when there is one.
        view_wh: Width and height of the query as it was shown.
        original_wh: Those of the image that the question was made from.
        budget: The area that views could have.
        space: The convention that boxes were asked in.
        prompts_hash: Hash of the wordings.
        references: How many references were asked for.
        usage: What the answer cost.
    """

    sample_id: str
    text: str
    error: str = ""
    view_wh: tuple[int, int] | None = None
    original_wh: tuple[int, int] | None = None
    budget: Budget | None = None
    space: CoordinateSpace | None = None
    prompts_hash: str | None = None
    references: int | None = None
    usage: Usage = Usage()


def read_predictions(file: Path) -> tuple[str, list[Prediction]]:
    """The predictions in a file, in its order, and who collected them.

    The plain form is JSON lines, or a table with the same columns: `sample_id` (or `id`) and `prediction` (or
    `text`), the model's whole answer; optionally `error`, why there is none, and `view_wh`, the width and
    height of the query as it was shown.

    Raises:
        UsageError: When the ending of the file's name is not known.
        DataError: When the file cannot be read, is empty, or a row is not as the others.
        MissingExtraError: When an xlsx file is given and openpyxl is not installed.
    """
    rows = _rows(file)
    if not rows:
        raise DataError(f"{file}: holds no predictions")
    harness, read = _reader_of(file, rows[0])
    predictions = []
    for number, row in enumerate(rows, 1):
        try:
            predictions.append(read(row))
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise DataError(f"{file}, row {number}: not a prediction of {harness} ({error!r})") from error
    return harness, predictions


def _reader_of(file: Path, row: Row) -> tuple[str, Callable[[Row], Prediction]]:
    if "filtered_resps" in row:
        return "lmms-eval", _of_lmms_eval
    if "prediction" in row and "truth" in row:
        return "vlmevalkit", _of_vlmevalkit
    if row.keys() & {"sample_id", "id"} and row.keys() & {"prediction", "text"}:
        return "plain", _of_anyone
    raise DataError(
        f"{file}: row 1 has {sorted(row)}; wanted are samples of lmms-eval (--log_samples) or predictions of "
        "VLMEvalKit, of a task that  mmrad export  wrote, or rows with `sample_id` and `prediction`"
    )


def _of_lmms_eval(row: Row) -> Prediction:
    judged = next(value for value in row.values() if isinstance(value, dict) and "truth" in value)
    answer = row.get("resps", row["filtered_resps"])  # the first as the model wrote it, if that differs
    while isinstance(answer, list):
        (answer,) = answer  # several answers to one question are no prediction
    counts = (row.get("token_counts") or [None])[0] or {}
    usage = Usage(counts.get("input_tokens"), counts.get("output_tokens"))
    return replace(_asked(judged["truth"], judged.get("space")), text=_text(answer), usage=usage)


def _of_vlmevalkit(row: Row) -> Prediction:
    text, thinking = _text(row["prediction"]), _text(row.get("thinking"))
    if thinking:  # VLMEvalKit's SPLIT_THINK puts it in a column of its own
        text = f"<think>{thinking}</think>{text}"
    return replace(_asked(json.loads(row["truth"]), row.get("coordinates")), text=text)


def _asked(truth: Row, space: str | None) -> Prediction:
    """What an exported question says of itself."""
    return Prediction(
        truth["id"],
        "",
        view_wh=(truth["view_width"], truth["view_height"]),
        original_wh=(truth["width"], truth["height"]),
        budget=Budget(truth["min_pixels"], truth["max_pixels"]),
        space=CoordinateSpace(space) if space else None,
        prompts_hash=truth.get("prompts_hash"),
        references=truth.get("references"),
    )


def _of_anyone(row: Row) -> Prediction:
    sample_id = row["sample_id"] if "sample_id" in row else row["id"]
    if not isinstance(sample_id, str):
        raise TypeError(f"the id is {sample_id!r}")
    view = row.get("view_wh") or None
    width, height = (json.loads(view) if isinstance(view, str) else view) or (0, 0)
    return Prediction(
        sample_id,
        _text(row["prediction"] if "prediction" in row else row["text"]),
        error=_text(row.get("error")),
        view_wh=(int(width), int(height)) if view else None,
    )


def _text(value: Any) -> str:
    """A cell; one without a value is an empty text."""
    if value is None or value != value:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _rows(file: Path) -> list[Row]:
    readers: dict[str, Callable[[Path], list[Row]]] = {
        ".jsonl": _json_lines,
        ".json": _json_rows,
        ".csv": lambda path: _table(path, ","),
        ".tsv": lambda path: _table(path, "\t"),
        ".xlsx": _sheet,
    }
    if file.suffix.lower() not in readers:
        raise UsageError(f"{file}: predictions are read from {', '.join(readers)}")
    try:
        rows = readers[file.suffix.lower()](file)
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file") from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file}: unreadable ({error}); write it anew") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file}: should be rows of named values")
    return rows


def _json_lines(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text("utf-8").split("\n") if line.strip()]


def _json_rows(file: Path) -> list[Row]:
    content = json.loads(file.read_text("utf-8"))
    if not isinstance(content, list):
        raise ValueError("not a list of rows")
    return content


def _table(file: Path, separator: str) -> list[Row]:
    import pandas as pd

    # Every cell is text: an answer "NA" or "1" must stay what the model wrote.
    return _records(pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False))


def _sheet(file: Path) -> list[Row]:
    import pandas as pd

    try:
        return _records(pd.read_excel(file, dtype=str, keep_default_na=False))
    except ImportError as error:
        raise MissingExtraError("openpyxl", "export") from error
    except Exception as error:  # a damaged file raises what zipfile and XML parsers do
        raise ValueError(repr(error)) from error


def _records(frame: Any) -> list[Row]:
    rows: list[Row] = frame.to_dict("records")
    return rows
