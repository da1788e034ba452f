"""Throughput and memory of `mmrad.teach` against a server that answers after one second.

The ideal rate is concurrency divided by the server's second. The server runs on the same machine in a process
of its own, and reads each request's hints, so that its texts pass verification.

    python benchmarks/teaching.py --samples 100000 --concurrency 256
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.endpoint import Endpoint
from mmrad.image import encode_png
from mmrad.sample import Region, Sample
from mmrad.teach import MLLMTeacher, Teaching, teach
from mmrad.view import Budget

SIZE = 112
FILES = 64
_HINT = re.compile(r"\(\[(\d+), (\d+), (\d+), (\d+)\], '([^']*)'\)")


def make_corpus(folder: Path, count: int) -> Corpus:
    """`count` samples, every second one anomalous, that share a few small files."""
    (folder / "raw").mkdir(parents=True)
    ramp = np.linspace(60, 190, SIZE)
    for number in range(FILES):
        picture = np.stack(
            [ramp[:, None] + number / 2 + 0 * ramp, 0 * ramp[:, None] + ramp, ramp[:, None] + 0 * ramp], -1
        )
        (folder / "raw" / f"{number}.png").write_bytes(encode_png(picture.astype(np.uint8)))
    region = (Region(Box(20, 30, 60, 70), "scratch"),)
    samples = (
        Sample(
            f"made/part/train/{n}",
            "made",
            "part",
            "train",
            f"{n % FILES}.png",
            (SIZE, SIZE),
            region * (n % 2),
            "CC0",
        )
        for n in range(count)
    )
    corpus = write_corpus(folder, {"made": SourceInfo(adapter="made", root="raw", licence="CC0")}, samples)
    corpus.write_references(
        Reference(f"made/part/train/{n}", 0, f"{(n + 1) % FILES}.png", "random", 0.0) for n in range(count)
    )
    return corpus


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
        said = (await reader.readexactly(length)).decode()
        await asyncio.sleep(seconds)
        places = [Instance(Box(*map(int, hint[:4])), hint[4]) for hint in _HINT.findall(said)]
        found = " and ".join(f"a {place.label} at {list(place.box.rounded())}" for place in places)
        think = f"Comparing the two images, I see {found}." if places else "The two images agree everywhere."
        choice = {"message": {"content": render(think, places)}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 500, "completion_tokens": 100}
        body = json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode()
        lines = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(lines.encode() + body)
        await writer.drain()


async def serve(seconds: float) -> None:
    """Answer until killed; the port is printed."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answer(reader, writer, seconds)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.seconds))
        return
    command = [sys.executable, __file__, "--serve", "--seconds", str(asked.seconds)]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            corpus = make_corpus(Path(folder), asked.samples)
            teacher = MLLMTeacher(Endpoint("m", url, concurrency=asked.concurrency), tries=1)
            started = time.perf_counter()
            [tally] = teach(corpus, [teacher], teaching=Teaching(budget=Budget(max_pixels=SIZE * SIZE)))
            seconds = time.perf_counter() - started
        finally:
            server.kill()
    rate, ideal = asked.samples / seconds, asked.concurrency / asked.seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{tally.verified} of {tally.total} verified in {seconds:.0f} s, {os.cpu_count()} cores")
    print(f"rate {rate:.1f}/s, ideal {ideal:.1f}/s: {rate / ideal:.1%}; peak memory {memory:.2f} GiB")


if __name__ == "__main__":
    main()
