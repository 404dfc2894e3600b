"""All exchanges' streams as one, against servers that misbehave."""

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from random import Random

import pytest

from ingest.adapters import ADAPTERS
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.live.aggregator import ExchangeAggregator
from ingest.live.connection import Waits
from ingest.live.stream import Patience
from tests.fake_exchange.chaos import Account, Chaos
from tests.fake_exchange.clock import ManualClock, passing, until
from tests.fake_exchange.exchanges import FAKES
from tests.fake_exchange.running import SYMBOLS, adapter_for, context, liquidations


class Scene:
    """Four fake exchanges, an aggregator that is connected to them, and what came out."""

    def __init__(self, clock, fakes, aggregator):
        self.clock, self.aggregator = clock, aggregator
        self.binance, self.bybit, self.okx, self.hyperliquid = self.fakes = fakes
        self.records = []

    async def collect(self):
        async for record in self.aggregator.stream_aggregated():
            self.records.append(record)

    async def got(self, count):
        await until(lambda: len(self.records) >= count, f"{count} records")

    def states(self):
        health = self.aggregator.health_check_all()
        return {exchange: one.state for exchange, one in health.items()}

    def by_exchange(self):
        return Counter(record.exchange for record in self.records)


@contextlib.asynccontextmanager
async def scene(adapters=adapter_for, symbols=SYMBOLS, connect=True, speed=50, **options):
    clock = ManualClock()
    async with contextlib.AsyncExitStack() as stack:
        fakes = [await stack.enter_async_context(fake(clock)) for fake in FAKES.values()]
        aggregator = ExchangeAggregator(
            [adapters(fake) for fake in fakes],
            symbols,
            {"okx": context()},
            clock=clock,
            random=Random(1),
            proxy=None,
            **options,
        )
        the_scene = Scene(clock, fakes, aggregator)
        collecting = asyncio.create_task(the_scene.collect())
        async with passing(clock, speed):
            if connect:
                await aggregator.connect_all()
            yield the_scene
            await aggregator.disconnect_all()
        await collecting


def play(run, **options):
    async def whole():
        async with scene(**options) as the_scene:
            await run(the_scene)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


def test_it_supports_every_exchange_there_is_an_adapter_for():
    assert set(ExchangeAggregator.SUPPORTED_EXCHANGES) == set(ADAPTERS)


def test_before_anything_was_contacted_all_is_off():
    async def run(s):
        assert s.states() == dict.fromkeys(FAKES, "off")
        assert s.aggregator.get_active_exchanges() == []
        assert [fake.tries for fake in s.fakes] == [0, 0, 0, 0]

    play(run, connect=False)


def test_all_are_connected_and_their_records_come_out_together():
    async def run(s):
        assert s.states() == dict.fromkeys(FAKES, "connected")
        assert s.aggregator.get_active_exchanges() == ["binance", "bybit", "okx", "hyperliquid"]
        for fake in s.fakes:
            await fake.publish(*islice(liquidations(s.clock), 20))
        await s.got(80)
        assert s.by_exchange() == dict.fromkeys(FAKES, 20)

    play(run)


@pytest.mark.parametrize("failing", range(len(FAKES)), ids=list(FAKES))
def test_an_exchange_that_is_not_there_does_not_hold_up_the_others(failing):
    async def run(s):
        broken = s.fakes[failing]
        await broken.vanish()
        health = await s.aggregator.connect_all()
        assert health[broken.name].state == "degraded"
        assert broken.name not in s.aggregator.get_active_exchanges()
        assert len(s.aggregator.get_active_exchanges()) == 3
        for fake in s.fakes:
            await fake.publish(*islice(liquidations(s.clock), 20))
        await s.got(60)
        await broken.listen()
        await broken.subscribed()
        await until(lambda: len(s.aggregator.get_active_exchanges()) == 4, "all four")
        await broken.publish(*islice(liquidations(s.clock), 20))
        await s.got(80)

    play(run, connect=False)


class Broken:
    """An adapter in which something raises."""

    def __init__(self, adapter, name):
        self._adapter, self._name = adapter, name

    def __getattr__(self, name):
        if name == self._name:
            raise RuntimeError("a bug")
        return getattr(self._adapter, name)


@pytest.mark.parametrize(
    "name", ["native", "unavailable", "stream_url", "subscriptions", "topics", "parse", "max_age"]
)
def test_a_bug_in_one_adapter_does_not_disturb_the_others(name, caplog):
    async def run(s):
        for fake in s.fakes:
            await fake.publish(*islice(liquidations(s.clock), 20))
        others = {"binance": 20, "okx": 20, "hyperliquid": 20}
        await until(lambda: s.by_exchange().items() >= others.items(), "the others")
        health = s.aggregator.health_check_all()
        assert (health["binance"].state, health["okx"].state) == ("connected", "connected")
        assert health["bybit"].state != "connected"
        assert health["bybit"].last_error
        assert "a bug" in caplog.text

    def adapters(fake):
        adapter = adapter_for(fake)
        return Broken(adapter, name) if fake.name == "bybit" else adapter

    play(run, adapters=adapters)


def test_a_flood_of_one_exchange_costs_the_others_nothing():
    async def run(s):
        s.flooding = list(islice(liquidations(s.clock), 2000))
        await s.okx.publish(*islice(liquidations(s.clock), 50))
        await s.bybit.publish(*s.flooding)
        await s.got(150)
        health = s.aggregator.health_check_all()
        assert health["okx"].overflows == 0
        assert health["bybit"].overflows + s.by_exchange()["bybit"] == 2000
        assert s.by_exchange()["okx"] == 50

    play(run, queue_size=100)


def test_an_exchange_without_a_stream_is_off_and_says_why():
    async def run():
        aggregator = ExchangeAggregator([Hyperliquid()], SYMBOLS)
        health = await aggregator.connect_all()
        assert health["hyperliquid"].state == "off"
        assert health["hyperliquid"].last_error == Hyperliquid().unavailable["liquidations"]
        await aggregator.disconnect_all()
        assert [record async for record in aggregator.stream_aggregated()] == []

    asyncio.run(run())


def test_an_exchange_that_has_none_of_the_symbols_is_not_contacted():
    async def run(s):
        assert s.states() == dict.fromkeys(FAKES, "off")
        health = s.aggregator.health_check_all()["okx"]
        assert health.last_error == "okx has none of the symbols wanted: not a symbol"
        assert s.okx.tries == 0

    play(run, symbols=["not a symbol"])


def test_what_had_come_is_still_yielded_after_the_end():
    async def run():
        clock = ManualClock()
        async with FAKES["bybit"](clock) as fake, passing(clock):
            aggregator = ExchangeAggregator([adapter_for(fake)], SYMBOLS, clock=clock, proxy=None)
            await aggregator.connect_all()
            await fake.publish(*islice(liquidations(clock), 30))
            await until(lambda: aggregator.health_check_all()["bybit"].events == 30, "30 events")
            await aggregator.disconnect_all()
            assert len([record async for record in aggregator.stream_aggregated()]) == 30
            assert aggregator.health_check_all()["bybit"].state == "off"

    asyncio.run(run())


def test_it_can_be_connected_again():
    async def run(s):
        assert (await s.aggregator.connect_all())["okx"].state == "connected"
        assert [fake.accepted for fake in s.fakes] == [1, 1, 1, 1]
        await s.aggregator.disconnect_all()
        assert s.aggregator.get_active_exchanges() == []
        health = await s.aggregator.connect_all()
        assert {one.state for one in health.values()} == {"connected"}
        again = asyncio.create_task(s.collect())
        await s.okx.publish(*islice(liquidations(s.clock), 5))
        await s.got(5)
        await s.aggregator.disconnect_all()
        await again

    play(run)


def test_with_the_systems_clock_records_are_received_now():
    async def run():
        clock = ManualClock()
        async with FAKES["bybit"](clock) as fake:
            aggregator = ExchangeAggregator([adapter_for(fake)], SYMBOLS, proxy=None)
            before = datetime.now(UTC)
            health = await aggregator.connect_all()
            assert health["bybit"].state == "connected"
            await fake.publish(*islice(liquidations(clock), 1))
            record = await anext(aggregator.stream_aggregated())
            assert before <= record.received <= datetime.now(UTC)
            await aggregator.disconnect_all()

    asyncio.run(run())


def test_contract_sizes_that_become_known_are_used():
    async def run(s):
        s.aggregator.set_context("okx", context(["BTCUSDT"]))
        s.aggregator.set_context("nowhere", context())
        await s.okx.publish(*islice(liquidations(s.clock), 9))
        await s.got(3)
        assert {record.symbol for record in s.records} == {"BTCUSDT"}

    play(run)


# On a busy machine the fake exchange sometimes leaves a connection that it accepted as it vanished,
# which is found when it is collected. Other tests watch for connections that the streams leave.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function _Sel:pytest.PytestUnraisableExceptionWarning",
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning",
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_goes_wrong_what_was_delivered_comes_out_once(seed):
    async def run(s):
        random = Random(seed)
        chaos = [Chaos(fake, Random(random.random()), share=0.03) for fake in s.fakes]
        await asyncio.gather(*(one.play(500) for one in chaos))
        # Not so little was delivered that the following would say nothing.
        assert sum(len(fake.delivered) for fake in s.fakes) > 500
        account = Account(s.fakes)
        account.deliver()
        await until(lambda: len(s.records) >= account.delivered, "all that was delivered")
        for record in s.records:
            account.take(record)
        assert (account.lost(), account.doubled()) == (0, 0)
        health = s.aggregator.health_check_all()
        assert sum(one.faults.total() for one in chaos) > 12
        assert sum(one.reconnects for one in health.values()) >= 6
        assert sum(one.overflows for one in health.values()) == 0

    # At this speed a goodbye's five seconds are over before it has crossed the loopback, and who
    # hangs up without one may miss what was sent meanwhile.
    play(run, speed=200, patience=Patience(waits=Waits(closing=600)))
