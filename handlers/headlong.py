"""Answering begins in the turn of the event loop that brought the request, not in the next one.

A task is made only for what has to wait: a request that is answered without waiting costs none of what a task costs.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import Any

Running = Coroutine[Any, Any, None]


def begin(running: Running, loop: asyncio.AbstractEventLoop) -> "asyncio.Task[None] | None":
    """Run a coroutine up to where it first waits. Return the task that does the rest, or None where nothing is left.

    No task is current while it runs so far, so it must not ask for one before it first waits.
    """
    context = copy_context()
    try:
        awaited = context.run(running.send, None)
    except StopIteration:
        return None
    return loop.create_task(_finish(running, awaited), context=context)


async def _finish(running: Running, awaited: Any) -> None:
    await _rest(running, awaited)


@coroutine
def _rest(running: Running, awaited: Any) -> Generator[Any, Any, None]:
    """Hand on what the coroutine waits for, and hand back to it what comes of that."""
    while True:
        failure: BaseException | None = None
        sent: Any = None
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001  it belongs to the coroutine, a cancellation too
            failure = error
        try:
            awaited = running.send(sent) if failure is None else running.throw(failure)
        except StopIteration:
            return
