"""How fast the review application is: first pages of a large corpus, the next picture, many people at once.

    python benchmarks/review.py [--samples 127000] [--people 20] [--minutes 0.5] [--out FOLDER]

The corpus is made up: as many samples as are asked for, on a few dozen pictures. The server is a process.
Pages open in a fresh Chromium. The people are programs with an account each, which look at a picture, wait a
second as somebody very fast would, and decide. Their peer, in the same run, is the server's smallest answer.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from statistics import quantiles

import cv2
import httpx
import numpy as np
from playwright.sync_api import Page, sync_playwright

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.review.criteria import Criteria
from mmrad.review.records import Role
from mmrad.review.store import Store
from mmrad.sample import Region, Sample

SIZES = ((900, 700), (1024, 1024), (640, 960))
SOURCES, CATEGORIES, PICTURES = 14, 12, 36
LABELS = ("scratch", "dent", "missing part", "contamination", "crack", "bent pin", "hole")
KEY = "everything"
"""Of the queue."""

PASSWORD = "correct horse battery staple"
PAUSE = 1.0
"""Seconds between seeing a picture and deciding."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=127_000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--out", type=Path, help="Keep the corpus here.")
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    corpus = made_corpus(folder, options.samples)
    queue_everything(corpus)
    began = time.perf_counter()
    with served(corpus.path) as address:
        print(f"start of the server with {options.samples:,} samples: {time.perf_counter() - began:.1f} s")
        pages(address)
    add_accounts(corpus, options.people)
    with served(corpus.path) as address:
        asyncio.run(people(address, options.people, 60 * options.minutes))
    if options.out is None:
        shutil.rmtree(folder)


def made_corpus(folder: Path, count: int) -> Corpus:
    """A corpus of `count` samples on few pictures; half of them anomalous."""
    if (folder / "corpus.json").exists():
        return Corpus(folder)
    random = np.random.default_rng(0)
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        width, height = SIZES[number % len(SIZES)]
        picture = cv2.resize(random.integers(60, 200, (12, 12, 3), np.uint8), (width, height))
        cv2.imwrite(str(raw / f"{number:02}.jpg"), picture)
    groups = [f"source{s:02}/product{c:02}" for s, c in product(range(SOURCES), range(CATEGORIES))]
    infos = {
        f"source{s:02}": SourceInfo(adapter="made", root="raw", licence="CC0-1.0") for s in range(SOURCES)
    }
    corpus = write_corpus(folder, infos, (_sample(n, groups[n % len(groups)], random) for n in range(count)))
    corpus.write_references(
        Reference(sample.id, 0, f"{n % len(SIZES):02}.jpg", "random", 0.0)
        for n, sample in enumerate(corpus.samples)
    )
    return corpus


def _sample(number: int, group: str, random: np.random.Generator) -> Sample:
    source, category = group.split("/")
    picture = number % PICTURES
    x, y = random.integers(0, 500, 2).tolist()
    regions = (Region(Box(x, y, x + 80, y + 60), LABELS[number % len(LABELS)]),) if number % 2 else ()
    name = f"{group}/test/{number:06}"
    return Sample(
        name, source, category, "test", f"{picture:02}.jpg", SIZES[picture % len(SIZES)], regions, "CC0-1.0"
    )


def queue_everything(corpus: Corpus) -> None:
    """Make the queue, on a new database."""
    (corpus.path / "reviews.jsonl").unlink(missing_ok=True)
    for file in corpus.path.glob("review.sqlite3*"):
        file.unlink()
    ids = corpus.table["id"].to_pylist()
    began = time.perf_counter()
    with closing(_store(corpus)) as store:
        store.add_queue("Everything", Criteria(), ids, by="local")
    print(f"a queue of {len(ids):,} samples: {time.perf_counter() - began:.2f} s")


def _store(corpus: Corpus) -> Store:
    return Store(f"sqlite:///{corpus.path.resolve() / 'review.sqlite3'}")


@contextmanager
def served(corpus: Path) -> Iterator[str]:
    """The address of a real server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mmrad.cli", "review", str(corpus), "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not _answers(address):
            if process.poll() is not None:
                raise SystemExit("the server ended")
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code < 500
    except httpx.TransportError:
        return False


def pages(address: str) -> None:
    """First visits, each in a fresh browser, and the way from a key to the next picture."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        for name, path, shown in PAGES:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(address + path)
            page.locator(shown).first.wait_for()
            print(f"{name}: {1000 * (time.perf_counter() - began):.0f} ms")
            if path.startswith("/queue/"):
                waits = [_next_picture(page) for _ in range(30)]
                print(f"from a key to the next picture, 30 times: {_quartiles(waits)}")
            browser.close()


PAGES = (
    ("home, first visit", "/", "table"),
    ("explore, first visit, until the first thumbnail is there", "/explore", "img"),
    ("the desk, first visit, until the picture is there", f"/queue/{KEY}", '[data-name="Query"] img'),
)

_NEXT = """() => new Promise((done) => {
  const name = () => document.querySelector('.desk-id')?.title;
  const image = () => document.querySelector('[data-name="Query"] img');
  const before = name(), picture = image().src, began = performance.now();
  const look = () => name() !== before && image()?.src !== picture && image().complete
    ? done(performance.now() - began) : requestAnimationFrame(look);
  const key = { key: 'k', code: 'KeyK', bubbles: true, cancelable: true };
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', key));
  look();
})"""


def _next_picture(page: Page) -> float:
    """Milliseconds from a decision's key to the frame in which the next picture is there."""
    waited: float = page.evaluate(_NEXT)
    page.wait_for_timeout(1000 * PAUSE)
    return waited


def add_accounts(corpus: Corpus, count: int) -> None:
    """An account for each person; the first one keeps accounts."""
    with closing(_store(corpus)) as store:
        for number in range(count):
            store.add_user(f"person{number}", PASSWORD, Role.ANNOTATOR if number else Role.ADMIN)


async def people(address: str, count: int, seconds: float) -> None:
    """Many people decide for a while; then the same programs ask for nothing."""
    clients = [await _logged_in(address, f"person{number}") for number in range(count)]
    decisions, pictures = await _for(seconds, clients, _review)
    nothing, _ = await _for(seconds / 3, clients, _nothing)
    for client in clients:
        await client.aclose()
    print(f"{count} people, {len(decisions) / seconds:.0f} decisions a second")
    print(f"  a decision: {_quartiles(decisions)}")
    print(f"  next sample and its picture: {_quartiles(pictures)}")
    print(f"  peer, the server's smallest answer: {_quartiles(nothing)}")
    print(f"  a decision takes {_p95(decisions) / _p95(nothing):.1f} times the peer (p95)")


async def _logged_in(address: str, name: str) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=address, timeout=30)
    token = re.search(r'name="token" value="([^"]+)"', (await client.get("/login")).text)
    assert token
    form = {"name": name, "password": PASSWORD, "token": token[1], "next": "/"}
    await client.post("/login", data=form)
    client.headers["X-CSRF-Token"] = (await client.get("/api/session")).json()["csrf"]
    return client


Times = tuple[list[float], list[float]]
Work = Callable[[httpx.AsyncClient, list[float], list[float]], Awaitable[None]]


async def _for(seconds: float, clients: list[httpx.AsyncClient], work: Work) -> Times:
    """Milliseconds of the two things that everybody does for so long, one after the other with pauses."""
    times: Times = ([], [])
    end = time.perf_counter() + seconds

    async def one(number: int, client: httpx.AsyncClient) -> None:
        await asyncio.sleep(PAUSE * number / len(clients))
        while time.perf_counter() < end:
            await work(client, *times)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(one(number, client) for number, client in enumerate(clients)))
    return times


async def _review(client: httpx.AsyncClient, decisions: list[float], pictures: list[float]) -> None:
    began = time.perf_counter()
    tasks = (await client.get(f"/api/queues/{KEY}/next")).json()["tasks"]
    query = {"id": tasks[0]["sample_id"], "queue": KEY}
    sample = (await client.get("/api/sample", params=query)).json()
    (await client.get(sample["image"])).raise_for_status()
    pictures.append(1000 * (time.perf_counter() - began))
    await asyncio.sleep(PAUSE)
    body = {
        "id": str(uuid.uuid4()), "sample_id": sample["id"], "queue": KEY, "seen": sample["seen"],
        "outcome": "keep", "reason": "", "regions": sample["regions"], "text": None, "seconds": PAUSE,
    }  # fmt: skip
    began = time.perf_counter()
    (await client.post("/api/reviews", json=body)).raise_for_status()
    decisions.append(1000 * (time.perf_counter() - began))


async def _nothing(client: httpx.AsyncClient, times: list[float], _: list[float]) -> None:
    began = time.perf_counter()
    await client.get("/api/nothing")
    times.append(1000 * (time.perf_counter() - began))


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def _quartiles(values: list[float]) -> str:
    low, middle, high = quantiles(values, n=4)
    return f"{middle:.0f} ms (quartiles {low:.0f} to {high:.0f}, p95 {_p95(values):.0f})"


if __name__ == "__main__":
    main()
