"""Publishing: the folder loads in plain transformers, its card says what the data allow, and it is whole."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from commands import run
from mmrad.bench import bench
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import make_inspector
from mmrad.train.claim import claim
from mmrad.train.lora import merged, with_adapters
from mmrad.train.models import save_model
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.publishing.publish import publish
from mmrad.train.publishing.trained_on import TrainedOn, write_trained_on
from mmrad.train.recipe import Asking, Base, Data, Lora, Recipe, Reinforcement, Supervised, load_recipe

TINY = NanoSize(
    text_width=32, text_layers=1, text_heads=2, text_mlp=64,
    vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=32, vocabulary=1600,
)  # fmt: skip
TEXTS = ["You inspect industrial products. Is there an anomaly? Yes. No. stain row column upper left"]
RECIPE = Recipe(
    name="tiny-inspector",
    data=Data(),
    asking=Asking(max_tokens=12),
    base=Base(path="someone/base-model", lora=Lora(rank=2, alpha=2)),
    sft=Supervised(),
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model/` and `adapter/` of a training with adapters."""
    folder = tmp_path_factory.mktemp("weights")
    model, processor = build_nano(train_tokenizer(TEXTS, TINY), TINY, seed=0)
    adapted = with_adapters(model, RECIPE.base.lora)
    adapted.save_pretrained(folder / "adapter")
    save_model(merged(adapted), processor, RECIPE.asking, folder / "model", dtype=torch.float32)
    return folder


@pytest.fixture
def training(weights: Path, squares: Corpus, tmp_path: Path) -> Path:
    """The folder of a finished training."""
    folder = tmp_path / "out" / "sft"
    shutil.copytree(weights, folder)
    begin(folder, RECIPE, start="someone/base-model")
    write_trained_on(folder, squares.samples)
    return folder


def begin(folder: Path, recipe: Recipe, *, start: str | None) -> None:
    claim(folder, {**recipe.model_dump(mode="json"), "start": start})


def trained_on(folder: Path, *parts: TrainedOn) -> None:
    (folder / "trained_on.json").write_text(json.dumps([part.model_dump() for part in parts]))


def test_plain_transformers_runs_what_the_card_says(training, tmp_path, squares):
    out = publish(training, tmp_path / "published", base_licence="Apache-2.0")
    text = (out / "README.md").read_text()
    [snippet] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    raw = squares.root("made")
    shutil.copy(raw / "0.png", out / "good.png")
    shutil.copy(raw / "1.png", out / "part.png")
    process = subprocess.run(
        [sys.executable, "-c", f"{snippet}\nimport sys; assert 'mmrad' not in sys.modules"],
        cwd=out, capture_output=True, text=True, check=False, env={"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    [pair] = squares.pairs(squares.samples[1:2])
    inspector = make_inspector(str(training / "model"), InspectionSettings())
    [(_, verdict)] = inspector.inspect([pair])
    assert process.stdout.removesuffix("\n") == verdict.raw_text


def test_the_folder_has_what_loaders_read_and_no_path_of_this_machine(training, tmp_path):
    out = publish(training, tmp_path / "published", base_licence="Apache-2.0")
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "README.md", "recipe.json", "mmrad.json", "config.json", "generation_config.json",
        "model.safetensors", "processor_config.json", "chat_template.jinja", "tokenizer.json",
        "tokenizer_config.json",
        "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
    }  # fmt: skip
    for path in out.rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
    adapter = json.loads((out / "adapter/adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "someone/base-model"
    assert Recipe.model_validate_json((out / "recipe.json").read_text()) == RECIPE
    assert list(tmp_path.glob(".*")) == []


def test_the_card_has_base_licences_and_counts(training, tmp_path):
    out = publish(training, tmp_path / "published", base_licence="apache-2.0", licence="cc-by-4.0")
    card = ModelCard.load(out / "README.md")
    assert card.data.base_model == "someone/base-model"
    assert (card.data.license, card.data.language) == ("cc-by-4.0", "en")
    assert {"lora", "anomaly-detection"} <= set(card.data.tags)
    assert "| made | 12 | 6 | CC0-1.0 | yes |" in card.text
    assert "supervised fine-tuning (LoRA of rank 2)" in card.text
    assert "Commercial use is forbidden" not in card.text
    assert "None were given" in card.text


def test_data_that_forbid_commercial_use_stand_out_and_forbid_a_free_licence(training, tmp_path):
    mvtec = TrainedOn(source="mvtec", licence="CC BY-NC-SA 4.0", images=5, anomalous=2)
    mine = TrainedOn(source="mine", licence="your own", images=3, anomalous=1)
    trained_on(training, mvtec, mine)
    with pytest.raises(UsageError, match=r"apache-2\.0 cannot be claimed: the images of mvtec are licensed"):
        publish(training, tmp_path / "p", base_licence="Apache-2.0", licence="apache-2.0")
    assert not (tmp_path / "p").exists()
    card = ModelCard.load(publish(training, tmp_path / "p", base_licence="Apache-2.0") / "README.md")
    assert (card.data.license, card.data.license_name) == ("other", "non-commercial")
    assert "or not known to be allowed:** the images of mvtec" in card.text
    assert "| mvtec | 5 | 2 | CC BY-NC-SA 4.0 | **no, or not known** |" in card.text
    assert "| mine | 3 | 1 | your own | yes |" in card.text
    claimed = publish(training, tmp_path / "q", base_licence="MIT", licence="cc-by-nc-sa-4.0")
    assert ModelCard.load(claimed / "README.md").data.license == "cc-by-nc-sa-4.0"


def test_a_base_of_unknown_licence_forbids_a_free_one(training, tmp_path):
    with pytest.raises(UsageError, match="the licence of the base model someone/base-model is unknown"):
        publish(training, tmp_path / "p", licence="mit")


def test_a_later_training_tells_of_the_earlier_one(training, tmp_path):
    later = tmp_path / "out" / "grpo"
    shutil.copytree(training / "model", later / "model")
    rewarded = RECIPE.model_copy(update={"sft": None, "grpo": Reinforcement(steps=3)})
    begin(later, rewarded, start=str(training / "model"))
    fewer = TrainedOn(source="made", licence="CC0-1.0", images=2, anomalous=1)
    trained_on(later, TrainedOn(source="more", licence="MIT", images=7, anomalous=3), fewer)
    out = publish(later, tmp_path / "p", base_licence="MIT")
    text = (out / "README.md").read_text()
    assert "supervised fine-tuning, then reinforcement learning" in text
    assert "| made | 12 | 6 |" in text
    assert "| more | 7 | 3 |" in text
    assert "someone/base-model" in text
    both = Recipe.model_validate_json((out / "recipe.json").read_text())
    assert (both.sft, both.grpo) == (RECIPE.sft, rewarded.grpo)
    shutil.rmtree(training)
    with pytest.raises(UsageError, match="which is not there"):
        publish(later, tmp_path / "q", base_licence="MIT")


def test_a_model_made_from_nothing_has_no_base(training, tmp_path, squares):
    first = tmp_path / "out" / "pretraining"
    shutil.copytree(training / "model", first / "model")
    nano = load_recipe(Path(__file__).parents[3] / "recipes" / "nano.toml")
    tables = nano.model_dump(mode="json", exclude={"sft", "grpo"})
    tables["pretraining"]["stages"][-1].pop("steps")  # as `pretrain` keeps it
    claim(first, tables)
    write_trained_on(first, squares.samples)
    (training / "recipe.json").unlink()
    begin(training, RECIPE.model_copy(update={"base": None}), start=str(first / "model"))
    card = ModelCard.load(publish(training, tmp_path / "p", licence="mit") / "README.md")
    assert "none, made from nothing" in card.text
    assert "pretraining, then supervised fine-tuning (all weights)" in card.text
    assert card.data.base_model is None


def test_a_local_base_is_named_and_its_licence_is_that_of_its_card(training, tmp_path):
    base = tmp_path / "qwen"
    base.mkdir()
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (training / "recipe.json").unlink()
    begin(training, RECIPE.model_copy(update={"base": Base(path=str(base))}), start=str(base))
    out = publish(training, tmp_path / "p", base="Qwen/Qwen2.5-VL-7B-Instruct")
    text = (out / "README.md").read_text()
    assert "Qwen/Qwen2.5-VL-7B-Instruct (licence: apache-2.0)" in text
    assert json.loads((out / "recipe.json").read_text())["base"]["path"] == "Qwen/Qwen2.5-VL-7B-Instruct"
    for path in (out / "README.md", out / "recipe.json", out / "adapter/adapter_config.json"):
        assert str(tmp_path) not in path.read_text()


def test_a_training_without_a_record_reads_the_corpus(training, tmp_path, squares):
    (training / "trained_on.json").unlink()
    with pytest.raises(UsageError, match="--corpus"):
        publish(training, tmp_path / "p")
    out = publish(training, tmp_path / "p", corpus=squares.path)
    assert "| made | 12 | 6 | CC0-1.0 | yes |" in (out / "README.md").read_text()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "training_args.pt", "modeling.py"])
@pytest.mark.parametrize("part", ["model", "adapter"])
def test_files_that_run_code_are_refused(training, tmp_path, part, name):
    (training / part / name).write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match=rf"{name}: is not published"):
        publish(training, tmp_path / "p")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", ["mmrad.json", "model.safetensors", "config.json"])
def test_an_unfinished_training_is_refused(training, tmp_path, name):
    (training / "model" / name).unlink()
    with pytest.raises(UsageError, match="has not finished"):
        publish(training, tmp_path / "p")


def test_damaged_weights_are_refused(training, tmp_path):
    path = training / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors: damaged"):
        publish(training, tmp_path / "p")


def test_what_is_no_training_is_told_what_to_give(training, tmp_path):
    with pytest.raises(UsageError, match="such as OUT/sft"):
        publish(training / "model", tmp_path / "p")


def test_prompts_of_this_machine_are_refused(training, tmp_path):
    asking = {"prompts": "mine.toml", "max_pixels": 784, "max_tokens": 9}
    (training / "model" / "mmrad.json").write_text(json.dumps(asking))
    with pytest.raises(UsageError, match=r"mine\.toml"):
        publish(training, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_filled_folder_is_refused_and_an_empty_one_taken(training, tmp_path):
    out = tmp_path / "p"
    out.mkdir()
    publish(training, out)
    before = sorted(out.iterdir())
    with pytest.raises(UsageError, match="not empty"):
        publish(training, out)
    assert sorted(out.iterdir()) == before


PUBLISH = """
import sys
from pathlib import Path
from mmrad.train.publishing import publish

copy = publish._copy
def slow(source, target, base):
    copy(source, target, base)
    if target.name == "model.safetensors":
        print("copied", flush=True)
        sys.stdin.read()  # until it is killed
publish._copy = slow
publish.publish(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_publishing_leaves_no_folder_that_looks_whole(training, tmp_path):
    out = tmp_path / "published"
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISH, training, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"copied\n"
        process.kill()
    assert not out.exists()
    publish(training, out)
    assert (out / "README.md").exists()
    assert list(tmp_path.glob(".*")) == []


def test_the_command_shows_the_figures_of_runs_of_this_model_only(training, tmp_path, squares):
    model = make_inspector(str(training / "model"), InspectionSettings(), name="mine")
    bench(squares, squares.samples[:4], model, tmp_path / "runs")
    out = tmp_path / "published"
    said = run("train", "publish", training, "--out", out, "--run", tmp_path / "runs" / "mine")
    assert "README.md" in said
    row = next(line for line in (out / "README.md").read_text().splitlines() if line.startswith("| mine |"))
    assert row.startswith("| mine | made | **yes** | 4 | 4 | 0.00")
    path = tmp_path / "runs" / "mine" / "run.json"
    path.write_text(re.sub(r'"weights": "\w+"', '"weights": "0123"', path.read_text()))
    with pytest.raises(UsageError, match="weights is 0123 there"):
        run("train", "publish", training, "--out", tmp_path / "q", "--run", tmp_path / "runs" / "mine")
