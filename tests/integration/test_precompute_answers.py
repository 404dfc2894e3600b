"""Stored snapshots answer what a book would be drawn for."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from app.history import book_start
from app.markets import load_market
from app.precompute.answers import find_snapshots
from engine.grid import price_edges, step_edges
from engine.heatmap import rasterise
from engine.models import find_model
from tests.snapshot_stores import DAY_BARS, add_part, job, precompute
from tests.stores import START, STEP, memory_store, times

BARS = 4 * DAY_BARS + 100
HOUR = timedelta(hours=1)
MODEL = find_model("turnover")


@pytest.fixture(scope="module")
def computed():
    """Four days and eight hours, every half hour, in buckets of 50."""
    with memory_store() as store:
        add_part(store, 0, BARS, bars=BARS)
        precompute(store, job(width=50.0, interval=HOUR / 2, events=False))
        yield store


@pytest.fixture
def store():
    with memory_store() as store:
        add_part(store, 0, 2 * DAY_BARS, bars=BARS)
        yield store


def ask(store, columns, edges, *, model=MODEL, begin=None):
    market = store.markets()[0]
    begin = begin or book_start(market, START, 30)
    found = find_snapshots(store, market, begin, model, columns, edges)
    return found and found[1]


def columns(first, last, step):
    """Return edges of columns between two hours of the data."""
    start = times(1)[0]
    return step_edges(start + np.timedelta64(first, "h"), start + np.timedelta64(last, "h"), step)


@pytest.mark.parametrize(
    ("first", "last", "step", "low", "high", "buckets"),
    [
        (24, 72, HOUR / 2, 45_000, 55_000, 200),  # its own grid
        (24, 72, HOUR, 45_000, 55_000, 200),
        (0, 96, 3 * HOUR, 40_000, 60_000, 80),
        (5, 83, 6 * HOUR, 0, 200_000, 500),
        (24, 104, 2 * HOUR, 48_000, 52_000, 16),  # to the last whole hour
        (-40, 40, 4 * HOUR, 45_000, 55_000, 100),  # begins before the data
        (0, 96, 24 * HOUR, 47_000, 53_000, 24),
    ],
)
def test_an_answer_equals_the_book_drawn_on_the_same_grid(
    computed, first, last, step, low, high, buckets
):
    grid = columns(first, last, step), price_edges(low, high, buckets)
    answer = ask(computed, *grid)
    bars = computed.bars("binance", "BTCUSDT", START, START + BARS * STEP)
    book = MODEL.build_book(load_market(computed, bars))
    drawn = rasterise(book, *grid)
    known = drawn.times[1:] > book.open_time[0]
    assert answer.measure == "notional"
    assert_array_equal(answer.times, drawn.times)
    assert_array_equal(answer.edges, drawn.edges)
    assert drawn.active.any()
    for name in ("opened", "closed", "liquidated", "tracked", "open_interest"):
        drawn_there = getattr(drawn, name) * known
        assert_allclose(getattr(answer, name), drawn_there, rtol=1e-9, err_msg=name)
    dust = 1e-11 * drawn.open_interest.max() * drawn.edges[-1]
    assert_allclose(answer.active, drawn.active, rtol=1e-9, atol=dust)
    assert_allclose(answer.consumed, drawn.consumed, rtol=1e-9, atol=dust)


@pytest.mark.parametrize(
    ("grid", "model"),
    [
        ((columns(24, 48, HOUR / 4), price_edges(45_000, 55_000, 100)), MODEL),
        (
            (columns(24, 48, HOUR) + np.timedelta64(10, "m"), price_edges(45_000, 55_000, 100)),
            MODEL,
        ),
        ((columns(24, 48, HOUR)[[0, 1, 3]], price_edges(45_000, 55_000, 100)), MODEL),
        ((columns(24, 48, HOUR), price_edges(45_000, 55_000, 500)), MODEL),
        ((columns(24, 48, HOUR), np.arange(0, 60_000, 75.0)), MODEL),
        ((columns(24, 48, HOUR), np.arange(25.0, 60_000, 50.0)), MODEL),
        ((columns(24, 140, HOUR), price_edges(45_000, 55_000, 100)), MODEL),
        ((columns(-90, -70, HOUR), price_edges(45_000, 55_000, 100)), MODEL),
        ((columns(24, 48, HOUR), price_edges(45_000, 55_000, 100)), find_model("time-evolving")),
        (
            (columns(24, 48, HOUR), price_edges(45_000, 55_000, 100)),
            find_model("turnover", side_rule="candle"),
        ),
    ],
)
def test_questions_that_do_not_fit_have_no_answer(computed, grid, model):
    assert ask(computed, *grid, model=model) is None


def test_the_coarsest_series_that_fits_is_read(store, monkeypatch):
    for change in ({"interval": HOUR}, {"interval": 2 * HOUR}, {"width": 500.0}, {"width": 100.0}):
        precompute(store, job(**{"width": 50.0, "events": False} | change))
    seen = []
    read = find_snapshots.__globals__["_read"]
    monkeypatch.setattr("app.precompute.answers._read", lambda *a: seen.append(a[1]) or read(*a))
    ask(store, columns(0, 24, 2 * HOUR), price_edges(45_000, 55_000, 100))
    ask(store, columns(0, 24, HOUR), price_edges(45_000, 55_000, 50))
    assert [(series.interval, series.width) for series in seen] == [
        (2 * HOUR, 50.0),
        (HOUR, 100.0),
    ]


def test_what_is_out_of_date_is_no_answer_and_what_came_after_does_no_harm(store):
    precompute(store, job(width=50.0))
    first, second = columns(0, 24, HOUR), columns(24, 46, HOUR)
    edges = price_edges(45_000, 55_000, 100)
    before = ask(store, second, edges)
    assert before is not None
    # New bars: the watermark changes, what was computed does not.
    add_part(store, 2 * DAY_BARS, BARS, bars=BARS)
    assert_array_equal(ask(store, second, edges).active, before.active)
    # A change of the second day: the first is still what it was.
    stamp = times(1, offset=DAY_BARS + 20) + np.timedelta64(5, "s")
    market = {"exchange": "binance", "symbol": "BTCUSDT"}
    store.add_open_interest(market | {"time": stamp, "open_interest": np.array([1500.0])})
    assert ask(store, second, edges) is None
    assert ask(store, first, edges) is not None
    precompute(store, job(width=50.0, incremental=True))
    assert not np.array_equal(ask(store, second, edges).active, before.active)


def test_days_that_are_missing_or_cut_short_are_no_answer(store):
    edges = price_edges(45_000, 55_000, 100)
    precompute(store, job(width=50.0, stop=START + timedelta(days=1)))
    assert ask(store, columns(0, 24, HOUR), edges) is not None
    assert ask(store, columns(0, 25, HOUR), edges) is None


def test_a_book_that_begins_elsewhere_is_another_one(store):
    precompute(store, job(width=50.0))
    grid = columns(24, 40, HOUR), price_edges(45_000, 55_000, 100)
    assert ask(store, *grid) is not None
    assert ask(store, *grid, begin=START + timedelta(hours=3)) is None


def test_another_programs_snapshots_are_no_answer(store, monkeypatch):
    precompute(store, job(width=50.0))
    monkeypatch.setattr("app.precompute.answers.program_version", lambda: "newer")
    assert ask(store, columns(24, 40, HOUR), price_edges(45_000, 55_000, 100)) is None
