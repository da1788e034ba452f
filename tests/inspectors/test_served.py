"""The bundled model behind a server that is not ours: `transformers serve`, asked over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrad.endpoint import Endpoint
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.make import bundled_nano, settings_beside
from mmrad.sample import Pair, Sample
from servers import unused_port

pytest.importorskip("torch")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

MOST_SECONDS = 300
"""A server that has not answered by then never will."""


@dataclass(frozen=True)
class Served:
    """A model behind a running server."""

    model: str
    base_url: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server in a process of its own, on a free port, with the weights in the precision that we use."""
    model, port = str(bundled_nano()), unused_port()
    log = tmp_path_factory.mktemp("served") / "log"
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "serve", model, *options], stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server, log)
            yield Served(model, f"http://127.0.0.1:{port}/v1")
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + MOST_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the server does not answer:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Products with a mark, in sizes that are no multiples of 28, one of them turned by its EXIF tag."""
    folder = tmp_path_factory.mktemp("pairs")
    turned = Image.Exif()
    turned[0x0112] = 6  # the stored picture is to be turned by 90 degrees
    made = []
    for number, (width, height, exif) in enumerate([(300, 200, None), (97, 133, None), (200, 300, turned)]):
        good = np.full((height, width, 3), (200, 180, 160), np.uint8)
        marked = good.copy()
        marked[height // 3 : height // 2, width // 4 : width // 2] = (60, 20, 90 * number)
        for name, pixels in (("good", good), ("part", marked)):
            Image.fromarray(pixels).save(folder / f"{number}-{name}.png", **({"exif": exif} if exif else {}))
        size = (height, width) if exif else (width, height)
        sample = Sample(f"s/part/test/{number}", "s", "part", "test", f"{number}-part.png", size, (), "own")
        made.append(Pair(sample, folder / f"{number}-part.png", (folder / f"{number}-good.png",)))
    return made


def test_a_foreign_server_gives_the_answers_that_we_give_ourselves(served: Served, pairs: list[Pair]) -> None:
    """Greedy texts are equal letter by letter: images, their order and the prompt arrive as they are."""
    from mmrad.inspectors.local import LocalInspector

    settings = settings_beside(served.model, InspectionSettings())
    endpoint = Endpoint(
        served.model,
        served.base_url,
        concurrency=2,
        timeout=MOST_SECONDS,
        retries=0,
    )
    ours = dict(LocalInspector(served.model, settings).inspect(pairs))
    theirs = dict(ChatInspector(endpoint, settings).inspect(pairs))
    assert sorted(theirs) == [0, 1, 2]
    for index, verdict in theirs.items():
        assert verdict.raw_text == ours[index].raw_text
        assert (verdict.status, verdict.anomalous) == (ours[index].status, ours[index].anomalous)
        assert verdict.regions == ours[index].regions
        assert verdict.usage.input_tokens == ours[index].usage.input_tokens
        # Theirs counts the token that ends an answer.
        assert verdict.usage.output_tokens == (ours[index].usage.output_tokens or 0) + 1
    assert any(verdict.regions for verdict in theirs.values()), "boxes are among what is compared"


def test_a_parameter_that_it_does_not_take_can_be_left_out(served: Served, pairs: list[Pair]) -> None:
    settings = InspectionSettings(min_p=0.1, temperature=1.0, max_tokens=4)
    endpoint = Endpoint(served.model, served.base_url, retries=0)
    [(_, verdict)] = ChatInspector(endpoint, settings).inspect(pairs[:1])
    assert verdict.status == "failed" and "422" in verdict.detail
    [(_, verdict)] = ChatInspector(endpoint, settings, rejects=("min_p",)).inspect(pairs[:1])
    assert verdict.status in ("truncated", "unparsed")
