"""A stream that runs against a fake exchange, and what came out of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any

from ingest.adapters.adapter import Adapter, Context
from ingest.adapters.binance import Binance
from ingest.adapters.bybit import Bybit
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.adapters.okx import Okx
from ingest.live.health import Health
from ingest.live.stream import ExchangeStream
from ingest.records import Liquidation
from tests.fake_exchange.clock import ManualClock, until
from tests.fake_exchange.exchanges import CONTRACT_SIZES, USERS
from tests.fake_exchange.server import FakeExchange, Happened

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
ADAPTERS: Mapping[str, Any] = {
    "binance": Binance,
    "bybit": Bybit,
    "okx": Okx,
    "hyperliquid": partial(Hyperliquid, users=USERS),
}


def adapter_for(fake: FakeExchange) -> Adapter:
    """Return the exchange's adapter with the fake's address."""
    adapter: Adapter = ADAPTERS[fake.name](stream_url=fake.url)
    return adapter


def context(symbols: Sequence[str] = SYMBOLS) -> Context:
    """Return a context that wants some symbols and knows OKX's contracts."""
    return Context(symbols=frozenset(symbols), contract_sizes=CONTRACT_SIZES)


def liquidations(clock: ManualClock, symbols: Sequence[str] = SYMBOLS) -> Iterator[Happened]:
    """Return liquidations without an end, no two alike, each a millisecond after the last."""
    for i in count():
        yield Happened(
            symbol=symbols[i % len(symbols)],
            long=i % 3 != 0,
            quantity=Decimal(1 + i % 7),
            price=Decimal(60_000 + i % 1000),
            time=clock.now() + timedelta(milliseconds=i % 900_000),
        )


def identity(record: Liquidation) -> tuple[str, int, float, Any]:
    """Return what must agree with what the exchange knows."""
    return (record.symbol, record.side, record.quantity, record.time)


@dataclass
class Running:
    """A running stream and its fake exchange."""

    fake: FakeExchange
    stream: ExchangeStream
    records: list[Liquidation] = field(default_factory=list)

    @property
    def clock(self) -> ManualClock:
        return self.fake.clock

    @property
    def health(self) -> Health:
        return self.stream.health()

    async def reaches(self, state: str) -> None:
        """Wait until the stream is in a state; time passes meanwhile."""
        await until(lambda: self.health.state == state, f"{state}: {self.health}", self.clock)

    async def got(self, events: int) -> None:
        """Wait, while no time passes, until so many records came out."""
        await until(lambda: len(self.records) >= events, f"{events} records: {self.health}")

    async def came(self, messages: int = 1) -> None:
        """Wait, while no time passes, until the stream has read so many more messages."""
        before = self.health.bad_payloads
        await until(lambda: self.health.bad_payloads >= before + messages, "bad messages")

    def yielded_what_was_delivered(self) -> bool:
        """Return whether each event came out once, and nothing else did."""
        out = sorted(map(identity, self.records))
        return out == sorted(event.identity for event in self.fake.delivered)


@contextlib.asynccontextmanager
async def running(
    fake: FakeExchange,
    symbols: Sequence[str] = SYMBOLS,
    *,
    adapter: Adapter | None = None,
    connect: bool = True,
    collect: bool = True,
    **options: Any,
) -> AsyncIterator[Running]:
    """Run a stream against a fake exchange, by default until it has subscribed."""
    stream = ExchangeStream(
        adapter or adapter_for(fake),
        symbols,
        context(symbols),
        clock=fake.clock,
        random=Random(1),
        proxy=None,
        **options,
    )
    run = Running(fake, stream)

    async def take() -> None:
        async for record in stream.records():
            run.records.append(record)

    tasks = [asyncio.create_task(stream.run())]
    if collect:
        tasks.append(asyncio.create_task(take()))
    try:
        if connect:
            await run.reaches("connected")
        yield run
    finally:
        for task in tasks:
            task.cancel()
        done = asyncio.gather(*tasks, return_exceptions=True)
        await until(done.done, "the end of the stream", fake.clock)
