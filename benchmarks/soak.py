"""Streams of three exchanges that misbehave, for as long as it is left running.

Run with ``python -m benchmarks.soak [--minutes 10] [--rate 500] [--faults 12] [--speed 20]``;
prints by minute what was delivered and what came out, what was lost and doubled, reconnections and
memory. Everything on loopback, exchanges and streams in one process, whose memory is told.

Liquidations come at ``--rate`` a second, all exchanges together. Connections are refused, broken
within a frame and closed, sockets fall silent, and nonsense is sent: ``--faults`` a minute for each
exchange. The clock that the streams and the exchanges share runs ``--speed`` times as fast as time,
so that ten minutes hold hours of waiting and several of Binance's renewals, here of connections of
five minutes. What happens while nobody is connected is not delivered, and so not lost. What is
under way when a minute ends is counted as lost until it comes.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import psutil
from rich.console import Console
from rich.table import Table

from ingest.aggregator import ExchangeAggregator
from ingest.connection import Waits
from ingest.health import Health
from ingest.stream import Patience
from tests.fake_exchange.chaos import Account, Chaos
from tests.fake_exchange.clock import ManualClock, passing
from tests.fake_exchange.exchanges import FAKES
from tests.fake_exchange.running import SYMBOLS, adapter_for, context
from tests.fake_exchange.server import FakeExchange

TICK = 0.02
RENEWAL = 600.0
PATIENCE = 30.0
COLUMNS = (
    "minute",
    "happened",
    "delivered",
    "yielded",
    "lost",
    "doubled",
    "repetitions",
    "overflows",
    "reconnects",
    "renewals",
    "memory, MB",
)


@dataclass
class Soak:
    """Everything that takes part in a run."""

    fakes: list[FakeExchange]
    chaos: list[Chaos]
    aggregator: ExchangeAggregator
    account: Account
    rows: list[tuple[int, ...]] = field(default_factory=list)

    def row(self, minute: int) -> tuple[int, ...]:
        """Return what the report says of the time until now."""
        health = self.aggregator.health_check_all().values()

        def total(what: Callable[[Health], int]) -> int:
            return sum(map(what, health))

        self.account.deliver()
        return (
            minute,
            sum(one.published for one in self.chaos),
            self.account.delivered,
            self.account.yielded,
            self.account.lost(),
            self.account.doubled(),
            total(lambda one: one.duplicates),
            total(lambda one: one.overflows),
            total(lambda one: one.reconnects),
            total(lambda one: one.renewals),
            psutil.Process().memory_info().rss // 2**20,
        )


async def soak(minutes: float, rate: float, faults: float, speed: float, seed: int) -> Soak:
    """Return what happened in ``minutes`` at ``rate`` liquidations a second."""
    clock, random = ManualClock(), Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(fake(clock)) for fake in FAKES.values()]
        adapters = [adapter_for(fake) for fake in fakes]
        for fake, adapter in zip(fakes, adapters, strict=True):
            if adapter.max_age is not None:
                adapter.max_age = fake.script.max_age = RENEWAL  # type: ignore[misc]
        run = Soak(
            fakes,
            [Chaos(fake, Random(random.random())) for fake in fakes],
            ExchangeAggregator(
                adapters,
                SYMBOLS,
                {"okx": context()},
                clock=clock,
                random=random,
                # A goodbye takes as long as it takes, however fast the clock runs.
                patience=Patience(waits=Waits(closing=5.0 * speed)),
                proxy=None,
            ),
            Account(fakes),
        )
        await stack.enter_async_context(passing(clock, speed))
        taking = asyncio.create_task(_take(run))
        await run.aggregator.connect_all()
        await _together(run, minutes * 60, rate / len(fakes), faults / 60)
        await _settle(run)
        await run.aggregator.disconnect_all()
        await taking
        run.rows.append(run.row(-1))
    return run


async def _together(run: Soak, seconds: float, rate: float, faults: float) -> None:
    end = time.monotonic() + seconds
    players: list[Awaitable[None]] = [_play(one, end, rate, faults) for one in run.chaos]
    await asyncio.gather(*players, _report(run, end))


async def _play(chaos: Chaos, end: float, rate: float, faults: float) -> None:
    start = now = time.monotonic()
    while now < end:
        while chaos.published < rate * (now - start):
            await chaos.publish(min(20, int(rate * (now - start)) - chaos.published + 1))
        await asyncio.sleep(TICK)
        if chaos.random.random() < faults * TICK:
            await chaos.fault()
            if chaos.random.random() < 0.8:
                await chaos.recovery()
        now = time.monotonic()
    chaos.heal()


async def _take(run: Soak) -> None:
    async for record in run.aggregator.stream_aggregated():
        run.account.take(record)


async def _report(run: Soak, end: float) -> None:
    minute, due = 0, time.monotonic()
    while time.monotonic() < end:
        run.account.deliver()
        if time.monotonic() >= due:
            run.rows.append(run.row(minute))
            minute, due = minute + 1, due + 60
        await asyncio.sleep(0.2)


async def _settle(run: Soak) -> None:
    """Wait for what is still under way."""
    deadline = time.monotonic() + PATIENCE
    run.account.deliver()
    while run.account.lost() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def report(run: Soak, console: Console) -> None:
    """Print what happened by minute, faults, and how each exchange ended."""
    table = Table(*COLUMNS)
    for row in run.rows:
        table.add_row("end" if row[0] < 0 else str(row[0]), *(f"{number:,}" for number in row[1:]))
    console.print(table)
    for chaos in run.chaos:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(chaos.faults.items()))
        console.print(f"{chaos.fake.name}: {faults or 'no faults'}")


def main() -> None:
    """Run it and report; the status is 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--faults", type=float, default=12)
    parser.add_argument("--speed", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run = asyncio.run(soak(**vars(arguments)))
    report(run, Console(width=140))
    raise SystemExit(bool(run.account.lost() or run.account.doubled()))


if __name__ == "__main__":
    main()
