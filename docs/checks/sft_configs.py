"""Run the `sft.yaml` of an export with the tool it is for, on a CPU and a tiny model, for one update.

    PYTHONPATH=src:tests .venv/bin/python docs/checks/export_loaders.py make EXPORTS
    PYTHONPATH=src VENV/bin/python docs/checks/sft_configs.py TOOL EXPORTS/TOOL

The second command needs a virtual environment with the tool, `llama_factory` or `ms_swift`. All is as the
file says but for the model, a Qwen2.5-VL of random weights, the one update, and what a CPU cannot do. It
prints which layers got adapters, and ends with 1 when any is of the vision tower.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from export_loaders import qwen

PROGRAMS = {"llama_factory": ["llamafactory-cli", "train"], "ms_swift": ["swift", "sft"]}
PACKAGES = {"llama_factory": "llamafactory", "ms_swift": "ms-swift"}


def here(tool: str, model: Path, out: Path) -> dict[str, Any]:
    """What has to be otherwise on a CPU, with a tiny model, for one update."""
    common = {"max_steps": 1, "save_steps": 1, "logging_steps": 1, "output_dir": str(out)}
    common |= {"dataloader_num_workers": 0, "report_to": "none"}
    if tool == "llama_factory":
        return common | {"model_name_or_path": str(model), "bf16": False, "preprocessing_num_workers": 1}
    cpu = {"torch_dtype": "float32", "dataset_num_proc": 1, "use_cpu": True}
    return common | cpu | {"model": str(model)}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tool", choices=PROGRAMS)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    folder, out = asked.folder.resolve(), asked.folder.resolve() / "check"
    model, processor = qwen(None)
    model.save_pretrained(out / "model")
    processor.save_pretrained(out / "model")
    settings = yaml.safe_load((folder / "sft.yaml").read_text("utf-8")) | here(
        asked.tool, out / "model", out / "sft"
    )
    (folder / "check.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [*PROGRAMS[asked.tool], "check.yaml"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": paths}, capture_output=True, text=True, check=False
    )
    (folder / "check.yaml").unlink()
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    (adapter,) = (out / "sft").rglob("checkpoint-1/adapter_model.safetensors")
    sys.exit(not report(asked.tool, adapter))


def report(tool: str, adapter: Path) -> bool:
    """Print what was trained; whether it is the language model alone."""
    from safetensors import safe_open

    with safe_open(adapter, "pt") as file:
        names = list(file.keys())
    settings = json.loads((adapter.parent / "adapter_config.json").read_text("utf-8"))
    kinds = sorted({name.partition(".lora_A")[0].rpartition(".")[2] for name in names if ".lora_A" in name})
    vision = [name for name in names if "visual" in name]
    state = json.loads((adapter.parent / "trainer_state.json").read_text("utf-8"))
    print(f"{PACKAGES[tool]} {version(PACKAGES[tool])}, transformers {version('transformers')}")
    print(f"one update: {state['log_history'][0]}")
    print(f"adapters r {settings['r']}, alpha {settings['lora_alpha']} on {', '.join(kinds)}")
    print(f"of the vision tower: {len(vision)}")
    return not vision and bool(kinds)


if __name__ == "__main__":
    main()
