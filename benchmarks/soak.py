"""Collection from exchanges that misbehave into a database, for as long as it is left running.

Run with ``python -m benchmarks.soak [--minutes 10] [--rate 500] [--faults 12] [--speed 20]``;
prints by minute what was delivered and what was stored, how long that took, reconnections and
memory, and at the end what was lost and doubled; the status is 1 if anything was. Everything is on
loopback, exchanges and collector in one process, whose memory is told. The database is a file.

Liquidations come at ``--rate`` a second, all exchanges together. Connections are refused, broken
within a frame and closed, sockets fall silent or bring no data, and nonsense is sent: ``--faults``
a minute for each exchange. The clock that the streams and the exchanges share runs ``--speed``
times as fast as time, so that ten minutes hold hours of waiting and many of Binance's renewals,
here of connections of ``--renewal`` seconds instead of a day. Batches are written by real time.

What happens while nobody is connected is not delivered, and so not lost. What was delivered is
written to a file beside the database and compared with it at the end, row by row; before, what is
under way is told.
"""

import argparse
import asyncio
import contextlib
import csv
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from ingest.columns import Columns
from ingest.live.collector import Collector
from ingest.live.connection import Waits
from ingest.live.health import Health
from ingest.live.stream import Patience
from ingest.store import Store
from tests.fake_exchange.chaos import FAULTS, Chaos
from tests.fake_exchange.clock import ManualClock, passing
from tests.fake_exchange.exchanges import FAKES
from tests.fake_exchange.running import SYMBOLS, adapter_for, context
from tests.fake_exchange.server import FakeExchange, Happened

TICK = 0.02
PATIENCE = 30.0
COLUMNS = (
    "minute",
    "happened",
    "delivered",
    "stored",
    "under way",
    "batches",
    "largest",
    "longest, s",
    "write, s",
    "repetitions",
    "overflows",
    "reconnects",
    "renewals",
    "memory, MB",
)
DIFFERENCE = """
SELECT coalesce(sum(delivered - stored) FILTER (delivered > stored), 0),
       coalesce(sum(stored - delivered) FILTER (stored > delivered), 0)
FROM (
    SELECT sum(delivered) AS delivered, sum(1 - delivered) AS stored
    FROM (
        SELECT exchange, symbol, side, quantity, price, time, 0 AS delivered FROM liquidations
        UNION ALL
        SELECT *, 1 FROM read_csv($path, header = false, columns = {
            exchange: 'VARCHAR', symbol: 'VARCHAR', side: 'VARCHAR', quantity: 'DOUBLE',
            price: 'DOUBLE', time: 'TIMESTAMP'
        })
    )
    GROUP BY exchange, symbol, side, quantity, price, time
)
"""

Row = tuple[str, str, str, float, float, datetime]
"""A liquidation as it is stored: exchange, symbol, side, quantity, price, time."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in one transaction, how many were new, when it was done, and how long it took. [s]"""

    rows: list[Row]
    added: int
    at: float
    took: float


class WatchedStore(Store):
    """A store that tells of each batch of liquidations, in the thread that wrote it."""

    batches: deque[Batch] | None = None

    def add_liquidations(self, columns: Columns) -> int:
        """Add liquidations, and note when they were there."""
        began = time.monotonic()
        added = super().add_liquidations(columns)
        at = time.monotonic()
        if self.batches is not None:
            self.batches.append(Batch(_rows(columns), added, at, at - began))
        return added


class Account:
    """What was delivered and what was stored; only what does not agree yet takes memory.

    Attributes
    ----------
    delivered, stored : int
        Events that exchanges delivered, and rows that batches added.
    batches, largest : int
        Batches, and the most rows in one.
    longest : float
        Longest time from the moment before an event was sent until it was committed. [s]
    writing : float
        Longest time that one batch took in the database. [s]
    """

    def __init__(self, store: WatchedStore, path: Path) -> None:
        self._batches: deque[Batch] = deque()
        store.batches = self._batches
        self.path = path
        self._file = path.open("w", newline="")
        self._csv = csv.writer(self._file)
        self._sent: dict[Row, float] = {}
        self._stored: dict[Row, float] = {}
        self.delivered = self.stored = self.batches = self.largest = 0
        self._known = 0  # rows in batches that were stored before
        self.longest = self.writing = 0.0

    def deliver(self, fake: FakeExchange, sent: float) -> None:
        """Note, once, what an exchange has delivered since; it began to send at ``sent``. [s]"""
        for event in fake.delivered:
            row = _row(fake.name, event)
            self.delivered += 1
            self._csv.writerow(row)
            if row in self._stored:
                self._took(self._stored.pop(row) - sent)
            else:
                self._sent[row] = sent
        fake.delivered.clear()

    def take(self) -> None:
        """Note what was stored since."""
        while self._batches:
            batch = self._batches.popleft()
            self.batches += 1
            self.stored += batch.added
            self._known += len(batch.rows) - batch.added
            self.largest = max(self.largest, len(batch.rows))
            self.writing = max(self.writing, batch.took)
            for row in batch.rows:
                if row in self._sent:
                    self._took(batch.at - self._sent.pop(row))
                else:  # stored before its sender noticed, or never sent
                    self._stored[row] = batch.at

    def under_way(self) -> int:
        """Return how many were delivered and are not stored, or the other way round."""
        return len(self._sent) + len(self._stored) - self._known

    def difference(self, store: Store) -> tuple[int, int]:
        """Return how many are lost and how many doubled, by what is really there."""
        self._file.close()
        with store.cursor() as cursor:
            found = cursor.execute(DIFFERENCE, {"path": str(self.path)}).fetchone()
        assert found is not None
        return int(found[0]), int(found[1])

    def _took(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)


@dataclass
class Soak:
    """Everything that takes part in a run, and what came of it."""

    fakes: list[FakeExchange]
    chaos: list[Chaos]
    collector: Collector
    account: Account
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0

    def health(self) -> list[Health]:
        """Return how each exchange's stream is, in the order of ``fakes``."""
        return list(self.collector.health().values())

    def faults(self) -> Counter[str]:
        """Return what went wrong, of all exchanges."""
        return sum((one.faults for one in self.chaos), Counter[str]())

    def note(self, minute: int | str) -> None:
        """Add to the report what there is to say of the time until now."""
        account, health = self.account, self.health()
        account.take()
        self.rows.append(
            (
                minute,
                sum(one.published for one in self.chaos),
                account.delivered,
                account.stored,
                account.under_way(),
                account.batches,
                account.largest,
                account.longest,
                account.writing,
                sum(one.duplicates for one in health),
                sum(one.overflows for one in health),
                sum(one.reconnects for one in health),
                sum(one.renewals for one in health),
                psutil.Process().memory_info().rss // 2**20,
            )
        )
        # The next row tells of the next minute.
        account.longest, account.writing, account.largest = 0.0, 0.0, 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much and how wild; see the module."""

    minutes: float = 10.0
    rate: float = 500.0
    faults: float = 12.0
    speed: float = 20.0
    renewal: float = 600.0
    seed: int = 0


async def soak(plan: Plan, folder: Path) -> Soak:
    """Return what happened; the database is made in ``folder``."""
    clock, random = ManualClock(), Random(plan.seed)
    async with contextlib.AsyncExitStack() as stack:
        store = stack.enter_context(WatchedStore.open(folder / "market"))
        fakes = [await stack.enter_async_context(fake(clock)) for fake in FAKES.values()]
        adapters = [adapter_for(fake) for fake in fakes]
        for fake, adapter in zip(fakes, adapters, strict=True):
            if adapter.max_age is not None:
                adapter.max_age = fake.script.max_age = plan.renewal  # type: ignore[misc]
        collector = Collector(
            store,
            adapters,
            SYMBOLS,
            contexts={fake.name: context() for fake in fakes},
            clock=clock,
            # A goodbye takes as long as it takes, however fast the clock runs.
            patience=Patience(waits=Waits(closing=5.0 * plan.speed)),
            proxy=None,
        )
        run = Soak(
            fakes,
            [Chaos(fake, Random(random.random()), kinds=(*FAULTS, "quiet")) for fake in fakes],
            collector,
            Account(store, folder / "delivered.csv"),
        )
        await stack.enter_async_context(passing(clock, plan.speed))
        stop = asyncio.Event()
        collecting = asyncio.create_task(collector.run(stop))
        await _together(run, plan)
        await _settle(run)
        stop.set()
        await collecting
        run.note("end")
        run.lost, run.doubled = run.account.difference(store)
    return run


async def _together(run: Soak, plan: Plan) -> None:
    await asyncio.gather(*(one.recovery() for one in run.chaos))
    end = time.monotonic() + plan.minutes * 60
    rate, faults = plan.rate / len(run.chaos), plan.faults / 60
    players: list[Awaitable[None]] = [_play(run, one, end, rate, faults) for one in run.chaos]
    await asyncio.gather(*players, _report(run, end))


async def _play(run: Soak, chaos: Chaos, end: float, rate: float, faults: float) -> None:
    start = now = time.monotonic()
    while now < end:
        while chaos.published < rate * (now - start):
            began = time.monotonic()
            await chaos.publish(min(20, int(rate * (now - start)) - chaos.published + 1))
            run.account.deliver(chaos.fake, began)
        await asyncio.sleep(TICK)
        if chaos.random.random() < faults * TICK:
            await chaos.fault()
            if chaos.random.random() < 0.8:
                await chaos.recovery()
        now = time.monotonic()
    chaos.heal()


async def _report(run: Soak, end: float) -> None:
    minute, due = 0, time.monotonic()
    while time.monotonic() < end:
        run.account.take()
        if time.monotonic() >= due:
            run.note(minute)
            minute, due = minute + 1, due + 60
        await asyncio.sleep(0.2)


async def _settle(run: Soak) -> None:
    """Wait for what is still under way."""
    deadline = time.monotonic() + PATIENCE
    while run.account.under_way() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        run.account.take()


def _row(exchange: str, event: Happened) -> Row:
    side = "long" if event.long else "short"
    time = event.time.astimezone(UTC).replace(tzinfo=None)
    return exchange, event.symbol, side, float(event.quantity), float(event.price), time


def _rows(columns: Columns) -> list[Row]:
    names = ("exchange", "symbol", "side", "quantity", "price", "time")
    taken: Iterator[Any] = zip(*(np.asarray(columns[name]).tolist() for name in names), strict=True)
    return [(e, s, "long" if side > 0 else "short", q, p, t) for e, s, side, q, p, t in taken]


def report(run: Soak, console: Console) -> None:
    """Print what happened by minute, faults, what became of all, and how each exchange ended."""
    table = Table(*COLUMNS)
    for minute, *numbers in run.rows:
        table.add_row(
            str(minute), *(f"{n:.2f}" if isinstance(n, float) else f"{n:,}" for n in numbers)
        )
    console.print(table)
    for chaos, health in zip(run.chaos, run.health(), strict=True):
        faults = ", ".join(f"{name} {count}" for name, count in sorted(chaos.faults.items()))
        console.print(
            f"{chaos.fake.name}: {health.events:,} events, {health.failures} failures, "
            f"{health.bad_payloads} bad messages; faults: {faults or 'none'}"
        )
    console.print(f"lost: {run.lost:,}, doubled: {run.doubled:,}")


def main() -> None:
    """Run it and report; the status is 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    plan = Plan()
    for name in ("minutes", "rate", "faults", "speed", "renewal"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plan, name))
    parser.add_argument("--seed", type=int, default=plan.seed)
    plan = Plan(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        run = asyncio.run(soak(plan, Path(folder)))
    report(run, Console(width=170))
    raise SystemExit(bool(run.lost or run.doubled))


if __name__ == "__main__":
    main()
