"""Many requests at once behind an ordinary generator: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

Client = TypeVar("Client")
Result = TypeVar("Result")


def in_background(
    count: int,
    work: Callable[[Client, int], Awaitable[Result]],
    connect: Callable[[], AbstractAsyncContextManager[Client]],
    concurrency: int,
) -> Generator[Result, None, None]:
    """Do `work(client, 0) … work(client, count - 1)` concurrently and yield the results as they come.

    A result that waits to be taken holds its slot, so at most `concurrency` pieces of work are in memory
    whatever `count` is. The thread makes this usable where an event loop runs already (a notebook), and keeps
    requests going while the caller uses a result. Closing the generator cancels what is under way and closes
    the client.

    Args:
        count: How many pieces of work there are.
        work: Does one piece. What it raises ends everything and reaches the caller.
        connect: Opens what the pieces share.
        concurrency: How many pieces may be under way at once.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mmrad-requests", daemon=True)
    thread.start()
    slots = asyncio.Semaphore(concurrency)
    results: queue.SimpleQueue[tuple[Result] | BaseException | None] = queue.SimpleQueue()

    async def one(client: Client, index: int) -> None:
        try:
            results.put((await work(client, index),))
        except BaseException as error:
            results.put(error)
            raise

    async def everything() -> None:
        async with connect() as client, asyncio.TaskGroup() as group:
            for index in range(count):
                await slots.acquire()
                group.create_task(one(client, index))

    try:
        future = asyncio.run_coroutine_threadsafe(everything(), loop)
        future.add_done_callback(lambda _: results.put(None))
        while (found := results.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found[0]
            loop.call_soon_threadsafe(slots.release)
        future.result()
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
