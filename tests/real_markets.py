"""Markets of the real data that may lie beside the project; tests skip where there are none."""

import csv
import gzip
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.margin import LeverageTier, MarginRules
from engine.market import Market

DATA = Path(__file__).parents[2] / "shared" / "data"
FIVE_MINUTES = timedelta(minutes=5)
ONE_TIER = (MarginRules((LeverageTier(0.0, float("inf"), 150.0, 0.004),)),)
_LATE = np.timedelta64(10, "s")
"""By how much a sample of open interest may be late and still belong to the bar before."""


def real_rows(path):
    """Return the rows of a gzipped CSV file as dicts of texts; skips where it is absent."""
    if not (DATA / path).exists():
        pytest.skip(f"needs {path} of the real market data")
    with gzip.open(DATA / path, "rt") as file:
        return list(csv.DictReader(file))


def times_of(rows, name):
    """Return a column of times, text or milliseconds since 1970, as datetime64[us]."""
    texts = [row[name] for row in rows]
    if texts[0].isdigit():
        return np.array(texts, np.int64).astype("datetime64[ms]").astype("datetime64[us]")
    return np.array([text.replace(" ", "T") for text in texts], "datetime64[us]")


def numbers_of(rows, name):
    """Return a column of numbers, shape (n,)."""
    return np.array([row[name] for row in rows], np.float64)


def five_minute_market(symbol="BTCUSDT"):
    """Return Binance's 5-minute bars with open interest, from 2025-12-01 to 2026-02-28."""
    folder = "binance_um"
    candles = real_rows(f"{folder}/{symbol}-5m_2025-11-14_2026-02-28.csv.gz")
    samples = real_rows(f"{folder}/{symbol}-metrics_2025-12-01_2026-02-28.csv.gz")
    open_time, sampled = times_of(candles, "open_time"), times_of(samples, "create_time")
    order = np.argsort(sampled, kind="stable")
    held = numbers_of(samples, "sum_open_interest")[order]
    ends = open_time + np.timedelta64(FIVE_MINUTES) + _LATE
    place = np.searchsorted(sampled[order], ends, side="right") - 1
    known = place >= 0
    columns = {
        name: numbers_of(candles, name)[known]
        for name in ("open", "high", "low", "close", "volume")
    }
    return bars_of(symbol, FIVE_MINUTES, open_time[known], columns, held[place[known]])


def bars_of(symbol, interval, open_time, columns, open_interest):
    """Return a market of Binance from columns of candles and open interest at each bar's end."""
    unknown = np.full(open_time.size, np.nan)
    return Market(
        exchange="binance",
        symbol=symbol,
        interval=interval,
        open_time=open_time,
        quote_volume=columns.pop("quote_volume", unknown),
        taker_buy_volume=columns.pop("taker_buy_volume", unknown),
        open_interest=open_interest,
        initial_open_interest=float(open_interest[0]),
        margin=ONE_TIER,
        crossing_high=columns["high"],
        crossing_low=columns["low"],
        **columns,
    )
