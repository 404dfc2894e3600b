import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from components.candles import candle_outlines, coarser_candles
from components.view import Candles

MINUTE = np.timedelta64(1, "m")


def candles(n, minutes=5, start="2026-02-05T00:05"):
    close = 100.0 + np.arange(n) % 7
    return Candles(
        open_time=np.datetime64(start, "us") + np.arange(n) * minutes * MINUTE,
        open=close - 1.0,
        high=close + 2.0,
        low=close - 3.0,
        close=close,
    )


def test_few_candles_stay_as_they_are():
    few = candles(10)
    assert coarser_candles(few, 10) is few


def test_coarser_candles_begin_at_round_times():
    # 30 bars of 5 minutes from 00:05 to 02:35: at most 6 of 30 minutes.
    coarse = coarser_candles(candles(30), 6)
    assert coarse.open_time[0] == np.datetime64("2026-02-05T00:00")
    assert np.all(np.diff(coarse.open_time) == 30 * MINUTE)
    assert coarse.open_time.size == 6


def test_coarser_candles_keep_first_open_last_close_and_extremes():
    fine = candles(30)
    coarse = coarser_candles(fine, 6)
    # The first half hour has five bars: 00:05 to 00:25.
    assert coarse.open[0] == fine.open[0]
    assert coarse.close[0] == fine.close[4]
    assert coarse.high[0] == fine.high[:5].max()
    assert coarse.low[0] == fine.low[:5].min()
    assert coarse.close[-1] == fine.close[-1]


def test_a_hole_stays_a_hole():
    fine = candles(40)
    kept = np.r_[0:10, 30:40]
    holed = Candles(*(getattr(fine, name)[kept] for name in Candles.__slots__))
    coarse = coarser_candles(holed, 4)
    assert coarse.high.max() == holed.high.max()
    assert coarse.open_time.size <= 4


def test_an_outline_goes_round_the_body_and_over_both_wicks():
    one = Candles(
        np.array(["2026-02-05T00:00"], "datetime64[us]"), *np.array([[10.0], [15.0], [8.0], [12.0]])
    )
    rising, falling = candle_outlines(one)
    assert falling.x.size == 0
    assert_array_equal(rising.y[:-1], [8, 10, 10, 12, 12, 15, 12, 12, 10, 10])
    assert np.isnan(rising.x[-1])
    # The body is centred in its minute, from one side to the other.
    middle = 1_770_249_600_000 + 30_000
    assert_allclose(rising.x[[0, 5]], middle)
    assert_allclose((np.nanmin(rising.x) + np.nanmax(rising.x)) / 2, middle)


def test_a_candle_that_is_alone_is_as_wide_as_what_is_shown_of_it():
    start = np.array(["2026-02-05T00:00"], "datetime64[us]")
    one = Candles(start, *np.array([[10.0], [15.0], [8.0], [12.0]]))
    rising, _ = candle_outlines(one, start[0] + np.timedelta64(5, "m"))
    middle = 1_770_249_600_000 + 150_000
    assert_allclose(rising.x[[0, 5]], middle)
    assert np.nanmax(rising.x) - np.nanmin(rising.x) > 150_000


def test_rising_and_falling_candles_are_told_apart():
    two = Candles(
        np.array(["2026-02-05T00:00", "2026-02-05T00:05"], "datetime64[us]"),
        open=np.array([10.0, 12.0]),
        high=np.array([13.0, 12.0]),
        low=np.array([9.0, 10.0]),
        close=np.array([12.0, 11.0]),
    )
    rising, falling = candle_outlines(two)
    assert np.nanmax(rising.y) == 13.0
    assert np.nanmax(falling.y) == 12.0
