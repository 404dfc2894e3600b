"""What is stored of exchanges that misbehave, one fault at a time.

Each fault is done to each exchange in turn, over real sockets, while another exchange behaves. What
must be stored is what the protocol delivered: no more, no less, each once.
"""

import asyncio
import contextlib
import math
import threading
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise

import pytest
from websockets.frames import Frame, Opcode

from ingest.adapters.adapter import Context, NotOffered
from ingest.adapters.bybit import Bybit
from ingest.http import HttpClient, Manners, Rate
from ingest.live.collector import Collector
from ingest.live.connection import LARGEST, Waits
from ingest.live.stream import Patience
from ingest.store import Store
from tests import fake_rest
from tests.fake_archive import Clock as WaitingClock
from tests.fake_archive import cut, hang_up, hold, status
from tests.fake_exchange.chaos import GARBAGE, UNKNOWN
from tests.fake_exchange.clock import ManualClock, settle, until
from tests.fake_exchange.exchanges import CONTRACT_SIZES, FAKES
from tests.fake_exchange.running import adapter_for, liquidations
from tests.integration.test_collect import delivered, stored

WANTED = ("BTCUSDT", "ETHUSDT")
DAY = 3 * 3600.0
"""After how long connections are closed here, instead of a day with its thousands of pings. [s]"""

# Others' markets, dated and inverse contracts as the exchanges write them.
STRANGERS = {
    "binance": ('"BTCUSDT"', ('"BTCUSDT_261225"', '"BTCUSD_PERP"', '"比特币USDT"', '""')),
    "bybit": ('"BTCUSDT"', ('"BTC-25DEC26"', '"BTCUSD"', '"BTCUSDZ26"', '"🐸USDT"')),
    "okx": ('"BTC-USDT-SWAP"', ('"BTC-USD-SWAP"', '"BTC-USDT-261225"', '"X"', '"-"')),
    "hyperliquid": ('"BTC"', ('"@107"', '"PURR/USDC"', '"xyz:TSLA"', '" "')),
}
LISTS = ("exchangeInfo", "instruments-info", "instruments", "meta")
CANDLES = ("klines", "kline", "history-candles", "candleSnapshot")


@dataclass
class Scene:
    """A collector with two exchanges: one to be disturbed, and one that behaves."""

    collector: Collector
    store: Store
    fake: object
    other: object
    events: object
    others: object

    @property
    def clock(self):
        return self.fake.clock

    @property
    def health(self):
        return self.collector.health()[self.fake.name]

    async def publish(self, count=6):
        """Let something happen at both exchanges."""
        await self.fake.publish(*islice(self.events, count))
        await self.other.publish(*islice(self.others, count))

    async def says(self, text):
        """Send what can't be read, and wait until it was seen or the connection is over."""
        bad, failures = self.health.bad_payloads, self.health.failures
        await self.fake.say(text)
        await until(
            lambda: self.health.bad_payloads > bad or self.health.failures > failures,
            "a complaint",
        )

    async def tried(self, times=3):
        """Wait, while time passes, until it was tried so often to connect."""
        goal = self.fake.tries + times
        await until(lambda: self.fake.tries >= goal, "tries", self.clock)

    async def failed(self, times=3):
        """Wait, while time passes, until so many connections more were lost or never made."""
        goal = self.health.failures + times
        await until(lambda: self.health.failures >= goal, "failures", self.clock)

    async def recovered(self):
        """Wait until both exchanges can deliver."""
        for fake in (self.fake, self.other):
            await fake.subscribed()
        await until(
            lambda: all(one.state != "down" for one in self.collector.health().values()), "health"
        )

    async def stores_what_was_delivered(self):
        """Check that what is stored is what must be, each once, whatever may still come."""
        wanted = self.wanted()
        await until(lambda: self.collector.stored >= wanted.total(), "all in the database")
        await settle()
        assert stored(self.store) == wanted
        assert set(wanted.values()) == {1}

    def wanted(self):
        """Return what must be stored of what was delivered."""
        rows = delivered({fake.name: fake for fake in (self.fake, self.other)})
        return Counter({row: count for row, count in rows.items() if row[1] in WANTED})


@contextlib.asynccontextmanager
async def collecting(name, servers=None, **options):
    clock = ManualClock()
    other = "bybit" if name == "okx" else "okx"
    async with contextlib.AsyncExitStack() as stack:
        store = stack.enter_context(Store.open(":memory:"))
        fakes = [await stack.enter_async_context(FAKES[one](clock)) for one in (name, other)]
        fakes[0].script.max_age = DAY
        adapters = [adapter_for(fake) for fake in fakes]
        for adapter in adapters:
            if adapter.max_age is not None:
                adapter.max_age = DAY
            if servers:
                adapter.rest_url = servers[adapter.exchange].url
        collector = Collector(
            store,
            adapters,
            WANTED,
            contexts=options.pop("contexts", dict.fromkeys(FAKES, Context(None, CONTRACT_SIZES))),
            proxy=None,
            clock=clock,
            # At this speed of the clock a goodbye's five seconds would be over at once.
            patience=Patience(waits=Waits(closing=3600)),
            every=0.005,
            **options,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(collector.run(stop))
        scene = Scene(collector, store, *fakes, liquidations(clock), liquidations(clock))
        try:
            await scene.recovered()
            yield scene
        finally:
            stop.set()
            await until(running.done, "the end", clock)
            await running


def play(name, fault):
    """Let a fault happen between two lots of liquidations, and check what is stored."""

    async def whole():
        async with collecting(name) as s:
            await s.publish()
            await fault(s)
            await s.recovered()
            await s.publish()
            assert s.wanted().total() >= 16  # four of each six, twice, of two exchanges
            await s.stores_what_was_delivered()

    asyncio.run(whole())


def frame(text):
    """Return a text's frame as a server sends it."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False, extensions=[])


# The faults.


async def refuses(s):
    s.fake.script.status = 403
    await s.fake.drop()
    for code in (403, 418, 429, 500, 503):
        s.fake.script.status = code
        s.fake.script.retry_after = "2" if code == 429 else ""
        await s.tried(1)
    s.fake.script.status = 101


async def is_gone(s):
    await s.fake.vanish()
    await s.failed()
    await s.fake.listen()


async def does_not_shake_hands(s):
    s.fake.script.shake_hands = False
    await s.fake.drop()
    await s.failed(2)
    s.fake.script.shake_hands = True


async def does_not_acknowledge(s):
    s.fake.script.acknowledge = s.fake.script.deliver = False
    await s.fake.drop()
    await s.failed(3)
    s.fake.script.acknowledge = s.fake.script.deliver = True
    await s.fake.drop()


async def refuses_subscriptions(s):
    s.fake.script.rejected = {"*"}
    await s.fake.drop()
    await s.failed(3)
    s.fake.script.rejected = set()


async def throws_out(s):
    s.fake.script.throw_out = True
    await s.fake.drop()
    await s.failed(4)
    s.fake.script.throw_out = False


async def drops(s):
    await s.fake.drop()


async def drops_within_a_frame(s):
    (text, *_) = s.fake.messages(list(islice(s.events, 3)))
    await s.fake.drop(after=frame(text)[:-10])


async def drops_again_and_again(s):
    for _ in range(3):
        await s.publish()
        await s.fake.drop()
        await s.fake.subscribed()


async def closes(s):
    for code in (1000, 1001, 1011, 1012, 4004):
        await s.fake.close(code, "for a reason")
        await s.failed(1)
        await s.recovered()
        await s.publish(2)


async def is_silent(s):
    s.fake.script.deliver = s.fake.script.answer = False
    await s.publish()
    await s.failed(1)
    s.fake.script.deliver = s.fake.script.answer = True


async def acknowledges_and_brings_nothing(s):
    s.fake.script.deliver = False
    await s.fake.drop()
    await s.fake.subscribed()
    accepted = s.fake.accepted
    for _ in range(3):
        await s.publish()  # the other one delivers it
        await s.clock.advance(910)
    assert s.fake.accepted > accepted
    s.fake.script.deliver = True


async def loses_the_subscription(s):
    accepted = s.fake.accepted
    for connection in s.fake.open:
        s.fake.topics[connection].clear()
    await s.fake.publish(*islice(s.events, 3))  # to nobody
    await s.clock.advance(910)
    await until(lambda: s.fake.accepted > accepted, "a new connection", s.clock)


async def sends_garbage(s):
    for text in GARBAGE:
        await s.says(text)


async def sends_half_a_message(s):
    (text, *_) = s.fake.messages(list(islice(s.events, 3)))
    for length in (1, len(text) // 2, len(text) - 1):
        await s.says(text[:length])


async def sends_what_is_too_large(s):
    await s.says("[" + " " * LARGEST + "]")


async def sends_a_large_message(s):
    """Send what is just small enough, a thousand liquidations among it."""
    events = [one for one in islice(s.events, 1500) if one.symbol in WANTED]
    for text in s.fake.messages(events):
        await s.fake.say(text + " " * (4 * 2**20 if len(text) > 2000 else 0))
    s.fake._count(events)


async def breaks_the_protocol(s):
    await s.fake.say_raw(b"\xf3\x00")
    await s.failed(1)


async def sends_in_pieces(s):
    events = list(islice(s.events, 3))
    for text in s.fake.messages(events):
        whole = frame(text)
        for i in range(0, len(whole), 7):
            await s.fake.say_raw(whole[i : i + 7])
            await settle()
    s.fake._count(events)


async def repeats_itself(s):
    events = list(islice(s.events, 6))
    await s.fake.publish(*events, copies=3)
    await s.fake.publish(*reversed(events))
    await s.fake.drop()
    await s.fake.subscribed()
    await s.fake.publish(*events)
    # Long after the stream has forgotten them, the database has not.
    for _ in range(3):
        await s.clock.advance(500)
        await s.fake.publish(*islice(s.events, 1))
    await s.fake.publish(*events)


async def mixes_times(s):
    now = s.clock.now()
    for days in (0, 30, -30, 0, -1, 1, 3650):
        event = next(s.events)
        await s.fake.publish(replace(event, time=now + timedelta(days=days, milliseconds=days)))


async def sends_impossible_times(s):
    (text, *_) = s.fake.messages([(event := next(s.events))])
    for time in (0, -1, 1_700_000_000, 10**30):
        await s.says(text.replace(str(event.millis), str(time)))


async def sends_strange_symbols(s):
    here, strangers = STRANGERS[s.fake.name]
    event = next(one for one in s.events if one.symbol == "BTCUSDT")
    for text in s.fake.messages([event]):
        for stranger in strangers:
            assert here in text
            await s.fake.say(text.replace(here, stranger))
    # And one that nobody asked for.
    await s.fake.publish(*(one for one in islice(s.events, 6) if one.symbol == "SOLUSDT"))


async def sends_unknown_types(s):
    for text in UNKNOWN:
        await s.fake.say(text)


async def sends_one_bad_row(s):
    good = [one for one in islice(s.events, 9) if one.symbol == "BTCUSDT"]
    for price in ("x", "-1", "0", "NaN", "1e999"):
        bad = replace(good[1], price=Decimal("12345.678"), quantity=Decimal(5))
        bads = s.health.bad_payloads
        for text in s.fake.messages([good[0], bad, good[2]]):
            await s.fake.say(text.replace("12345.678", price))
        await until(lambda n=bads: s.health.bad_payloads > n, "a complaint")
    s.fake._count([good[0], good[2]])


async def closes_after_a_day(s):
    for _ in range(41):
        await s.publish(2)
        await s.clock.advance(DAY / 20)
        await s.recovered()
    if s.fake.name == "binance":  # it is known to
        assert (s.health.renewals, s.health.reconnects, s.health.failures) == (2, 0, 0)
    else:
        assert s.health.reconnects >= 2


FAULTS = {
    "refuses": refuses,
    "is gone": is_gone,
    "does not shake hands": does_not_shake_hands,
    "does not acknowledge": does_not_acknowledge,
    "refuses subscriptions": refuses_subscriptions,
    "throws out": throws_out,
    "drops": drops,
    "drops within a frame": drops_within_a_frame,
    "drops again and again": drops_again_and_again,
    "closes": closes,
    "is silent": is_silent,
    "acknowledges and brings nothing": acknowledges_and_brings_nothing,
    "loses the subscription": loses_the_subscription,
    "sends garbage": sends_garbage,
    "sends half a message": sends_half_a_message,
    "sends what is too large": sends_what_is_too_large,
    "sends a large message": sends_a_large_message,
    "breaks the protocol": breaks_the_protocol,
    "sends in pieces": sends_in_pieces,
    "repeats itself": repeats_itself,
    "mixes times": mixes_times,
    "sends impossible times": sends_impossible_times,
    "sends strange symbols": sends_strange_symbols,
    "sends unknown types": sends_unknown_types,
    "sends one bad row": sends_one_bad_row,
    "closes after a day": closes_after_a_day,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", FAKES)
def test_what_was_delivered_is_stored_once_though_the_exchange(name, fault):
    play(name, fault)


# Answers to what is asked over HTTP.


def dribble(handler, body):
    """Send so little at a time that it would never end."""
    hold(threading.Event(), size=5)(handler, body)


ANSWERS = {
    "429 with Retry-After": status(429, Retry_After=7),
    "418 with Retry-After": status(418, Retry_After=120),
    "403": status(403),
    "500": status(500),
    "503 with Retry-After": status(503, Retry_After=7),
    "a broken body": cut(20),
    "nothing": hang_up,
    "a body that stops": dribble,
}


def candles(store):
    """Return the open times of stored candles by exchange."""
    with store.cursor() as cursor:
        query = "SELECT exchange, list(open_time ORDER BY open_time) FROM candles GROUP BY 1"
        return dict(cursor.execute(query).fetchall())


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("name", FAKES)
def test_answers_that_fail_delay_candles_and_disturb_no_stream(monkeypatch, name, kind):
    waiting = WaitingClock()

    def client():
        manners = Manners(rate=Rate(10_000), timeout=0.5, longest_wait=math.inf)
        return HttpClient(manners, clock=waiting, sleep=waiting.sleep)

    async def run():
        with fake_rest.serving(FAKES) as servers:
            now = datetime.now(UTC)
            for rest in servers.values():
                rest.now, rest.since = now, now - timedelta(days=1)
            for one in (*LISTS, *CANDLES):
                servers[name].answer(one, ANSWERS[kind], ANSWERS[kind])
            async with collecting(name, servers=servers, client=client) as s:
                for _ in range(3):
                    await s.publish()
                await until(lambda: len(candles(s.store)) == 2, "candles")
                await until(lambda: min(map(len, candles(s.store).values())) >= 11, "an hour")
                await s.publish()
                await s.stores_what_was_delivered()
                for times in candles(s.store).values():
                    gaps = {b - a for a, b in pairwise(times)}
                    assert gaps == {timedelta(minutes=5)}
            least = {"429 with Retry-After": 7, "418 with Retry-After": 120}.get(kind, 1)
            assert max(waiting.waits) >= least

    monkeypatch.setattr("tests.integration.test_collect_faults.WANTED", ("BTCUSDT",))
    asyncio.run(run())


def test_what_okx_sends_before_it_tells_its_contract_sizes_is_stored_when_it_has(monkeypatch):
    waiting = WaitingClock()
    monkeypatch.setattr("ingest.live.collector._SIZES_WITHIN", 0.05)
    monkeypatch.setattr("ingest.live.collector._SIZES_AGAIN", 0.05)
    monkeypatch.setattr("tests.integration.test_collect_faults.WANTED", ("BTCUSDT",))
    there = threading.Event()

    def once_there(handler, body):
        fake_rest.serve(handler, body) if there.is_set() else status(404)(handler, body)

    def client():
        return HttpClient(Manners(rate=Rate(10_000)), clock=waiting, sleep=waiting.sleep)

    async def run():
        with fake_rest.serving(FAKES) as servers:
            servers["okx"].answer("instruments", *[once_there] * 10_000)
            async with collecting("okx", servers=servers, client=client, contexts={}) as s:
                for _ in range(4):
                    await s.publish()
                # Bybit's are stored, OKX's can't be.
                await until(lambda: s.collector.stored == 8, "the other exchange's")
                await until(lambda: s.health.bad_payloads == 4, "complaints")
                there.set()
                await s.stores_what_was_delivered()
                assert s.wanted().total() == 16

    asyncio.run(run())


# What must be known beside messages.


def offers(servers, sizes):
    """Let OKX list markets with these contract sizes, one list after the other."""
    row = {"instId": "BTC-USDT-SWAP", "ctType": "linear", "state": "live", "ctMult": "1"}
    lists = [{"code": "0", "data": [row | {"ctVal": size}]} for size in sizes]
    # One list is for the poller, which asks for it, too.
    servers["okx"].answer("instruments", *(fake_rest.gives(one) for one in lists))


def test_contract_sizes_that_the_exchange_changes_are_learned(monkeypatch):
    monkeypatch.setattr("ingest.live.collector._SIZES_EVERY", 0.05)
    monkeypatch.setattr("tests.integration.test_collect_faults.WANTED", ("BTCUSDT",))

    async def run():
        with fake_rest.serving(FAKES) as servers:
            offers(servers, ["0.01"] * 2 + ["0.05"] * 10_000)
            async with collecting("okx", servers=servers, client=client, contexts={}) as s:
                asked = servers["okx"].names
                await until(lambda: asked().count("instruments") > 4, "the changed list")
                await s.publish()
                await until(lambda: s.collector.stored == 4, "all")
                event = next(one for one in s.fake.delivered if one.symbol == "BTCUSDT")
                rows = s.store.liquidations(
                    "okx", "BTCUSDT", event.time, event.time + timedelta(milliseconds=1)
                )
                assert rows["quantity"].tolist() == [5 * float(event.quantity)]

    def client():
        return HttpClient(Manners(rate=Rate(10_000)))

    asyncio.run(run())


def test_an_exchange_that_tells_no_markets_is_not_asked_for_them(monkeypatch, caplog):
    async def run():
        with fake_rest.serving(FAKES) as servers:
            async with collecting("bybit", servers=servers, client=client, contexts={}) as s:
                await s.publish()
                await until(lambda: s.collector.stored >= 4, "liquidations")
                assert "instruments-info" not in servers["bybit"].names()
                assert "the adapter failed" not in caplog.text

    def client():
        return HttpClient(Manners(rate=Rate(10_000)))

    def refuse(adapter):
        raise NotOffered("It tells none.")

    monkeypatch.setattr(Bybit, "unavailable", {"instruments": "It tells none."})
    monkeypatch.setattr(Bybit, "instruments", refuse)
    asyncio.run(run())


def test_the_price_that_a_liquidation_started_at_is_stored_once_tiers_are_known(monkeypatch):
    monkeypatch.setattr("ingest.live.collector._RATES_EVERY", 0.05)
    monkeypatch.setattr("tests.integration.test_collect_faults.WANTED", ("BTCUSDT",))

    def client():
        return HttpClient(Manners(rate=Rate(10_000)))

    def shares(store):
        """Return trigger price by price of each exchange's liquidations."""
        with store.cursor() as cursor:
            query = "SELECT DISTINCT exchange, round(trigger_price / price, 9) FROM liquidations"
            return {row for row in cursor.execute(query).fetchall() if row[1] is not None}

    async def run():
        with fake_rest.serving(FAKES) as servers:
            servers["okx"].now = datetime.now(UTC)  # whose candles are to be of now
            async with collecting("bybit", servers=servers, client=client, contexts={}) as s:
                # Shorts, and the lowest tiers' rates are 0.5 % at Bybit and 0.4 % at OKX.
                expected = {
                    ("bybit", round(1 / (1 + 0.005), 9)),
                    ("okx", round(1 / (1 + 0.004), 9)),
                }
                async with asyncio.timeout(20):
                    while shares(s.store) != expected:
                        await s.publish()
                        await s.stores_what_was_delivered()

    asyncio.run(run())
