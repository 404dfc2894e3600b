"""A clock that stands still until it is told how far to go."""

import asyncio
import contextlib
import heapq
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 1, 5, tzinfo=UTC)
PASSES = 30
DEADLINE = 180.0
BRIEF = 15.0
"""Waits up to this are deadlines for what sockets do: those get a real moment first. [s]"""


class ManualClock:
    """Time that passes only in ``advance``, together for all who share the clock."""

    def __init__(self, start: datetime = START) -> None:
        self._start, self._elapsed = start, 0.0
        self._sleepers: list[tuple[float, int, float, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        until = self._elapsed + seconds
        heapq.heappush(self._sleepers, (until, next(self._numbers), seconds, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass from sleeper to sleeper; sockets are read before each next one wakes."""
        stop = self._elapsed + seconds
        await _settle_sockets()
        while self._sleepers and self._sleepers[0][0] <= stop:
            until, number, duration, woken = self._sleepers[0]
            if woken.done():
                heapq.heappop(self._sleepers)
                continue
            if duration <= BRIEF:
                await _settle_sockets()
                if woken.done() or self._sleepers[0][1] != number:
                    continue
            self._wake(until)
            await (_settle_sockets() if duration <= BRIEF else settle())
        self._elapsed = stop

    def step(self, seconds: float) -> None:
        """Let a moment pass, and wake whose time has come."""
        self._wake(self._elapsed + seconds)

    def _wake(self, until: float) -> None:
        self._elapsed = until
        while self._sleepers and self._sleepers[0][0] <= until:
            *_, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


async def settle() -> None:
    """Let everything that is ready run, what came over loopback included."""
    for _ in range(PASSES):
        await asyncio.sleep(0)


async def _settle_sockets() -> None:
    for _ in range(5):
        await asyncio.sleep(0.001)
    await settle()


@contextlib.asynccontextmanager
async def passing(clock: ManualClock, speed: float = 100.0) -> AsyncIterator[None]:
    """Let time pass ``speed`` times as fast as it does; if we are held up, so is it."""

    async def pass_on() -> None:
        while True:
            await asyncio.sleep(0.002)
            clock.step(0.002 * speed)

    task = asyncio.create_task(pass_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(
    condition: Callable[[], object],
    what: str = "",
    clock: ManualClock | None = None,
    patience: float = DEADLINE,
) -> None:
    """Wait until something is so; with a clock, time passes meanwhile."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what or condition}"
        await asyncio.sleep(0.001)
        if clock is not None:
            await settle()
            clock.step(0.2)
