import json

import pytest
import typer
from typer.testing import CliRunner

from mmrad.cli import doctor

SECRET = "sk-never-to-be-printed"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    app = typer.Typer()
    app.command()(doctor.doctor)

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_json_names_packages_machine_and_weights(run) -> None:
    found = json.loads(run("--json"))
    assert found["packages"]["base"]["numpy"]
    assert {"base", "local", "train", "dev"} <= found["packages"].keys()
    assert "torch" in found["packages"]["local"] and "torch" not in found["packages"]["base"]
    assert found["machine"]["cores"] >= 1
    assert set(found["weights"]) == {"anomaly-r1-nano", "EfficientNet-Lite0", "all-MiniLM-L6-v2"}


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_key_is_said_to_be_set_and_never_shown(run, monkeypatch, arguments) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert SECRET not in run(*arguments)
    assert doctor.diagnose()["keys"]["OPENAI_API_KEY"] is True
    monkeypatch.delenv("OPENAI_API_KEY")
    assert doctor.diagnose()["keys"]["OPENAI_API_KEY"] is False


def test_a_missing_package_is_named_with_the_extra_to_install(run, monkeypatch) -> None:
    real = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name == "timm" else real(name))
    assert doctor.packages()["local"]["timm"] is None
    table = run()
    assert "timm" in table and "pip install 'mmrad[local]'" in " ".join(table.split())


def test_versions_and_markers_are_split_off_names(monkeypatch) -> None:
    listed = [
        "torch>=2.13; extra == 'local'",
        "transformers<6,>=5.23; extra == 'local'",
        "numpy",
        'x[y]~=1; extra == "dev"',
    ]
    monkeypatch.setattr(doctor, "requires", lambda _: listed)
    monkeypatch.setattr(doctor, "_installed", lambda _: "1")
    found = doctor.packages()
    assert found["local"] == {"torch": "1", "transformers": "1"}
    assert found["base"] == {"numpy": "1"} and found["dev"] == {"x": "1"}


def test_a_broken_nvidia_smi_means_no_gpu(tmp_path, monkeypatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert doctor.gpus() == []
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB'\n")
    assert doctor.gpus() == ["NVIDIA H200, 143771 MiB"]
