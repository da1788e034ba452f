import subprocess
import sys

import pytest

HEAVY = [
    "torch",
    "torchvision",
    "transformers",
    "timm",
    "sklearn",
    "sentence_transformers",
    "nicegui",
    "scipy",
    "matplotlib",
]

CHECK = """
import sys
import mmrad
{more}
print(*sorted(set({heavy}) & sys.modules.keys()))
"""


def loaded_after(more: str) -> list[str]:
    code = CHECK.format(more=more, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


def test_importing_mmrad_loads_nothing_heavy() -> None:
    assert loaded_after("") == []


def test_the_core_loads_nothing_heavy() -> None:
    names = ["answer", "box", "corpus", "errors", "files", "image", "inspectors"]
    names += ["journal", "prompt", "sample", "view"]
    assert loaded_after("\n".join(f"import mmrad.{name}" for name in names)) == []


def test_help_loads_nothing_heavy() -> None:
    pytest.importorskip("mmrad.cli")
    more = """
sys.argv = ["mmrad", "--help"]
from mmrad.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
"""
    assert loaded_after(more) == []


def test_help_names_the_commands() -> None:
    pytest.importorskip("mmrad.cli")
    command = [sys.executable, "-m", "mmrad.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "inspect" in done.stdout and "doctor" in done.stdout
