"""A stand-in for AnomalyGPT's worker: speaks its protocol, or breaks it in the way that it is told.

Run in place of an interpreter: `fake_anomalygpt.py MODE[@SAMPLE] JOURNAL worker.py --checkpoint …`; with a
sample only that one is answered wrongly. It says Yes where the brightest value of the image is odd, and its
map is the image's brightness.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__)


def installed(
    folder: Path, mode: str = "good", *, weights: str = "train_visa", **more: Any
) -> dict[str, Any]:
    """A table `installed` whose interpreter is this file; what it is asked is written to `folder/asked`."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE}" "{mode}" "{folder / "asked"}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    checkpoint = folder / "repository/code/ckpt" / weights / "pytorch_model.pt"
    for path in (
        checkpoint,
        folder / "repository/code/model/openllama.py",
        folder / "repository/pretrained_ckpt/imagebind_ckpt/imagebind_huge.pth",
        folder / "repository/pretrained_ckpt/vicuna_ckpt/7b_v0/config.json",
        folder / "repository/pretrained_ckpt/pandagpt_ckpt/7b/pytorch_model.pt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    known = {"python": python, "repository": folder / "repository", "checkpoint": checkpoint}
    return {**{name: str(path) for name, path in known.items()}, **more}


def models_file(folder: Path, table: dict[str, Any], name: str = "anomalygpt-7b") -> Path:
    """A user's file of models with such a table."""
    path = folder / "mine.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    lines += [
        f"{key}.{json.dumps(inner)} = {json.dumps(value)}"
        for key, group in table.items()
        if isinstance(group, dict)
        for inner, value in group.items()
    ]
    path.write_text("\n".join([f'["{name}".installed]', *lines, ""]), "utf-8")
    return path


def asked(folder: Path) -> list[str]:
    """What the stand-in wrote down: `start PID`, or the id that it was asked about."""
    path = folder / "asked"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def requests(folder: Path) -> list[str]:
    return [line for line in asked(folder) if not line.startswith("start ")]


def starts(folder: Path) -> list[int]:
    return [int(line.split()[1]) for line in asked(folder) if line.startswith("start ")]


def _say(content: object) -> None:
    sys.stdout.write(f"{content if isinstance(content, str) else json.dumps(content)}\n")
    sys.stdout.flush()


def main() -> None:
    mode, _, only = sys.argv[1].partition("@")
    journal = Path(sys.argv[2])
    checkpoint = Path(sys.argv[sys.argv.index("--checkpoint") + 1])
    assert Path(sys.argv[3]).name == "worker.py"
    _note(journal, f"start {os.getpid()}")
    if mode == "chatter":
        for line in ("Loading weights...", "[1, 2]", "{'not': json}", "7", '{"progress": 1}', ""):
            _say(line)
    if mode == "silent":
        time.sleep(1000)
    if mode == "exits":
        sys.exit("RuntimeError: no kernel image is available for execution on the device")
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    handshake: dict[str, Any] = {
        "protocol": 2 if mode == "protocol" else 1,
        "model": "AnomalyGPT-7B",
        "checkpoint_sha256": digest if mode != "other weights" else digest[::-1],
        "trained_on": ["visa", "mvtec"] if mode == "leaks" else None,
        "torch": "1.13.1",
        "gpu": None,
    }
    if mode == "half":
        del handshake["torch"]
    _say(handshake)
    if mode == "deaf":
        time.sleep(1000)
    for line in sys.stdin:
        request = json.loads(line)
        _note(journal, request["id"])
        usual = "good" if only and not request["id"].endswith(only) else mode
        _answer(request, usual)


def _answer(request: dict[str, Any], mode: str) -> None:
    import numpy as np
    from PIL import Image

    assert request.keys() == {"id", "image", "normals", "prompt", "seed"}
    seen = np.asarray(Image.open(request["image"]).convert("L"))
    assert seen.shape == (224, 224)
    assert all(Image.open(path).size == (224, 224) for path in request["normals"])
    values: Any = (seen / 255).astype(np.float16)
    reply: dict[str, Any] = {"id": request["id"], "seconds": 0.5}
    reply["text"] = "Yes, there is a scratch." if int(seen.max()) % 2 else "No, there are no anomalies."
    place = Path(request["image"]).with_name("map.npy")
    match mode:
        case "hang":
            time.sleep(1000)
        case "slow":
            time.sleep(5)
        case "crash":
            os._exit(3)
        case "error" | "seedless":
            what = f"ValueError: seed {request['seed']}" if mode == "seedless" else "CUDA out of memory"
            return _say({"id": request["id"], "error": what})
        case "nonsense":
            return _say("Setting pad_token_id to eos_token_id")
        case "wrong id":
            reply["id"] = "made/part/test/000"
        case "nan":
            values[3, 4] = np.nan
        case "shape":
            values = values[:, :223]
        case "integers":
            values = seen
        case "elsewhere":
            place = Path(request["image"]).parent.parent / "map.npy"
        case "wordless":
            del reply["text"]
        case "endless":
            reply["seconds"] = float("inf")
        case "unsure":
            reply["text"] = "There is no way to tell."
        case "empty":
            reply["text"] = " \n"
        case "flood":
            sys.stderr.write("x" * 3_000_000 + "\n")
    if mode == "pickle":
        np.save(place, np.array([{}], object), allow_pickle=True)
    elif mode != "no map":
        np.save(place, values)
    _say({**reply, "map_path": str(place)})


def _note(journal: Path, line: str) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    main()
