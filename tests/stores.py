"""Databases for tests."""

from datetime import UTC, datetime, timedelta

import numpy as np

from ingest.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)


def times(count, *, offset=0):
    """Return the start of bars ``offset …``."""
    first = np.datetime64(START.replace(tzinfo=None), "us")
    return first + (offset + np.arange(count)) * np.timedelta64(STEP)


def add_market(store, exchange="binance", symbol="BTCUSDT", *, bars=600, seed=0, **left_out):
    """Store a random market with open interest at every bar's end, and some liquidations."""
    rng = np.random.default_rng(seed)
    close = 50_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, bars)))
    opens = np.concatenate(([50_000.0], close[:-1]))
    volume = rng.gamma(2.0, 20.0, bars)
    market = {"exchange": exchange, "symbol": symbol}
    candles = {
        "open_time": times(bars),
        "open": opens,
        "high": np.maximum(opens, close) * 1.0005,
        "low": np.minimum(opens, close) * 0.9995,
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "taker_buy_volume": volume * 0.5,
    }
    kept = np.setdiff1d(np.arange(bars), left_out.get("missing", ()))
    store.add_candles(
        market | {"interval": STEP} | {name: column[kept] for name, column in candles.items()}
    )
    if left_out.get("open_interest", True):
        interest = 1000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, bars + 1)))
        known = slice(0, left_out.get("open_interest_until", bars) + 1)
        store.add_open_interest(
            market | {"time": times(bars + 1)[known], "open_interest": interest[known]}
        )
    store.add_liquidations(
        market
        | {
            "time": times(5, offset=bars // 2),
            "side": np.array([1, -1, 1, 1, -1], np.int8),
            "quantity": np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
            "price": close[bars // 2 : bars // 2 + 5],
        }
    )


def memory_store():
    """Return an empty database in memory."""
    return Store.open(":memory:")
