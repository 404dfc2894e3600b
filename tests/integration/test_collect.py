"""Live collection from fake exchanges over real sockets into a database."""

import asyncio
import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

import duckdb
import pytest

import ingest.live.collector
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.batches import BatchWriter
from ingest.live.collector import Collector
from ingest.live.stream import Patience
from ingest.records import Liquidation
from ingest.store import Store, StoreError
from tests.fake_exchange.clock import ManualClock, until
from tests.fake_exchange.exchanges import FAKES
from tests.fake_exchange.running import SYMBOLS, adapter_for, context, liquidations

QUICK = Patience(first=0.01, longest=0.05)


@dataclass
class Collecting:
    """A running collector, its fake exchanges and its database."""

    collector: Collector
    fakes: dict
    store: Store
    stop: asyncio.Event
    run: asyncio.Task

    async def connected(self):
        await until(lambda: set(self.states().values()) == {"connected"}, "connections")

    def states(self):
        return {name: one.state for name, one in self.collector.health().items()}

    def rows(self):
        return stored(self.store)

    async def end(self):
        self.stop.set()
        await self.run


def stored(store):
    """Return how often each liquidation is stored."""
    with store.cursor() as cursor:
        query = "SELECT exchange, symbol, side, quantity, price, time FROM liquidations"
        return Counter(cursor.execute(query).fetchall())


def delivered(fakes):
    """Return the rows that what the exchanges sent must become."""
    return Counter(
        (
            name,
            one.symbol,
            "long" if one.long else "short",
            float(one.quantity),
            float(one.price),
            one.time.replace(tzinfo=None),
        )
        for name, fake in fakes.items()
        for one in fake.delivered
    )


def events(clock, number, first=0):
    return list(islice(liquidations(clock), first, first + number))


@contextlib.asynccontextmanager
async def fake_exchanges(names=tuple(FAKES), clock=None):
    clock = clock or ManualClock()
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(FAKES[name](clock)) for name in names}


@contextlib.asynccontextmanager
async def collecting(fakes, store, *, adapters=(), **options):
    collector = Collector(
        store,
        [*map(adapter_for, fakes.values()), *adapters],
        SYMBOLS,
        contexts={name: context() for name in fakes},
        proxy=None,
        patience=QUICK,
        **{"every": 0.01} | options,
    )
    stop = asyncio.Event()
    run = Collecting(collector, fakes, store, stop, asyncio.create_task(collector.run(stop)))
    try:
        yield run
    finally:
        stop.set()
        await asyncio.gather(run.run, return_exceptions=True)


def play(scenario, path: Path | str = ":memory:", **options):
    """Run a scenario with all four exchanges connected."""

    async def run():
        with Store.open(path) as store:
            async with fake_exchanges() as fakes, collecting(fakes, store, **options) as session:
                await session.connected()
                await scenario(session)
                await session.end()

    asyncio.run(run())


def health_rows(store):
    """Return the stored health by exchange, each a dict."""
    with store.cursor() as cursor:
        found = cursor.execute("SELECT * FROM exchange_health")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {row["exchange"]: row for row in rows}


def test_what_four_exchanges_send_is_stored_once_each_as_it_was():
    async def scenario(s):
        for fake in s.fakes.values():
            await fake.publish(*events(fake.clock, 60), copies=2)
        await until(lambda: s.collector.stored == 240, "all")
        assert s.rows() == delivered(s.fakes)
        assert set(s.rows().values()) == {1}
        assert {(row[0], row[2]) for row in s.rows()} == {
            (name, side) for name in FAKES for side in ("long", "short")
        }

    play(scenario)


def test_an_orderly_stop_loses_nothing_that_was_sent(tmp_path):
    sent = {}

    async def scenario(s):
        okx = s.fakes["okx"]
        await okx.publish(*events(okx.clock, 1, first=1000))
        await until(lambda: s.collector.stored == 1, "the first batch")
        for fake in s.fakes.values():
            await fake.publish(*events(fake.clock, 1000))
        sent["rows"] = delivered(s.fakes)
        await s.end()

    # Nothing is written for a minute after the first batch, so the rest is written at the end.
    play(scenario, tmp_path / "market", every=60)
    assert sum(sent["rows"].values()) == 4001
    with Store.open(tmp_path / "market", read_only=True) as store:
        assert stored(store) == sent["rows"]


def test_it_goes_on_after_a_restart_and_doubles_nothing_that_is_sent_again(tmp_path):
    for first in (0, 20):

        async def scenario(s, first=first):
            for fake in s.fakes.values():
                await fake.publish(*events(fake.clock, 40, first))
            total = 4 * (40 if first == 0 else 20)
            await until(lambda: s.collector.stored == total, "what is new")

        play(scenario, tmp_path / "market")
    with Store.open(tmp_path / "market", read_only=True) as store:
        rows = stored(store)
    assert len(rows) == 4 * 60
    assert set(rows.values()) == {1}


def test_the_stored_health_follows_what_happens_to_the_exchanges():
    told = []

    async def scenario(s):
        def state_of(name, state):
            rows = health_rows(s.store)
            return name in rows and rows[name]["state"] == state

        for name in s.fakes:
            await until(lambda name=name: state_of(name, "connected"), name)
        okx = s.fakes["okx"]
        await okx.vanish()
        await until(lambda: state_of("okx", "down"), "down")
        row = health_rows(s.store)["okx"]
        assert row["last_error"]
        assert row["last_error_time"] <= row["updated_at"]
        assert state_of("binance", "connected")
        assert state_of("bybit", "connected")
        await okx.listen()
        await until(lambda: state_of("okx", "degraded") or state_of("okx", "connected"), "mended")
        await until(lambda: s.states()["okx"] == "connected", "connected")
        await okx.publish(*events(okx.clock, 5))
        await until(lambda: state_of("okx", "connected"), "connected again")
        await s.end()
        row = health_rows(s.store)["okx"]
        assert row["reconnects"] == 1
        assert (row["state"], row["events_per_minute"]) == ("off", 5)
        assert row["messages_per_minute"] > 0
        assert row["lag_seconds"] is not None
        assert row["last_event"] is not None

    play(scenario, changed=lambda health: told.append((health.exchange, health.state)))
    assert [state for name, state in told if name == "bybit"] == ["connected"]
    assert [state for name, state in told if name == "okx"][-1] == "connected"
    assert ("okx", "down") in told


def test_an_exchange_that_never_connects_and_one_without_a_stream_disturb_nobody():
    async def run():
        with Store.open(":memory:") as store:
            async with fake_exchanges(("binance", "bybit", "okx")) as fakes:
                fakes["bybit"].script.status = 503
                async with collecting(fakes, store, adapters=[Hyperliquid()]) as s:
                    expected = {"binance": "connected", "bybit": "down", "okx": "connected"}
                    expected |= {"hyperliquid": "off"}
                    await until(lambda: s.states() == expected, "states")
                    for name in ("binance", "okx"):
                        await fakes[name].publish(*events(fakes[name].clock, 10))
                    await until(lambda: s.collector.stored == 20, "the others")
                    await until(lambda: len(health_rows(store)) == 4, "health")
                    assert "no stream" in health_rows(store)["hyperliquid"]["last_error"].lower()

    asyncio.run(run())


def test_what_the_database_can_not_take_is_kept_until_it_can(monkeypatch, caplog):
    add, refusals = Store.add_liquidations, []

    def refuse_three_times(store, columns):
        if len(refusals) < 3:
            refusals.append(len(columns["time"]))
            raise duckdb.IOException("IO Error: No space left on device")
        return add(store, columns)

    monkeypatch.setattr(Store, "add_liquidations", refuse_three_times)

    async def scenario(s):
        await s.fakes["bybit"].publish(*events(s.fakes["bybit"].clock, 10))
        await until(lambda: s.collector.stored == 10, "all")
        assert s.rows() == delivered(s.fakes)
        assert len(refusals) == 3
        assert caplog.text.count("No space left on device") == 1

    play(scenario)


@pytest.mark.parametrize("most", [5, 100_000], ids=["full", "with-room"])
def test_what_can_not_be_stored_at_the_end_is_said(monkeypatch, most):
    def refuse(store, columns):
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(Store, "add_liquidations", refuse)
    monkeypatch.setattr(ingest.live.collector, "BatchWriter", partial(BatchWriter, most=most))

    async def scenario(s):
        await s.fakes["bybit"].publish(*events(s.fakes["bybit"].clock, 10))
        await until(lambda: s.collector.health()["bybit"].events == 10, "all")
        await until(lambda: s.collector.waiting == min(most, 10), "as many as may wait")
        with pytest.raises(StoreError, match=r"10 liquidations could not be stored: .*No space"):
            async with asyncio.timeout(10.0):
                await s.end()
        s.run = asyncio.create_task(asyncio.sleep(0))

    play(scenario)


def test_a_stop_before_anything_is_connected_ends_it():
    async def run():
        with Store.open(":memory:") as store:
            async with fake_exchanges() as fakes:
                for fake in fakes.values():
                    fake.script.shake_hands = False
                async with collecting(fakes, store) as s:
                    await until(lambda: all(fake.tries for fake in fakes.values()), "tries")
                    await s.end()
                    rows = health_rows(store)
                    assert {row["state"] for row in rows.values()} == {"off"}
                    assert rows["okx"]["updated_at"] <= datetime.now(UTC).replace(tzinfo=None)

    asyncio.run(run())


def test_a_writer_that_is_full_takes_no_more_but_all_that_is_left_at_the_end(monkeypatch):
    refused = []

    def refuse(store, columns):
        refused.append(len(columns["time"]))
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(Store, "add_liquidations", refuse)

    async def run():
        with Store.open(":memory:") as store, ThreadPoolExecutor(1) as executor:
            writer = BatchWriter(store, executor, every=0.001, most=10)
            writing = asyncio.create_task(writer.run(each(records(25))))
            await until(lambda: refused.count(10) > 3, "tries")
            assert writer.waiting == 10
            writer.end()
            with pytest.raises(StoreError, match="25 liquidations could not be stored"):
                await writing

    asyncio.run(run())


def test_what_comes_while_a_batch_is_written_goes_into_the_next(monkeypatch):
    began, go_on = threading.Event(), threading.Event()
    add = Store.add_liquidations

    def add_slowly(store, columns):
        began.set()
        assert go_on.wait(180)
        return add(store, columns)

    monkeypatch.setattr(Store, "add_liquidations", add_slowly)

    async def run():
        with Store.open(":memory:") as store, ThreadPoolExecutor(1) as executor:
            writer = BatchWriter(store, executor, every=0.001)

            async def come():
                for number, one in enumerate(records(30)):
                    if number == 10:
                        await until(began.is_set, "the first batch")
                    yield one
                go_on.set()

            await writer.run(come())
            assert writer.stored == sum(stored(store).values()) == 30

    asyncio.run(run())


async def each(rows):
    for row in rows:
        yield row


def records(number):
    return [
        Liquidation(
            exchange="okx",
            symbol=one.symbol,
            side=1,
            quantity=float(one.quantity),
            price=float(one.price),
            price_kind="fill",
            trigger_price=None,
            notional=1.0,
            time=one.time,
            received=one.time,
            key="",
        )
        for one in events(ManualClock(), number)
    ]
