"""CPU time and rate of `mmrad bench` against a server that answers after half a second, beside its peers.

Two 448-px images a request, real photographs where there are any, through the whole of `mmrad bench`: images
read, views, prompt, encoding, sending, parsing, journal. The peers, inspect-ai's model layer and lmms-eval's
OpenAI client, are given the same files and prompts and the same server; each client runs in a process of its
own on one core, the server on another. The ideal rate is concurrency divided by the server's half second.

    python benchmarks/client.py --lmms-eval /path/of/its/environment/bin/python
    python benchmarks/client.py --memory 100000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _late_server import late_server

SIDE = 448
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PHOTOGRAPHS = 400
KINDS = ("png", "jpeg")
ANSWER = "<answer>Yes. {'bbox_2d': [70, 140, 280, 320], 'label': 'scratch'}</answer>"
TEXT = f"<think>Comparing the two images, there is a scratch.</think>{ANSWER}"


# The work: queries with their references.


def make_corpus(folder: Path, count: int, kind: str, *, references: int = 0, tiny: bool = False) -> Path:
    """A corpus of squares cut from photographs, or of tiny made pictures, no two alike.

    Args:
        folder: Where.
        count: Queries.
        kind: `png` or `jpeg`.
        references: How many references the queries share; 0 gives each its own.
        tiny: Whether to make pictures of 28 pixels.
    """
    from mmrad.corpus import Reference, SourceInfo, write_corpus
    from mmrad.sample import Sample

    raw = folder / "raw"
    raw.mkdir(parents=True)
    write = _write_tiny if tiny else _write_photographs
    names = write(raw, count + (references or count), kind)
    queries, others = names[:count], names[count:]
    side = 28 if tiny else SIDE
    samples = [
        Sample(f"made/part/test/{n}", "made", "part", "test", name, (side, side), (), "CC0")
        for n, name in enumerate(queries)
    ]
    info = {"made": SourceInfo(adapter="made", root="raw", licence="CC0")}
    corpus = write_corpus(folder, info, samples)
    corpus.write_references(
        Reference(sample.id, 0, others[n % len(others)], "random", 0.0) for n, sample in enumerate(samples)
    )
    return folder


def _write_tiny(folder: Path, count: int, kind: str) -> list[str]:
    import numpy as np

    from mmrad.image import encode_png

    pixels = np.zeros((28, 28, 3), np.uint8)
    for number in range(count):
        pixels[0, 0] = list(number.to_bytes(3, "big"))
        (folder / f"{number}.{kind}").write_bytes(encode_png(pixels))
    return [f"{number}.{kind}" for number in range(count)]


def _write_photographs(folder: Path, count: int, kind: str) -> list[str]:
    """So many files, of `PHOTOGRAPHS` different pictures."""
    from PIL import Image

    patterns = ("cookies/*images/*.jpg", "bsdata/data/*.jpg", "deeppcb/PCBData/*/*/*_t*.jpg")
    found = [path for pattern in patterns for path in sorted(DATA.glob(pattern))[: PHOTOGRAPHS // 3]]
    for number in range(min(count, PHOTOGRAPHS)):
        picture = Image.fromarray(_square(found[number % len(found)] if found else None, number))
        settings: dict[str, Any] = {"compress_level": 6} if kind == "png" else {"quality": 92}
        picture.save(folder / f"{number}.{kind}", **settings)
    for number in range(PHOTOGRAPHS, count):
        (folder / f"{number}.{kind}").hardlink_to(folder / f"{number % PHOTOGRAPHS}.{kind}")
    return [f"{number}.{kind}" for number in range(count)]


def _square(path: Path | None, number: int) -> Any:
    """A square of a photograph; a made one where there is none."""
    import numpy as np
    from PIL import Image

    if path is None:
        ramp = np.linspace(0, 200, SIDE)
        noise = np.random.default_rng(number).integers(0, 30, (SIDE, SIDE, 3))
        return (ramp[:, None, None] * 0.5 + ramp[None, :, None] * 0.4 + noise).astype(np.uint8)
    image = Image.open(path).convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return np.asarray(image.crop((left, top, left + edge, top + edge)).resize((SIDE, SIDE)))


# The clients: each in a process of its own, which prints its figures.


def ask_with_mmrad(corpus: Path, url: str, concurrency: int) -> Callable[[int], int]:
    """The whole of `mmrad bench`."""
    from mmrad.bench import bench
    from mmrad.corpus import Corpus
    from mmrad.endpoint import Endpoint
    from mmrad.inspectors.chat_inspector import ChatInspector

    opened = Corpus(corpus)
    inspector = ChatInspector(Endpoint("m", url, concurrency=concurrency))

    def work(count: int) -> int:
        with tempfile.TemporaryDirectory() as out:
            run = bench(opened, opened.samples[:count], inspector, Path(out))
            return sum(verdict.status == "ok" for verdict in run.verdicts.values())

    return work


def _work_of(corpus: Path) -> tuple[str, str, list[tuple[str, str]]]:
    """System message, task, and reference and query of each request."""
    content = json.loads((corpus / "work.json").read_text())
    return content["system"], content["task"], content["pairs"]


def ask_with_inspect(corpus: Path, url: str, concurrency: int) -> Callable[[int], int]:
    """inspect-ai's model layer, given the files."""
    from inspect_ai.model import (
        ChatMessageSystem,
        ChatMessageUser,
        ContentImage,
        ContentText,
        GenerateConfig,
        get_model,
    )
    from inspect_ai.util import materialize_media

    system, task, pairs = _work_of(corpus)
    config = GenerateConfig(max_connections=concurrency, temperature=0.0, seed=0, max_tokens=512)
    model = get_model("openai-api/local/m", base_url=url, api_key="none", config=config)

    async def one(slots: asyncio.Semaphore, pair: Sequence[str]) -> bool:
        async with slots:
            images = [ContentImage(image=await materialize_media(path)) for path in pair]
            content: list[Any] = [*images, ContentText(text=task)]
            output = await model.generate(
                [ChatMessageSystem(content=system), ChatMessageUser(content=content)]
            )
            return output.completion.endswith(ANSWER)

    async def ask_all(count: int) -> int:
        slots = asyncio.Semaphore(concurrency)
        return sum(await asyncio.gather(*(one(slots, pair) for pair in pairs[:count])))

    runner = asyncio.Runner()  # the model keeps its connections: one event loop for both rounds
    return lambda count: runner.run(ask_all(count))


def ask_with_lmms_eval(corpus: Path, url: str, concurrency: int) -> Callable[[int], int]:
    """lmms-eval's OpenAI client, given the pictures as its tasks give them."""
    from lmms_eval.api.instance import Instance  # type: ignore[import-not-found]
    from lmms_eval.models.chat.openai import OpenAICompatible  # type: ignore[import-not-found]
    from PIL import Image

    system, task, pairs = _work_of(corpus)
    model = OpenAICompatible(
        model_version="m",
        base_url=url,
        api_key="none",
        num_concurrent=concurrency,
        adaptive_concurrency=False,
    )
    model.task_dict = {"bench": {"test": pairs}}

    def messages(pair: Sequence[str]) -> list[dict[str, Any]]:
        images = [{"type": "image", "url": Image.open(path).convert("RGB")} for path in pair]
        return [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [*images, {"type": "text", "text": task}]},
        ]

    settings = {"max_new_tokens": 512, "temperature": 0, "seed": 0}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=("", messages, settings, number, "bench", "test"),
            idx=0,
            metadata={"task": "bench", "doc_id": number, "repeats": 1},
        )
        for number in range(len(pairs))
    ]
    return lambda count: sum(
        answer.text.endswith(ANSWER) for answer in model.generate_until(requests[:count])
    )


@dataclass(frozen=True)
class Figures:
    """CPU milliseconds a request, and requests a second."""

    cpu_ms: float
    rate: float


CLIENTS = {"mmrad": ask_with_mmrad, "inspect-ai": ask_with_inspect, "lmms-eval": ask_with_lmms_eval}


def run_client(name: str, corpus: Path, url: str, concurrency: int, count: int) -> None:
    """Ask, and print seconds, CPU seconds and right answers; what is done only once is done before."""
    work = CLIENTS[name](corpus, url, concurrency)
    work(concurrency)
    before, started = time.process_time(), time.perf_counter()
    answers = work(count)
    seconds = time.perf_counter() - started
    print(json.dumps([seconds, time.process_time() - before, answers]))


def measure(name: str, python: str, core: int | None, *arguments: object) -> Figures:
    """Figures of a client in a process on one core."""
    command = [python, __file__, "--client", name, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENAI_API_KEY": "none"}
    prepare = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, preexec_fn=prepare, check=False
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
    seconds, cpu, answers = json.loads(done.stdout.splitlines()[-1])
    count = int(str(arguments[-1]))
    assert answers == count, f"{name}: {answers} right answers of {count}"
    return Figures(cpu / count * 1000, count / seconds)


def compare(asked: argparse.Namespace) -> None:
    """Measure all clients in turn, several times, and print the figures."""
    cores: list[int | None] = sorted(os.sched_getaffinity(0))[:2]  # type: ignore[assignment]
    core, other = cores if len(cores) == 2 else (None, None)
    pythons = {"mmrad": sys.executable, "inspect-ai": sys.executable}
    if asked.lmms_eval:
        pythons["lmms-eval"] = asked.lmms_eval
    else:
        print("lmms-eval is left out; give --lmms-eval PYTHON of an environment that has it")
    ideal = asked.concurrency / asked.seconds
    print(
        f"{asked.requests} requests (a quarter for lmms-eval), concurrency {asked.concurrency}, ideal "
        f"{ideal:.0f} requests/s, medians of {asked.repeats} rounds, load {os.getloadavg()[0]:.1f} before"
    )
    for kind in KINDS:
        for shared in (asked.references, 0):
            with tempfile.TemporaryDirectory() as folder, late_server(TEXT, asked.seconds, other) as url:
                corpus = make_corpus(Path(folder) / "corpus", asked.requests, kind, references=shared)
                _write_work(corpus)
                print(f"{kind}, {f'{shared} references shared' if shared else 'a reference for each query'}")
                found: dict[str, list[Figures]] = {name: [] for name in pythons}
                for _ in range(asked.repeats):
                    for name, python in pythons.items():
                        count = asked.requests // (4 if name == "lmms-eval" else 1)
                        arguments = corpus, url, asked.concurrency, count
                        found[name].append(measure(name, python, core, *arguments))
            _print_figures(found, ideal)


def _print_figures(found: dict[str, list[Figures]], ideal: float) -> None:
    cpu = {name: statistics.median(run.cpu_ms for run in runs) for name, runs in found.items()}
    for name, runs in found.items():
        rates = [run.rate / ideal for run in runs]
        print(
            f"  {name:10} {cpu[name]:6.2f} ms CPU a request (least {min(run.cpu_ms for run in runs):.2f}), "
            f"{statistics.median(rates):.1%} of the ideal rate (most {max(rates):.1%}), "
            f"{cpu[name] / cpu['mmrad']:.2f} times mmrad's CPU",
            flush=True,
        )


def _write_work(corpus: Path) -> None:
    """What the peers are to ask, as mmrad asks it."""
    from mmrad.corpus import Corpus
    from mmrad.inspectors.base import InspectionSettings

    opened = Corpus(corpus)
    pairs = opened.pairs(opened.samples)
    (system, user), _ = InspectionSettings().ask(pairs[0])
    content = {
        "system": system.parts[0],
        "task": user.parts[-1],
        "pairs": [[str(pair.references[0]), str(pair.image)] for pair in pairs],
    }
    (corpus / "work.json").write_text(json.dumps(content))


def watch_memory(count: int, concurrency: int) -> None:
    """Ask about very many tiny pictures, with a response cache, and print the memory on the way."""
    from mmrad.bench import bench
    from mmrad.bench.progress import Progress
    from mmrad.corpus import Corpus
    from mmrad.endpoint import Endpoint, ResponseCache
    from mmrad.inspectors.chat_inspector import ChatInspector

    found: dict[int, float] = {}

    def watch(progress: Progress) -> None:
        if progress.done in (count // 10, count):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            found[progress.done] = pages * resource.getpagesize() / 2**20

    with (
        tempfile.TemporaryDirectory() as name,
        late_server(TEXT, 0.0) as url,
        ResponseCache(Path(name) / "cache") as cache,
    ):
        corpus = Corpus(make_corpus(Path(name) / "corpus", count, "png", references=count // 10, tiny=True))
        inspector = ChatInspector(Endpoint("m", url, concurrency=concurrency), cache=cache)
        started = time.perf_counter()
        bench(corpus, corpus.samples, inspector, Path(name) / "runs", progress=watch)
        seconds = time.perf_counter() - started
        print(cache.describe().removeprefix(f"{cache.path}: "))
    for done, memory in found.items():
        print(f"{done:7} of {count} requests: {memory:.0f} MiB resident")
    print(f"{count / seconds:.0f} requests/s")


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=3072)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--references", type=int, default=20, help="how many are shared by the queries")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lmms-eval", help="a Python that has lmms-eval")
    parser.add_argument("--memory", type=int, help="watch the memory over that many requests instead")
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        name, corpus, url, concurrency, count = asked.client
        run_client(name, Path(corpus), url, int(concurrency), int(count))
    elif asked.memory:
        watch_memory(asked.memory, asked.concurrency)
    else:
        compare(asked)


if __name__ == "__main__":
    main()
