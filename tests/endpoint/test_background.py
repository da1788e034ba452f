from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mmrad.endpoint.background import in_background


class Client:
    def __init__(self) -> None:
        self.under_way = self.most = self.started = 0
        self.closed = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        try:
            yield self
        finally:
            self.closed = True


async def double(client: Client, index: int) -> int:
    client.started += 1
    client.under_way += 1
    client.most = max(client.most, client.under_way)
    try:
        await asyncio.sleep(0)
        return 2 * index
    finally:
        client.under_way -= 1


async def wait_forever(client: Client, index: int) -> int:
    if index == 0:
        return 0
    client.under_way += 1
    try:
        await asyncio.Event().wait()
    finally:
        client.under_way -= 1
    return index


async def break_at_three(client: Client, index: int) -> int:
    if index == 3:
        raise ValueError("three")
    return await double(client, index)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> object:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_each_piece_is_done_once_within_the_limit() -> None:
    client = Client()
    assert sorted(in_background(50, double, client.connect, 4)) == list(range(0, 100, 2))
    assert client.started == 50
    assert client.most <= 4
    assert client.closed


def test_results_not_taken_hold_work_back() -> None:
    client = Client()
    results = in_background(50, double, client.connect, 4)
    next(results)
    next(results)
    assert client.started <= 4 + 1  # a slot is free again when the next result is asked for
    results.close()
    assert client.closed


def test_closing_cancels_what_is_under_way() -> None:
    client = Client()
    results = in_background(5, wait_forever, client.connect, 3)
    assert next(results) == 0
    results.close()
    assert client.under_way == 0
    assert client.closed


def test_an_error_of_the_work_reaches_the_caller() -> None:
    client = Client()
    with pytest.raises(ValueError, match="three"):
        list(in_background(50, break_at_three, client.connect, 2))
    assert client.closed


def test_an_error_of_connecting_reaches_the_caller() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[Client]:
        raise OSError("no route")
        yield Client()

    with pytest.raises(OSError, match="no route"):
        list(in_background(2, double, broken, 2))


def test_it_works_where_a_loop_runs_already() -> None:
    async def notebook() -> list[int]:
        return sorted(in_background(3, double, Client().connect, 2))

    assert asyncio.run(notebook()) == [0, 2, 4]
