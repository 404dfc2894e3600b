"""What is asked for again and again, of servers on loopback and on a clock that stands still."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import duckdb
import numpy as np
import pytest

from ingest.adapters import ADAPTERS, make_adapter
from ingest.backfill_plan import closed
from ingest.http import HttpClient, Manners, Rate
from ingest.live.polling import Poller
from ingest.positions import observed_positions
from ingest.records import Candle
from ingest.store import Store
from tests import fake_rest
from tests.fake_exchange.clock import ManualClock, until
from tests.fake_rest import EXCHANGES, NOW, gives, position, status
from tests.gate_adapter import Gate
from tests.stores import memory_store

FIVE, MINUTE, HOUR = (timedelta(minutes=n) for n in (5, 1, 60))
STEP = 0.25
EVERY = pytest.mark.parametrize("exchange", EXCHANGES)
MARKET = {"symbol": "BTCUSDT"} | dict.fromkeys(("open", "high", "low", "close"), 1000.0)
USERS = tuple(f"0x{digit * 40}" for digit in "ab")


class Clock(ManualClock):
    """Starts at some time, and takes exchanges' clocks with it, which may be late or early."""

    def __init__(self, start, servers):
        super().__init__()
        self._start, self._servers = start, servers
        self.early = timedelta(0)
        self.step(0)

    def now(self):
        return self._start + timedelta(seconds=self._elapsed)

    def step(self, seconds):
        for server in self._servers.values():
            server.now = self.now() + timedelta(seconds=seconds) + self.early
        super().step(seconds)

    @property
    def sleepers(self):
        return sum(not woken.done() for *_, woken in self._sleepers)


class Session:
    """A poller at work."""

    def __init__(self, servers, clock, store, poller, tasks):
        self.servers, self.clock, self.store = servers, clock, store
        self.poller, self._tasks = poller, tasks

    async def idle(self):
        """Wait until nothing is asked for and all wait for their time."""
        await until(lambda: self.clock.sleepers == self._tasks, "the end of all questions")

    async def advance(self, seconds):
        """Let time pass, a moment after the other, with all that is done meanwhile."""
        for _ in range(round(seconds / STEP)):
            self.clock.step(STEP)
            await self.idle()

    async def leap(self, seconds):
        """Let time pass at once."""
        self.clock.step(seconds)
        await self.idle()

    def opens(self, exchange, table="candles", interval=FIVE, since=timedelta(days=30)):
        """Return when stored candles open."""
        now = self.clock.now()
        return [
            time.item().replace(tzinfo=UTC)
            for time in self.store.stored_times(
                table, exchange, "BTCUSDT", now - since, now + MINUTE, interval
            )
        ]

    def states(self):
        return {name: one.state for name, one in self.poller.health().items()}


def play(scenario, *exchanges, start=NOW, users=(), symbols=("BTCUSDT",), prepare=None):
    """Run a scenario while exchanges are polled, from when they were first."""

    async def run():
        with fake_rest.serving(exchanges or EXCHANGES) as servers, memory_store() as store:
            clock = Clock(start, servers)
            if prepare is not None:
                prepare(store, servers)
            adapters = [
                make_adapter(
                    name, rest_url=server.url, users=users if name == "hyperliquid" else ()
                )
                for name, server in servers.items()
            ]
            async with HttpClient(Manners(rate=Rate(10_000), attempts=1)) as client:
                poller = Poller(store, adapters, symbols, client, clock=clock)
                tasks = 3 * len(servers) + bool(users)
                session = Session(servers, clock, store, poller, tasks)
                task = asyncio.create_task(poller.run())
                try:
                    await session.idle()
                    await scenario(session)
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def at(hour, minute=0, day=10):
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_at_first_the_last_hour_is_stored_and_the_open_interest_of_now():
    async def scenario(s):
        hour = [at(11, minute) for minute in range(5, 60, 5)]
        for name in EXCHANGES:
            assert s.opens(name) == hour
            marks = [] if name == "hyperliquid" else hour
            assert s.opens(name, "mark_candles") == marks
            assert NOW in s.opens(name, "open_interest")
        assert s.opens("hyperliquid", "funding_rates") == [at(12)]

    play(scenario)


@EVERY
def test_a_bar_is_stored_within_two_seconds_of_its_end_and_its_open_interest_is_known(exchange):
    async def scenario(s):
        await s.leap(120)
        await s.advance(28)  # 12:04:58
        assert s.opens(exchange)[-1] == at(11, 55)
        await s.advance(4)
        assert s.opens(exchange)[-1] == at(12)
        if exchange != "hyperliquid":
            assert s.opens(exchange, "mark_candles")[-1] == at(12)
        bars = s.store.bars(exchange, "BTCUSDT", at(11), at(13))
        assert bars.open_interest[-1] == fake_rest.open_interest(fake_rest.millis(at(12, 5)))
        # A few moments of an interval are enough, not each of them.
        names = s.servers[exchange].names()
        assert len(names) < 40

    play(scenario, exchange)


@EVERY
@pytest.mark.parametrize("late", [5, 9])
def test_a_bar_that_has_not_closed_by_the_exchanges_clock_is_not_stored(exchange, late):
    async def scenario(s):
        await s.leap(120)
        await s.advance(30 + late - 1)
        assert s.opens(exchange)[-1] == at(11, 55)
        await s.advance(3)
        assert s.opens(exchange)[-1] == at(12)

    def behind(store, servers):
        for server in servers.values():
            server.now -= timedelta(seconds=late)

    async def with_late_clock(s):
        s.clock.early = -timedelta(seconds=late)
        await scenario(s)

    play(with_late_clock, exchange, prepare=behind)


def test_a_bar_that_no_other_follows_has_closed_once_that_is_long_ago():
    rows = [
        Candle(
            exchange="okx",
            symbol="BTCUSDT",
            interval_seconds=300,
            open_time=at(12, minute),
            **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0),
        )
        for minute in (0, 5)
    ]
    assert closed(rows, FIVE, at(12, 6)) == rows[:1]
    assert closed(rows, FIVE, at(12, 10) + timedelta(seconds=9)) == rows[:1]
    assert closed(rows, FIVE, at(12, 10) + timedelta(seconds=10)) == rows
    assert closed([], FIVE, at(12)) == []


@EVERY
def test_candles_are_asked_for_in_the_interval_that_is_stored(exchange):
    def of_minutes(store, servers):
        opens = np.arange(np.datetime64("2026-03-10T10:00"), np.datetime64("2026-03-10T12:00"), 1)
        candles = MARKET | {"exchange": exchange, "interval": MINUTE, "volume": 1.0}
        store.add_candles(candles | {"open_time": opens})

    async def scenario(s):
        assert s.opens(exchange) == []
        assert s.opens(exchange, interval=MINUTE)[-1] == at(12, 1)
        await s.leap(28)
        await s.advance(2)
        assert s.opens(exchange, interval=MINUTE)[-1] == at(12, 1)
        await s.advance(2)
        assert s.opens(exchange, interval=MINUTE)[-1] == at(12, 2)
        assert len(s.opens(exchange, interval=MINUTE)) == 123

    play(scenario, exchange, prepare=of_minutes)


def test_candles_that_were_stored_long_ago_say_the_interval_where_there_are_no_later_ones():
    def of_minutes(store, servers):
        opens = np.arange(np.datetime64("2026-01-10T10:00"), np.datetime64("2026-01-10T12:00"), 1)
        candles = MARKET | {"exchange": "bybit", "interval": MINUTE, "volume": 1.0}
        store.add_candles(candles | {"open_time": opens})

    async def scenario(s):
        assert s.opens("bybit") == []
        assert s.opens("bybit", interval=MINUTE)[-1] == at(12, 1)

    play(scenario, "bybit", prepare=of_minutes)


def test_candles_are_asked_for_in_the_interval_that_the_map_is_made_of():
    def of_both(store, servers):
        for since, interval in (("2026-01-10", FIVE), ("2026-02-07", MINUTE)):
            opens = np.arange(
                np.datetime64(since, "us"), np.datetime64("2026-03-10T12:00"), interval
            )
            candles = MARKET | {"exchange": "bybit", "interval": interval, "volume": 1.0}
            store.add_candles(candles | {"open_time": opens})

    async def scenario(s):
        span = at(12) - timedelta(days=90), at(12, 5)
        mapped = s.store.bars("bybit", "BTCUSDT", *span)
        assert mapped.interval == FIVE
        await s.leap(150)
        await s.advance(2)
        assert s.opens("bybit")[-1] == at(12)
        await s.leap(30)
        await s.advance(2)
        assert len(s.store.bars("bybit", "BTCUSDT", *span)) > len(mapped)

    play(scenario, "bybit", prepare=of_both)


def test_an_interval_that_the_exchange_has_not_is_not_asked_for():
    def of_six_hours(store, servers):
        opens = np.arange(np.datetime64("2026-03-01"), np.datetime64("2026-03-10"), 6, "M8[h]")
        candles = MARKET | {"exchange": "hyperliquid", "interval": 6 * HOUR, "volume": 1.0}
        store.add_candles(candles | {"open_time": opens})

    async def scenario(s):
        assert s.opens("hyperliquid")[-1] == at(11, 55)
        assert s.states() == {"hyperliquid": "connected"}

    play(scenario, "hyperliquid", prepare=of_six_hours)


@pytest.mark.parametrize(("hours", "first"), [(20, at(16, 5, day=9)), (240, at(12, 5, day=3))])
def test_after_a_time_off_what_lies_between_is_asked_for_up_to_seven_days(hours, first):
    stored_last = at(12) - timedelta(hours=hours)

    def long_ago(store, servers):
        opens = [(stored_last - n * FIVE).replace(tzinfo=None) for n in range(20)]
        candles = MARKET | {"exchange": "bybit", "interval": FIVE, "volume": 1.0}
        store.add_candles(candles | {"open_time": np.array(opens[::-1], "datetime64[us]")})

    async def scenario(s):
        opens = [one for one in s.opens("bybit") if one > stored_last]
        expected_first = first
        assert opens[0] == expected_first
        assert opens == [
            expected_first + n * FIVE for n in range((at(12) - expected_first) // FIVE)
        ]

    play(scenario, "bybit", prepare=long_ago)


def test_what_failed_for_hours_is_made_good():
    async def scenario(s):
        rest = s.servers["bybit"]
        rest.answer("kline", *[status(500)] * 10_000)
        for _ in range(36):
            await s.leap(300)
        assert s.opens("bybit")[-1] == at(11, 55)
        rest.script.clear()
        await s.leap(60)
        now = s.clock.now()
        opens = s.opens("bybit")
        assert opens == [opens[0] + n * FIVE for n in range(len(opens))]
        assert now - opens[-1] < 2 * FIVE

    play(scenario, "bybit")


def test_a_computer_that_slept_leaves_no_gap():
    async def scenario(s):
        await s.leap(300)
        assert s.opens("bybit")[-1] == at(12)
        await s.leap(8 * 3600)
        opens = s.opens("bybit")
        assert (opens[0], opens[-1]) == (at(11, 5), at(20))
        assert {b - a for a, b in pairwise(opens)} == {FIVE}

    play(scenario, "bybit")


def test_open_interest_of_markets_that_nobody_wants_is_not_stored():
    def of_all(store, servers):
        states = [{"openInterest": "5", "markPx": "1000"}] * 2
        universe = [{"name": name, "maxLeverage": 40} for name in ("BTC", "ETH")]
        answer = [{"universe": universe}, states]
        servers["hyperliquid"].answer("metaAndAssetCtxs", *[fake_rest.gives(answer)] * 100)

    async def scenario(s):
        await s.leap(30)
        with s.store.cursor() as cursor:
            found = cursor.execute("SELECT symbol, count(*) FROM open_interest GROUP BY symbol")
            assert found.fetchall() == [("BTCUSDT", 2)]

    play(scenario, "hyperliquid", prepare=of_all)


def test_the_list_of_markets_and_the_tiers_are_asked_for_once_a_day():
    async def scenario(s):
        rest = s.servers["bybit"]
        for _ in range(12):
            await s.leap(300)
        assert rest.names().count("instruments-info") == rest.names().count("risk-limit") == 1
        stored = s.store.leverage_tiers("bybit", "BTCUSDT")
        assert stored["cap"].tolist() == [2_000_000, 2_600_000]
        await s.leap(86_400)
        assert rest.names().count("risk-limit") == 2
        assert s.store.leverage_tiers("bybit", "BTCUSDT")["cap"].size == 2
        row = {"symbol": "BTCUSDT", "riskLimitValue": "1000000", "maxLeverage": "50"}
        row |= {"maintenanceMargin": "0.01", "mmDeduction": "0"}
        rest.answer("risk-limit", gives(fake_rest.bybit_list([row])))
        await s.leap(86_400)
        stored = s.store.leverage_tiers("bybit", "BTCUSDT")
        assert stored["cap"].tolist() == [2_000_000, 2_600_000, 1_000_000]
        assert stored["valid_from"][0] < stored["valid_from"][-1]

    play(scenario, "bybit")


def test_tiers_that_do_not_come_are_asked_for_again_and_stop_nothing():
    def without(store, servers):
        servers["okx"].answer("position-tiers", status(500))

    async def scenario(s):
        assert s.opens("okx")[-1] == at(11, 55)
        assert s.store.leverage_tiers("okx", "BTCUSDT")["cap"].size == 0
        await s.leap(600)
        assert s.store.leverage_tiers("okx", "BTCUSDT")["cap"].size == 2

    play(scenario, "okx", prepare=without)


def test_a_bar_that_is_late_is_asked_for_soon_though_another_kind_fails():
    async def scenario(s):
        rest = s.servers["bybit"]
        rest.answer("history", *[status(500)] * 100)
        s.clock.early = -timedelta(seconds=4)
        await s.leap(145)
        await s.advance(5 + 6)
        assert s.opens("bybit")[-1] == s.opens("bybit", "mark_candles")[-1] == at(12)

    play(scenario, "bybit")


def test_a_market_that_is_not_listed_is_said_once_and_takes_nothing_from_the_others(caplog):
    async def scenario(s):
        for _ in range(6):
            await s.leap(300)
        assert s.opens("bybit")[-1] == at(12, 25)
        assert caplog.text.count("bybit, ETHUSDT: it lists no such market") == 1
        assert s.states() == {"bybit": "connected"}

    play(scenario, "bybit", symbols=("ETHUSDT", "BTCUSDT"))


def test_an_exchange_that_lists_nothing_of_what_is_wanted_is_asked_for_nothing_more(caplog):
    async def scenario(s):
        for _ in range(3):
            await s.leap(300)
        assert set(s.servers["bybit"].names()) == {"instruments-info"}
        assert caplog.text.count("bybit, ETHUSDT: it lists no such market") == 1
        assert s.states() == {"bybit": "connected"}

    play(scenario, "bybit", symbols=("ETHUSDT",))


def test_an_exchange_that_can_not_be_reached_is_said_once_for_each_address(caplog):
    async def run():
        with memory_store() as store:
            async with HttpClient(Manners(attempts=1)) as client:
                adapter = make_adapter("bybit", rest_url="http://127.0.0.1:1")
                clock = Clock(NOW, {})
                poller = Poller(store, [adapter], ["BTCUSDT", "ETHUSDT"], client, clock=clock)
                task = asyncio.create_task(poller.run())
                await until(lambda: clock.sleepers == 3, "the end of all questions")
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    addresses = [r.getMessage().split("http://")[1].split(":")[1] for r in caplog.records]
    assert addresses
    assert len(addresses) == len(set(addresses))


def test_a_full_disk_is_said_once_until_there_is_room(monkeypatch, caplog):
    def refuse(store, columns):
        raise duckdb.IOException("IO Error: No space left on device\nand so on")

    async def scenario(s):
        with monkeypatch.context() as patch:
            patch.setattr(Store, "add_open_interest", refuse)
            for _ in range(4):
                await s.leap(60)
        (said,) = [r for r in caplog.records if "No space left" in r.getMessage()]
        assert said.getMessage().endswith("can't be stored now: IO Error: No space left on device")
        assert said.exc_info is None
        await s.leap(60)
        assert s.states() == {"bybit": "connected"}

    play(scenario, "bybit")


def test_health_follows_the_answers():
    async def scenario(s):
        rest = s.servers["bybit"]
        assert s.states() == {"bybit": "connected", "okx": "connected"}
        health = s.poller.health()["bybit"]
        assert health.messages_per_minute >= 4
        assert health.last_message == s.clock.now()
        rest.answer("tickers", status(500))
        await s.leap(30)
        health = s.poller.health()["bybit"]
        assert (health.state, health.failures) == ("degraded", 1)
        assert "500" in health.last_error
        await s.leap(30)
        assert s.states()["bybit"] == "connected"
        for name in ("tickers", "kline", "mark-price-kline", "open-interest", "history"):
            rest.answer(name, *[status(500)] * 20)
        for _ in range(8):
            await s.leap(30)
        assert s.states() == {"bybit": "down", "okx": "connected"}
        rest.script.clear()
        await s.leap(60)
        health = s.poller.health()["bybit"]
        assert (health.state, health.reconnects) == ("connected", 1)

    play(scenario, "bybit", "okx")


def test_an_exchange_that_was_never_contacted_or_is_left_alone_is_off():
    async def run():
        with memory_store() as store:
            async with HttpClient() as client:
                adapters = [make_adapter("bybit", rest_url="http://127.0.0.1:1")]
                poller = Poller(store, adapters, ["BTCUSDT"], client)
                assert poller.health()["bybit"].state == "off"
                task = asyncio.create_task(poller.run())
                await until(lambda: poller.health()["bybit"].state == "degraded", "a question")
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert poller.health()["bybit"].state == "off"

    asyncio.run(run())


def test_all_that_is_asked_for_counts_against_the_exchanges_limits_for_good(monkeypatch):
    class Counting:
        """Counts what an `AsyncLimiter` is asked for."""

        def __init__(self, weight, seconds):
            self.weight, self.used = weight, 0
            limiters.append(self)

        async def acquire(self, weight):
            self.used += weight

    limiters = []
    monkeypatch.setattr("ingest.live.exchange_polling.AsyncLimiter", Counting)
    # Of the limit, as Hyperliquid counts, and with one for each page that is not full.
    weights = {"meta": 20, "metaAndAssetCtxs": 20, "candleSnapshot": 20, "fundingHistory": 20}

    async def scenario(s):
        for _ in range(5):
            await s.leap(300)
        asked = sum(weights[name] for name in s.servers["hyperliquid"].names())
        assert asked >= 300
        assert asked <= sum(one.used for one in limiters) <= 1.1 * asked
        # One for what it is asked for now, and one for what is made good.
        assert [one.weight for one in limiters] == [300, 600]

    play(scenario, "hyperliquid")


def test_what_fails_just_when_it_is_stopped_does_not_go_on(monkeypatch):
    async def fail_when_cancelled(*_):
        waiting.append(asyncio.current_task())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise duckdb.IOException("IO Error: No space left on device") from None

    waiting = []
    monkeypatch.setattr("ingest.live.exchange_polling.backfill", fail_when_cancelled)

    async def run():
        with fake_rest.serving(["bybit"]) as servers, memory_store() as store:
            async with HttpClient(Manners(rate=Rate(10_000), attempts=1)) as client:
                adapter = make_adapter("bybit", rest_url=servers["bybit"].url)
                poller = Poller(store, [adapter], ["BTCUSDT"], client, clock=Clock(NOW, servers))
                task = asyncio.create_task(poller.run())
                await until(lambda: len(waiting) == 2, "tiers and candles")
                task.cancel()
                await until(task.done, "the end")

    asyncio.run(run())


def test_an_exchange_of_which_only_the_stream_is_read_is_asked_for_its_markets_only(caplog):
    async def run():
        with memory_store() as store:
            async with HttpClient(Manners(attempts=1)) as client:
                gate = make_adapter(
                    "gate", rest_url="http://127.0.0.1:1", adapters={**ADAPTERS, "gate": Gate}
                )
                clock = Clock(NOW, {})
                poller = Poller(store, [gate], ["BTCUSDT"], client, clock=clock)
                task = asyncio.create_task(poller.run())
                await until(lambda: clock.sleepers == 3, "the end of all questions")
                assert poller.health()["gate"].failures == 1
                assert "gate, list of markets" in caplog.text
                assert "could not be stored" not in caplog.text
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_positions_are_observed_once_a_minute_of_the_symbols_that_are_wanted():
    def open_some(store, servers):
        servers["hyperliquid"].positions = {
            USERS[0]: [position(), position("ETH")],
            USERS[1]: [position(size="-2", liquidation_price=None)],
        }

    async def scenario(s):
        rest = s.servers["hyperliquid"]
        await s.leap(60)
        rest.positions[USERS[0]] = []
        await s.leap(60)
        found = observed_positions(s.store, "hyperliquid", "BTCUSDT", at(11), at(13))
        seen = [NOW, NOW + MINUTE, NOW + 2 * MINUTE]
        assert list(
            zip(
                found["user"].tolist(),
                found["side"].tolist(),
                found["quantity"].tolist(),
                found["first_seen"].tolist(),
                found["last_seen"].tolist(),
                strict=True,
            )
        ) == [
            (USERS[0], 1, 0.5, naive(seen[0]), naive(seen[1])),
            (USERS[1], -1, 2.0, naive(seen[0]), naive(seen[2])),
        ]
        assert (
            observed_positions(s.store, "hyperliquid", "ETHUSDT", at(11), at(13))["user"].size == 0
        )
        assert rest.names().count("clearinghouseState") == 6

    play(scenario, "hyperliquid", users=USERS, prepare=open_some)


def test_a_user_whose_positions_can_not_be_had_does_not_stop_the_others(caplog):
    def open_some(store, servers):
        rest = servers["hyperliquid"]
        rest.positions = {user: [position()] for user in USERS}
        rest.answer("clearinghouseState", status(500))

    async def scenario(s):
        found = observed_positions(s.store, "hyperliquid", "BTCUSDT", at(11), at(13))
        assert found["user"].tolist() == [USERS[1]]
        assert f"positions of {USERS[0]}" in caplog.text
        await s.leap(60)
        found = observed_positions(s.store, "hyperliquid", "BTCUSDT", at(11), at(13))
        assert sorted(found["user"].tolist()) == list(USERS)

    play(scenario, "hyperliquid", users=USERS, prepare=open_some)


def test_too_many_users_are_said_once(caplog):
    users = tuple(f"0x{number:040x}" for number in range(11))

    async def scenario(s):
        await s.leap(60)
        assert caplog.text.count("11 users are named, but") == 1

    play(scenario, "hyperliquid", users=users)


def naive(time):
    return time.replace(tzinfo=None)
