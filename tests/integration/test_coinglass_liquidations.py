"""Realised liquidations in CoinGlass's shapes."""

from datetime import timedelta

import numpy as np
import pytest

from tests.api import serving
from tests.stores import START, add_market, memory_store

HOUR = 3_600_000
MIDNIGHT = int(START.timestamp() * 1000)

# Of Binance's BTCUSDT, in minutes from the start of 2026: hourly sums of longs are
# 100, 0, 300, 0, 0, 600; of shorts 20, 0, 0, 0, 0, 0.
BINANCE = [(5, 1, 100.0), (50, -1, 20.0), (130, 1, 300.0), (301, 1, 600.0)]
BYBIT = [(7, 1, 1000.0), (290, -1, 4000.0)]
ETHER = [(300, -1, 7.0)]


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        for exchange, symbol, rows in (
            ("binance", "BTCUSDT", BINANCE),
            ("bybit", "BTCUSDT", BYBIT),
            ("binance", "ETHUSDT", ETHER),
        ):
            add_liquidations(store, exchange, symbol, rows)
        add_candles(store, "binance", "BTCUSDT")
        yield store


def add_liquidations(store, exchange, symbol, rows):
    minutes, side, notional = map(np.array, zip(*rows, strict=True))
    first = np.datetime64(START.replace(tzinfo=None), "us")
    store.add_liquidations(
        {
            "exchange": exchange,
            "symbol": symbol,
            "time": first + minutes * np.timedelta64(1, "m"),
            "side": side.astype(np.int8),
            "quantity": notional / 50.0,
            "price": np.full(len(rows), 50.0),
        }
    )


def add_candles(store, exchange, symbol):
    """Store six hours of candles, of which only the end matters here."""
    price = np.full(72, 50.0)
    first = np.datetime64(START.replace(tzinfo=None), "us")
    store.add_candles(
        {
            "exchange": exchange,
            "symbol": symbol,
            "interval": timedelta(minutes=5),
            "open_time": first + np.arange(72) * np.timedelta64(5, "m"),
            **dict.fromkeys(("open", "high", "low", "close"), price),
            "volume": np.ones(72),
        }
    )


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("coinglass")) as client:
        yield client


def get(client, route, **asked):
    return client.get(f"/api/futures/liquidation/{route}", params=asked)


def found(client, route, **asked):
    answer = get(client, route, **asked)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert list(content) == ["code", "msg", "data", "meta"]
    assert (content["code"], content["msg"]) == ("0", "success")
    return content


def history(client, **changes):
    asked = {"exchange": "Binance", "symbol": "BTCUSDT", "interval": "1h"} | changes
    return found(client, "history", **asked)["data"]


def hours(rows):
    return [(row["time"] - MIDNIGHT) / HOUR for row in rows]


def test_history_has_a_row_for_each_interval_from_first_to_last(client):
    rows = history(client)
    assert hours(rows) == [0, 1, 2, 3, 4, 5]
    assert rows[0] == {
        "time": MIDNIGHT, "long_liquidation_usd": "100", "short_liquidation_usd": "20",
    }  # fmt: skip
    assert [row["long_liquidation_usd"] for row in rows] == ["100", "0", "300", "0", "0", "600"]
    assert {row["short_liquidation_usd"] for row in rows[1:]} == {"0"}


@pytest.mark.parametrize(
    "interval",
    ["1m", "3m", "5m", "15m", "30m", "1h", "4h", "6h", "8h", "12h", "1d", "1w"],
)
def test_every_interval_sums_up_to_the_same(client, interval):
    rows = history(client, interval=interval)
    assert sum(float(row["long_liquidation_usd"]) for row in rows) == 1000.0
    assert sum(float(row["short_liquidation_usd"]) for row in rows) == 20.0
    steps = np.diff([row["time"] for row in rows])
    assert (steps == steps[:1]).all()


def test_history_is_cut_at_whole_intervals(client):
    assert hours(history(client, start_time=MIDNIGHT + HOUR)) == [1, 2, 3, 4, 5]
    assert hours(history(client, start_time=MIDNIGHT + HOUR + 1)) == [2, 3, 4, 5]
    assert hours(history(client, end_time=MIDNIGHT + 2 * HOUR)) == [0, 1]
    assert hours(history(client, end_time=MIDNIGHT + 2 * HOUR + 1)) == [0, 1, 2]
    assert history(client, start_time=MIDNIGHT + 100 * HOUR) == []
    assert history(client, end_time=MIDNIGHT - HOUR) == []


def test_a_limit_leaves_the_last_rows_or_the_first_from_a_start_on(client):
    assert hours(history(client, limit=2)) == [4, 5]
    assert hours(history(client, limit=2, end_time=MIDNIGHT + 4 * HOUR)) == [2, 3]
    assert hours(history(client, limit=2, start_time=MIDNIGHT)) == [0, 1]
    assert history(client, limit=2)[1] == history(client)[-1]


def test_aggregated_history_is_the_sum_of_the_exchanges(client):
    asked = {"symbol": "BTC", "interval": "1h", "exchange_list": "Binance, Bybit,OKX"}
    answer = found(client, "aggregated-history", **asked)
    rows = answer["data"]
    assert [row["aggregated_long_liquidation_usd"] for row in rows] == [1100, 0, 300, 0, 0, 600]
    assert [row["aggregated_short_liquidation_usd"] for row in rows] == [20, 0, 0, 0, 4000, 0]
    assert rows[4]["short_liquidation_usd"] == "4000"
    assert answer["meta"]["exchanges"] == ["binance", "bybit"]
    assert answer["meta"]["not_stored"] == ["okx"]
    every = found(client, "aggregated-history", symbol="BTC", interval="1h")
    assert every["data"] == rows
    one = found(client, "aggregated-history", **asked | {"exchange_list": "binance"})["data"]
    assert [row["long_liquidation_usd"] for row in one] == [
        row["long_liquidation_usd"] for row in history(client)
    ]


def orders(client, **changes):
    asked = {"exchange": "BINANCE", "symbol": "BTC", "min_liquidation_amount": 50} | changes
    return found(client, "order", **asked)["data"]


def test_orders_come_newest_first_with_the_orders_side(client):
    rows = orders(client, min_liquidation_amount=0)
    assert rows[0] == {
        "exchange_name": "Binance",
        "symbol": "BTCUSDT",
        "base_asset": "BTC",
        "price": 50.0,
        "usd_value": 600.0,
        "side": 2,
        "time": MIDNIGHT + 301 * 60_000,
    }
    assert [row["side"] for row in rows] == [2, 2, 1, 2]
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)


def test_small_orders_and_others_times_are_left_out(client):
    assert [row["usd_value"] for row in orders(client)] == [600.0, 300.0, 100.0]
    assert [row["usd_value"] for row in orders(client, min_liquidation_amount="300")] == [600, 300]
    within = {"start_time": MIDNIGHT + HOUR, "end_time": MIDNIGHT + 301 * 60_000}
    assert [row["usd_value"] for row in orders(client, **within)] == [300.0]


def test_orders_are_at_most_two_hundred_and_of_a_week_unless_told(tmp_path):
    day = 24 * 60
    rows = [(minute, 1, 1.0) for minute in range(300)] + [(8 * day, 1, 5.0), (9 * day, -1, 6.0)]
    with memory_store() as store:
        add_liquidations(store, "binance", "BTCUSDT", rows)
        with serving(store, tmp_path) as client:
            assert [row["usd_value"] for row in orders(client, min_liquidation_amount=0)] == [6, 5]
            assert len(orders(client, min_liquidation_amount=0, start_time=MIDNIGHT)) == 200


def test_exchanges_are_listed_after_all_of_them(client):
    rows = found(client, "exchange-list", symbol="BTC", range="1h")["data"]
    assert rows == [
        {
            "exchange": "All",
            "liquidation_usd": 600.0,
            "long_liquidation_usd": 600.0,
            "short_liquidation_usd": 0.0,
        },
        {
            "exchange": "Binance",
            "liquidation_usd": 600.0,
            "long_liquidation_usd": 600.0,
            "short_liquidation_usd": 0.0,
        },
        {
            "exchange": "Bybit",
            "liquidation_usd": 0.0,
            "long_liquidation_usd": 0.0,
            "short_liquidation_usd": 0.0,
        },
    ]


@pytest.mark.parametrize(
    ("length", "total"), [("1h", 607.0), ("4h", 4907.0), ("12h", 6027.0), ("24h", 6027.0)]
)
def test_without_a_coin_exchanges_are_listed_with_all_coins(client, length, total):
    answer = found(client, "exchange-list", range=length)
    every, *parts = answer["data"]
    assert every["liquidation_usd"] == total
    for name in ("liquidation_usd", "long_liquidation_usd", "short_liquidation_usd"):
        assert every[name] == sum(part[name] for part in parts)
    assert answer["meta"]["end_time"] == "2026-01-01T06:00:00Z"
    assert answer["meta"]["data_end"] == "2026-01-01T05:01:00Z"


def test_coins_are_listed_with_the_largest_first(client):
    coins = found(client, "coin-list", exchange="Binance")["data"]
    assert [coin["symbol"] for coin in coins] == ["BTC", "ETH"]
    assert set(coins[0]) == {"symbol"} | {
        f"{side}liquidation_usd_{span}"
        for side in ("", "long_", "short_")
        for span in ("1h", "4h", "12h", "24h")
    }
    assert coins[0]["liquidation_usd_1h"] == 600.0
    assert coins[0]["long_liquidation_usd_24h"] == 1000.0
    assert coins[0]["short_liquidation_usd_24h"] == 20.0
    assert coins[1]["liquidation_usd_1h"] == coins[1]["short_liquidation_usd_1h"] == 7.0
    every = found(client, "coin-list")["data"]
    assert every[0]["liquidation_usd_24h"] == 6020.0


def test_meta_says_from_when_to_when_liquidations_are_stored(client):
    meta = found(client, "history", exchange="Bybit", symbol="BTC", interval="1d")["meta"]
    assert meta["data_start"] == "2026-01-01T00:07:00Z"
    assert meta["data_end"] == "2026-01-01T04:50:00Z"
    assert meta["interval_seconds"] == 86400
    assert meta["simulated"] is False
    assert "no data of CoinGlass" in meta["note"]


@pytest.mark.parametrize(
    ("route", "changes", "status", "words"),
    [
        ("history", {"interval": "2h"}, 422, "interval: Input should be '1m'"),
        ("history", {"interval": None}, 422, "interval: Field required"),
        ("history", {"limit": "1001"}, 422, "less than or equal to 1000"),
        ("history", {"start_time": "9", "end_time": "8"}, 422, "must be from 2000 on"),
        (
            "history",
            {"start_time": str(MIDNIGHT), "end_time": str(MIDNIGHT)},
            422,
            "start_time must be before end_time",
        ),
        ("history", {"exchange": "OKX"}, 404, "No liquidations are stored for BTCUSDT on okx"),
        ("history", {"exchange": "Bitget"}, 400, "but bitget is not"),
        ("aggregated-history", {"exchange_list": "Binance,Bitget"}, 400, "but bitget is not"),
        ("aggregated-history", {"symbol": "DOGE"}, 404, "Nothing is stored for DOGE"),
        ("order", {"min_liquidation_amount": "-1"}, 422, "greater than or equal to 0"),
        ("exchange-list", {"range": "7d"}, 422, "'1h', '4h', '12h' or '24h'"),
        ("coin-list", {"exchange": "Hyperliquid"}, 404, "No liquidations are stored on hyperliqu"),
    ],
)
def test_errors_have_a_code_and_say_what_to_do(client, route, changes, status, words):
    asked = {"exchange": "Binance", "symbol": "BTCUSDT", "interval": "1h", "range": "1h"} | changes
    asked = {name: value for name, value in asked.items() if value is not None}
    answer = get(client, route, **asked)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == str(status)
    assert words in answer.json()["msg"]


def test_new_liquidations_are_told_at_once(tmp_path):
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        with serving(store, tmp_path) as client:
            before = len(orders(client, min_liquidation_amount=0))
            add_liquidations(store, "binance", "BTCUSDT", [(3000, 1, 900.0)])
            rows = orders(client, min_liquidation_amount=0)
            assert (len(rows), rows[0]["usd_value"]) == (before + 1, 900.0)
