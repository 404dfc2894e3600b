from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.grid import price_edges, round_up, shown_range, time_edges, width_edges

BAR = timedelta(minutes=5)
START = np.datetime64("2026-01-01T00:00", "us")


@given(offset=st.integers(0, 10_000), bars=st.integers(1, 5_000), columns=st.integers(1, 600))
def test_columns_are_whole_bars_that_hold_the_range(offset, bars, columns):
    bar = np.timedelta64(BAR)
    start = START + offset * bar
    edges = time_edges(start, start + bars * bar, BAR, columns)
    assert edges[0] <= start
    assert edges[-1] >= start + bars * bar
    widths = np.diff(edges)
    assert (widths == widths[0]).all()
    assert widths[0] % bar == np.timedelta64(0, "us")
    assert edges.size - 1 <= max(columns, 2)


def test_two_days_of_five_minutes_on_500_columns_take_ten_minutes_each():
    edges = time_edges(START, START + np.timedelta64(48, "h"), BAR, 500)
    assert edges.size - 1 == 288


@given(low=st.floats(1e-6, 1e6), share=st.floats(0.001, 10.0), buckets=st.integers(1, 1000))
def test_buckets_are_round_and_hold_the_range(low, share, buckets):
    high = low * (1 + share)
    edges = price_edges(low, high, buckets)
    assert edges[0] <= low * (1 + 1e-12)
    assert edges[-1] >= high * (1 - 1e-12)
    assert edges.size - 1 <= max(buckets, 2)
    assert np.allclose(np.diff(edges), edges[1] - edges[0])


def test_bucket_widths_are_round():
    assert np.diff(price_edges(60_000, 75_000, 400))[0] == 50.0
    assert [round_up(x) for x in (0.9, 1.0, 1.1, 2.4, 3.0, 7.0)] == [1, 1, 2, 2.5, 5, 10]


@pytest.mark.parametrize(("days", "minutes"), [(1, 5), (3, 10), (7, 30), (21, 80), (365, 1440)])
def test_days_begin_with_a_column(days, minutes):
    edges = time_edges(START, START + np.timedelta64(days, "D"), BAR, 500)
    assert np.diff(edges)[0] == np.timedelta64(minutes, "m")
    assert edges[-1] == START + np.timedelta64(days, "D")


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (5.0, 5.0, "must ascend from 0 or more to a finite price, but is 5 to 5"),
        (-1.0, 5.0, "must ascend from 0 or more to a finite price, but is -1 to 5"),
        (0.0, np.inf, "must ascend from 0 or more to a finite price, but is 0 to inf"),
        (np.nan, 5.0, "must ascend from 0 or more to a finite price, but is nan to 5"),
        (0.0, 5e-324, r"highest price must be between 1e-250 and 1e\+250, but is 4\.94066e-324"),
        (0.0, 1.7e308, r"highest price must be between 1e-250 and 1e\+250, but is 1\.7e\+308"),
        (
            60_000.0,
            np.nextafter(6e4, 7e4),
            "60000.0 to 60000.00000000001 is too narrow for 10 buckets",
        ),
    ],
)
def test_price_ranges_that_cannot_be_divided_are_refused(low, high, message):
    with pytest.raises(ValueError, match=message):
        price_edges(low, high, 10)


@pytest.mark.parametrize("top", [1e-250, 1e250])
@pytest.mark.parametrize("buckets", [1, 2000])
def test_the_widest_prices_are_divided(top, buckets):
    edges = price_edges(0.0, top, buckets)
    assert (np.diff(edges) > 0).all()
    assert edges.size - 1 <= buckets


def test_the_narrowest_buckets_ascend():
    assert (np.diff(price_edges(1.0, 1.0 + 2.1e-9, 2000)) > 0).all()


def test_one_bucket_and_one_column_become_two_where_an_edge_lies_inside():
    assert price_edges(3.0, 4.0, 1).tolist() == [3, 4]
    assert price_edges(3.5, 7.2, 1).tolist() == [0, 5, 10]
    noon = START + np.timedelta64(12, "h")
    day = np.timedelta64(24, "h")
    assert time_edges(START, START + day, BAR, 1).size == 2
    assert time_edges(noon, noon + day, BAR, 1).size == 3


def test_shown_range_leaves_room_for_nearby_levels():
    assert shown_range(99.0, 100.0) == (95.0, 104.0)
    assert shown_range(50.0, 100.0) == (32.5, 117.5)
    assert shown_range(1.0, 100.0)[0] == 0.0


def test_buckets_of_a_given_width_start_at_its_multiples():
    assert width_edges(101.0, 129.0, 10.0, 10).tolist() == [100, 110, 120, 130]
    assert width_edges(100.0, 120.0, 10.0, 10).tolist() == [100, 110, 120]


@pytest.mark.parametrize("width", [1.0, 1e-300, 5e-324])
def test_too_many_buckets_say_which_width_would_do(width):
    with pytest.raises(ValueError, match=r"at most 10 are possible, of 10 or more"):
        width_edges(0.0, 100.0, width, 10)


@pytest.mark.parametrize("width", [0.0, -1.0, np.inf, np.nan])
def test_a_width_is_a_positive_number(width):
    with pytest.raises(ValueError, match="must be above zero"):
        width_edges(0.0, 100.0, width, 10)
