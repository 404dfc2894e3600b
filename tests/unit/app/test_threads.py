import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.threads import threaded

name = contextvars.ContextVar("name", default="nobody")


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_a_callback_that_waits_does_not_hold_up_the_loop(pool):
    opened = threading.Event()

    @threaded(pool)
    def waits():
        return opened.wait(30)

    async def both():
        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0)
        # Were the loop blocked, this line would not run until the wait had timed out.
        opened.set()
        return await waiting

    assert asyncio.run(both())


def test_a_callback_runs_in_its_callers_context(pool):
    @threaded(pool)
    def who():
        return name.get(), threading.current_thread() is threading.main_thread()

    async def call():
        name.set("reader")
        return await who()

    assert asyncio.run(call()) == ("reader", False)


def test_an_error_reaches_the_caller(pool):
    @threaded(pool)
    def fails():
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        asyncio.run(fails())
