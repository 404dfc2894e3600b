"""What a database tells of its changes to those who keep results of it."""

import contextlib
import threading
from datetime import timedelta

import numpy as np
import pytest

from ingest.changes import ALWAYS, LATE, NEVER, Change, ChangeLog
from tests.stores import STEP, add_market, memory_store, times

MARKET = {"exchange": "binance", "symbol": "BTCUSDT"}
LAST = times(1, offset=600)[0]


@pytest.fixture
def store():
    with memory_store() as store:
        add_market(store)
        yield store


def add_candle(store, time, **market):
    prices = dict.fromkeys(("open", "high", "low", "close"), 100.0)
    columns = {"interval": STEP, "open_time": np.array([time]), "volume": 1.0} | prices
    return store.add_candles(MARKET | market | columns)


def add_interest(store, time):
    return store.add_open_interest(MARKET | {"time": np.array([time]), "open_interest": 5.0})


def add_liquidation(store, time=LAST, **more):
    columns = {"time": np.array([time]), "side": 1, "quantity": 2.0, "price": 100.0}
    return store.add_liquidations(MARKET | columns | more)


def test_a_liquidation_changes_the_watermark_but_not_that_of_maps(store):
    before = store.watermark(symbol="BTCUSDT"), store.map_watermark(symbol="BTCUSDT")
    add_liquidation(store)
    after = store.watermark(symbol="BTCUSDT"), store.map_watermark(symbol="BTCUSDT")
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_funding_changes_maps_from_the_bar_on_in_which_it_fell_due(store):
    since, before = store.commits, (store.watermark(), store.map_watermark())
    store.add_funding_rates(MARKET | {"time": np.array([LAST]), "funding_rate": 1e-4})
    assert store.watermark() != before[0]
    assert store.map_watermark() != before[1]
    assert store.bars_stand_until("binance", "BTCUSDT", since) == LAST


def test_an_exchange_that_only_has_liquidations_changes_no_map(store):
    before = store.map_watermark()
    add_liquidation(store, exchange="okx")
    assert store.map_watermark() == before


def test_what_is_committed_while_a_watermark_is_read_changes_the_next_one(store, monkeypatch):
    cursor = store.cursor

    @contextlib.contextmanager
    def slow_cursor():
        with cursor() as reading:
            yield reading
            monkeypatch.undo()
            add_candle(store, LAST)

    monkeypatch.setattr(store, "cursor", slow_cursor)
    before = store.map_watermark()
    assert store.map_watermark() != before


@pytest.mark.parametrize("add", [add_candle, add_interest])
def test_what_maps_are_made_of_changes_both_watermarks(store, add):
    before = store.watermark(), store.map_watermark()
    add(store, LAST + np.timedelta64(1, "s"))
    assert store.watermark() != before[0]
    assert store.map_watermark() != before[1]


def test_watermarks_of_maps_are_of_their_markets_alone(store):
    before = store.map_watermark(("binance",), "BTCUSDT")
    add_candle(store, LAST, exchange="bybit")
    assert store.map_watermark(("binance",), "BTCUSDT") == before
    assert store.map_watermark((), "BTCUSDT") != before


def test_listeners_hear_of_what_was_committed_with_its_earliest_time(store):
    heard = []
    store.listen(heard.append)
    add_candle(store, LAST)
    add_candle(store, LAST)  # is stored already
    add_liquidation(store)
    assert [(one.exchange, one.symbol, one.table) for one in heard] == [
        ("binance", "BTCUSDT", "candles"),
        ("binance", "BTCUSDT", "liquidations"),
    ]
    assert heard[0].earliest == LAST


def test_listeners_do_not_hear_of_what_was_rolled_back(store):
    heard = []
    store.listen(heard.append)
    with contextlib.suppress(KeyError), store.transaction() as cursor:
        store.changed(cursor, Change("binance", "BTCUSDT", "candles"))
        raise KeyError
    assert heard == []
    add_candle(store, LAST)
    assert len(heard) == 1


def test_a_listener_can_read_what_it_hears_of(store):
    seen = []
    store.listen(lambda _: seen.append(store.markets()[0].last))
    before = store.markets()[0].last
    add_candle(store, LAST)
    assert seen == [before + STEP]


def test_others_can_write_while_a_listener_is_told(store):
    written = threading.Event()

    def write():
        add_candle(store, LAST + np.timedelta64(STEP))
        written.set()

    waited = []

    def hear(_):
        if not waited:
            waited.append(False)
            threading.Thread(target=write, daemon=True).start()
            waited[0] = written.wait(180)

    store.listen(hear)
    add_candle(store, LAST)
    assert waited == [True]


def test_bars_of_each_market_in_a_batch_stand_until_its_own_earliest_row(store):
    since = store.commits
    time = np.array([LAST, times(1)[0]])
    exchange = np.array(["binance", "bybit"], dtype=object)
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 100.0)
    store.add_candles(MARKET | {"exchange": exchange, "interval": STEP, "open_time": time} | prices)
    assert store.bars_stand_until("binance", "BTCUSDT", since) == LAST
    assert store.bars_stand_until("bybit", "BTCUSDT", since) == times(1)[0]


def test_bars_stand_until_the_earliest_candle_since_a_commit(store):
    since = store.commits
    assert store.bars_stand_until("binance", "BTCUSDT", since) == ALWAYS
    add_candle(store, LAST)
    assert store.bars_stand_until("binance", "BTCUSDT", since) == LAST
    assert store.bars_stand_until("bybit", "BTCUSDT", since) == ALWAYS
    assert store.bars_stand_until("binance", "BTCUSDT", store.commits) == ALWAYS
    add_candle(store, times(1, offset=-1)[0])
    assert store.bars_stand_until("binance", "BTCUSDT", since) == times(1, offset=-1)[0]


def test_a_late_sample_of_open_interest_changes_the_bar_that_ended_just_before(store):
    since = store.commits
    time = LAST + np.timedelta64(LATE)
    add_interest(store, time)
    stand = store.bars_stand_until("binance", "BTCUSDT", since)
    assert stand < LAST
    assert stand > LAST - np.timedelta64(timedelta(seconds=1))


def test_new_leverage_tiers_let_no_bar_stand(store):
    since = store.commits
    tier = dict.fromkeys(("floor", "maintenance_rate"), 0.0) | {"cap": np.inf, "max_leverage": 50}
    store.add_leverage_tiers(MARKET | tier | {"valid_from": np.array([LAST])})
    assert store.bars_stand_until("binance", "BTCUSDT", since) == NEVER


def test_a_long_log_forgets_its_beginning_and_says_so():
    log = ChangeLog()
    for commit in range(1, 6000):
        log.add(commit, Change("binance", "BTCUSDT", "candles", LAST + np.timedelta64(commit, "s")))
    assert log.bars_stand_until("binance", "BTCUSDT", 0) == NEVER
    assert log.bars_stand_until("binance", "BTCUSDT", 5990) == LAST + np.timedelta64(5991, "s")


def test_liquidations_are_stored_with_what_they_started_at_and_when_they_came(store):
    received = LAST + np.timedelta64(1500, "ms")
    add_liquidation(
        store, price_kind="bankruptcy", trigger_price=101.5, received_at=np.array([received])
    )
    stop = LAST.item().replace(tzinfo=store.markets()[0].last.tzinfo) + STEP
    rows = store.liquidations("binance", "BTCUSDT", stop - 2 * STEP, stop)
    assert rows["price_kind"].tolist() == ["bankruptcy"]
    assert rows["trigger_price"].tolist() == [101.5]
    assert rows["received_at"].tolist() == [received.item()]


def test_a_liquidation_that_comes_again_is_stored_once(store):
    assert add_liquidation(store, received_at=np.array([LAST])) == 1
    assert add_liquidation(store, received_at=np.array([LAST + STEP])) == 0
