"""A part of a market's bars is read as it is in the whole."""

from dataclasses import fields
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ingest.bars import Bars
from tests.stores import START, STEP, add_market, memory_store, times


@pytest.fixture
def store():
    """Five-minute candles for long, one-minute candles and marks at the end."""
    with memory_store() as store:
        add_market(store, bars=600, missing=[300, 301, 302])
        market = {"exchange": "binance", "symbol": "BTCUSDT"}
        minutes = times(1, offset=560)[0] + np.arange(200) * np.timedelta64(1, "m")
        prices = dict.fromkeys(("open", "high", "low", "close"), np.full(200, 5e4))
        finer = market | {"interval": timedelta(minutes=1), "open_time": minutes}
        store.add_candles(finer | prices | {"volume": np.ones(200)})
        store.add_mark_candles(finer | prices)
        marks = market | {"interval": STEP, "open_time": times(600)}
        store.add_mark_candles(marks | dict.fromkeys(prices, np.full(600, 6e4)))
        yield store


@pytest.mark.parametrize("split", [1, 299, 302, 450, 570, 599])
def test_the_rest_of_a_range_is_read_as_the_whole_was(store, split):
    market, stop = ("binance", "BTCUSDT"), START + 600 * STEP
    intervals = store.bar_intervals(*market, START, stop)
    whole = store.bars(*market, START, stop)
    assert whole.interval == STEP == timedelta(seconds=intervals.seconds)
    rest = store.bars(*market, START + split * STEP, stop, intervals)
    first = int(np.searchsorted(whole.open_time, times(1, offset=split)[0]))
    for field in fields(Bars):
        value = getattr(whole, field.name)
        if isinstance(value, np.ndarray):
            assert_array_equal(getattr(rest, field.name), value[first:], field.name)
