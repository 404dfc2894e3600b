"""Databases for tests of snapshots: a market that arrives part by part, and what was computed."""

from datetime import timedelta

import numpy as np

from app.precompute.jobs import Job
from app.precompute.run import carry_out, make_plan
from engine.models import find_model
from tests.stores import STEP, times

TABLES = {
    "snapshot_series": "series_id, exchange, symbol, model, interval_seconds, bucket_width, bins",
    "snapshot_pieces": "*",
    "liquidation_snapshots": "*",
    "snapshot_totals": "*",
    "position_events": "*",
}
DAY_BARS = 288


def add_part(store, start, stop, *, exchange="binance", symbol="BTCUSDT", bars=1300, seed=0):
    """Store bars ``start <= bar < stop`` of a market of ``bars`` 5-minute bars, and their samples.

    Samples of open interest are stamped up to 3 s late; there are holes in candles and in samples,
    and mark prices for a part of it.
    """
    rng = np.random.default_rng(seed)
    close = 50_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, bars)))
    opens = np.concatenate(([50_000.0], close[:-1]))
    wick = 1.0 + rng.exponential(0.001, (2, bars))
    volume = rng.gamma(2.0, 20.0, bars)
    interest = 1000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, bars + 1)))
    late = rng.integers(0, 4, bars + 1) * np.timedelta64(1, "s")
    columns = {
        "open": opens,
        "high": np.maximum(opens, close) * wick[0],
        "low": np.minimum(opens, close) / wick[1],
        "close": close,
    }
    volumes = {"volume": volume, "quote_volume": volume * close, "taker_buy_volume": volume * 0.4}
    index = np.arange(bars)
    wanted = (index >= start) & (index < stop)
    kept = wanted & ~np.isin(index, np.r_[100:104, 575, 860:870])
    marked = wanted & (index >= 400) & (index < 900)
    sampled = np.append(wanted, stop >= bars) & ~np.isin(np.arange(bars + 1), np.r_[700:712])
    market = {"exchange": exchange, "symbol": symbol}
    candles = market | {"interval": STEP}
    store.add_candles(
        candles
        | {"open_time": times(bars)[kept]}
        | {name: column[kept] for name, column in (columns | volumes).items()}
    )
    store.add_mark_candles(
        candles
        | {"open_time": times(bars)[marked]}
        | {name: column[marked] * 1.0001 for name, column in columns.items()}
    )
    store.add_open_interest(
        market | {"time": (times(bars + 1) + late)[sampled], "open_interest": interest[sampled]}
    )


def job(**changes):
    """Return a job with a fixed width of buckets, so that runs over other data can be compared."""
    fields = {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "model": find_model("turnover"),
        "interval": timedelta(hours=1),
        "width": 250.0,
        "events": True,
    }
    return Job(**fields | changes)


def precompute(store, wanted, **callbacks):
    """Compute one job of a database and return the outcome."""
    (market,) = (
        m for m in store.markets() if (m.exchange, m.symbol) == (wanted.exchange, wanted.symbol)
    )
    return carry_out(store, make_plan(store, market, wanted), **callbacks)


def rows_of(store, tables=TABLES):
    """Return all rows of the tables that hold snapshots, in one order."""
    with store.cursor() as cursor:
        return {
            table: cursor.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()
            for table, columns in TABLES.items()
            if table in tables
        }


def assert_same_rows(one, other, but=()):
    """Compare the tables of two databases, to the last digit."""
    one, other = rows_of(one), rows_of(other)
    for table in one.keys() - set(but):
        assert_same(one[table], other[table], table)


def assert_same(one, other, name):
    """Compare two lists of rows; show the first that differ, not a difference of all of them.

    For tables of tens of thousands of rows pytest would compute that one for hours.
    """
    assert len(one) == len(other), name
    unlike = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    assert unlike[:3] == [], name
