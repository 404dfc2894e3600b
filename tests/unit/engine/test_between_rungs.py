"""Maps that draw a level of a turning ladder over the prices that it stands for."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from engine.book import build_book
from engine.heatmap import rasterise
from engine.models import find_model
from engine.parameters import Parameters
from engine.profiles import TurningLadder
from tests.markets import market, markets

LADDER = TurningLadder()


def edges_of(book, buckets):
    low, high = book.price_range()
    return np.linspace(low, high, buckets + 1)


def drawn(book, edges, measure="size", *, between_rungs):
    times = np.append(book.open_time, np.datetime64(book.stop, "us"))
    return rasterise(book, times, edges, measure, between_rungs=between_rungs)


def slowly_drawn(book, edges, measure):
    """Return the last column as the sum of levels' overlaps with the buckets."""
    levels = book.open_levels()
    sums = np.zeros((2, edges.size - 1))
    for side, size, (low, high) in zip(levels.side, levels.size, levels.stretch.T, strict=True):
        begin, end = np.maximum(edges[:-1], low), np.minimum(edges[1:], high)
        price = (begin + end) / 2 if measure == "notional" else 1.0
        sums[side] += size * np.maximum(end - begin, 0.0) / (high - low) * price
    return sums


@pytest.mark.parametrize("measure", ["size", "notional"])
@given(
    whole=markets(max_bars=40),
    closing=st.sampled_from(["proportional", "nearest"]),
    buckets=st.integers(1, 300),
)
def test_a_levels_size_is_spread_evenly_up_to_its_neighbours(measure, whole, closing, buckets):
    assume(whole.open_time.size)
    book = build_book(whole, Parameters(profile=LADDER, closing=closing))
    edges = edges_of(book, buckets)
    active = drawn(book, edges, measure, between_rungs=True).active[:, :, -1]
    dust = 1e-9 * book.held.max() * (edges[-1] if measure == "notional" else 1.0)
    assert_allclose(active, slowly_drawn(book, edges, measure), rtol=1e-9, atol=dust)


@given(markets(max_bars=40))
def test_sums_over_all_prices_stay_and_so_does_what_was_liquidated(whole):
    assume(whole.open_time.size)
    book = find_model("two-speed").build_book(whole)
    edges = edges_of(book, 50)
    stretched, at_price = (drawn(book, edges, between_rungs=b) for b in (True, False))
    total = at_price.active.sum(axis=1)
    assert_allclose(stretched.active.sum(axis=1), total, rtol=1e-9, atol=1e-9 * total.max())
    assert stretched.active.min() >= 0.0
    assert_array_equal(stretched.consumed, at_price.consumed)


def test_one_opening_is_no_comb():
    # A quiet bar after which open interest doubles, and nothing else.
    whole = market([(100, 100, 100, 100)] * 2, [100.0, 200.0])
    book = build_book(whole, Parameters(profile=LADDER))
    edges = np.linspace(60.0, 140.0, 321)
    at_price, stretched = (
        drawn(book, edges, between_rungs=b).active[0, :, -1] > 0.0 for b in (False, True)
    )
    longs = slice(0, 158)  # up to 99.5, half of the top's margin from the price
    assert at_price[longs].sum() < 30
    assert stretched[longs].all()


def test_maps_of_fixed_leverages_are_the_same():
    whole = market([(100, 101, 99, 100)] * 3, [100.0, 150.0, 120.0])
    book = find_model("turnover").build_book(whole)
    edges = edges_of(book, 80)
    assert_array_equal(
        drawn(book, edges, between_rungs=True).active,
        drawn(book, edges, between_rungs=False).active,
    )


@pytest.mark.parametrize(
    "edges", [[0.0, 1e-300], [99.0, 99.0 + 1e-6], [0.0, 1e249], [1e10, 2e10], [90.0, 91.0]]
)
def test_what_lies_outside_of_odd_edges_is_not_drawn(edges):
    whole = market([(100, 100, 100, 100)] * 2, [100.0, 200.0])
    book = build_book(whole, Parameters(profile=LADDER))
    edges = np.linspace(*edges, 11)
    active = drawn(book, edges, between_rungs=True).active[:, :, -1]
    held = book.held[-1]
    assert (active.sum(axis=1) <= held * (1.0 + 1e-9)).all()
    assert active.sum() > 0.0 or edges[0] > 200.0 or edges[-1] < 50.0
    assert_allclose(active, slowly_drawn(book, edges, "size"), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("part", [slice(0, 40), slice(30, 31), slice(60, 100)])
def test_a_part_of_the_prices_is_that_part_of_the_map(part):
    whole = market([(100, 101, 99, 100), (100, 104, 98, 103)] * 4, np.linspace(100, 180, 8))
    book = find_model("two-speed").build_book(whole)
    edges = np.linspace(60.0, 140.0, 101)
    active = drawn(book, edges, between_rungs=True).active
    within = drawn(book, edges[part.start : part.stop + 1], between_rungs=True).active
    assert_allclose(within, active[:, part], rtol=1e-9, atol=1e-9)
