"""Runs AnomalyGPT for mmrad, in the environment that the user made for it.

mmrad starts this file with that environment's interpreter (Python 3.8 or later) and talks JSON lines over
its standard input and output. It imports nothing of mmrad, holds no code of AnomalyGPT, and calls the
checkout that the user has installed (https://github.com/CASIA-IVA-Lab/AnomalyGPT, CC BY-NC-SA 4.0).

    worker   {"protocol": 1, "model": …, "checkpoint_sha256": …, "trained_on": […] or null, "torch": …,
              "gpu": … or null}
    mmrad    {"id": …, "image": PATH, "normals": [PATH, …], "prompt": …, "seed": …}
    worker   {"id": …, "text": …, "map_path": PATH, "seconds": …}   or   {"id": …, "error": …}

The map is a NumPy file beside the image, float16 of shape (224, 224), higher where more anomalous. The worker
ends when its standard input does, whatever it is at.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import queue
import random
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOL = 1
MODEL = "AnomalyGPT-7B"
SIDE = 224
"""Side in pixels of what the model sees, and of its map."""

TRAINED_ON = {
    "train_mvtec": ["mvtec"],
    "train_visa": ["visa"],
    "train_supervised": ["mvtec", "visa", "loco"],
}
"""What the published weights have seen, by the name of their folder (README of the checkout, section 2.4), as
mmrad calls datasets. `train_supervised` has also seen CrackForest, which mmrad does not read."""


def main() -> None:
    """Load the model, say what was loaded, and answer requests."""
    options = _options()
    requests, replies = _own_pipes()
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(requests, lines), daemon=True).start()
    answer, torch_version, gpu = load(options)
    _say(
        replies,
        protocol=PROTOCOL,
        model=MODEL,
        checkpoint_sha256=_sha256(options.checkpoint),
        trained_on=TRAINED_ON.get(options.checkpoint.resolve().parent.name),
        torch=torch_version,
        gpu=gpu,
    )
    while True:
        request = json.loads(lines.get().decode("utf-8"))
        _say(replies, id=request["id"], **_reply(answer, request))


def load(options: argparse.Namespace) -> tuple[Callable[..., tuple[str, Any]], str, str | None]:
    """Load the model; all that this file knows of the checkout is in this function.

    Args:
        options: See `_options`.

    Returns:
        What answers `(prompt, image, normals, seed)` with a text and a map of shape (224, 224); the version
        of torch; the name of the GPU or None.
    """
    code = options.repository / "code"
    os.chdir(code)  # where its files expect to be run: they name others relative to it
    sys.path.insert(0, str(code))
    torch = importlib.import_module("torch")
    model = importlib.import_module("model.openllama").OpenLLAMAPEFTModel(
        model="openllama_peft",
        imagebind_ckpt_path=str(options.imagebind),
        vicuna_ckpt_path=str(options.vicuna),
        delta_ckpt_path=str(options.delta),
        anomalygpt_ckpt_path=str(options.checkpoint),
        stage=2,
        max_tgt_len=128,
        lora_r=32,
        lora_alpha=32,
        lora_dropout=0.1,
        layers=[7, 15, 23, 31],
    )
    for path in (options.delta, options.checkpoint):
        weights = torch.load(path, map_location="cpu", weights_only=True)
        homeless = model.load_state_dict(weights, strict=False).unexpected_keys
        if homeless:  # they would be left out without a word
            sys.exit(
                f"{path}: {len(homeless)} of its {len(weights)} weights have no place in the model, first "
                f"{homeless[0]}: is it the right file, and peft of the version that the checkout asks for?"
            )
    model = model.eval().half().cuda()

    def answer(prompt: str, image: str, normals: list[str], seed: int) -> tuple[str, Any]:
        torch.manual_seed(seed)  # the checkout always samples
        with torch.no_grad():
            text, values = model.generate(
                {
                    "prompt": prompt,
                    "image_paths": [image],
                    "normal_img_paths": normals,
                    "audio_paths": [],
                    "video_paths": [],
                    "thermal_paths": [],
                    "modality_embeds": [],
                    "max_tgt_len": options.max_length,
                    "top_p": options.top_p,
                    "temperature": options.temperature,
                }
            )
        return text, values.reshape(SIDE, SIDE).float().cpu().numpy()

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return answer, str(torch.__version__), gpu


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--repository", type=Path, required=True, help="the checkout of AnomalyGPT")
    parser.add_argument("--imagebind", type=Path, required=True, help="imagebind_huge.pth")
    parser.add_argument("--vicuna", type=Path, required=True, help="folder of Vicuna-7B, version 0")
    parser.add_argument("--delta", type=Path, required=True, help="PandaGPT's pytorch_model.pt")
    parser.add_argument("--checkpoint", type=Path, required=True, help="AnomalyGPT's pytorch_model.pt")
    parser.add_argument("--max-length", type=int, required=True, help="most tokens of an answer")
    parser.add_argument("--top-p", type=float, required=True)
    parser.add_argument("--temperature", type=float, required=True)
    return parser.parse_args()


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to mmrad, out of the reach of libraries, which read nothing and print to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    # Python put this file's folder first: its modules must not stand in for those of the checkout.
    del sys.path[0]
    return requests, replies


def _read(requests: BinaryIO, lines: queue.Queue[bytes]) -> None:
    for line in requests:
        lines.put(line)
    os._exit(0)  # nobody is left to answer: no model may go on loading, nor hold the GPU while it hangs


def _reply(answer: Callable[..., tuple[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        seed = int(request["seed"])
        random.seed(seed)
        np.random.seed(seed % 2**32)
        text, values = answer(request["prompt"], request["image"], request["normals"], seed)
        map_path = Path(request["image"]).with_name("map.npy")
        np.save(map_path, np.asarray(values, np.float16), allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - whatever libraries of any age raise is told, as this item's error
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    return {"text": text, "map_path": str(map_path), "seconds": time.perf_counter() - started}


def _say(replies: BinaryIO, **content: Any) -> None:
    replies.write(json.dumps(content).encode("ascii") + b"\n")
    replies.flush()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
