"""What begins at once and waits for nothing needs no task; what waits goes on as in any task."""

import asyncio
from contextvars import ContextVar

import pytest

from handlers.headlong import begin

seen: ContextVar[str] = ContextVar("seen", default="")


def in_loop(act):
    async def run():
        return await act(asyncio.get_running_loop())

    return asyncio.run(run())


def test_what_waits_for_nothing_is_done_at_once():
    done = []

    async def answer():
        done.append(1)

    async def act(loop):
        assert begin(answer(), loop) is None
        assert done == [1]

    in_loop(act)


def test_what_waits_has_begun_and_ends_in_its_task():
    steps = []

    async def answer(gate):
        steps.append("begun")
        steps.append(await gate)
        await asyncio.sleep(0)
        steps.append(asyncio.current_task() is not None)

    async def act(loop):
        gate = loop.create_future()
        task = begin(answer(gate), loop)
        assert steps == ["begun"]
        gate.set_result("opened")
        await task
        assert steps == ["begun", "opened", True]

    in_loop(act)


def test_a_failure_and_a_cancellation_reach_what_waits():
    heard = []

    async def answer(gate):
        try:
            await gate
        except (OSError, asyncio.CancelledError) as error:
            heard.append(type(error).__name__)
            raise

    async def act(loop):
        gate = loop.create_future()
        failing = begin(answer(gate), loop)
        gate.set_exception(OSError("gone"))
        with pytest.raises(OSError, match="gone"):
            await failing
        cancelled = begin(answer(loop.create_future()), loop)
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert heard == ["OSError", "CancelledError"]

    in_loop(act)


def test_a_failure_before_the_first_wait_is_the_beginner_s():
    async def answer():
        raise OSError("at once")

    async def act(loop):
        with pytest.raises(OSError, match="at once"):
            begin(answer(), loop)

    in_loop(act)


def test_its_context_is_its_own_and_stays_with_it():
    async def answer(gate, found):
        seen.set("mine")
        await gate
        found.append(seen.get())

    async def act(loop):
        found, gate = [], loop.create_future()
        task = begin(answer(gate, found), loop)
        assert seen.get() == ""
        gate.set_result(None)
        await task
        assert found == ["mine"]

    in_loop(act)
