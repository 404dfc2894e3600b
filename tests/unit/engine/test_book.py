"""The level book on markets small enough to work by hand.

Maintenance rate 0.4 %, so a 10x long at 100 dies at 100 · 0.9 / 0.996 = 90.3614, a 10x short at
100 · 1.1 / 1.004 = 109.5618.
"""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from engine import raster_kernel
from engine.book import build_book
from engine.growth import GrowingBook
from engine.heatmap import combine, rasterise
from engine.margin import LONG, SHORT, LeverageTier, MarginRules, liquidation_price
from engine.models import DEFAULT_MODEL, MODELS, find_model
from engine.parameters import Parameters
from engine.profiles import parse_profile
from tests.markets import RULES, START, STEP, market, part

TEN = Parameters(profile=parse_profile("10:1"))
LONG_DIES, SHORT_DIES = (liquidation_price(100.0, 10, side, RULES) for side in (LONG, SHORT))
UP, DOWN, DOJI = (99, 101, 98, 100), (101, 102, 99, 100), (100, 101, 99, 100)
STILL = (100, 100.5, 99.5, 100)


def test_the_worked_prices():
    assert_allclose((LONG_DIES, SHORT_DIES), (90.3614, 109.5618), rtol=1e-6)


def columns(bars):
    return START + np.arange(bars + 1) * np.timedelta64(STEP)


def test_no_bars_make_an_empty_book():
    book = build_book(market([], []), TEN)
    assert len(book) == 0
    assert book.open_levels().price.size == 0
    assert rasterise(book, columns(3), np.linspace(50, 150, 11)).active.sum() == 0.0


def test_one_rising_candle_opens_longs():
    # 100 → 107: seven opened, all long; on the short side they join the pool.
    book = build_book(market([UP], [107.0]), TEN)
    levels = book.open_levels()
    assert_allclose(levels.price, [LONG_DIES])
    assert_allclose(levels.size, [7.0])
    assert_allclose(book.ledger.held[-1], [7.0, 0.0])
    assert_allclose(book.ledger.pool[-1], [100.0, 107.0])


def test_a_falling_candle_opens_shorts():
    levels = build_book(market([DOWN], [107.0]), TEN).open_levels()
    assert_allclose(levels.price, [SHORT_DIES])
    assert levels.side.tolist() == [1]


def test_a_doji_opens_half_on_each_side():
    levels = build_book(market([DOJI], [107.0]), TEN).open_levels()
    assert_allclose(levels.size, [3.5, 3.5])


@pytest.mark.parametrize(
    ("low", "dies"),
    [(LONG_DIES, True), (np.nextafter(LONG_DIES, 0), True), (np.nextafter(LONG_DIES, 200), False)],
)
def test_an_exact_touch_liquidates_and_a_miss_by_one_digit_does_not(low, dies):
    book = build_book(market([UP, (100, 100.5, low, 100)], [107.0, 107.0]), TEN)
    assert book.ledger.liquidated[2, 0] == (7.0 if dies else 0.0)


def test_a_gap_through_the_level_liquidates():
    book = build_book(market([UP, (80, 81, 79, 80)], [107.0, 100.0]), TEN)
    assert book.ledger.liquidated[2, 0] == 7.0


def test_levels_are_not_tested_against_the_bar_that_opens_them():
    # Opened at the close of a bar whose own wick went below their price.
    book = build_book(market([(99, 101, 80, 100), STILL], [107.0, 107.0]), TEN)
    assert_allclose(book.ledger.held[-1, 0], 7.0)


def test_a_fall_of_open_interest_by_the_liquidation_is_not_counted_twice():
    # Seven are liquidated and open interest falls by seven: nothing else closed, nothing opened.
    book = build_book(market([UP, (100, 100.5, 90, 95)], [107.0, 100.0]), TEN)
    assert_allclose(book.ledger.closed[2], [0.0, 7.0 * 0.0])
    assert_allclose(book.ledger.pool[2], [100.0, 100.0])


def test_liquidated_longs_with_steady_open_interest_mean_new_openings():
    # Seven longs die, yet open interest stays: seven opened. The candle falls, so all in the pool.
    book = build_book(market([UP, (100, 100.5, 90, 95)], [107.0, 107.0]), TEN)
    assert_allclose(book.ledger.held[2], [0.0, 0.0])
    assert_allclose(book.ledger.pool[2], [107.0, 107.0])


def test_proportional_closing_takes_the_same_share_of_levels_and_pool():
    # 107 → 53.5: half of everything closes.
    book = build_book(market([UP, STILL], [107.0, 53.5]), TEN)
    assert_allclose(book.ledger.held[2, 0], 3.5)
    assert_allclose(book.ledger.pool[2], [50.0, 53.5])
    assert_allclose(book.ledger.closed[2], [3.5, 0.0])


def test_nearest_closing_takes_the_level_next_to_price_first():
    assumed = Parameters(profile=parse_profile("5:1,10:1"), closing="nearest")
    # Four open at each of 5x and 10x; five close: all of 10x and one of 5x.
    book = build_book(market([UP, STILL], [108.0, 103.0]), assumed)
    levels = book.open_levels()
    assert_allclose(levels.price, [100 * 0.8 / 0.996])
    assert_allclose(levels.size, [3.0])
    picture = rasterise(book, columns(2), np.linspace(70, 120, 51), "size")
    assert_allclose(picture.active[0].sum(axis=0), [8.0, 3.0])
    assert picture.consumed.sum() == 0.0


def test_without_closing_levels_leave_only_by_crossing():
    book = build_book(market([UP, STILL], [107.0, 10.0]), replace(TEN, closing="none"))
    assert_allclose(book.open_levels().size, [7.0])


def test_open_interest_to_zero_and_back_leaves_nothing_of_before():
    book = build_book(market([UP, STILL, UP], [107.0, 0.0, 4.0]), TEN)
    assert_allclose(book.open_levels().size, [4.0])
    assert_allclose(book.ledger.held[2], [0.0, 0.0])
    assert_allclose(book.ledger.held[3] + book.ledger.pool[3], [4.0, 4.0])


def test_turnover_opens_and_closes_a_share_of_volume():
    # Volume 20, half of it turned over: 10 + 7 open, 10 of the 100 held close.
    book = build_book(market([UP], [107.0], volume=20.0), replace(TEN, turnover=0.5))
    assert_allclose(book.ledger.held[1, 0], 17.0)
    assert_allclose(book.ledger.pool[1, 0], 90.0)


def test_turnover_closes_no_more_than_is_held():
    book = build_book(market([UP], [107.0], volume=1e6), replace(TEN, turnover=1.0))
    assert_allclose(book.ledger.held[1, 0], 107.0)
    assert_allclose(book.ledger.pool[1, 0], 0.0, atol=1e-9)


def test_taker_rule_splits_by_aggressor():
    # 30 % of volume bought: longs levered to 0.6, shorts to 1.
    whole = market([UP], [107.0], volume=10.0, taker_buy=[3.0])
    book = build_book(whole, replace(TEN, side_rule="taker"))
    assert_allclose(book.ledger.held[1], [4.2, 7.0])


def test_taker_rule_without_taker_volume_says_so():
    with pytest.raises(ValueError, match="needs taker volume, which the candles of BTCUSDT"):
        build_book(market([UP], [107.0]), replace(TEN, side_rule="taker"))


@pytest.mark.parametrize(("rule", "entry"), [("close", 100.0), ("hlc3", 299 / 3), ("vwap", 99.5)])
def test_entry_rules(rule, entry):
    whole = market([UP], [107.0], quote_volume=np.array([995.0]))
    assert_allclose(
        build_book(whole, replace(TEN, entry=rule)).open_levels().price, [entry * 0.9 / 0.996]
    )


def test_change_over_a_gap_goes_to_the_pool():
    whole = market([UP, UP, UP], [107.0, np.nan, 150.0], missing=[1])
    book = build_book(whole, TEN)
    assert_allclose(book.ledger.held[-1], [7.0, 0.0])
    assert_allclose(book.ledger.pool[-1], [143.0, 150.0])


def test_a_bar_after_a_gap_still_liquidates():
    whole = market([UP, UP, (85, 86, 84, 85)], [107.0, np.nan, 150.0], missing=[1])
    assert build_book(whole, TEN).ledger.liquidated[-1, 0] == 7.0


def test_change_after_an_unknown_open_interest_goes_to_the_pool():
    book = build_book(market([UP, UP, UP], [107.0, np.nan, 150.0]), TEN)
    assert_allclose(book.ledger.held[-1], [7.0, 0.0])
    assert_allclose(book.ledger.pool[-1], [143.0, 150.0])


@pytest.mark.parametrize("quote_volume", [np.nan, 0.0, -995.0])
def test_vwap_falls_back_to_hlc3_where_quote_volume_is_unknown(quote_volume):
    whole = market([UP], [107.0], quote_volume=np.array([quote_volume]))
    levels = build_book(whole, replace(TEN, entry="vwap")).open_levels()
    assert_allclose(levels.price, [299 / 3 * 0.9 / 0.996])


def test_takers_of_a_bar_without_trades_count_as_even():
    whole = market([UP, UP], [107.0, 114.0], volume=[10.0, 0.0], taker_buy=[5.0, 0.0])
    book = build_book(whole, replace(TEN, side_rule="taker"))
    assert_allclose(book.ledger.held[-1], [14.0, 14.0])


@pytest.mark.parametrize("side", [0, 1])
def test_an_exact_touch_liquidates_in_grown_and_in_nearest_books(side):
    opening = (UP, DOWN)[side]
    touch = ((100, 100.5, LONG_DIES, 100), (100, SHORT_DIES, 99.5, 100))[side]
    whole = market([opening, touch], [107.0, 107.0])
    grown = GrowingBook(build_book(part(whole, 0, 1), TEN)).append(part(whole, 1, 2))
    nearest = build_book(whole, replace(TEN, closing="nearest"))
    assert grown.ledger.liquidated[2, side] == 7.0
    assert nearest.ledger.liquidated[2, side] == 7.0


def test_closing_the_nearest_level_entirely_is_not_liquidation():
    assumed = Parameters(profile=parse_profile("5:1,10:1"), closing="nearest")
    # 0.1 and 0.2 do not add up to 0.3 in floats: what is closed in pieces must leave nothing.
    whole = market([UP, STILL, STILL, (100, 101, 60, 70)], [100.6, 100.5, 100.3, 100.0])
    picture = rasterise(build_book(whole, assumed), columns(4), np.linspace(70, 120, 51), "size")
    assert_allclose(picture.consumed.sum(axis=(0, 1)), [0, 0, 0, 0.3])
    assert_allclose(picture.active[0, 20, 2], 0.0, atol=0.0)


def test_a_level_that_is_closed_later_is_open_until_then():
    assumed = replace(TEN, closing="nearest")
    book = build_book(market([UP, STILL], [101.0, 0.0]), assumed)
    assert book.open_levels().size.size == 0
    assert_allclose(book.until(columns(1)[-1]).open_levels().size, [1.0])


def test_grown_books_take_bars_without_takers():
    whole = market([UP, UP], [107.0, 114.0], taker_buy=[5.0, np.nan])
    assumed = replace(TEN, side_rule="taker")
    growing = GrowingBook(build_book(part(whole, 0, 1), assumed))
    assert_allclose(
        growing.append(part(whole, 1, 2)).ledger.held, build_book(whole, assumed).ledger.held
    )


def test_mark_price_decides_where_it_is_known():
    whole = market([UP, (100, 100.5, 90, 100)], [107.0, 107.0], crossing_low=np.array([98.0, 95.0]))
    assert_allclose(build_book(whole, TEN).open_levels().size, [7.0])


def test_margin_rules_hold_from_their_date():
    strict = MarginRules(
        (LeverageTier(0.0, 1e12, 50.0, 0.02),), valid_from=datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    )
    book = build_book(market([UP, UP], [107.0, 110.0], rules=(RULES, strict)), TEN)
    assert_allclose(book.open_levels().price, [100 * 0.9 / 0.996, 100 * 0.9 / 0.98])


def test_leverages_above_the_exchange_weigh_nothing():
    low = MarginRules((LeverageTier(0.0, 1e12, 20.0, 0.004),))
    book = build_book(market([UP], [107.0], rules=(low,)), Parameters())
    # classic up to 20x: 5x .15 and 10x .30, rescaled
    assert_allclose(book.open_levels().size, [7 / 3, 14 / 3])


def test_picture_shows_birth_life_and_death():
    whole = market([STILL, UP, STILL, (100, 100.5, 90, 95), STILL], [100, 107, 107, 100, 100])
    picture = rasterise(build_book(whole, TEN), columns(5), np.array([90.0, 91.0, 92.0]))
    notional = 7 * LONG_DIES
    assert_allclose(picture.active[0, 0], [0, notional, notional, 0, 0])
    assert_allclose(picture.consumed[0, 0], [0, 0, 0, notional, 0])
    assert picture.active[:, 1].sum() == 0.0
    assert_allclose(picture.opened[0], [0, 7, 0, 0, 0])
    assert_allclose(picture.coverage[0], [0, 7 / 107, 7 / 107, 0, 0])


def test_a_level_born_and_killed_within_a_column_is_only_consumed():
    whole = market([UP, (100, 100.5, 90, 95)], [107, 100])
    two_bars = START + np.array([0, 2]) * np.timedelta64(STEP)
    picture = rasterise(build_book(whole, TEN), two_bars, np.array([90.0, 91.0]))
    assert picture.active.sum() == 0.0
    assert_allclose(picture.consumed[0, 0], [7 * LONG_DIES])


def test_columns_narrower_than_bars_hold_the_state_until_the_bar_ends():
    whole = market([UP, STILL], [107, 107])
    minutes = START + np.arange(11) * np.timedelta64(1, "m")
    picture = rasterise(build_book(whole, TEN), minutes, np.array([90.0, 91.0]), "size")
    # The first bar ends with minute five; before that nobody knew.
    assert_allclose(picture.active[0, 0], [0, 0, 0, 0, 7, 7, 7, 7, 7, 7])


def test_a_price_just_below_the_top_edge_is_in_the_last_bucket():
    book = build_book(market([UP], [107.0]), TEN)
    top = np.nextafter(LONG_DIES, 200)
    picture = rasterise(book, columns(1), np.linspace(top - 13.3, top, 4), "size")
    assert_allclose(picture.active[0, :, 0], [0, 0, 7])
    at_edge = rasterise(book, columns(1), np.linspace(LONG_DIES - 13.3, LONG_DIES, 4), "size")
    assert at_edge.active.sum() == 0.0


@pytest.mark.parametrize(
    ("times", "edges", "message"),
    [
        (columns(2)[::-1], [1.0, 2.0], "time columns"),
        (columns(2), [2.0, 1.0], "ascending edges"),
        (columns(2), [1.0, 2.0, 4.0], "equal width"),
    ],
)
def test_bad_grids_are_refused(times, edges, message):
    with pytest.raises(ValueError, match=message):
        rasterise(build_book(market([UP], [107.0]), TEN), times, np.array(edges))


def bucket_of(price, edges):
    return raster_kernel.bucket_of(price, edges, (edges.size - 1) / (edges[-1] - edges[0]))


@given(
    low=st.floats(1e-6, 1e5),
    width=st.floats(1e-7, 1e4),
    buckets=st.integers(1, 400),
    place=st.integers(0, 400),
)
def test_a_price_on_an_edge_belongs_to_the_bucket_above(low, width, buckets, place):
    edges = low + np.arange(buckets + 1) * width
    assume((np.diff(edges) > 0).all())
    place = min(place, buckets - 1)
    assert bucket_of(edges[place], edges) == place
    assert bucket_of(np.nextafter(edges[place + 1], 0), edges) == place
    assert bucket_of(edges[-1], edges) == -1
    assert bucket_of(np.nextafter(edges[0], 0), edges) == -1


def test_a_product_that_rounds_up_to_the_number_of_buckets_stays_inside():
    edges = np.linspace(29.2913514743175, 125.15899322306439, 18)
    assert bucket_of(np.nextafter(edges[-1], 0), edges) == 16


def test_tiny_prices_are_held_to_equal_buckets():
    book = build_book(market([UP], [107.0]), TEN)
    with pytest.raises(ValueError, match="equal width"):
        rasterise(book, columns(1), np.array([1e-7, 2e-7, 4e-7]))


def test_maps_on_different_grids_do_not_combine():
    book = build_book(market([UP], [107.0]), TEN)
    one = rasterise(book, columns(1), np.array([90.0, 91.0]))
    other = rasterise(book, columns(1), np.array([90.0, 92.0]))
    with pytest.raises(ValueError, match="share their grid"):
        combine([one, other])
    with pytest.raises(ValueError, match="at least one"):
        combine([])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("low", [-1.0], "low must be positive"),
        ("high", [99.0], "high must be at least open and close"),
        ("high", [np.nan], "prices must be finite|high must be at least"),
        ("close", [np.nan], "prices must be finite"),
        ("open", [np.inf], "high must be at least"),
        ("open_interest", [np.inf], "open interest must not be negative or infinite"),
        ("volume", [np.nan], "volume must not be negative"),
        ("open_interest", [-5.0], "open interest must not be negative"),
        ("close", [1.0, 2.0], "close has 2 values for 1 bars"),
    ],
)
def test_unusable_markets_name_what_is_wrong(field, value, message):
    broken = replace(market([UP], [107.0]), **{field: np.array(value)})
    with pytest.raises(ValueError, match=message):
        build_book(broken, TEN)


@pytest.mark.parametrize(
    "wrong",
    [{"turnover": 1.5}, {"side_rule": "both"}, {"closing": "lifo"}, {"reference_notional": -1.0}],
)
def test_assumptions_outside_the_model_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Parameters(**wrong)


def test_models_are_found_by_name_and_adjusted():
    assert next(iter(MODELS)) == DEFAULT_MODEL == "two-speed"
    model = find_model("turnover", profile=parse_profile("10:1"))
    book = model.build_book(market([UP], [107.0], volume=20.0))
    assert_allclose(book.ledger.held[1], [27.0, 27.0])  # both sides, whole volume
    with pytest.raises(ValueError, match=r"model must be one of .*, but is 'magic'"):
        find_model("magic")
