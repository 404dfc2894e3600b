"""What has just been stored, told to all who listen at that moment."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from ingest.changes import Change
from ingest.records import LONG, Liquidation

MOST_WAITING = 5_000
"""Liquidations that may wait for one listener; then the oldest go."""

NEWS_FOR = timedelta(minutes=10)
"""What is older when it comes is history, as some exchanges tell it to whoever subscribes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which liquidations a listener wants; nothing named means all."""

    symbols: Collection[str] = ()
    exchanges: Collection[str] = ()

    def takes(self, row: Liquidation) -> bool:
        """Return whether a liquidation is wanted."""
        has_symbol = not self.symbols or row.symbol in self.symbols
        return has_symbol and (not self.exchanges or row.exchange in self.exchanges)


class LiquidationListener:
    """Liquidations on their way to one listener, as texts; made by `LiveFeed`."""

    def __init__(self, wanted: Wanted, most: int) -> None:
        self._wanted, self._most = wanted, most
        self._texts: deque[str] = deque()
        self._lock = threading.Lock()
        self._some = _Signal()

    async def texts(self) -> AsyncIterator[str]:
        """Yield one JSON object for each liquidation, without an end."""
        while True:
            await self._some.wait()
            while (text := self._take()) is not None:
                yield text

    def put(self, rows: Sequence[tuple[Liquidation, str]]) -> int:
        """Add what is wanted of some rows; return how many older ones had to go for it."""
        texts = [text for row, text in rows if self._wanted.takes(row)]
        if not texts:
            return 0
        with self._lock:
            self._texts.extend(texts)
            gone = max(0, len(self._texts) - self._most)
            for _ in range(gone):
                self._texts.popleft()
        self._some.set()
        return gone

    def _take(self) -> str | None:
        with self._lock:
            return self._texts.popleft() if self._texts else None


class ChangeListener:
    """Changes of one symbol, for one listener; made by `LiveFeed`."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._some = _Signal()

    async def changed(self) -> None:
        """Return as soon as rows of the symbol have changed since the last time."""
        await self._some.wait()

    def tell(self) -> None:
        """Note that rows have changed."""
        self._some.set()


class LiveFeed:
    """Brings what is stored to listeners; nobody who publishes waits for any of them.

    Publishing is for any thread, and never raises for what a listener does. Listeners are made on
    the event loop that they are used on.

    Parameters
    ----------
    most : int
        How many liquidations may wait for one listener before its oldest are dropped.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        # Replaced, not changed, so that who publishes needs no lock.
        self._liquidations: tuple[LiquidationListener, ...] = ()
        self._changes: tuple[ChangeListener, ...] = ()
        self._lock = threading.Lock()
        self.published = self.dropped = 0
        """Liquidations that were told to whoever listened, and those lost by slow listeners."""

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._liquidations) + len(self._changes)

    def publish_liquidations(self, rows: Sequence[Liquidation]) -> None:
        """Tell of liquidations that were stored, as far as they are news."""
        rows = [row for row in rows if row.received - row.time <= NEWS_FOR]
        self.published += len(rows)
        if not (listeners := self._liquidations):
            return
        told = [(row, liquidation_text(row)) for row in rows]
        for listener in listeners:
            self.dropped += listener.put(told)

    def publish_change(self, change: Change) -> None:
        """Tell that rows were stored."""
        for listener in self._changes:
            if listener.symbol == change.symbol:
                listener.tell()

    @contextmanager
    def liquidations(self, wanted: Wanted) -> Iterator[LiquidationListener]:
        """Yield who is told of liquidations, from now to the end of the block."""
        listener = LiquidationListener(wanted, self._most)
        with self._lock:
            self._liquidations = (*self._liquidations, listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._liquidations = tuple(o for o in self._liquidations if o is not listener)

    @contextmanager
    def changes(self, symbol: str) -> Iterator[ChangeListener]:
        """Yield who is told of changes of a symbol, from now to the end of the block."""
        listener = ChangeListener(symbol)
        with self._lock:
            self._changes = (*self._changes, listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._changes = tuple(other for other in self._changes if other is not listener)


class _Signal:
    """An event of the running loop that any thread may set; waiting for it clears it."""

    def __init__(self) -> None:
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    def set(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()


def liquidation_text(row: Liquidation) -> str:
    """Return a liquidation as one JSON object."""
    return orjson.dumps(
        {
            "exchange": row.exchange,
            "symbol": row.symbol,
            "side": "long" if row.side == LONG else "short",
            "quantity": row.quantity,
            "price": row.price,
            "price_kind": row.price_kind,
            "trigger_price": row.trigger_price,
            "notional": row.notional,
            "time": milliseconds(row.time),
            "received": milliseconds(row.received),
            "trade_id": row.trade_id,
        }
    ).decode()


def milliseconds(time: datetime) -> str:
    """Return ``2026-01-15T12:00:00.000Z``."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
