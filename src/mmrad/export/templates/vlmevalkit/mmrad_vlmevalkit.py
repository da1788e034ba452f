r"""The dataset beside this file, for VLMEvalKit. Written by  mmrad export --to vlmevalkit.

    python mmrad_vlmevalkit.py VLMEVALKIT/run.py --model MODEL --data mmrad --data-config \
        '{"mmrad": {"class": "MmradInspection", "dataset": "mmrad", "coordinates": "view"}}'

`coordinates` says in which convention the model is asked for boxes and its answers are read, see
mmrad.coordinates: `view` for Qwen2.5-VL, `thousand` for Qwen3-VL, and so on. Images are shown as they are in
`images`: a model of the Qwen2-VL family keeps them as they are only when its configuration has `min_pixels`
of 784 and `max_pixels` not below their area; the entries of Qwen2.5-VL in VLMEvalKit's own config.py enlarge
them.
`mmrad import-runs`  makes a run of the file of predictions.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

try:
    from mmrad.coordinates import CoordinateSpace
    from mmrad.export.benchmark import QUESTIONS, figures, judge, sample_in
    from mmrad.metrics import score
except ImportError as error:
    raise ImportError(
        f"this dataset is judged by mmrad, which cannot be imported here ({error}); "
        "run  pip install mmrad  in the environment of VLMEvalKit"
    ) from error

from vlmeval.dataset.image_base import ImageBaseDataset  # type: ignore[import-not-found]
from vlmeval.smp import load, toliststr  # type: ignore[import-not-found]

FOLDER = Path(__file__).resolve().parent


class MmradInspection(ImageBaseDataset):  # type: ignore[misc]
    """Is the last image anomalous, and where?

    Args:
        dataset: Name of the table beside this file.
        skip_noimg: As VLMEvalKit has it.
        coordinates: The convention of boxes, a value of `CoordinateSpace`.

    Raises:
        ValueError: When it is none, or is not given.
    """

    TYPE = "GROUNDING"
    MODALITY = "IMAGE"
    DATASET_URL = {"mmrad": ""}  # noqa: RUF012
    force_use_dataset_prompt = True

    def __init__(self, dataset: str = "mmrad", skip_noimg: bool = True, coordinates: str = "") -> None:
        known = [space.value for space in CoordinateSpace]
        if coordinates not in known:
            raise ValueError(
                f"coordinates={coordinates!r}: say what the boxes of the model are in, one of {known}; "
                'with run.py by  --data-config \'{"mmrad": {"class": "MmradInspection", "dataset": "mmrad", '
                '"coordinates": "..."}}\''
            )
        self.space = CoordinateSpace(coordinates)
        super().__init__(dataset=dataset, skip_noimg=skip_noimg)

    def load_data(self, dataset: str) -> Any:
        """The table as a data frame, with the questions of the convention; predictions keep both."""
        data = load(str(FOLDER / f"{dataset}.tsv")).fillna("")  # an empty text is no number
        data["question"] = data[QUESTIONS[self.space]]
        data["coordinates"] = self.space.value
        return data.drop(columns=list(QUESTIONS.values()))

    def dump_image(self, line: Mapping[str, Any]) -> list[str]:
        """Paths of the images of a row: the references, best first, and the query last."""
        return [str(FOLDER / name) for name in toliststr(line["image_path"])]

    def build_prompt(self, line: Any) -> list[dict[str, str]]:
        """The prompt as mmrad asks: a system message, then the images and the question after them."""
        if isinstance(line, int):
            line = self.data.iloc[line]
        return [
            {"type": "text", "role": "system", "value": line["system"]},
            *({"type": "image", "value": path} for path in self.dump_image(line)),
            {"type": "text", "value": line["question"]},
        ]

    def evaluate(self, eval_file: str, **judge_kwargs: Any) -> dict[str, float]:
        """The overall figures of predictions; those of all categories go to `*_scores.json` beside the file.

        The truth is the table's own, and a row that the file lacks is unanswered.
        """
        answered = load(eval_file)
        texts = {
            str(index): text if isinstance(text, str) else ""  # an empty cell is read as a number
            for index, text in zip(answered["index"], answered["prediction"], strict=True)
        }
        truths = {str(row["index"]): json.loads(row["truth"]) for _, row in self.data.iterrows()}
        verdicts = {
            truth["id"]: judge(truth, texts[index], self.space)
            for index, truth in truths.items()
            if index in texts
        }
        samples = [sample_in(truth) for truth in truths.values()]
        scores = score(samples, verdicts)
        path = Path(eval_file)
        path.with_name(f"{path.stem}_scores.json").write_text(json.dumps(scores.to_dict(), indent=2))
        return figures(scores)


if __name__ == "__main__":
    import vlmeval.dataset  # type: ignore[import-not-found]

    # VLMEvalKit enlarges images for APIs whose shorter side is below a limit, by default 100 pixels.
    os.environ.setdefault("VLMEVAL_MIN_IMAGE_EDGE", "1")
    vlmeval.dataset.MmradInspection = MmradInspection
    vlmeval.dataset.DATASET_CLASSES.append(MmradInspection)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
