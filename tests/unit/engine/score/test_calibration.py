from datetime import timedelta

import numpy as np
import pytest

from engine.score import Calibration, Verdict, calibrate
from engine.score.calibration import calibrate_days, days_of
from tests.scored import DAY, per_bar, walk

WARM_UP = timedelta(days=1)


@pytest.fixture(scope="module")
def market():
    return walk(40)


@pytest.fixture(scope="module")
def crossed(market):
    return np.random.default_rng(1).gamma(1.0, 1.0, (2, len(market)))


def test_reported_is_divided_by_modelled_side_by_side(market, crossed):
    reported = crossed * [[0.1], [0.3]]
    found = calibrate(crossed, market, per_bar(market, reported), WARM_UP)
    assert isinstance(found, Calibration)
    assert found.days == 39
    assert (found.start, found.stop) == (market.open_time[288], market.open_time[0] + 40 * DAY)
    assert found.long.value == pytest.approx(0.1)
    assert found.short.value == pytest.approx(0.3)
    # What is always the same share has no spread from day to day.
    assert found.long.spread == pytest.approx(0.0, abs=1e-9)
    sums = crossed[:, 288:].sum(axis=1)
    assert found.both.value == pytest.approx((0.1 * sums[0] + 0.3 * sums[1]) / sums.sum())


def test_the_spread_is_that_of_the_logarithm_by_day(market):
    even = np.ones((2, len(market)))
    share = np.where(np.arange(len(market)) // 288 % 2, np.e, 1 / np.e)
    found = calibrate(even, market, per_bar(market, even * share), timedelta(days=2))
    # Of 38 days half are at +1, half at -1.
    assert found.both.spread == pytest.approx(1.0)


def test_days_without_liquidations_count_in_the_sums_but_not_in_the_spread(market):
    even = np.ones((2, len(market)))
    share = np.where(np.arange(len(market)) // 288 % 2, 1.0, 0.0)
    found = calibrate(even, market, per_bar(market, even * share), timedelta(days=2))
    assert found.both.value == pytest.approx(0.5)
    assert found.both.spread == pytest.approx(0.0)


def test_fewer_than_thirty_days_calibrate_nothing(market, crossed):
    known = per_bar(market, crossed)
    part = known.between(market.open_time[0] + 5 * DAY, market.open_time[0] + 34 * DAY + DAY / 2)
    found = calibrate(crossed, market, part, WARM_UP)
    assert isinstance(found, Verdict)
    assert found.words == "Not calibrated: 29 days of liquidations are too few (30 needed)."


def test_a_map_that_nothing_crossed_calibrates_nothing(market, crossed):
    found = calibrate(np.zeros_like(crossed), market, per_bar(market, crossed), WARM_UP)
    assert isinstance(found, Verdict)
    assert found.words.startswith("Not calibrated")


def test_a_side_without_reports_calibrates_nothing():
    days = np.datetime64("2026-01-01", "us") + np.arange(40) * np.timedelta64(1, "D")
    modelled = np.full((2, 40), 100.0)
    found = calibrate_days(days, modelled, np.stack([np.full(40, 1.0), np.zeros(40)]))
    assert isinstance(found, Verdict)
    assert found.words == "Not calibrated: no liquidations of one side were reported."


def test_days_summed_alone_calibrate_as_their_market_does(market, crossed):
    reported = crossed * [[0.1], [0.3]]
    start, modelled = days_of(market.open_time, market.interval, crossed, WARM_UP)
    _, realised = days_of(market.open_time, market.interval, reported, WARM_UP)
    whole = calibrate(crossed, market, per_bar(market, reported), WARM_UP)
    alone = calibrate_days(start, modelled, realised)
    assert (alone.days, alone.start, alone.stop) == (whole.days, whole.start, whole.stop)
    assert alone.both.value == pytest.approx(whole.both.value)
    assert alone.both.spread == pytest.approx(whole.both.spread)


def test_a_day_that_lacks_a_bar_is_not_summed(market, crossed):
    kept = np.arange(len(market)) != 288 * 20 + 5
    start, _ = days_of(market.open_time[kept], market.interval, crossed[:, kept], WARM_UP)
    assert market.open_time[288 * 20] not in start
    assert start.size == 38
