import asyncio
from datetime import UTC

import pytest

from ingest.live.clock import SystemClock, within
from tests.fake_exchange.clock import ManualClock, settle


async def forever():
    await asyncio.Event().wait()


def test_what_is_done_in_time_is_returned_and_nothing_is_left_behind():
    async def run():
        async def answer():
            return 42

        found = await within(ManualClock(), 5.0, answer())
        return found, len(asyncio.all_tasks())

    assert asyncio.run(run()) == (42, 1)


def test_what_takes_too_long_is_cancelled():
    async def run():
        clock = ManualClock()
        task = asyncio.create_task(within(clock, 5.0, forever()))
        await clock.advance(4.9)
        early = task.done()
        await clock.advance(0.1)
        with pytest.raises(TimeoutError, match="not done within 5 s"):
            await task
        return early, len(asyncio.all_tasks())

    assert asyncio.run(run()) == (False, 1)


def test_an_error_of_what_is_waited_for_comes_through():
    async def run():
        async def fail():
            raise OSError("no")

        await within(ManualClock(), 5.0, fail())

    with pytest.raises(OSError, match="no"):
        asyncio.run(run())


def test_cancelling_the_wait_cancels_what_is_waited_for():
    async def run():
        task = asyncio.create_task(within(ManualClock(), 5.0, forever()))
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


def test_the_systems_clock_is_aware_and_does_not_go_back():
    async def run():
        clock = SystemClock()
        before = clock.monotonic()
        await clock.sleep(0)
        return clock.monotonic() >= before, clock.now().tzinfo

    assert asyncio.run(run()) == (True, UTC)
