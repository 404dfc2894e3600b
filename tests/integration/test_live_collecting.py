"""Live collection beside a server: started, failing, stopped."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from app.adapters import make_adapters
from app.live import collecting as module
from app.live.collecting import LiveCollection, make_collector
from app.live.feed import LiveFeed, Wanted
from app.settings import Settings
from ingest.changes import Change
from ingest.live.health import Health
from ingest.store import Store, StoreError
from tests.fake_exchange.clock import until
from tests.integration.test_collect import collecting, events, fake_exchanges, records, stored

DEADLINE = 180.0


class FakeCollector:
    """Collects nothing until it is stopped, or fails."""

    def __init__(self, failure=None):
        self.failure = failure
        self.runs = threading.Event()

    def health(self):
        return {"okx": Health(exchange="okx", state="connected")}

    async def run(self, stop):
        self.runs.set()
        if self.failure is not None:
            raise self.failure
        await stop.wait()


@pytest.fixture
def made(monkeypatch):
    """Make these collectors, one after the other; an exception stands for one that can't be."""
    collectors = []

    def make(store, settings, **options):
        found = collectors.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(module, "make_collector", make)
    return collectors


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        waiting.wait(0.01)


def states(collection):
    return {name: one.state for name, one in collection.health().items()}


def test_what_fails_is_told_and_begun_again(made, caplog):
    fine = FakeCollector()
    made += [RuntimeError("no such thing"), FakeCollector(OSError("broken")), fine]
    settings = Settings(collect_exchanges="okx,bybit")
    with Store.open(":memory:") as store:
        collection = LiveCollection(store, settings, LiveFeed(), retry_after=0.2)
        assert collection.health() == {}
        collection.start()
        wait_until(lambda: states(collection) == {"okx": "down", "bybit": "down"})
        assert "collecting failed: " in collection.health()["okx"].last_error
        assert fine.runs.wait(DEADLINE)
        wait_until(lambda: states(collection) == {"okx": "connected"})
        collection.stop()
    assert "Live collection failed and is begun again in 0.2 s: no such thing" in caplog.text
    assert "Live collection failed and is begun again in 0.2 s: broken" in caplog.text


def test_a_stop_does_not_wait_until_it_is_begun_again(made):
    made += [RuntimeError("no such thing")]
    with Store.open(":memory:") as store:
        collection = LiveCollection(store, Settings(), LiveFeed(), retry_after=1000)
        collection.start()
        wait_until(lambda: "down" in states(collection).values())
        collection.stop()


def test_what_could_not_be_stored_at_the_end_is_said(made):
    class Full(FakeCollector):
        async def run(self, stop):
            await super().run(stop)
            raise StoreError("10 liquidations could not be stored: No space left on device")

    full = Full()
    made.append(full)
    with Store.open(":memory:") as store:
        collection = LiveCollection(store, Settings(), LiveFeed())
        collection.start()
        assert full.runs.wait(DEADLINE)
        with pytest.raises(StoreError, match="10 liquidations could not be stored: No space left"):
            collection.stop()


def test_what_was_never_started_can_be_stopped(made):
    with Store.open(":memory:") as store:
        LiveCollection(store, Settings(), LiveFeed()).stop()


def test_a_collector_is_made_of_the_settings():
    settings = Settings(
        collect_exchanges="bybit,hyperliquid",
        collect_symbols="ethusdt",
        stream_urls="bybit=ws://127.0.0.1:1/x",
        hyperliquid_users=f"0x{'a' * 40}",
    )
    with Store.open(":memory:") as store:
        collector = make_collector(store, settings)
        # With a user named, there is a stream.
        assert {name: one.last_error for name, one in collector.health().items()} == {
            "bybit": None,
            "hyperliquid": None,
        }
    bybit, _ = make_adapters(settings, settings.collect_exchanges)
    assert bybit.stream_url == "ws://127.0.0.1:1/x"


def test_nothing_is_told_before_it_is_stored():
    told = Counter()

    async def run():
        with Store.open(":memory:") as store:

            def tell(rows):
                in_database = stored(store)
                for row in rows:
                    assert any(key[5] == row.time.replace(tzinfo=None) for key in in_database)
                told.update(row.key for row in rows)

            async with fake_exchanges() as fakes, collecting(fakes, store, tell=tell) as session:
                await session.connected()
                for fake in fakes.values():
                    await fake.publish(*events(fake.clock, 60), copies=2)
                await until(lambda: sum(told.values()) == 60 * len(fakes), f"{told}")
                await session.end()

    asyncio.run(run())
    assert set(told.values()) == {1}


def test_who_can_not_be_told_disturbs_no_storing(caplog):
    def fail(rows):
        raise OSError("nobody there")

    async def run():
        with Store.open(":memory:") as store:
            async with fake_exchanges() as fakes, collecting(fakes, store, tell=fail) as session:
                await session.connected()
                await fakes["bybit"].publish(*events(fakes["bybit"].clock, 10))
                await until(lambda: session.collector.stored == 10, "all")
                await session.end()

    asyncio.run(run())
    assert "could not be told of" in caplog.text


def test_who_publishes_does_not_mind_that_a_loop_has_ended():
    feed = LiveFeed()

    async def listen(stack):
        stack.enter_context(feed.liquidations(Wanted()))
        stack.enter_context(feed.changes("BTCUSDT"))

    with ExitStack() as stack:
        asyncio.run(listen(stack))
        feed.publish_liquidations(records(3))
        feed.publish_change(Change("okx", "BTCUSDT", "candles"))
        assert (feed.listeners, feed.published) == (2, 3)
    assert feed.listeners == 0
