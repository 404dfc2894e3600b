"""The loop that keeps one exchange's stream going; the same for all exchanges."""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from ingest.adapters.adapter import (
    Adapter,
    Context,
    Liquidations,
    Message,
    PayloadError,
    Rejection,
    Text,
)
from ingest.backoff import Backoff
from ingest.live.clock import Clock, SystemClock, within
from ingest.live.connection import Connection, Proxy, Waits
from ingest.live.dedup import RecentKeys
from ingest.live.health import Health, Meter, PerMinute
from ingest.live.queue import DroppingQueue
from ingest.records import Liquidation

logger = logging.getLogger(__name__)

_LONGEST = 500
_LINES = 20
_SNAPSHOTS = 25_000
_UNREAD = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Patience:
    """How the stream deals with what goes wrong.

    Attributes
    ----------
    quick_tries : int
        Failures in a row before the exchange is marked down.
    first, longest : float
        Delays before the next try begin with the first and double up to the longest. [s]
    stable : float
        A connection that held so long was a success; one that broke sooner goes on the row of
        failures, else an exchange that accepts and throws out would be asked every second. [s]
    renew_early : float
        How long before its greatest age a connection is replaced. [s]
    quiet : float
        A connection that answers but has brought no data for so long is replaced, too: where that
        is no fault, it may still be that our subscription was lost on the other side. [s]
    """

    quick_tries: int = 3
    first: float = 1.0
    longest: float = 60.0
    stable: float = 60.0
    renew_early: float = 300.0
    quiet: float = 900.0
    waits: Waits = field(default_factory=Waits)


class ExchangeStream:
    """Liquidations of one exchange, each once, for as long as ``run`` runs.

    ``run`` connects, renews and reconnects and never gives up; ``records`` yields what came.
    Between the two is a queue of ``queue_size``: if it is not emptied its oldest records go.
    ``wake`` is set whenever something comes, for who waits for several streams.
    """

    def __init__(
        self,
        adapter: Adapter,
        symbols: Sequence[str],
        context: Context | None = None,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        patience: Patience | None = None,
        queue_size: int = 50_000,
        proxy: Proxy = True,
        wake: asyncio.Event | None = None,
    ) -> None:
        self.adapter, self.symbols = adapter, tuple(symbols)
        self.exchange = adapter.exchange
        self._context = context or Context(symbols=frozenset(symbols))
        self._clock = clock or SystemClock()
        self._random = random or Random()
        self._patience, self._proxy = patience or Patience(), proxy
        self._backoff = Backoff(self._random, self._patience.first, self._patience.longest)
        self._meter = Meter(self.exchange, self._clock, self._patience.quick_tries)
        self._unread = _Unread(self.exchange, self._meter.overflow)
        self._recent = RecentKeys()
        self.queue: DroppingQueue[Liquidation] = DroppingQueue(
            self.exchange, queue_size, self._meter.overflow, wake
        )
        self._logged = PerMinute(self._clock)
        self._current: Connection | None = None
        self._opening: Connection | None = None
        self._problem = ""
        self._told_down = False
        self.tried = asyncio.Event()
        """Set as soon as the first try to connect has come to an end, good or bad."""

    @property
    def context(self) -> Context:
        """What is known beside the messages.

        It may be replaced at any time: messages that had to wait for contract sizes are read then.
        """
        return self._context

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context
        for text, received in self._unread.take():
            self._read(text, received)

    @property
    def connected(self) -> bool:
        """Whether there is a connection with its subscriptions confirmed."""
        return self._current is not None and not self._current.ended

    def health(self) -> Health:
        """Return how the stream is; any thread may ask."""
        current = self._current
        impaired = current is not None and (current.ended or current.rejections > 0)
        return self._meter.health(impaired=impaired)

    async def records(self) -> AsyncIterator[Liquidation]:
        """Yield what comes, without an end."""
        while True:
            await self.queue.filled()
            while (liquidation := self.queue.take()) is not None:
                yield liquidation

    async def run(self) -> None:
        """Keep connected until cancelled."""
        self._meter.started()
        try:
            while True:
                try:
                    await self._cycle()
                except Exception as e:
                    logger.exception("%s: the stream failed in our own code", self.exchange)
                    self.tried.set()
                    await self._clock.sleep(self._failed(f"failed in our own code: {e!r}"))
        finally:
            for connection in (self._opening, self._current):
                if connection is not None:
                    await connection.close()
            self._opening = self._current = None
            self._unread.tell()
            self._meter.stopped()
            self.tried.set()

    async def _cycle(self) -> None:
        """Make a connection and stay with it until it is lost or must be replaced."""
        fresh = await self._open()
        if not fresh.confirmed:
            await self._rest(self._failed(fresh.problem, fresh.asked))
            return
        await self._take_over(fresh)
        await self._until_due(fresh)
        if fresh.ended:
            await self._rest(self._lost(fresh))
        else:
            self._backoff.succeeded()

    async def _open(self) -> Connection:
        self._meter.contacting()
        self._opening = fresh = Connection(
            self.adapter, self.symbols, self._take, self._clock, self._patience.waits, self._proxy
        )
        if not await fresh.settled():
            await fresh.close()
        return fresh

    async def _take_over(self, fresh: Connection) -> None:
        """Go on with a new connection, and only then close the one before: nothing is missed."""
        old, self._current, self._opening = self._current, fresh, None
        self._meter.opened(renewal=old is not None and not old.ended)
        # Who was told in the log that it is down reads there, too, that it is back.
        level = logging.WARNING if self._told_down else logging.INFO
        logger.log(level, "%s: connected to %s", self.exchange, self.adapter.stream_url)
        self._told_down = False
        self.tried.set()
        if old is not None:
            await old.close()
            self._meter.closed()

    async def _until_due(self, connection: Connection) -> None:
        """Wait until a connection is over, or so old or quiet that it must be replaced."""
        old = math.inf
        if (max_age := self.adapter.max_age) is not None:
            early = min(self._patience.renew_early, max_age / 2)
            old = self._clock.monotonic() + max_age - early
        while not connection.ended:
            due = min(old, connection.data_at + self._patience.quiet)
            if (left := due - self._clock.monotonic()) <= 0:
                return
            await self._over_or_after(connection, left)

    async def _over_or_after(self, connection: Connection, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await within(self._clock, seconds, connection.over())

    def _lost(self, connection: Connection) -> float:
        """Count the loss of a connection and return how long to wait before the next. [s]"""
        self._current = None
        self._meter.closed()
        age = self._clock.monotonic() - (connection.confirmed_at or 0.0)
        useful = connection.had_data or not connection.starved
        if useful and age >= self._patience.stable:
            self._backoff.succeeded()
        if connection.starved:
            self._meter.doubted()
        return self._failed(connection.problem)

    def _failed(self, problem: str, asked: float = 0.0) -> float:
        self._opening = None
        delay = self._backoff.failed(asked)
        failures = self._backoff.failures
        self._meter.failed(problem, failures)
        self.tried.set()
        # Of who stays away, the log need not be told each time.
        many = failures >= self._patience.quick_tries
        down = many and self._current is None and not self._told_down
        news = down or failures <= self._patience.quick_tries or problem != self._problem
        self._problem, self._told_down = problem, self._told_down or down
        logger.log(
            logging.WARNING if news else logging.INFO,
            "%s: %s; next try in %.1f s%s",
            self.exchange,
            problem,
            delay,
            ", the exchange is marked down" if down else "",
        )
        return delay

    async def _rest(self, delay: float) -> None:
        """Wait before the next try."""
        if self._current is not None:
            # The connection that was to be replaced still delivers, but may be gone any moment.
            await self._over_or_after(self._current, delay)
            if not self._current.ended:
                return
            delay = self._lost(self._current)
        await self._clock.sleep(delay)

    def _take(self, text: Text) -> Message | None:
        """Return what a text says and keep the liquidations in it; whatever it is, go on."""
        self._meter.message()
        return self._read(text, self._clock.now())

    def _read(self, text: Text, received: datetime) -> Message | None:
        try:
            message = self.adapter.parse(text, received, self._context)
            if isinstance(message, Liquidations):
                self._keep(message.liquidations, snapshot=message.snapshot)
            elif isinstance(message, Rejection):
                self._meter.rejected(message.reason)
                logger.warning("%s: refused: %.500s", self.exchange, message.reason)
        except PayloadError as e:
            # Sizes are asked for while messages come. Once there are some, others do not follow.
            waits = e.later and not self._context.contract_sizes
            if waits:
                self._unread.add(text, received)
            return self._rescue(e, data=waits)
        except Exception as e:
            self._bad(f"the adapter failed with {e!r} on: {_shortened(text)}", exc_info=True)
            return None
        return message

    def _rescue(self, error: PayloadError, *, data: bool) -> Message | None:
        """Keep the rows that could be read of a message that could not, which may be data yet."""
        self._bad(str(error))
        if not (error.liquidations or data):
            return None
        self._keep(error.liquidations)
        return Liquidations(error.liquidations)

    def _keep(self, liquidations: Sequence[Liquidation], *, snapshot: bool = False) -> None:
        self._meter.data()
        if snapshot:
            # What comes now may come again with every connection, however long that takes.
            self._recent.remember_longer(_SNAPSHOTS)
        for liquidation in liquidations:
            if self._recent.add(liquidation.key, self._clock.monotonic()):
                self._meter.event(liquidation, timely=not snapshot)
                self.queue.put(liquidation)
            else:
                self._meter.duplicate()

    def _bad(self, problem: str, *, exc_info: bool = False) -> None:
        self._meter.bad_payload(problem)
        # A flood of bad messages must not become a flood of lines.
        logged = self._logged.total()
        if logged < _LINES:
            self._logged.count()
            logger.warning("%s", problem, exc_info=exc_info)
        if logged == _LINES - 1:
            logger.warning("%s: no more bad messages are logged for a minute", self.exchange)


class _Unread:
    """Messages that can't be read before the contract sizes are known, the oldest first."""

    def __init__(self, exchange: str, on_drop: Callable[[], None]) -> None:
        self._exchange, self._on_drop = exchange, on_drop
        self._messages: deque[tuple[Text, datetime]] = deque()
        self._size = 0

    def add(self, text: Text, received: datetime) -> None:
        """Keep a message, at the cost of the oldest if they are too long together."""
        self._messages.append((text, received))
        self._size += len(text)
        while self._size > _UNREAD:
            self._size -= len(self._messages.popleft()[0])
            self._on_drop()

    def take(self) -> list[tuple[Text, datetime]]:
        """Return what waits, and when it was received; it waits no longer."""
        taken = list(self._messages)
        self._messages.clear()
        self._size = 0
        return taken

    def tell(self) -> None:
        """Say how many are lost now that nobody will read them."""
        if lost := len(self.take()):
            logger.warning(
                "%s: %d messages are lost that could not be read: no contract sizes became known",
                self._exchange,
                lost,
            )


def _shortened(text: Text) -> str:
    shown = str(text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}…"
