"""The datasets for LLaMA-Factory: sharegpt rows, and their description."""

import json
from pathlib import Path

import pytest

from mmrad.errors import UsageError
from mmrad.export.conversations import conversations
from mmrad.export.llama_factory import export_llama_factory
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from taught import BUDGET, taught_corpus

SETTINGS = InspectionSettings(budget=BUDGET)


def test_the_description_names_a_file_and_its_keys_for_each_split(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    out = tmp_path / "out"
    assert export_llama_factory(corpus, out, settings=SETTINGS, references=2) == 4
    described = json.loads((out / "dataset_info.json").read_text("utf-8"))
    assert set(described) == {"mmrad_train", "mmrad_test"}
    asked = {one.sample.id: one for one in conversations(corpus, SETTINGS, references=2)}
    seen = []
    for entry in described.values():
        assert entry["formatting"] == "sharegpt"
        columns, tags = entry["columns"], entry["tags"]
        for line in (out / entry["file_name"]).read_text("utf-8").splitlines():
            row = json.loads(line)
            one = asked[row["sample_id"]]
            said = [
                (message[tags["role_tag"]], message[tags["content_tag"]])
                for message in row[columns["messages"]]
            ]
            roles = [tags["system_tag"], tags["user_tag"], tags["assistant_tag"]]
            assert [role for role, _ in said] == roles
            assert said[-1][1] == one.completion
            assert sum(text.count("<image>") for _, text in said) == len(row[columns["images"]])
            for name, view in zip(row[columns["images"]], one.views, strict=True):
                assert (read_image(out / name) == view.image).all()
            seen.append(row["sample_id"])
    assert sorted(seen) == sorted(asked)


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    with pytest.raises(UsageError, match="not empty"):
        export_llama_factory(corpus, tmp_path, settings=SETTINGS)
