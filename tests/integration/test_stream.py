"""One exchange's stream against servers that speak its protocol, when all is well."""

import asyncio
from decimal import Decimal
from itertools import islice

import pytest

from ingest.adapters.adapter import Context
from tests.fake_exchange.clock import ManualClock, until
from tests.fake_exchange.exchanges import (
    FAKES,
    USERS,
    FakeBinance,
    FakeBybit,
    FakeHyperliquid,
    FakeOkx,
)
from tests.fake_exchange.running import SYMBOLS, context, liquidations, running

EVERY = pytest.mark.parametrize("fake_class", FAKES.values(), ids=FAKES)


def play(scene):
    """Run a test's coroutine; nothing may be left running behind it."""

    async def whole():
        await scene()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(whole())


@EVERY
def test_what_is_delivered_is_yielded_once_with_both_times(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            for size in (1, 1, 2, 7, 30):
                await fake.publish(*islice(events, size))
            await run.got(41)
            assert run.yielded_what_was_delivered()
            assert {record.received for record in run.records} == {clock.now()}
            health = run.health
            assert (health.state, health.events, health.events_per_minute) == ("connected", 41, 41)
            assert (health.connects, health.reconnects, health.failures) == (1, 0, 0)

    play(scene)


@EVERY
def test_symbols_that_nobody_asked_for_are_left_out(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake, ["BTCUSDT"]) as run:
            await fake.publish(*islice(liquidations(clock), 30))
            await run.got(10)
            await fake.publish(*islice(liquidations(clock, ["BTCUSDT"]), 10, 11))
            await run.got(11)
            assert {record.symbol for record in run.records} == {"BTCUSDT"}

    play(scene)


@EVERY
def test_a_quiet_market_keeps_its_connection_by_pings_and_answers(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            await clock.advance(590)
            assert run.health.state == "connected"
            assert (fake.accepted, run.health.failures) == (1, 0)
            assert run.health.messages_per_minute >= 1

    play(scene)


def test_most_exchanges_may_be_quiet_for_a_day():
    async def scene():
        for fake_class in (FakeBybit, FakeOkx, FakeHyperliquid):
            clock = ManualClock()
            async with fake_class(clock) as fake, running(fake) as run:
                await clock.advance(24 * 3600 + 60)
                health = run.health
                assert (health.state, health.failures, health.reconnects) == ("connected", 0, 0)
                assert len(fake.open) == 1

    play(scene)


@pytest.mark.parametrize("fake_class", [FakeBybit, FakeOkx, FakeHyperliquid])
def test_a_subscription_that_was_lost_on_the_other_side_is_made_again(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await fake.publish(*islice(events, 3))
            await run.got(3)
            fake.topics[fake.open[0]].clear()  # it goes on to answer pings
            await clock.advance(890)
            assert fake.accepted == 1
            await clock.advance(20)
            assert fake.accepted == 2
            await fake.publish(*islice(events, 3))
            await run.got(6)
            assert run.yielded_what_was_delivered()
            health = run.health
            assert (health.renewals, health.failures, health.state) == (1, 0, "connected")

    play(scene)


def test_a_connection_that_brings_data_is_not_replaced():
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake, running(fake) as run:
            for event in islice(liquidations(clock), 20):
                await fake.publish(event)
                await clock.advance(600)
            assert (fake.accepted, run.health.renewals) == (1, 0)

    play(scene)


def test_binances_messages_may_be_wrapped_as_combined_streams_are():
    async def scene():
        clock = ManualClock()
        fake = FakeBinance(clock)
        fake.path = "/market/stream"
        async with fake, running(fake) as run:
            await fake.publish(*islice(liquidations(clock), 5))
            await run.got(5)
            assert run.yielded_what_was_delivered()

    play(scene)


@EVERY
def test_repetitions_are_left_out_and_counted(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = list(islice(liquidations(clock), 20))
            await fake.publish(*events, copies=3)
            await fake.publish(*events)
            await until(lambda: run.health.duplicates == 60, "60 duplicates")
            await run.got(20)
            assert run.yielded_what_was_delivered()
            assert run.health.events == 20

    play(scene)


def test_a_repetition_after_a_reconnection_is_left_out():
    # OKX sends the latest liquidations after each subscription.
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake, running(fake) as run:
            events = list(islice(liquidations(clock), 6))
            await fake.publish(*events[:4])
            await run.got(4)
            await fake.drop()
            await fake.subscribed()
            await fake.publish(*events)
            await run.got(6)
            assert run.yielded_what_was_delivered()
            assert run.health.duplicates == 4

    play(scene)


def test_a_snapshot_repeats_what_came_however_long_ago_and_brings_what_was_missed():
    async def scene():
        clock = ManualClock()
        async with FakeHyperliquid(clock) as fake, running(fake) as run:
            events = list(islice(liquidations(clock, ["BTCUSDT"]), 7))
            await fake.publish(*events[:4])
            await run.got(4)
            await clock.advance(7200)
            # Two happened while nobody listened.
            fake._known.update(dict.fromkeys(events[4:6]))
            fake.delivered += events[4:6]
            await fake.drop()
            await fake.subscribed()
            await run.got(6)
            await fake.publish(events[6])
            await run.got(7)
            assert run.yielded_what_was_delivered()
            assert run.health.duplicates >= 4  # more come as quiet connections are replaced
            # What came late in a snapshot does not tell how long messages take.
            assert run.health.lag < 7200

    play(scene)


def test_a_user_that_is_refused_takes_nothing_from_the_others():
    async def scene():
        clock = ManualClock()
        async with FakeHyperliquid(clock) as fake:
            fake.script.rejected = {USERS[1]}
            async with running(fake, connect=False) as run:
                await until(lambda: run.health.connects == 1, "a connection", clock)
                assert "Invalid subscription" in run.health.last_error
                await fake.publish(*islice(liquidations(clock), 9))
                await run.got(6)
                assert {record.symbol for record in run.records} == {"ETHUSDT", "SOLUSDT"}
                assert run.health.state == "degraded"

    play(scene)


@EVERY
def test_times_out_of_order_and_in_the_future_are_yielded_as_they_came(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = list(islice(liquidations(clock), 3600 * 3))[::3600][::-1]
            await clock.advance(60)
            later = list(islice(liquidations(clock), 5))
            for event in [*later, *events]:
                await fake.publish(event)
            await run.got(8)
            assert [record.time for record in run.records] == [
                event.time for event in [*later, *events]
            ]

    play(scene)


@EVERY
def test_a_clock_of_the_exchange_that_is_ahead_shows_as_a_negative_lag(fake_class):
    async def scene():
        clock, ahead = ManualClock(), ManualClock()
        await ahead.advance(3600)
        async with fake_class(clock) as fake, running(fake) as run:
            await fake.publish(*islice(liquidations(ahead), 3))
            await run.got(3)
            assert run.health.lag == pytest.approx(-3600, abs=60)
            assert run.yielded_what_was_delivered()

    play(scene)


@EVERY
def test_who_does_not_take_records_loses_the_oldest_and_never_stalls_the_socket(fake_class, caplog):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake, collect=False, queue_size=50) as run:
            events = list(islice(liquidations(clock), 500))
            for event in events:
                await fake.publish(event)
            await until(lambda: run.health.overflows == 450, "overflows")
            assert run.health.state == "degraded"
            kept = []
            while (record := run.stream.queue.take()) is not None:
                kept.append(record.time)
            assert kept == [event.time for event in events[-50:]]

    play(scene)
    assert "the oldest are dropped" in caplog.text


def test_a_stream_that_was_never_started_is_off_and_one_that_was_stopped_too():
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake:
            async with running(fake) as run:
                assert run.health.state == "connected"
            assert run.health.state == "off"
            await fake.gone()
            assert fake.accepted == 1

    play(scene)


def test_contract_sizes_may_become_known_later():
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake, running(fake) as run:
            run.stream.context = context(["BTCUSDT"])
            await fake.publish(*islice(liquidations(clock), 3))
            await run.got(1)
            run.stream.context = context()
            await fake.publish(*islice(liquidations(clock), 3, 6))
            await run.got(4)

    play(scene)


def test_what_comes_before_contract_sizes_are_known_is_read_when_they_are(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake, running(fake) as run:
            run.stream.context = Context(symbols=frozenset(SYMBOLS))
            events = liquidations(clock)
            for _ in range(3):
                await fake.publish(*islice(events, 3))
            await run.came(3)
            assert run.records == []
            received = clock.now()
            await clock.advance(5)
            run.stream.context = context()
            await run.got(9)
            assert run.yielded_what_was_delivered()
            assert {record.received for record in run.records} == {received}
            # A market that is not on the list once there is one won't be later.
            run.stream.context = Context(contract_sizes={"BTC-USDT-SWAP": Decimal("0.01")})
            await fake.publish(*islice(events, 3))
            await run.got(10)
            run.stream.context = context()
            await fake.publish(*islice(events, 1))
            await run.got(11)

    play(scene)
    assert "messages are lost" not in caplog.text


def test_of_what_can_not_be_read_without_contract_sizes_the_oldest_is_dropped(monkeypatch, caplog):
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake, running(fake) as run:
            run.stream.context = Context(symbols=frozenset(SYMBOLS))
            events = list(islice(liquidations(clock), 6))
            (text,) = fake.messages(events[:1])
            monkeypatch.setattr("ingest.live.stream._UNREAD", 2 * len(text) + 20)
            for event in events:
                await fake.publish(event)
            await run.came(6)
            assert run.health.overflows == 4
            run.stream.context = context()
            await run.got(2)
            assert {record.time for record in run.records} == {one.time for one in events[4:]}
            run.stream.context = Context(symbols=frozenset(SYMBOLS))
            await fake.publish(*islice(liquidations(clock), 6, 7))
            await run.came(1)

    play(scene)
    assert "okx: 1 messages are lost that could not be read" in caplog.text
