"""Names and candles in CoinGlass's shapes."""

import numpy as np
import pytest

from app.api.coinglass.candles import column_candles
from app.api.coinglass.names import base_asset, coins, stored_symbol
from app.api.coinglass.texts import number_texts, plain
from app.errors import NoData
from components.view import Candles

STORED = ("BTCUSDT", "ETHUSDC", "BTCUSDC", "SOL", "USDC")
TIMES = np.datetime64("2026-01-01", "us") + np.arange(6) * np.timedelta64(1, "h")


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC", "BTCUSDT"),
        ("BTCUSDT", "BTCUSDT"),
        ("BTCUSDC", "BTCUSDC"),
        ("BTC-USDT-SWAP", "BTCUSDT"),
        ("BTC_USDT", "BTCUSDT"),
        ("ETH", "ETHUSDC"),
        ("SOL", "SOL"),
        ("USDC", "USDC"),
    ],
)
def test_coins_and_pairs_lead_to_what_is_stored(name, symbol):
    assert stored_symbol(name, STORED) == symbol


@pytest.mark.parametrize("name", ["ETHUSDT", "DOGE", "BT"])
def test_what_is_not_stored_is_no_other_symbol(name):
    with pytest.raises(NoData, match=f"Nothing is stored for {name} yet; stored are BTCUSDT"):
        stored_symbol(name, STORED)


def test_a_coin_has_one_symbol():
    assert coins(["BTC-USD", "ETH_USDT", "ETHUSDT", "SOL-PERP"]) == {
        "BTC": "BTC-USD",
        "ETH": "ETHUSDT",
        "SOL-PERP": "SOL-PERP",
    }
    assert coins(STORED) == {"BTC": "BTCUSDT", "ETH": "ETHUSDC", "SOL": "SOL", "USDC": "USDC"}
    assert base_asset("1000PEPEUSDT") == "1000PEPE"


def candles(*columns):
    """Return candles of these columns that open at 10 times the column and close 1 higher."""
    price = 10.0 * np.array(columns)
    return Candles(TIMES[list(columns)], price, price + 2.0, price - 2.0, price + 1.0)


def test_every_column_has_a_candle_and_a_missing_one_stands_still():
    volumes = {"time": TIMES[[1, 1, 3]], "quote_volume": np.array([5.0, 2.25, 8.0])}
    rows, without = column_candles(candles(1, 3), volumes, TIMES)
    first = 1767225600
    assert rows == [
        (first, "10", "10", "10", "10", "0"),
        (first + 3600, "10", "12", "8", "11", "7.25"),
        (first + 7200, "11", "11", "11", "11", "0"),
        (first + 10800, "30", "32", "28", "31", "8"),
        (first + 14400, "31", "31", "31", "31", "0"),
    ]
    assert without == [0, 2, 4]


def test_volume_outside_of_the_columns_counts_nowhere():
    outside = np.array([TIMES[0] - np.timedelta64(1, "us"), TIMES[-1]])
    volumes = {"time": outside, "quote_volume": np.array([1.0, 1.0])}
    rows, without = column_candles(candles(0, 1, 2, 3, 4), volumes, TIMES)
    assert {row[5] for row in rows} == {"0"}
    assert without == []


def test_numbers_have_no_exponents_and_no_needless_zeros():
    assert number_texts([61486.0, 61596.4, 1e-7, 63753192.1129]) == [
        "61486", "61596.4", "0.0000001", "63753192.1129",
    ]  # fmt: skip
    assert repr(plain(25.0)) == "25"
    assert repr(plain(2.5)) == "2.5"
