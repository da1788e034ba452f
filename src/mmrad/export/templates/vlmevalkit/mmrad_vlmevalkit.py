r"""The dataset beside this file, for VLMEvalKit. Written by  mmrad export --to vlmevalkit.

    python mmrad_vlmevalkit.py VLMEVALKIT/run.py --model MODEL --data mmrad --data-config \
        '{"mmrad": {"class": "MmradInspection", "dataset": "mmrad", "coordinates": "view"}}'

`coordinates` says what the numbers of a box in the model's answers mean, see mmrad.coordinates:
`view` for Qwen2.5-VL, `thousand` for Qwen3-VL, and so on. Images are shown as they are in `images`: a model
of the Qwen2-VL family keeps them as they are only when its configuration has `min_pixels` of 784 and
`max_pixels` not below their area; the entries of Qwen2.5-VL in VLMEvalKit's own config.py enlarge them.
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
    from mmrad.export.benchmark import figures, judge, sample_in
    from mmrad.inspectors.base import failed_verdict
    from mmrad.metrics import score
    from mmrad.sample import Verdict
except ImportError as error:
    raise ImportError(
        f"this dataset is judged by mmrad, which cannot be imported here ({error}); "
        "run  pip install mmrad  in the environment of VLMEvalKit"
    ) from error

from vlmeval.dataset.image_base import ImageBaseDataset  # type: ignore[import-not-found]
from vlmeval.smp import load, toliststr  # type: ignore[import-not-found]

FOLDER = Path(__file__).resolve().parent

_FAILURE = "Failed to obtain answer"
"""How a prediction begins where VLMEvalKit got none."""


class MmradInspection(ImageBaseDataset):  # type: ignore[misc]
    """Is the last image anomalous, and where?

    Args:
        dataset: Name of the table beside this file.
        skip_noimg: As VLMEvalKit has it.
        coordinates: What the numbers of a box mean, a value of `CoordinateSpace`.

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
        """The table as a data frame."""
        return load(str(FOLDER / f"{dataset}.tsv")).fillna("")  # an empty text is no number

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
        predictions = dict(zip(answered["index"].astype(str), answered["prediction"], strict=True))
        truths = {str(row["index"]): json.loads(row["truth"]) for _, row in self.data.iterrows()}
        verdicts = {
            truth["id"]: self._verdict(truth, predictions[index])
            for index, truth in truths.items()
            if index in predictions
        }
        samples = [sample_in(truth) for truth in truths.values()]
        scores = score(samples, verdicts)
        path = Path(eval_file)
        path.with_name(f"{path.stem}_scores.json").write_text(json.dumps(scores.to_dict(), indent=2))
        return figures(scores)

    def _verdict(self, truth: Mapping[str, Any], prediction: Any) -> Verdict:
        text = prediction if isinstance(prediction, str) else ""  # an empty cell is read as a number
        if text.startswith(_FAILURE):
            return failed_verdict("failed", text)
        return judge(truth, text, self.space)


if __name__ == "__main__":
    import vlmeval.dataset  # type: ignore[import-not-found]

    # VLMEvalKit enlarges images for APIs whose shorter side is below a limit, by default 100 pixels.
    os.environ.setdefault("VLMEVAL_MIN_IMAGE_EDGE", "1")
    vlmeval.dataset.MmradInspection = MmradInspection
    vlmeval.dataset.DATASET_CLASSES.append(MmradInspection)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
