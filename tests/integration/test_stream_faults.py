"""One exchange's stream against servers that misbehave."""

import asyncio
import json
import logging
from itertools import islice, pairwise

import pytest
from websockets.frames import Frame, Opcode

from ingest.live.connection import LARGEST, Connection, Waits
from tests.fake_exchange.clock import ManualClock, until
from tests.fake_exchange.exchanges import FAKES, FakeBinance, FakeBybit, FakeOkx
from tests.fake_exchange.running import SYMBOLS, adapter_for, context, liquidations, running

EVERY = pytest.mark.parametrize("fake_class", FAKES.values(), ids=FAKES)


def play(scene):
    """Run a test's coroutine; nothing may be left running behind it."""

    async def whole():
        await scene()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(whole())


def frame(text, opcode=Opcode.TEXT):
    """Return one frame as a server sends it."""
    return Frame(opcode, text.encode()).serialize(mask=False, extensions=[])


async def goes_on(run, events, *, count=5):
    """Check that what comes now is yielded, and that nothing was lost or doubled before."""
    before = len(run.records)
    await run.fake.publish(*islice(events, count))
    await run.got(before + count)
    assert run.yielded_what_was_delivered()


async def tries(fake, count):
    """Let time pass until so many connections were tried, and return when. [s]"""
    times = []
    for n in range(fake.tries + 1, fake.tries + count + 1):
        await until(lambda n=n: fake.tries >= n, f"{n} tries", fake.clock)
        times.append(fake.clock.monotonic())
    return times


# Connections that do not come about.


@EVERY
def test_a_refused_connection_is_tried_again_after_ever_longer_waits(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake:
            fake.script.status = 503
            async with running(fake, connect=False) as run:
                times = await tries(fake, 9)
                waits = [b - a for a, b in pairwise(times)]
                for wait, wanted in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
                    assert wanted <= wait <= 1.5 * wanted + 0.5
                assert run.health.state == "down"
                assert "503" in run.health.last_error
                assert run.health.connects == 0

    play(scene)


@EVERY
@pytest.mark.parametrize("said", ["150", "Mon, 05 Jan 2026 00:02:30 GMT"])
def test_an_exchange_that_asks_to_be_left_alone_is_for_so_long(fake_class, said):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake:
            fake.script.status, fake.script.retry_after = 429, said
            async with running(fake, connect=False) as run:
                await until(lambda: run.health.failures == 1, "a refusal")
                await clock.advance(149 - clock.monotonic() + 1000)
                assert fake.tries == 1
                fake.script.status = 101
                await clock.advance(80)  # a wait is lengthened by up to half of itself
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))

    play(scene)


def test_who_asks_to_be_left_alone_for_days_is_tried_again_after_an_hour():
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake:
            fake.script.status, fake.script.retry_after = 418, str(3 * 86_400)
            async with running(fake, connect=False) as run:
                await until(lambda: run.health.failures == 1, "a refusal")
                await clock.advance(3500)
                assert fake.tries == 1
                await clock.advance(2000)
                assert fake.tries == 2

    play(scene)


def test_an_exchange_is_down_after_three_tries_and_tried_for_ever():
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake:
            fake.script.status = 403
            async with running(fake, connect=False) as run:
                states = []
                for n in (1, 2, 3):
                    await until(lambda n=n: run.health.failures == n, "failures", clock)
                    states.append(run.health.state)
                assert states == ["degraded", "degraded", "down"]
                await clock.advance(3600)
                assert run.health.state == "down"
                assert 40 <= fake.tries <= 70
                fake.script.status = 101
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))

    play(scene)


@EVERY
def test_a_server_that_is_not_there_comes_back(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake:
            await fake.vanish()
            async with running(fake, connect=False) as run:
                await run.reaches("down")
                assert run.health.last_error == "no connection: connection refused"
                await fake.listen()
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))
                assert run.health.reconnects == 0  # it had never been connected before

    play(scene)


def test_of_a_server_that_stays_away_the_log_tells_once_and_when_it_is_back(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake:
            await fake.vanish()
            async with running(fake, connect=False) as run:
                await until(lambda: run.health.failures >= 8, "failures", clock)
                await fake.listen()
                await run.reaches("connected")

    play(scene)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["refused" in text for text in told] == [True, True, True, False]
    assert "marked down" in told[2]
    assert "okx: connected to" in told[3]


def test_a_handshake_that_is_never_answered_is_given_up():
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake:
            fake.script.shake_hands = False
            async with running(fake, connect=False) as run:
                await until(lambda: fake.tries == 1, "a handshake")
                await clock.advance(9)
                assert run.health.failures == 0
                await clock.advance(1)
                assert run.health.last_error == "no connection within 10 s"
                fake.script.shake_hands = True
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))

    play(scene)


@EVERY
def test_a_subscription_that_is_never_acknowledged_is_given_up(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake:
            fake.script.acknowledge = fake.script.deliver = False
            async with running(fake, connect=False) as run:
                await run.reaches("down")
                assert "not confirmed within 15 s" in run.health.last_error
                assert run.health.connects == 0
                fake.script.acknowledge = fake.script.deliver = True
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))

    play(scene)


def test_one_subscription_that_is_not_acknowledged_is_not_taken_for_confirmed():
    class FakeForgetful(FakeBybit):
        forgets = True

        def answers(self, connection, text):
            for answer in super().answers(connection, text):
                if not (self.forgets and "allLiquidation.ETHUSDT" in text):
                    yield answer

    async def scene():
        clock = ManualClock()
        async with FakeForgetful(clock) as fake, running(fake, connect=False) as run:
            await run.reaches("down")
            assert "not confirmed within 15 s" in run.health.last_error
            assert run.health.connects == 0
            fake.forgets = False
            await run.reaches("connected")
            await goes_on(run, liquidations(clock))

    play(scene)


@EVERY
def test_a_refused_subscription_is_told_and_tried_again(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake:
            fake.script.rejected = {"*"}
            async with running(fake, connect=False) as run:
                await run.reaches("down")
                assert run.health.last_error == "the exchange refused every subscription"
                assert run.health.rejections >= 3
                fake.script.rejected = set()
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))

    play(scene)


def test_one_refused_symbol_degrades_the_exchange_and_takes_nothing_from_the_others(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake:
            fake.script.rejected = {"ETHUSDT"}
            async with running(fake, connect=False) as run:
                await until(lambda: run.health.connects == 1, "a connection", clock)
                await goes_on(run, liquidations(clock, ["BTCUSDT", "SOLUSDT"]))
                assert run.health.state == "degraded"
                assert "ETHUSDT" in run.health.last_error

    play(scene)
    assert "bybit: refused: error:handler not found,topic:allLiquidation.ETHUSDT" in caplog.text


@pytest.mark.parametrize("fake_class", [FakeBybit, FakeOkx])
def test_an_exchange_that_accepts_and_throws_out_is_not_asked_every_second(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake:
            fake.script.throw_out = True
            async with running(fake, connect=False) as run:
                await clock.advance(600)
                assert fake.accepted <= 20
                assert run.health.failures >= 4
                fake.script.throw_out = False
                await run.reaches("connected")
                await goes_on(run, liquidations(clock))

    play(scene)


# Connections that break.


@EVERY
@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 4004])
def test_a_closed_connection_is_made_again_within_two_seconds(fake_class, code):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await goes_on(run, events)
            await clock.advance(90)
            await fake.close(code, "for a reason")
            await until(lambda: run.health.failures == 1, "a failure")
            lost = clock.monotonic()
            (tried,) = await tries(fake, 1)
            assert tried - lost <= 2.0
            await run.reaches("connected")
            await goes_on(run, events)
            assert (run.health.reconnects, run.health.failures) == (1, 1)

    play(scene)


@EVERY
def test_a_connection_that_breaks_within_a_frame_loses_only_that_message(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await fake.publish(*islice(events, 5))
            (broken,) = fake.messages([next(events)])
            await fake.drop(after=frame(broken)[:-10])
            await fake.subscribed()
            await goes_on(run, events)
            assert "connection lost: no close frame received" in run.health.last_error

    play(scene)


@EVERY
def test_whatever_was_sent_before_a_connection_broke_is_yielded(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            for _ in range(3):
                for _ in range(200):
                    await fake.publish(*islice(events, 3))
                await fake.drop()
                await fake.subscribed()
            await goes_on(run, events)
            assert fake.accepted == 4

    play(scene)


def test_a_stable_connection_is_made_again_quickly_however_often_others_failed_before():
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake:
            fake.script.status = 503
            async with running(fake, connect=False) as run:
                await until(lambda: run.health.failures == 6, "six failures", clock)
                fake.script.status = 101
                await run.reaches("connected")
                await clock.advance(61)
                await fake.drop()
                lost = clock.monotonic()
                (tried,) = await tries(fake, 1)
                assert tried - lost <= 2.0

    play(scene)


def test_a_connection_that_never_holds_for_long_is_made_again_ever_later():
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake, running(fake) as run:
            for failures, wait in enumerate([1, 2, 4, 8], start=1):
                await fake.drop()
                await until(lambda n=failures: run.health.failures == n, "a failure")
                lost = clock.monotonic()
                (tried,) = await tries(fake, 1)
                assert wait - 0.5 <= tried - lost <= 1.5 * wait + 0.5
                await until(lambda: run.stream.connected, "a connection", clock)

    play(scene)


# Silence.


@EVERY
def test_an_open_socket_that_says_nothing_is_left(fake_class, caplog):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await goes_on(run, events)
            silence = run.stream.adapter.silence
            fake.script.deliver = fake.script.answer = False
            await clock.advance(silence * 0.8)
            assert fake.accepted == 1
            await clock.advance(silence * 1.2)
            assert fake.accepted > 1
            assert f"neither data nor an answer for {silence:g} s" in caplog.text
            fake.script.deliver = fake.script.answer = True
            await run.reaches("connected")
            await goes_on(run, events)

    play(scene)


def test_frames_that_keep_the_socket_open_are_no_sign_of_life(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake, running(fake):
            fake.script.answer = False
            for _ in range(8):
                await clock.advance(10)
                await fake.say_raw(frame("still there", Opcode.PING))
                await fake.say('{"topic":"system","data":"nothing of interest"}')
            assert "neither data nor an answer for 60 s" in caplog.text

    play(scene)


def test_binances_retired_address_acknowledges_lists_and_is_found_out_by_its_silence():
    async def scene():
        clock = ManualClock()
        fake = FakeBinance(clock)
        fake.path = "/ws"
        async with fake, running(fake) as run:
            await clock.advance(590)
            assert run.health.failures == 0
            await clock.advance(20)
            assert run.health.last_error == "answers, but no data for 600 s"
            assert run.health.state == "degraded"
            # However well it answers, it is not called connected again before data comes.
            await clock.advance(300)
            assert (run.stream.connected, run.health.state) == (True, "degraded")
            await clock.advance(2 * 3600)
            assert run.health.state in ("degraded", "down")
            assert fake.accepted <= 15
            fake.path = "/market/ws"
            await fake.subscribed()
            await goes_on(run, liquidations(clock))
            assert run.health.state == "connected"

    play(scene)


def test_a_stream_that_the_exchange_does_not_list_is_not_called_connected():
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake:
            fake.script.listing = False
            async with running(fake, connect=False) as run:
                await run.reaches("down")
                assert run.health.connects == 0
                assert run.health.last_error == (
                    "the exchange does not list 1 of our topics, such as !forceOrder@arr"
                )

    play(scene)


def test_a_stream_that_is_not_listed_any_more_is_subscribed_anew():
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake, running(fake) as run:
            fake.script.listing = False
            await clock.advance(61)
            assert "does not list" in run.health.last_error
            fake.script.listing = True
            await run.reaches("connected")
            await goes_on(run, liquidations(clock))

    play(scene)


def test_a_question_that_is_not_answered_ends_the_connection_though_data_comes(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake, running(fake):
            events = liquidations(clock)
            fake.script.answer = False
            for _ in range(30):
                await clock.advance(10)
                await fake.publish(*islice(events, 1))
            assert "a question was not answered for 150 s" in caplog.text

    play(scene)


# The 24 hours.


def test_a_connection_is_replaced_before_it_is_a_day_old_and_nothing_is_missed():
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake, running(fake) as run:
            events = list(islice(liquidations(clock), 346))
            for event in events:  # two days
                await fake.publish(event)
                await clock.advance(500)
            await run.got(len(events))
            assert fake.delivered == events  # not one happened while nobody listened
            assert run.yielded_what_was_delivered()
            health = run.health
            assert (health.renewals, health.reconnects, health.failures) == (2, 0, 0)
            assert len(fake.open) == 1

    play(scene)


def test_while_two_connections_overlap_each_event_is_yielded_once():
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake:
            adapter = adapter_for(fake)
            adapter.max_age = 800.0
            async with running(fake, adapter=adapter) as run:
                await clock.advance(390)
                fake.script.answer = False  # so that the new one is not confirmed at once
                await until(lambda: len(fake.open) == 2 and all(fake.topics.values()), "2", clock)
                events = liquidations(clock)
                await fake.publish(*islice(events, 50))
                await until(lambda: run.health.duplicates == 50, "duplicates")
                assert run.health.events == 50
                fake.script.answer = True
                await until(lambda: run.health.renewals == 1, "a renewal", clock)
                await goes_on(run, events)
                # No time passes here: the old one is closed by us, not given up as silent.
                await until(lambda: len(fake.open) == 1, "the end of the old one")
                assert run.health.reconnects == 0

    play(scene)


def test_what_is_sent_before_a_goodbye_is_answered_is_read():
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake:
            adapter, heard = adapter_for(fake), []

            def take(text):
                heard.append(text)
                return adapter.parse(text, clock.now(), context())

            connection = Connection(adapter, SYMBOLS, take, clock, Waits(), proxy=None)
            assert await connection.settled()
            before = len(heard)
            closing = asyncio.create_task(connection.close())
            await asyncio.sleep(0)
            for event in islice(liquidations(clock), 100):
                await fake.publish(event)
            await closing
            assert len(heard) - before == len(fake.delivered) > 0

    play(scene)


def test_a_replacement_that_fails_leaves_the_old_connection_delivering(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            for _ in range(191):  # 23 h 52 min 30 s
                await fake.publish(*islice(events, 1))
                await clock.advance(450)
            await fake.publish(*islice(events, 1))
            fake.script.status = 503
            await clock.advance(160)
            assert run.health.failures >= 4
            await goes_on(run, events)
            assert (run.health.state, len(fake.open)) == ("degraded", 1)
            assert "marked down" not in caplog.text
            fake.script.status = 101
            await until(lambda: run.health.renewals == 1, "a renewal", clock)
            await goes_on(run, events)

    play(scene)


def test_replacements_of_which_one_fails_now_and_then_mark_nobody_down(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake, running(fake) as run:
            for n in range(1, 5):
                await clock.advance(890)  # of 900, after which a quiet one is replaced
                fake.script.status = 503
                await until(lambda n=n: run.health.failures == n, "a failure", clock)
                fake.script.status = 101
                await until(lambda n=n: run.health.renewals == n, "a renewal", clock)
            assert "marked down" not in caplog.text
            assert run.health.reconnects == 0

    play(scene)


def test_a_connection_that_the_exchange_closes_for_its_age_is_made_again():
    async def scene():
        clock = ManualClock()
        fake = FakeBinance(clock)
        fake.script.max_age = 3600.0  # earlier than it says
        async with fake, running(fake) as run:
            events = liquidations(clock)
            for _ in range(30):
                await fake.publish(*islice(events, 1))
                await clock.advance(300)
            assert "too old" in run.health.last_error
            await fake.subscribed()
            await goes_on(run, events)
            assert run.health.reconnects == 2

    play(scene)


# Messages that can't be read.

GARBAGE = {
    "garbage": "\x00\x1b[31m not JSON at all",
    "half JSON": '{"topic":"allLiquidation.BTCUSDT","data":[{"T":17',
    "nothing": "",
    "a number": "42",
    "null": "null",
    "an empty list": "[]",
    "deep nesting": "[" * 100_000,
    "binary": b"\x00\xff\xfe\x80",
    "compressed": b"\x1f\x8b\x08\x00\x00",
    "a large message": json.dumps({"data": "x" * 3_000_000}),
    "data without a row": '{"topic":"allLiquidation.BTCUSDT","data":null}',
    "an order without fields": '{"e":"forceOrder","o":{}}',
    "an order that is none": '{"e":"forceOrder","o":7}',
    "details that are none": '{"arg":{"channel":"liquidation-orders"},"data":[{"details":3}]}',
    "an unknown type": '{"e":"somethingNew","topic":"new.BTCUSDT","event":"notice","data":[]}',
}


@EVERY
@pytest.mark.parametrize("message", GARBAGE.values(), ids=GARBAGE)
def test_a_message_that_makes_no_sense_is_passed_over(fake_class, message):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await fake.publish(*islice(events, 2))
            await fake.say(message)
            await goes_on(run, events)
            assert (fake.accepted, run.health.failures) == (1, 0)
            assert len(run.health.last_error or "") < 400

    play(scene)


def test_bad_messages_are_counted_and_logged_shortened_and_not_without_an_end(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake, running(fake) as run:
            for _ in range(1000):
                await fake.say("}" * 5000)
            await until(lambda: run.health.bad_payloads == 1000, "bad payloads")
            assert run.health.state == "degraded"
            assert "bybit" in run.health.last_error

    with caplog.at_level(logging.WARNING, "ingest"):
        play(scene)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 21
    assert lines[-1] == "bybit: no more bad messages are logged for a minute"
    assert max(map(len, lines)) < 1000


def test_the_good_rows_of_a_bad_message_are_kept():
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake, running(fake) as run:
            (text,) = fake.messages(list(islice(liquidations(clock, ["BTCUSDT"]), 5)))
            message = json.loads(text)
            message["data"][2]["v"] = "a lot"
            await fake.say(json.dumps(message))
            await run.got(4)
            assert run.health.bad_payloads == 1

    play(scene)


@EVERY
def test_a_message_too_large_to_read_costs_the_connection_and_nothing_else(fake_class):
    async def scene():
        clock = ManualClock()
        async with fake_class(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await fake.publish(*islice(events, 5))
            victims = fake.open
            await fake.say("x" * (LARGEST + 1))
            await fake.gone(victims)
            await fake.subscribed()
            await goes_on(run, events)
            assert "1009" in run.health.last_error

    play(scene)


@pytest.mark.parametrize(
    "data",
    [b"\xf3\x00", b"\x81\x02\xff\xfe", b"\x81\x85abcdHello", b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ids=["reserved bits", "not UTF-8", "masked", "not a frame"],
)
def test_what_breaks_the_protocol_costs_the_connection_and_nothing_else(data):
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            await fake.publish(*islice(events, 5))
            victims = fake.open
            await fake.say_raw(data)
            await fake.gone(victims)
            await fake.subscribed()
            await goes_on(run, events)
            assert run.health.failures == 1

    play(scene)


def test_symbols_that_are_not_known_are_left_out():
    async def scene():
        clock = ManualClock()
        async with FakeBinance(clock) as fake, running(fake) as run:
            events = liquidations(clock)
            (text,) = fake.messages([next(events)])
            for symbol in ("NEWCOINUSDT", "BTCUSD_PERP", "BTCUSDT_260327", "", "比特币USDT"):
                await fake.say(text.replace("BTCUSDT", symbol))
            await goes_on(run, events)

    play(scene)


# Our own faults.


class Buggy:
    """An adapter with a bug in one of its functions."""

    def __init__(self, adapter, **bugs):
        self._adapter, self._bugs = adapter, bugs

    def __getattr__(self, name):
        if name in self._bugs and (error := self._bugs[name]()):
            raise error
        return getattr(self._adapter, name)


def test_a_bug_in_reading_one_message_is_logged_with_it_and_passed_over(caplog):
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake:
            errors = [None, None, None, ZeroDivisionError("oh"), None]
            buggy = Buggy(adapter_for(fake), parse=lambda: errors.pop(0) if errors else None)
            async with running(fake, adapter=buggy) as run:
                events = liquidations(clock, ["BTCUSDT"])
                for event in islice(events, 10):
                    await fake.publish(event)
                await run.got(9)
                assert run.health.bad_payloads == 1
                assert (fake.accepted, run.health.failures) == (1, 0)

    play(scene)
    assert "the adapter failed with ZeroDivisionError('oh') on: {" in caplog.text


@pytest.mark.parametrize(
    "name", ["stream_url", "subscriptions", "topics", "ping", "silence", "liveness", "max_age"]
)
def test_a_bug_elsewhere_in_an_adapter_is_told_and_the_exchange_is_tried_again(name):
    async def scene():
        clock = ManualClock()
        async with FakeOkx(clock) as fake:
            broken = [True]
            buggy = Buggy(
                adapter_for(fake), **{name: lambda: KeyError("a bug") if broken else None}
            )
            async with running(fake, adapter=buggy, connect=False) as run:
                await until(lambda: run.health.failures >= 3, "failures", clock)
                assert "failed in our own code: KeyError('a bug')" in run.health.last_error
                broken.clear()
                await run.reaches("connected")
                await fake.subscribed()
                await goes_on(run, liquidations(clock))

    play(scene)


def test_a_server_that_does_not_answer_a_goodbye_is_left_all_the_same():
    async def scene():
        clock = ManualClock()
        async with FakeBybit(clock) as fake:
            async with running(fake) as run:
                (connection,) = fake.open
                connection.transport.pause_reading()
                stop = asyncio.create_task(run.stream.run())
                stop.cancel()
            assert run.health.state == "off"
            connection.transport.resume_reading()
            await fake.gone()

    play(scene)
