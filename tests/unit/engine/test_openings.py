"""Models that do not follow open interest: what opens their levels, where, and until when."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from engine.book import build_book
from engine.growth import GrowingBook
from engine.heatmap import combine, rasterise
from engine.models import MODELS, find_model
from engine.parameters import Parameters
from engine.profiles import parse_profile
from tests.markets import START, market, markets, openings_only, part

HOUR = timedelta(hours=1)
UNKNOWN = np.nan
TENFOLD = parse_profile("10:1")


def hourly(whole, hours=1):
    """Return a market with bars of some hours instead of its own."""
    step = np.timedelta64(timedelta(hours=hours))
    number = (whole.open_time - START) // np.timedelta64(whole.interval)
    return replace(whole, interval=timedelta(hours=hours), open_time=START + number * step)


def calm(bars, **columns):
    """Return a market whose price stays at 100, from 99.5 to 100.5, with volume 10 a bar."""
    open_interest = columns.pop("open_interest", np.full(bars, UNKNOWN))
    return market([(100, 100.5, 99.5, 100)] * bars, open_interest, **columns)


def born(book):
    """Return the longs' size that was born in each bar."""
    return book.ledger.born[1:, 0]


def test_binance_standard_opens_what_open_interest_rises_by():
    whole = calm(4, open_interest=[103.0, 101.0, 101.0, 106.0])
    assert_array_equal(born(find_model("binance-standard").build_book(whole)), [3, 0, 0, 5])


def test_what_is_liquidated_does_not_open_anew():
    # The first bar's 3 are liquidated at 10x, 90.36, by the second, over which nothing rises.
    candles = [(100, 100.5, 99.5, 100), (100, 100, 89, 95), (95, 95, 95, 95)]
    whole = market(candles, [103.0, 103.0, 103.0])
    book = find_model("binance-standard", profile=TENFOLD).build_book(whole)
    assert_allclose(book.ledger.liquidated[:, 0], [0, 0, 3, 0])
    assert_array_equal(born(book), [3, 0, 0])
    assert_allclose(book.ledger.held[:, 1], [0, 3, 3, 3])


def test_binance_standard_takes_volume_where_open_interest_is_unknown():
    whole = calm(6, open_interest=[102.0, UNKNOWN, 110.0, 111.0, 112.0, 120.0], missing=[4])
    # Known at both ends: 2 and 1; else, after the missing bar too, 4 % of 10. A bar that others
    # are missing before opens nothing but what it traded itself.
    assert_allclose(born(find_model("binance-standard").build_book(whole)), [2, 0.4, 0.4, 1, 0.4])


def test_binance_standard_leaves_the_maintenance_margin():
    whole = calm(1, open_interest=[103.0])
    levels = find_model("binance-standard", profile=TENFOLD).build_book(whole).open_levels()
    # 10x with m = 0.4 %: 100 (1 − 1/10) / (1 − 0.004) and 100 (1 + 1/10) / (1 + 0.004).
    assert_allclose(levels.price, [90.361446, 109.561753], rtol=1e-8)


def test_volume_profile_opens_volume_a_leverages_reciprocal_away():
    book = find_model("volume-profile").build_book(calm(1, volume=8.0))
    levels = book.open_levels()
    assert_allclose(levels.price, [90, 96, 98, 99, 110, 104, 102, 101])
    assert_allclose(levels.size, 2.0)
    assert_array_equal(levels.side, [0] * 4 + [1] * 4)


def test_volume_profile_can_take_sides_by_takers():
    whole = calm(1, volume=8.0, taker_buy=[2.0])
    book = find_model("volume-profile", side_rule="taker").build_book(whole)
    assert_allclose(book.ledger.born[1], [4.0, 8.0])  # a quarter bought: half of longs, all shorts


def test_models_without_open_interest_need_none():
    for name, model in MODELS.items():
        whole = calm(50, initial=UNKNOWN)
        if model.parameters.follows_interest:
            with pytest.raises(ValueError, match="open interest before the first bar"):
                model.build_book(whole)
        else:
            assert model.build_book(hourly(whole)).ledger.held.shape[0] == 51, name


def test_what_does_not_follow_open_interest_says_nothing_of_its_share():
    whole = calm(4, open_interest=[103.0, 101.0, UNKNOWN, 106.0])
    book = find_model("binance-standard").build_book(whole)
    times = START + np.arange(5) * np.timedelta64(whole.interval)
    picture = rasterise(book, times, np.linspace(50, 150, 11))
    assert not picture.ties
    assert np.isnan(picture.coverage).all()
    assert_array_equal(picture.open_interest, [103.0, 101.0, UNKNOWN, 106.0])
    tied = rasterise(find_model("turnover").build_book(whole), picture.times, picture.edges)
    assert np.isnan(combine([picture, tied]).coverage).all()
    assert np.isfinite(tied.coverage).all()


@pytest.mark.parametrize("assumed", [{}, {"speeds": "two"}])
def test_nothing_says_how_much_closes_without_open_interest(assumed):
    with pytest.raises(ValueError, match="nothing says how much closes"):
        Parameters(opening="volume", **assumed)


# Bursts


def test_a_burst_is_one_of_the_six_largest_openings_of_a_day():
    volume = np.full(60, 10.0)
    volume[[2, 30, 31, 40, 41, 42, 43, 44, 45]] = [99, 50, 10, 20, 21, 22, 23, 24, 19]
    book = find_model("coinglass-like").build_book(hourly(calm(60, volume=volume)))
    # The 99 comes before a whole day is known; 10 is no more than the bars before it; 19 is the
    # seventh of its day. The day before the 20 has ten bars of 10 and a 50: it is the second.
    assert_array_equal(np.flatnonzero(born(book)), [30, 40, 41, 42, 43, 44])
    assert_allclose(born(book)[[30, 44]], [0.04 * 50, 0.04 * 24])


@given(markets(), openings_only())
def test_bursts_are_those_that_a_slow_count_finds(whole, assumed):
    whole = hourly(whole, 2)
    everything = build_book(whole, replace(assumed, opening="rises", side_rule="symmetric"))
    bursts = build_book(whole, replace(assumed, opening="bursts", side_rule="symmetric"))
    opened = everything.bars.turned_over
    for bar, size in enumerate(opened):
        day = opened[max(bar - 12, 0) : bar]
        expected = size if len(day) == 12 and (day >= size).sum() < 6 and size > 0 else 0.0
        assert bursts.bars.turned_over[bar] == expected


@given(markets(), openings_only(), st.data())
def test_bursts_found_bar_by_bar_are_those_found_at_once(whole, assumed, data):
    whole, assumed = hourly(whole, 2), replace(assumed, opening="bursts")
    at_once = build_book(whole, assumed)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=1, max_size=6)))
    growing = GrowingBook(build_book(hourly(part(whole, 0, cuts[0]), 2), assumed))
    for start, stop in zip(cuts, [*cuts[1:], len(whole)], strict=True):
        growing.append(part(whole, start, stop))
    for ours, theirs in zip(growing.book.ledger, at_once.ledger, strict=True):
        assert_array_equal(ours, theirs)
    moment = START + data.draw(st.integers(0, len(whole))) * np.timedelta64(2, "h")
    again = GrowingBook(at_once.until(moment))
    again.append(part(whole, len(again.book), len(whole)))
    assert_array_equal(again.book.ledger.opened, at_once.ledger.opened)


# What CoinGlass's first model paints


@pytest.fixture(scope="module")
def painted():
    """Return a picture, 2 minutes of price by bar, of a market that wanders, and the market."""
    rng = np.random.default_rng(7)
    close = 60_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.0006, 1200)))
    opens = np.concatenate(([60_000.0], close[:-1]))
    candles = np.stack((opens, np.fmax(opens, close), np.fmin(opens, close), close), axis=1)
    interest = 80_000.0 + np.cumsum(rng.standard_t(3, 1200) * 20.0)
    whole = market(candles, interest, initial=80_000.0)
    times = START + np.arange(1201) * np.timedelta64(whole.interval)
    edges = np.arange(50_000.0, 72_000.0, 4.0)
    return rasterise(find_model("coinglass-like").build_book(whole), times, edges), whole


def lines_of(painted, column):
    """Return price over the bar's price and notional of what a column adds, by side."""
    picture, whole = painted
    middle = (picture.edges[:-1] + picture.edges[1:]) / 2
    price = (whole.high + whole.low + whole.close)[column] / 3.0
    added = picture.active[:, :, column] - picture.active[:, :, column - 1]
    return [(middle[rows > 1.0] / price, rows[rows > 1.0]) for rows in added]


def burst_columns(painted):
    picture, _ = painted
    return np.flatnonzero(picture.opened[0])


def test_bursts_are_sparse(painted):
    columns = burst_columns(painted)
    days = 1200 * 5 / 1440 - 1  # the first has nothing to stand out against
    assert columns.min() >= 288
    assert 4 <= columns.size / days <= 12


def test_bursts_paint_three_lines_a_side_at_measured_widths_and_weights(painted):
    columns = burst_columns(painted)
    assert columns.size
    for column in columns:
        (longs, below), (shorts, above) = lines_of(painted, column)
        half_widths = 100.0 * (shorts - longs[::-1]) / 2.0  # 100x, 50x, 25x [%]
        assert_allclose(half_widths, [0.990, 1.991, 3.966], atol=0.05)
        for lines in (below[::-1], above):
            assert_allclose(lines / lines[2], [4.0, 2.0, 1.0], rtol=0.1)


def test_lines_last_until_the_price_touches_them_and_no_longer(painted):
    picture, whole = painted
    held = picture.active > 0.0
    for side, touched in ((0, whole.low), (1, whole.high)):
        for column in range(1, 1200):
            gone = held[side, :, column - 1] & ~held[side, :, column]
            low, high = picture.edges[:-1][gone], picture.edges[1:][gone]
            reached = (low < touched[column]) if side else (high > touched[column])
            assert reached.all()
            beyond = (
                picture.edges[:-1] > whole.low[column]
                if side == 0
                else picture.edges[1:] < whole.high[column]
            )
            assert not (held[side, :, column] & beyond).any()
    # Nothing closes: a line of which nothing is touched keeps its amount.
    kept = held[:, :, :-1] & (picture.consumed[:, :, 1:] == 0.0)
    before, after = picture.active[:, :, :-1][kept], picture.active[:, :, 1:][kept]
    assert (after >= before * (1 - 1e-9)).all()
    assert picture.closed.sum() == 0.0
    assert picture.liquidated.sum() > 0.0
