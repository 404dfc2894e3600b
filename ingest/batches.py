"""Liquidations on their way into the database, a batch at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import duckdb
import numpy as np

from ingest.columns import NO_TRADE_ID
from ingest.database_errors import in_one_line
from ingest.records import Liquidation
from ingest.store import Store, StoreError, naive

logger = logging.getLogger(__name__)

EVERY = 0.5
"""Pause between two batches, so that with the writing none waits for a second. [s]"""

_MOST = 100_000


class BatchWriter:
    """Stores liquidations as they come, in one transaction for all that came meanwhile.

    What the database can't take is kept and tried again with the next batch. When ``most`` wait,
    no more are taken: the streams' queues then fill, and count what they must drop.

    Parameters
    ----------
    store : Store
        Where they go.
    executor : Executor
        Whose thread writes: a write must not hold up the event loop.
    every : float
        Pause between batches. [s]
    most : int
        How many may wait here.
    tell : callable
        Called in the thread that writes with each batch that has been committed. What the database
        had already, since an exchange sent it again after a restart, is among it.

    Attributes
    ----------
    stored : int
        Liquidations that are in the database now and were not before.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        *,
        every: float = EVERY,
        most: int = _MOST,
        tell: Callable[[Sequence[Liquidation]], None] = lambda _: None,
    ) -> None:
        self._store, self._executor, self._every, self._most = store, executor, every, most
        self._tell = tell
        self._waiting: list[Liquidation] = []
        self._some, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._ending = False
        self._failing = ""
        self.stored = 0

    @property
    def waiting(self) -> int:
        """How many liquidations came and are not in the database yet."""
        return len(self._waiting)

    def end(self) -> None:
        """Take all that is left, however much waits: nothing more will come."""
        self._ending = True
        self._room.set()

    async def run(self, records: AsyncIterator[Liquidation]) -> None:
        """Store what comes until there is no more, to the last one.

        Raises
        ------
        StoreError
            If the last batch can't be stored.
        """
        taking = asyncio.create_task(self._take(records))
        try:
            while not taking.done():
                some = asyncio.create_task(self._some.wait())
                await asyncio.wait({taking, some}, return_when=asyncio.FIRST_COMPLETED)
                some.cancel()
                await self._write()
                await asyncio.wait({taking}, timeout=self._every)
            await self._write()
        finally:
            taking.cancel()
        if self._waiting:
            raise StoreError(
                f"{len(self._waiting):,} liquidations could not be stored: {self._failing}"
            )
        taking.result()

    async def _take(self, records: AsyncIterator[Liquidation]) -> None:
        async for record in records:
            self._waiting.append(record)
            self._some.set()
            if len(self._waiting) >= self._most and not self._ending:
                self._room.clear()
                await self._room.wait()

    async def _write(self) -> None:
        """Store all that waits, or leave it where it is."""
        rows = self._waiting[:]
        if not rows:
            return
        loop = asyncio.get_running_loop()
        try:
            added = await loop.run_in_executor(self._executor, self._add, rows)
        except duckdb.Error as e:
            self._failed(in_one_line(e))
            return
        del self._waiting[: len(rows)]
        self.stored += added
        if not self._waiting:
            self._some.clear()
        self._room.set()
        if self._failing:
            logger.warning("Liquidations are stored again")
            self._failing = ""

    def _add(self, rows: Sequence[Liquidation]) -> int:
        added = self._store.add_liquidations(liquidation_columns(rows))
        try:
            self._tell(rows)
        except Exception:
            logger.exception("Liquidations were stored, but could not be told of")
        return added

    def _failed(self, reason: str) -> None:
        if reason != self._failing:
            logger.error(
                "%d liquidations can't be stored now and are kept: %s", len(self._waiting), reason
            )
        self._failing = reason


def liquidation_columns(rows: Sequence[Liquidation]) -> dict[str, Any]:
    """Return liquidations as the columns that the store takes."""
    ids = [NO_TRADE_ID if row.trade_id is None else row.trade_id for row in rows]
    return {
        "exchange": np.array([row.exchange for row in rows], dtype=object),
        "symbol": np.array([row.symbol for row in rows], dtype=object),
        "time": np.array([naive(row.time) for row in rows], dtype="datetime64[us]"),
        "side": np.array([row.side for row in rows], dtype=np.int8),
        "quantity": np.array([row.quantity for row in rows]),
        "price": np.array([row.price for row in rows]),
        "price_kind": np.array([row.price_kind for row in rows], dtype=object),
        "trigger_price": np.array([row.trigger_price for row in rows], dtype=np.float64),
        "received_at": np.array([naive(row.received) for row in rows], dtype="datetime64[us]"),
        "trade_id": np.array(ids, dtype=np.int64),
    }
