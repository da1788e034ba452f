"""The functions of the tasks beside this file. Written by  mmrad export --to lmms-eval.

    python -m lmms_eval --include_path THIS_FOLDER --tasks mmrad_view --model MODEL ...

The name of the task says in which convention the model is asked for boxes and its answers are read, see
mmrad.coordinates. Images are shown as they are in `images`: a model of the Qwen2-VL family keeps
them as they are only with `min_pixels=784` among its --model_args and `max_pixels` not below their area.
With --log_samples,  mmrad import-runs  makes a run of the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

try:
    from mmrad.bench.records import verdict_from_record, verdict_to_record
    from mmrad.coordinates import CoordinateSpace
    from mmrad.export.benchmark import FIGURES, QUESTIONS, TRUTH, figures, judge, sample_in
    from mmrad.metrics import score
except ImportError as error:
    raise ImportError(
        f"this task is judged by mmrad, which cannot be imported here ({error}); "
        "run  pip install mmrad  in the environment of lmms-eval"
    ) from error

Doc = dict[str, Any]

FOLDER = Path(__file__).parent


def doc_to_visual(doc: Doc) -> list[Image.Image]:
    """The references, best first, and the query last."""
    return [Image.open(FOLDER / name).convert("RGB") for name in doc["images"]]


def doc_to_text(doc: Doc, lmms_eval_specific_kwargs: Doc | None = None, *, space: CoordinateSpace) -> str:
    """The prompt, for models that get it as one text after the images."""
    return f"{doc['system']}\n\n{doc[QUESTIONS[space]]}"


def doc_to_messages(
    doc: Doc, lmms_eval_specific_kwargs: Doc | None = None, *, space: CoordinateSpace
) -> list[Doc]:
    """The prompt as mmrad asks: a system message, then the images and the question after them."""
    shown = [{"type": "image", "url": image} for image in doc_to_visual(doc)]
    return [
        {"role": "system", "content": [{"type": "text", "text": doc["system"]}]},
        {"role": "user", "content": [*shown, {"type": "text", "text": doc[QUESTIONS[space]]}]},
    ]


def doc_to_target(doc: Doc) -> str:
    """The true answer, boxes in pixels of the query as it is shown."""
    return str(doc["answer"])


def process_results(doc: Doc, results: Sequence[str], *, space: CoordinateSpace) -> Doc:
    """What each figure is made of: the truth and the verdict, without its texts, which lmms-eval keeps."""
    verdict = replace(judge(doc, results[0], space), think="", raw_text="")
    judged = {
        "truth": {name: doc[name] for name in TRUTH.names},
        "space": space.value,
        "verdict": verdict_to_record(verdict),
    }
    return dict.fromkeys(FIGURES, judged)


def figure(name: str, judged: Sequence[Doc]) -> float:
    """One figure over all samples; NaN when it is undefined."""
    samples = [sample_in(one["truth"]) for one in judged]
    verdicts = {one["truth"]["id"]: verdict_from_record(one["verdict"]) for one in judged}
    return figures(score(samples, verdicts, resamples=0))[name]


text_view = partial(doc_to_text, space=CoordinateSpace.VIEW)
text_original = partial(doc_to_text, space=CoordinateSpace.ORIGINAL)
text_thousand = partial(doc_to_text, space=CoordinateSpace.THOUSAND)
text_thousand_yx = partial(doc_to_text, space=CoordinateSpace.THOUSAND_YX)
text_unit = partial(doc_to_text, space=CoordinateSpace.UNIT)

messages_view = partial(doc_to_messages, space=CoordinateSpace.VIEW)
messages_original = partial(doc_to_messages, space=CoordinateSpace.ORIGINAL)
messages_thousand = partial(doc_to_messages, space=CoordinateSpace.THOUSAND)
messages_thousand_yx = partial(doc_to_messages, space=CoordinateSpace.THOUSAND_YX)
messages_unit = partial(doc_to_messages, space=CoordinateSpace.UNIT)

process_view = partial(process_results, space=CoordinateSpace.VIEW)
process_original = partial(process_results, space=CoordinateSpace.ORIGINAL)
process_thousand = partial(process_results, space=CoordinateSpace.THOUSAND)
process_thousand_yx = partial(process_results, space=CoordinateSpace.THOUSAND_YX)
process_unit = partial(process_results, space=CoordinateSpace.UNIT)

accuracy = partial(figure, "accuracy")
recall = partial(figure, "recall")
precision = partial(figure, "precision")
iou0_1_accuracy = partial(figure, "iou0.1_accuracy")
iou0_1_recall = partial(figure, "iou0.1_recall")
iou0_1_precision = partial(figure, "iou0.1_precision")
iou0_3_accuracy = partial(figure, "iou0.3_accuracy")
iou0_3_recall = partial(figure, "iou0.3_recall")
iou0_3_precision = partial(figure, "iou0.3_precision")
iou0_5_accuracy = partial(figure, "iou0.5_accuracy")
iou0_5_recall = partial(figure, "iou0.5_recall")
iou0_5_precision = partial(figure, "iou0.5_precision")
auroc = partial(figure, "auroc")
average_precision = partial(figure, "average_precision")
unanswered = partial(figure, "unanswered")
