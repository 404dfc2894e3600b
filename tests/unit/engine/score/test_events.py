from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from engine.score import Liquidations, trigger_price
from engine.score.events import periods_of
from tests.markets import market
from tests.scored import at, liquidations, per_bar, span

NO_WARM_UP = timedelta(0)
FLAT = [(100, 101, 99, 100)] * 48  # four hours


def test_events_are_put_in_order_of_time():
    found = liquidations((at(2), 1, 90, 5), (at(1), -1, 110, 7))
    assert_array_equal(found.time, [at(1), at(2)])
    assert_array_equal(found.side, [-1, 1])
    assert_array_equal(found.notional, [7, 5])


def test_without_spans_the_feed_was_recorded_from_the_first_event_to_the_last():
    found = liquidations((at(1), 1, 90, 5), (at(3), 1, 90, 5))
    assert found.covers(np.array([at(1), at(0)]), np.array([at(3), at(2)])).tolist() == [
        True,
        False,
    ]


def test_no_events_were_recorded_nowhere():
    assert not liquidations().covers(np.array([at(0)]), np.array([at(1)])).any()


def test_a_part_is_recorded_in_its_span_alone():
    found = liquidations((at(1), 1, 90, 5), (at(3), 1, 90, 7), recorded=[[at(0), at(9)]])
    part = found.between(at(2), at(5))
    assert_array_equal(part.notional, [7])
    assert_array_equal(part.recorded, [[at(2), at(5)]])


@pytest.mark.parametrize(
    ("side", "bankrupt", "trigger"), [(1, 57_000, 57_228.92), (-1, 63_000, 62_749)]
)
def test_the_trigger_of_a_bankruptcy_price_is_the_liquidation_price(side, bankrupt, trigger):
    # Of 60,000 at 20x and a maintenance rate of 0.4 %.
    found = trigger_price(np.array([float(bankrupt)]), np.array([side]), 0.004)
    assert_allclose(found, trigger, atol=0.005)


def test_a_period_sums_its_bars_and_events():
    # The low of 98 is ln(100 / 98) below the open; the high stays 1 % above it.
    candles = list(FLAT)
    candles[5] = (100, 101, 98, 100)
    whole = market(candles, [100.0] * 48, volume=2.0)
    events = liquidations(
        (at(0), 1, 99, 5), (at(3.9), 1, 99, 7), (at(2), -1, 101, 11), recorded=span(whole)
    )
    periods = periods_of(whole, events, warm_up=NO_WARM_UP)
    assert (len(periods), periods.length, periods.events) == (1, timedelta(hours=4), 3)
    assert_array_equal(periods.realised, [[12], [11]])
    assert_allclose(periods.move[:, 0], [np.log(100 / 98), np.log(1.01)])
    assert_array_equal(periods.volume, [96.0])
    assert_array_equal(periods.total(np.ones((2, 48))), [[48], [48]])


def test_hours_are_compared_where_few_are_without_liquidations():
    whole = market(FLAT * 2, [100.0] * 96)
    every_bar = per_bar(whole, np.ones((2, 96)))
    assert periods_of(whole, every_bar, warm_up=NO_WARM_UP).length == timedelta(hours=1)
    # Two of eight hours without long liquidations are too many.
    some = np.ones((2, 96))
    some[0, :24] = 0.0
    found = periods_of(whole, per_bar(whole, some), warm_up=NO_WARM_UP)
    assert found.length == timedelta(hours=4)


def test_a_period_with_a_missing_bar_is_left_out():
    whole = market(FLAT * 3, [100.0] * 144, missing=(50,))
    events = per_bar(whole, np.ones((2, 143)))
    found = periods_of(whole, events, timedelta(hours=4), NO_WARM_UP)
    assert_array_equal(found.start, [at(0), at(8)])
    assert_array_equal(found.total(np.ones((2, 143)))[0], [48, 48])


def test_a_period_that_was_not_recorded_is_left_out():
    whole = market(FLAT * 3, [100.0] * 144)
    events = liquidations((at(5), 1, 99, 1), recorded=[[at(0), at(7)], [at(7.5), at(12)]])
    found = periods_of(whole, events, timedelta(hours=4), NO_WARM_UP)
    assert_array_equal(found.start, [at(0), at(8)])
    assert found.events == 0
    assert_array_equal(found.realised, 0.0)


def test_the_warm_up_is_left_out():
    whole = market(FLAT * 3, [100.0] * 144)
    events = per_bar(whole, np.ones((2, 144)))
    found = periods_of(whole, events, timedelta(hours=4), timedelta(hours=4))
    assert_array_equal(found.start, [at(4), at(8)])


def test_an_empty_market_has_no_periods():
    nothing = market([], [])
    assert len(periods_of(nothing, liquidations((at(0), 1, 99, 5)))) == 0
    assert len(periods_of(nothing, Liquidations.of(*[np.array([])] * 4))) == 0
