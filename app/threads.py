"""Callbacks on a thread pool: a page that waits for a computation must not hold up the others.

Dash on FastAPI runs a plain callback on the event loop, where a slow one stops every reader.
"""

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def threaded(pool: ThreadPoolExecutor) -> Callable[[Callable[P, R]], Callable[P, Awaitable[R]]]:
    """Return a decorator that makes a callback asynchronous by running it on ``pool``.

    The callback runs in a copy of its caller's context, so that ``dash.ctx`` and ``set_props``
    work as ever.
    """

    def decorate(callback: Callable[P, R]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(callback)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            context = contextvars.copy_context()
            call = functools.partial(context.run, callback, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(pool, call)

        return run

    return decorate
