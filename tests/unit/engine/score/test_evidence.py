import numpy as np
import pytest
from numpy.testing import assert_array_equal

from engine.score.evidence import (
    Estimate,
    blocks_of,
    interval,
    judge,
    mean_by_time,
    mean_of_rows,
    ratio_by_time,
    resampled,
)
from tests.scored import at


def test_a_resample_draws_as_many_rows_as_there_are():
    drawn = resampled(10, 1, 50)
    assert drawn.shape == (50, 10)
    assert_array_equal(drawn.sum(axis=1), 10)


def test_rows_of_a_block_are_drawn_together():
    # Blocks of 4 of 4 rows hold each row once, wherever they start.
    assert_array_equal(resampled(4, 4, 20), 1)


def test_the_same_rows_are_drawn_again():
    first = resampled(12, 3, 5).copy()
    resampled.cache_clear()
    assert_array_equal(resampled(12, 3, 5), first)


def test_an_interval_holds_95_percent_of_the_resamples():
    found = interval(50.0, np.arange(101.0))
    assert (found.value, found.low, found.high) == pytest.approx((50.0, 2.5, 97.5))


def test_without_resamples_anything_is_possible():
    found = interval(1.0, np.array([np.nan]))
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(3).normal(1.0, 2.0, 400)
    found = mean_of_rows(values, 1)
    assert found.value == pytest.approx(values.mean())
    # 2 × 1.96 × 2 / √400 = 0.39
    assert found.high - found.low == pytest.approx(0.39, rel=0.1)


def test_blocks_widen_the_interval_of_what_lasts():
    values = np.repeat(np.random.default_rng(3).normal(size=60), 6)
    single, days = (mean_of_rows(values, block) for block in (1, 6))
    assert days.high - days.low > 1.7 * (single.high - single.low)


def test_days_are_drawn_where_there_are_ten_else_hours():
    hours = np.array([at(h) for h in range(0, 240, 5)])
    assert blocks_of(hours).max() == 9
    assert blocks_of(hours[hours < at(216)]).max() == 43


def test_a_mean_by_time_is_weighted():
    times = np.array([at(0), at(1), at(2)])
    assert mean_by_time(np.array([1.0, 2, 4]), np.array([1.0, 1, 2]), times).value == 11 / 4


def test_a_ratio_that_is_the_same_at_all_times_is_certain():
    times = np.array([at(h) for h in range(50)])
    below = np.arange(1.0, 51.0)
    found = ratio_by_time(0.25 * below, below, times)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


@pytest.mark.parametrize(
    ("gain", "answer", "words"),
    [
        (Estimate(0.2, 0.1, 0.3), "yes", "Knows it: yes."),
        (Estimate(0.2, -0.1, 0.3), "not shown", "Knows it: not shown."),
        (Estimate(0.2, 0.0, 0.3), "not shown", "Knows it: not shown."),
        (Estimate(-0.2, -0.3, -0.1), "not shown", "Knows it: not shown. It is worse."),
    ],
)
def test_a_gain_is_shown_only_if_its_whole_interval_is_above_zero(gain, answer, words):
    verdict = judge("Knows it", gain, worse="It is worse.")
    assert (verdict.answer, str(verdict)) == (answer, words)


def test_what_geometry_does_as_well_is_said_to_be_so():
    verdict = judge("Knows it", Estimate(0.2, 0.1, 0.3), Estimate(0.0, -0.1, 0.1))
    assert verdict.words == "Knows it: yes, but no more than a map of where the price was."
