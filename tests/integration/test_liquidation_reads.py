"""Sums and lists of what was really liquidated."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ingest.liquidations import (
    largest_liquidations,
    latest_liquidations,
    liquidation_spans,
    liquidation_sums,
    liquidation_totals,
)
from tests.stores import START, memory_store

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def store():
    """Return long 100, short 200, long 400 at 0:10, 0:50, 2:00; and a short 800 elsewhere."""
    with memory_store() as store:
        for exchange, minutes, side, quantity in (
            ("binance", [10, 50, 120], [1, -1, 1], [1.0, 2.0, 4.0]),
            ("bybit", [10], [-1], [8.0]),
        ):
            first = np.datetime64(START.replace(tzinfo=None), "us")
            store.add_liquidations(
                {
                    "exchange": exchange,
                    "symbol": "BTCUSDT",
                    "time": first + np.array(minutes) * np.timedelta64(1, "m"),
                    "side": np.array(side, np.int8),
                    "quantity": np.array(quantity),
                    "price": np.full(len(side), 100.0),
                }
            )
        yield store


def sums(store, interval, start=START, stop=START + 24 * HOUR):
    columns = liquidation_sums(store, "binance", "BTCUSDT", interval, start, stop)
    starts = [time.item().replace(tzinfo=UTC) for time in columns["start"]]
    return list(zip(starts, columns["long"].tolist(), columns["short"].tolist(), strict=True))


def test_sums_are_of_whole_intervals_and_by_side(store):
    assert sums(store, HOUR) == [(START, 100.0, 200.0), (START + 2 * HOUR, 400.0, 0.0)]
    assert sums(store, 24 * HOUR) == [(START, 500.0, 200.0)]


def test_weeks_begin_on_mondays(store):
    monday = datetime(2025, 12, 29, tzinfo=UTC)
    assert sums(store, 7 * 24 * HOUR) == [(monday, 500.0, 200.0)]


def test_a_range_is_half_open(store):
    assert sums(store, HOUR, stop=START + 2 * HOUR) == [(START, 100.0, 200.0)]
    assert sums(store, HOUR, start=START + 2 * HOUR) == [(START + 2 * HOUR, 400.0, 0.0)]
    assert sums(store, HOUR, start=START + 3 * HOUR) == []


def test_totals_and_spans_are_by_market(store):
    totals = liquidation_totals(store, START, START + HOUR)
    assert [(each.exchange, each.long, each.short) for each in totals] == [
        ("binance", 100.0, 200.0),
        ("bybit", 0.0, 800.0),
    ]
    (binance, bybit) = liquidation_spans(store)
    assert (binance.symbol, binance.first, binance.last) == (
        "BTCUSDT",
        START + timedelta(minutes=10),
        START + 2 * HOUR,
    )
    assert bybit.first == bybit.last


def test_the_latest_come_first_and_small_ones_are_left_out(store):
    def latest(**changes):
        asked = {"least_notional": 0.0, "limit": 10} | changes
        span = (START, START + 24 * HOUR)
        return latest_liquidations(store, "binance", "BTCUSDT", *span, **asked)

    assert latest()["notional"].tolist() == [400.0, 200.0, 100.0]
    assert latest()["side"].tolist() == [1, -1, 1]
    assert latest(limit=2)["notional"].tolist() == [400.0, 200.0]
    assert latest(least_notional=150.0)["notional"].tolist() == [400.0, 200.0]


def test_the_largest_come_oldest_first(store):
    def largest(limit, start=START, stop=START + 24 * HOUR):
        found = largest_liquidations(store, "binance", "BTCUSDT", start, stop, limit=limit)
        return list(zip(found["notional"].tolist(), found["side"].tolist(), strict=True))

    assert largest(10) == [(100.0, 1), (200.0, -1), (400.0, 1)]
    assert largest(2) == [(200.0, -1), (400.0, 1)]
    assert largest(2, stop=START + 2 * HOUR) == [(100.0, 1), (200.0, -1)]
    assert largest(1, start=START + 2 * HOUR) == [(400.0, 1)]
