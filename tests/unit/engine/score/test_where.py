from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from engine.score.evidence import Verdict
from engine.score.where import (
    HitRate,
    Where,
    event_gain,
    hit_rate,
    score_where,
    touched,
)
from tests.markets import market
from tests.scored import at, liquidations

NO_WARM_UP = timedelta(0)
HOURS = 40


@pytest.fixture(scope="module")
def falls():
    """Return a market that falls by 1 % and recovers in every hour."""
    hour = [(100, 100, 99, 99), *[(99, 100, 99, 99)] * 10, (99, 100, 99, 100)]
    return market(hour * HOURS, [100.0] * 12 * HOURS)


def events(whole, price, hours=range(HOURS), minute=30):
    """Return one long liquidation in each hour, at ``price`` or each at its own."""
    prices = np.broadcast_to(price, len(hours))
    return touched(
        whole,
        liquidations(*((at(h + minute / 60), 1, p, 1) for h, p in zip(hours, prices, strict=True))),
        NO_WARM_UP,
    )


def at_distance(low, high):
    """Return a map that holds all at distances ``low`` … ``high`` from the price, both sides."""

    def held(moments, offsets):
        middle = np.abs(offsets[:-1] + offsets[1:]) / 2
        inside = ((middle > low) & (middle < high)).astype(float)
        return np.broadcast_to(inside, (2, len(moments), inside.size))

    return held


def even(moments, offsets):
    return np.ones((2, len(moments), offsets.size - 1))


def test_an_hours_touched_range_is_cut_into_cells(falls):
    found = events(falls, 99.52)
    # From 100 to 99 are 20 cells of .05; 99.52 is .48 away: cell 9.
    assert_array_equal(found.count[0], 20)
    assert_array_equal(found.cell, 9)
    assert_array_equal(found.moments.price, 100.0)
    assert_allclose(found.distance, 0.0048)


def test_the_lowest_price_is_in_the_last_cell(falls):
    assert_array_equal(events(falls, 99.0).cell, 19)


def test_pieces_of_one_liquidation_count_once(falls):
    same = [(at(1.5), 1, 99.51, 1), (at(1.5), 1, 99.52, 1)]
    others = [(at(1.5), 1, 99.7, 1), (at(1.6), 1, 99.51, 1), (at(2.5), 1, 99.51, 1)]
    assert len(touched(falls, liquidations(*same, *others), NO_WARM_UP)) == 4


def test_what_lies_outside_the_touched_range_is_left_out(falls):
    known = liquidations(
        (at(1.5), 1, 99.5, 1),
        (at(1.6), 1, 98.9, 1),
        (at(1.7), 1, 100.1, 1),
        (at(1.8), -1, 99.5, 1),
        (at(1.9), 1, np.nan, 1),
    )
    found = touched(falls, known, NO_WARM_UP)
    assert len(found) == 1
    assert found.outside == pytest.approx(3 / 4)


def test_a_density_is_compared_with_an_even_one(falls):
    found = events(falls, 99.52, hours=range(1))
    amounts = np.zeros((2, 1, 30))
    amounts[0, 0, 9] = 3.0
    amounts[0, 0, 0] = 1.0
    amounts[0, 0, 25] = 100.0  # not touched: it counts for nothing
    # .95 × 3 / 4 + .05 / 20 against 1 / 20.
    assert event_gain(amounts, found)[0] == pytest.approx(np.log((0.95 * 0.75 + 0.0025) * 20))


def test_a_map_that_holds_nothing_there_is_a_uniform_guess(falls):
    assert event_gain(np.zeros((2, 1, 20)), events(falls, 99.5, hours=range(1)))[0] == 0.0


@pytest.mark.parametrize("cells", [20, 49])  # 49 * (1 / 49) is less than 1
def test_an_empty_map_is_not_said_to_be_worse_than_a_uniform_guess(falls, cells):
    found = events(falls, 99.52)
    found = replace(found, count=np.full_like(found.count, cells))
    assert_array_equal(event_gain(np.zeros((2, HOURS, cells)), found), 0.0)


def test_a_cell_without_anything_costs_no_more_than_the_floor(falls):
    amounts = np.zeros((2, 1, 20))
    amounts[0, 0, 0] = 1.0
    assert event_gain(amounts, events(falls, 99.5, hours=range(1)))[0] == pytest.approx(
        np.log(0.05)
    )


def test_a_map_that_knows_the_place_is_found(falls):
    found = score_where(at_distance(0.004, 0.006), even, events(falls, 99.52))
    assert isinstance(found, Where)
    assert (found.events, found.hours, found.outside) == (40, 40, 0.0)
    # 4 of 20 cells hold all: .95 × 20 / 4 + .05 = 4.8
    assert found.over_uniform.value == pytest.approx(np.log(4.8))
    assert found.geometry_over_uniform.value == pytest.approx(0.0)
    assert found.over_geometry.value == pytest.approx(np.log(4.8))
    # It is the same in every hour, so it is its own mean profile.
    assert found.over_profile.value == pytest.approx(0.0)
    assert found.verdict.words.endswith(": yes.")


def test_prices_spread_evenly_show_nothing(falls):
    prices = 99.0 + np.random.default_rng(1).random(HOURS)
    found = score_where(at_distance(0.0, 0.009), even, events(falls, prices))
    assert found.verdict.answer == "not shown"


def test_a_map_that_is_worse_than_a_uniform_guess_is_said_to_be_so(falls):
    found = score_where(at_distance(0.0, 0.002), even, events(falls, 99.2))
    assert found.over_uniform.is_below_zero
    assert found.verdict.words.endswith("It places them worse than a uniform guess.")


def test_what_geometry_knows_as_well_is_said_to_be_so(falls):
    both = at_distance(0.004, 0.006)
    found = score_where(both, both, events(falls, 99.52))
    assert found.verdict.words.endswith(": yes, but no more than a map of where the price was.")


def test_too_few_events_or_hours_allow_no_verdict(falls):
    few = score_where(even, even, events(falls, 99.5, hours=range(29)))
    assert isinstance(few, Verdict)
    assert "29 liquidations are too few (30 needed)" in few.words
    prices = [(at(h + m / 60), 1, 99.5, 1) for h in range(9) for m in range(5)]
    nine = score_where(even, even, touched(falls, liquidations(*prices), NO_WARM_UP))
    assert "9 hours are too few (10 needed)" in nine.words


def test_hits_are_counted_beside_what_the_zones_cover(falls):
    # A zone 40 … 60 bp below the price, a tolerance of 10 bp: 30 … 70 of the touched 100 bp.
    found = hit_rate(at_distance(0.004, 0.006), events(falls, 99.52), tolerance=0.001, blur=1e-6)
    assert isinstance(found, HitRate)
    assert (found.hit, found.events) == (1.0, 40)
    assert found.covered == pytest.approx(0.4)
    assert found.lift.value == pytest.approx(0.6)
    away = hit_rate(at_distance(0.004, 0.006), events(falls, 99.2), tolerance=0.001, blur=1e-6)
    assert (away.hit, away.covered) == (0.0, pytest.approx(0.4))


def test_zones_that_cover_everything_hit_no_more_than_a_blind_guess(falls):
    found = hit_rate(at_distance(0.004, 0.006), events(falls, 99.52), tolerance=0.05, blur=1e-6)
    assert (found.hit, found.covered, found.lift.value) == (1.0, 1.0, 0.0)


def test_without_zones_nothing_is_hit(falls):
    found = hit_rate(even, events(falls, 99.5))
    assert (found.hit, found.covered) == (0.0, 0.0)


def test_bars_longer_than_an_hour_have_no_hours():
    whole = market([(100, 101, 99, 100)] * 12, [100.0] * 12)
    longer = replace(
        whole,
        interval=timedelta(hours=4),
        open_time=whole.open_time[0] + np.arange(12) * np.timedelta64(4, "h"),
    )
    assert len(touched(longer, liquidations((at(1), 1, 99.5, 1)), NO_WARM_UP)) == 0
