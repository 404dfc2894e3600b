from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import engine.score.sampling
from engine.models import MODELS
from engine.score.sampling import Moments, by_cell, cells_of, held_by, held_in, hours_of, log_gain
from tests.markets import market
from tests.scored import at, walk

OFFSETS = np.linspace(-0.2, 0.2, 41)


@pytest.fixture(scope="module")
def book():
    return MODELS["two-speed"].build_book(walk(6))


@pytest.fixture(scope="module")
def moments(book):
    bars = np.arange(287, len(book), 71)
    return Moments(book.open_time[bars] + np.timedelta64(book.interval), book.close[bars])


def slow_held(book, moments, offsets):
    """Sum the open levels of each moment by cell."""
    found = np.zeros((2, len(moments), offsets.size - 1))
    for number, (time, price) in enumerate(zip(moments.time, moments.price, strict=True)):
        levels = book.until(time).open_levels()
        for side in range(2):
            mine = levels.side == side
            found[side, number] = np.histogram(
                levels.price[mine] / price - 1.0, offsets, weights=levels.notional[mine]
            )[0]
    return found


def test_a_map_holds_the_levels_that_were_open_at_each_moment(book, moments):
    found, expected = held_by(book)(moments, OFFSETS), slow_held(book, moments, OFFSETS)
    # A level near a cell's edge can count in the cell beside: 1 % in steps of .2 %.
    assert_allclose(found.sum(axis=2), expected.sum(axis=2), rtol=0.02)
    assert np.abs(found - expected).sum() < 0.1 * expected.sum()


def test_it_is_the_same_in_several_pieces(book, moments, monkeypatch):
    whole = held_by(book)(moments, OFFSETS)
    monkeypatch.setattr(engine.score.sampling, "_MOST_CELLS", 3000)
    pieces = held_by(book)(moments, OFFSETS)
    assert np.abs(pieces - whole).sum() < 0.02 * whole.sum()


def test_a_later_bar_changes_nothing(book, moments):
    until = book.until(moments.time[3])
    early = Moments(moments.time[:4], moments.price[:4])
    assert_allclose(held_by(until)(early, OFFSETS), held_by(book)(early, OFFSETS))


def test_what_lasts_is_less_than_what_is_open(book, moments):
    whole, lasting = (
        held_by(book)(moments, OFFSETS),
        held_by(book, timedelta(days=1))(moments, OFFSETS),
    )
    assert (lasting <= whole + 1e-9 * whole.sum()).all()
    assert 0.0 < lasting.sum() < whole.sum()


def test_an_amount_is_split_where_a_cell_ends_within_a_bucket():
    # One unit between 99 and 101, cells that end at the price of 100: half each.
    def draw(times, edges):
        middle = (edges[:-1] + edges[1:]) / 2
        inside = (middle > 99.0) & (middle < 101.0)
        return np.broadcast_to((inside / inside.sum())[None, :, None], (2, middle.size, 1))

    found = held_in(draw)(
        Moments(np.array([at(1)]), np.array([100.0])), np.array([-0.05, 0.0, 0.05])
    )
    assert_allclose(found, 0.5)


def test_distances_fall_into_half_open_cells():
    edges = np.array([0.0, 0.1, 0.2])
    assert_array_equal(
        cells_of(np.array([-0.01, 0.0, 0.1, 0.19, 0.2, np.nan]), edges), [-1, 0, 1, 1, -1, -1]
    )


def test_hours_begin_after_the_warm_up_and_have_the_last_close():
    candles = [(100, 101, 99, 100 + 0.01 * bar) for bar in range(36)]
    found = hours_of(market(candles, [100.0] * 36), timedelta(hours=2))
    assert_array_equal(found.time, [at(2), at(3)])
    assert_allclose(found.price, [100.23, 100.35])


def test_cells_are_counted_from_the_price_outwards():
    def held(moments, offsets):
        # Both sides hold, in each cell, the distance of its middle from the price.
        middle = (offsets[:-1] + offsets[1:]) / 2.0
        return np.broadcast_to(middle, (2, len(moments), middle.size))

    moments = Moments(np.array(["2026-01-01"], "datetime64[us]"), np.array([100.0]))
    longs, shorts = by_cell(held, moments, 0.01, 3)
    assert_allclose(longs, [[-0.005, -0.015, -0.025]])
    assert_allclose(shorts, [[0.005, 0.015, 0.025]])


def test_an_even_density_gains_nothing_and_an_empty_cell_is_not_impossible():
    assert_allclose(log_gain(np.array([1.0, 0.0])), [0.0, np.log(0.05)], atol=1e-15)
