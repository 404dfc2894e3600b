"""What to ask exchanges for: ranges that are cut, and holes in what is stored."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.adapters import ADAPTERS, make_adapter
from ingest.adapters.adapter import NotOffered
from ingest.backfill_plan import SERIES, Plan, Wish, columns, missing, plan, within
from ingest.coverage import Span
from ingest.records import FundingRate, OpenInterest

NOW = datetime(2026, 3, 10, 12, 2, 30, tzinfo=UTC)
FIVE, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
BY_NAME = {series.name: series for series in SERIES}
DAWN = datetime(2026, 3, 9, tzinfo=UTC)


def planned(exchange, name, *, interval=FIVE, start=DAWN, stop=NOW, now=NOW):
    return plan(make_adapter(exchange), BY_NAME[name], Wish("BTCUSDT", interval, start, stop), now)


def stamps(*times):
    return np.array([time.replace(tzinfo=None) for time in times], "datetime64[us]")


def every(step, start, stop):
    count = -(-(stop - start) // step)
    return [start + k * step for k in range(count)]


@pytest.mark.parametrize("name", ["candles", "mark-candles"])
def test_the_candle_that_has_not_closed_is_not_asked_for(name):
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert planned("bybit", name).span == Span(DAWN, noon)
    assert planned("bybit", name, interval=DAY).span == Span(DAWN, noon - timedelta(hours=12))


def test_a_candle_counts_as_closed_some_seconds_after_its_end():
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert planned("okx", "candles", now=noon + timedelta(seconds=9)).span.stop == noon - FIVE
    assert planned("okx", "candles", now=noon + timedelta(seconds=10)).span.stop == noon


def test_a_range_begins_at_a_candle():
    begun = planned("bybit", "candles", start=DAWN + timedelta(minutes=1))
    assert begun.span.start == DAWN + FIVE


@pytest.mark.parametrize(
    ("exchange", "name", "interval", "oldest"),
    [
        # 30 days before 12:02:30 are 12:02:30 of 02-08; an hour later the next sample is 13:05.
        ("binance", "open-interest", FIVE, datetime(2026, 2, 8, 13, 5, tzinfo=UTC)),
        # 1440 samples of 5 minutes are 5 days, of an hour 60.
        ("okx", "open-interest", FIVE, datetime(2026, 3, 5, 12, 5, tzinfo=UTC)),
        ("okx", "open-interest", HOUR, datetime(2026, 1, 9, 13, tzinfo=UTC)),
        # 5000 × 5 minutes are 17 days, 8 hours and 40 minutes.
        ("hyperliquid", "candles", FIVE, datetime(2026, 2, 21, 3, 25, tzinfo=UTC)),
        ("okx", "funding", FIVE, NOW - timedelta(days=90)),
    ],
)
def test_a_range_is_cut_to_what_is_kept_and_that_is_said(exchange, name, interval, oldest):
    cut = planned(exchange, name, interval=interval, start=datetime(2025, 1, 1, tzinfo=UTC))
    assert cut.span.start == oldest
    assert f"So {name} can be had from " in cut.note
    assert planned(exchange, name, interval=interval, start=NOW - timedelta(days=4)).note == ""


def test_a_range_that_is_not_kept_at_all_is_empty_and_that_is_said():
    old = datetime(2025, 1, 1, tzinfo=UTC)
    cut = planned("binance", "open-interest", start=old, stop=old + DAY)
    assert missing(cut, stamps()) == []
    assert "So there is no open-interest of this range to ask for." in cut.note


def test_what_is_not_offered_is_said_in_its_sentence():
    with pytest.raises(NotOffered, match="no candles of the mark price"):
        planned("hyperliquid", "mark-candles")


def test_an_interval_that_an_exchange_has_not_is_an_error():
    with pytest.raises(ValueError, match="bybit has no interval of 28800 s"):
        planned("bybit", "candles", interval=8 * HOUR)


@pytest.mark.parametrize(
    ("exchange", "interval", "sampled"),
    [
        ("bybit", timedelta(minutes=1), FIVE),
        ("bybit", 2 * HOUR, HOUR),
        ("binance", 8 * HOUR, 6 * HOUR),
        ("okx", DAY, DAY),
    ],
)
def test_open_interest_comes_in_the_longest_interval_that_candles_hold(exchange, interval, sampled):
    assert planned(exchange, "open-interest", interval=interval).interval == sampled


def bars(start=DAWN, stop=DAWN + DAY, name="candles", interval=FIVE):
    return Plan(BY_NAME[name], Span(start, stop), interval)


def test_nothing_stored_is_one_hole():
    assert missing(bars(), stamps()) == [Span(DAWN, DAWN + DAY)]


def test_holes_far_from_each_other_are_asked_for_apart_and_near_ones_together():
    wanted = every(FIVE, DAWN, DAWN + DAY)
    without = [time for k, time in enumerate(wanted) if k not in (10, 11, 30, 200)]
    # 10 to 30 are near each other; 200 is 169 bars from them.
    assert missing(bars(), stamps(*without)) == [
        Span(DAWN + 10 * FIVE, DAWN + 31 * FIVE),
        Span(DAWN + 200 * FIVE, DAWN + 201 * FIVE),
    ]


def test_samples_that_are_stamped_late_are_there():
    late = [time + timedelta(seconds=2) for time in every(FIVE, DAWN, DAWN + DAY)]
    assert missing(bars(name="open-interest"), stamps(*late)) == []


@given(kept=st.sets(st.integers(0, 287)))
def test_holes_and_what_is_stored_make_up_the_range(kept):
    wanted = every(FIVE, DAWN, DAWN + DAY)
    spans = missing(bars(), stamps(*(wanted[k] for k in sorted(kept))))
    for k, time in enumerate(wanted):
        assert k in kept or any(span.start <= time < span.stop for span in spans)
    assert all(DAWN <= span.start < span.stop <= DAWN + DAY for span in spans)
    assert (len(kept) == 288) == (spans == [])


def test_funding_is_missing_before_after_and_where_rates_are_far_apart():
    rates = [DAWN + hours * HOUR for hours in (8, 16, 40, 48)]
    asked = missing(bars(stop=DAWN + 3 * DAY, name="funding"), stamps(*rates))
    minute = timedelta(minutes=1)
    assert asked == [
        Span(DAWN, DAWN + 8 * HOUR),
        Span(DAWN + 16 * HOUR + minute, DAWN + 40 * HOUR),
        Span(DAWN + 48 * HOUR + minute, DAWN + 3 * DAY),
    ]


def test_rates_that_are_stamped_late_leave_no_holes():
    late = timedelta(milliseconds=3)
    rates = [DAWN + k * 8 * HOUR + (late if k % 2 else 0 * late) for k in range(3)]
    plan = bars(stop=DAWN + 16 * HOUR + timedelta(minutes=30), name="funding")
    assert missing(plan, stamps(*rates)) == []


def test_rows_of_other_times_are_left_out():
    rows = [
        FundingRate(exchange="okx", symbol="BTCUSDT", time=DAWN + k * HOUR, funding_rate=0.1)
        for k in range(-1, 3)
    ]
    assert within(rows, Span(DAWN, DAWN + 2 * HOUR)) == rows[1:3]


def test_what_an_exchange_does_not_tell_is_not_known():
    rows = [
        OpenInterest(exchange="okx", symbol="BTCUSDT", time=DAWN, open_interest=2.0, notional=n)
        for n in (None, 5.0)
    ]
    made = columns(rows)
    np.testing.assert_array_equal(made["open_interest_notional"], [np.nan, 5.0])
    assert made["exchange"] == "okx"
    assert made["time"][0] == np.datetime64("2026-03-09", "us")


@pytest.mark.parametrize("exchange", ADAPTERS)
@pytest.mark.parametrize("name", BY_NAME)
def test_every_series_of_every_exchange_is_planned_or_said_not_to_be(exchange, name):
    sentence = make_adapter(exchange).unavailable.get(BY_NAME[name].kind)
    if sentence is None:
        assert missing(planned(exchange, name), stamps())
    else:
        with pytest.raises(NotOffered, match=re.escape(sentence)):
            planned(exchange, name)
