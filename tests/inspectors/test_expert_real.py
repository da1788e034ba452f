"""The real detectors as experts on disk: what is kept judges as what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from expert_parts import FLAW, make_parts
from mmrad.inspectors.experts.detector import Item
from mmrad.inspectors.experts.expert import Expert
from mmrad.inspectors.experts.fit import fit_expert
from mmrad.inspectors.experts.inspector import ExpertInspector
from mmrad.inspectors.experts.settings import ExpertSettings

FORMS: dict[str, dict[str, Any]] = {
    "padim": {"size": 64},
    "patchcore": {"size": 64, "crop": 56},
    "patchcore of all": {"size": 64, "classes": "all"},
    "hgad": {"size": 128, "hgad": {"levels": 2, "blocks": 2, "centres": 2, "condition": 16, "passes": 3,
                                   "first_passes": 1, "warmup_passes": 1}},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_what_is_kept_judges_as_what_was_trained(tmp_path: Path, name: str) -> None:
    corpus = make_parts(tmp_path / "corpus", train=8)
    form = {"detector": name.split()[0], "device": "cpu", **FORMS[name]}
    fit_expert(corpus, ExpertSettings.model_validate(form), tmp_path / "expert")
    expert = Expert.load(tmp_path / "expert", device="cpu")
    by_id = {sample.id: sample for sample in corpus.samples}
    for category in expert.categories:
        held_out = expert.parts[category].categories[category].held_out
        items = [Item(corpus.resolve("made", by_id[one].image), category) for one in held_out]
        detector = expert.part_for(category)
        assert detector.geometry == expert.geometry
        raws = detector.judge(items)
        found = expert.calibration(category)
        assert found.scores == pytest.approx([raw.score for raw in raws], rel=1e-5)
        assert found.maxima == pytest.approx([float(raw.values.max()) for raw in raws], rel=1e-5)
        for raw in raws:
            assert type(raw.score) is float
            assert raw.values.dtype == np.float32 and raw.values.ndim == 2


@pytest.mark.parametrize("name", ["padim", "patchcore"])
def test_flaws_are_found_in_original_pixels(tmp_path: Path, name: str) -> None:
    corpus = make_parts(tmp_path / "corpus", train=20)
    settings = ExpertSettings.model_validate({"detector": name, "size": 224, "crop": 200, "device": "cpu"})
    expert = fit_expert(corpus, settings, tmp_path / "expert")
    pairs = corpus.pairs(corpus.select(splits=["test"]), references=0)
    for index, verdict in ExpertInspector(expert, maps=tmp_path / "maps").inspect(pairs):
        if not pairs[index].sample.anomalous:
            continue
        assert verdict.anomalous, pairs[index].sample.id
        x, y = max((region.box for region in verdict.regions), key=FLAW.iou).center
        assert FLAW.x1 < x < FLAW.x2 and FLAW.y1 < y < FLAW.y2, pairs[index].sample.id
