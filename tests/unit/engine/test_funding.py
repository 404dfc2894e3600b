"""Levels that move by the funding their positions pay, and sides that funding tells apart."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from engine.book import build_book
from engine.growth import GrowingBook
from engine.heatmap import rasterise
from engine.kernels import ALIVE
from engine.models import find_model
from engine.parameters import Parameters
from engine.profiles import parse_profile
from engine.snapshots import calculate_time_evolving_heatmap
from tests.markets import START, market, markets

MOVING = Parameters(
    turnover=0.2, side_rule="symmetric", profile=parse_profile("3:1,10:1,50:1"), funding=True
)
TENFOLD = replace(MOVING, profile=parse_profile("10:1"), turnover=0.0)


def flat(bars, funding, **columns):
    """Return a market at 100 whose open interest rises by 3 in the first bar."""
    interest = np.full(bars, 103.0)
    return market(
        [(100, 100.5, 99.5, 100)] * bars, interest, funding=np.asarray(funding, float), **columns
    )


def test_what_longs_pay_moves_both_sides_levels_up():
    book = build_book(flat(3, [0.5, 0.01, 0.0]), TENFOLD)
    levels = book.open_levels()
    # 1 % of 100 paid after the birth, none of what was paid in its own bar. The margin is 10, so
    # longs: 10 + (P − 100) − 1 = 0.004 P, shorts: 10 − (P − 100) + 1 = 0.004 P.
    assert_allclose(levels.price, [91 / 0.996, 111 / 1.004], rtol=1e-12)
    before = book.until(book.open_time[0] + np.timedelta64(book.interval)).open_levels()
    assert_allclose(before.price, [90 / 0.996, 110 / 1.004], rtol=1e-12)


def test_what_shorts_pay_moves_both_sides_levels_down():
    levels = build_book(flat(2, [0.0, -0.02]), TENFOLD).open_levels()
    assert_allclose(levels.price, [88 / 0.996, 108 / 1.004], rtol=1e-12)


def test_levels_without_maintenance_move_by_what_is_paid():
    levels = build_book(flat(2, [0.0, 0.01]), replace(TENFOLD, maintenance=False)).open_levels()
    assert_allclose(levels.price, [91.0, 111.0], rtol=1e-12)


def test_a_level_that_funding_moves_into_the_price_is_liquidated():
    book = build_book(flat(4, [0.0, 0.05, 0.05, 0.0]), TENFOLD)
    # 90.36 + 5.02 = 95.38 after a payment, 100.40 after the second, above that bar's low of 99.5.
    assert_allclose(book.ledger.liquidated[:, 0], [0, 0, 0, 3, 0])
    assert_allclose(book.crossed()[0, 2], 3 * 100 / 0.996)
    ends = START + np.arange(5) * np.timedelta64(book.interval)
    picture = rasterise(book, ends, np.linspace(50.0, 150.0, 101))
    assert_allclose(picture.consumed[0, :, 2].sum(), 3 * 100 / 0.996, rtol=0.005)


@given(markets(), st.sampled_from([0.0, 0.2]), st.sampled_from(["hlc3", "spread"]))
def test_levels_die_where_their_price_of_the_moment_is_touched(whole, turnover, entry):
    book = build_book(whole, replace(MOVING, turnover=turnover, entry=entry))
    paid = np.cumsum(whole.funding * whole.open)
    for side, sign in ((0, 1), (1, -1)):
        for birth in range(0, len(book), 5):
            for tier in range(book.tiers.point.size):
                index = np.array([birth]), np.array([side]), np.array([tier])
                price = float(book.price(*index)[0])
                price += (paid[birth + 1 :] - paid[birth]) / (1 - sign * 0.004)
                reach = whole.crossing_low if side == 0 else whole.crossing_high
                touched = sign * price >= sign * reach[birth + 1 :]
                expected = birth + 1 + int(np.argmax(touched)) if touched.any() else ALIVE
                assert book.death[birth, side, tier] == expected


@given(markets(), st.integers(1, 9))
def test_levels_are_drawn_at_most_a_bucket_from_their_price(whole, columns):
    book = build_book(whole, MOVING)
    step = np.timedelta64(whole.interval)
    times = START + np.arange(columns + 1) * 7 * step
    edges = np.linspace(10.0, 400.0, 131)
    drawn = rasterise(book, times, edges, "size")
    assert_allclose(drawn.active.sum(axis=1), drawn.tracked, rtol=1e-7, atol=1e-7)
    for column in range(columns):
        levels = book.until(times[column + 1]).open_levels()
        for side in range(2):
            of = levels.side == side
            exact = np.array([levels.size[of & (levels.price < edge)].sum() for edge in edges])
            below = np.concatenate(([0.0], np.cumsum(drawn.active[side, :, column])))
            slack = 1e-6 * max(exact[-1], 1.0)
            assert (below[1:] >= exact[:-1] - slack).all()
            assert (below[:-1] <= exact[1:] + slack).all()
    notional = rasterise(book, times, edges)
    middle = (edges[1:] + edges[:-1])[:, None] / 2.0
    assert_allclose(notional.active, drawn.active * middle)


def test_snapshots_hold_levels_wherever_funding_moved_them():
    whole = flat(4, [0.0, -0.05, 0.0, 0.0])
    last = calculate_time_evolving_heatmap(whole, TENFOLD)[-1]
    held = build_book(whole, TENFOLD).held[-1]
    assert sum(cell.long_size for cell in last.cells) == pytest.approx(held[0])
    assert sum(cell.short_size for cell in last.cells) == pytest.approx(held[1])
    # 90 / 0.996 at birth, 5 less after shorts paid 5 % of 100.
    assert any(cell.price_low <= 85 / 0.996 < cell.price_high for cell in last.cells)


@given(markets())
def test_without_payments_nothing_moves(whole):
    still = replace(whole, funding=np.zeros(len(whole)))
    moving, fixed = build_book(still, MOVING), build_book(still, replace(MOVING, funding=False))
    times = START + np.arange(5) * 6 * np.timedelta64(whole.interval)
    edges = np.linspace(50.0, 200.0, 151)
    ours, theirs = (rasterise(book, times, edges, "size") for book in (moving, fixed))
    assert (moving.death == fixed.death).all()
    # Where a level lies on an edge, rounding may put it to the other side.
    apart = np.abs(np.cumsum(ours.active - theirs.active, axis=1)).max(initial=0.0)
    assert_allclose(ours.active.sum(), theirs.active.sum())
    assert apart <= ours.active.max(initial=0.0) + 1e-6


@pytest.mark.parametrize(
    ("funding", "longs", "shorts"),
    [
        (0.0, 1.0, 1.0),
        (0.0005, 1.0, 0.5),
        (0.001, 1.0, 0.0),
        (0.002, 1.0, 0.0),
        (-0.0003, 0.7, 1.0),
    ],
)
def test_the_side_that_paid_over_the_last_day_is_levered_more(funding, longs, shorts):
    paid = np.zeros(30)
    paid[3] = funding
    whole = flat(30, paid)
    hours = START + np.arange(30) * np.timedelta64(1, "h")
    whole = replace(whole, interval=timedelta(hours=1), open_time=hours)
    levered = build_book(whole, replace(MOVING, side_rule="funding")).bars.levered
    assert_allclose(levered[2], [1.0, 1.0])
    assert_allclose(levered[3:27], [[longs, shorts]] * 24)
    assert_allclose(levered[27:], 1.0)  # a day later it is forgotten


def test_rates_that_are_not_known_are_asked_for():
    whole = replace(flat(2, [0.0, 0.0]), funding=None)
    with pytest.raises(ValueError, match="no funding rates are known of BTCUSDT on binance"):
        find_model("funding-adjusted").build_book(whole)
    growing = GrowingBook(find_model("funding-adjusted").build_book(flat(2, [0.0, 0.0])))
    later = replace(whole, open_time=whole.open_time + 2 * np.timedelta64(whole.interval))
    with pytest.raises(ValueError, match="no funding rates are known of BTCUSDT on binance"):
        growing.append(later)
    assert len(growing.book) == 2
