from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from engine.models import MODELS
from engine.score.amount import (
    Amount,
    exponential_mean,
    log_likelihood,
    score_amount,
)
from engine.score.events import periods_of
from engine.score.evidence import Verdict
from engine.score.nulls import nulls_of
from engine.score.when import PartialCorrelation, When, gain_over, score_when
from tests.scored import DAY, per_bar, walk

MODEL = MODELS["turnover"]


@pytest.fixture(scope="module")
def market():
    return walk(40)


@pytest.fixture(scope="module")
def crossed(market):
    return MODEL.build_book(market).crossed()


@pytest.fixture(scope="module")
def truth(market, crossed):
    """Liquidations of a tenth of what the model's levels lose, with much noise."""
    noise = np.random.default_rng(5).gamma(1.0, 1.0, crossed.shape)
    return per_bar(market, 0.1 * crossed * noise)


def nulls(market, periods):
    found = {}
    for null in nulls_of(market, MODEL.parameters):
        one = (null.name, periods.total(null.build_book().crossed()))
        found.setdefault(null.kind, []).append(one)
    return found


def lines(market, crossed, liquidations):
    periods = periods_of(market, liquidations, timedelta(hours=4))
    others, own = nulls(market, periods), periods.total(crossed)
    return score_when(own, periods, others), score_amount(own, periods, others["fading"], {})


def shifted(liquidations, by):
    """Return liquidations that happened ``by`` later."""
    return replace(liquidations, time=liquidations.time + by, recorded=liquidations.recorded + by)


def test_what_a_map_knows_is_found(market, crossed, truth):
    when, amount = lines(market, crossed, truth)
    assert isinstance(when, When)
    assert isinstance(amount, Amount)
    assert when.verdict.answer == amount.verdict.answer == "yes"
    assert when.verdict.words == "Knows more than where price and volume were: yes."
    assert when.periods == 30 * 6
    assert when.strongest.both.value == min(
        gain.both.value for gain in (when.geometry, when.fading, when.volume)
    )
    assert amount.fading.startswith("fading geometry")


@pytest.mark.parametrize("days", [2, 5])
def test_liquidations_at_other_times_show_nothing(market, crossed, truth, days):
    when, amount = lines(market, crossed, shifted(truth, days * DAY))
    assert when.verdict.answer == amount.verdict.answer == "not shown"
    assert abs(when.alone.both.value) < 0.2


def test_noise_shows_nothing(market, crossed):
    noise = per_bar(market, np.random.default_rng(6).gamma(0.3, 1e4, crossed.shape))
    when, amount = lines(market, crossed, noise)
    assert when.verdict.answer == amount.verdict.answer == "not shown"


def test_geometry_knows_no_more_than_geometry(market, truth):
    periods = periods_of(market, truth, timedelta(hours=4))
    others = nulls(market, periods)
    when = score_when(others["geometry"][0][1], periods, others)
    assert when.geometry.both.value == pytest.approx(0.0, abs=1e-6)
    assert when.strongest.both.value <= when.geometry.both.value
    assert when.verdict.answer == "not shown"


def test_too_few_periods_or_events_allow_no_verdict(market, crossed, truth):
    early = truth.between(truth.time[0], truth.time[0] + 15 * DAY)
    for line in lines(market, crossed, early):
        assert isinstance(line, Verdict)
        assert line.answer == "no verdict"
        assert "30 periods are too few (60 needed)" in line.words
    rare = truth.where(np.arange(len(truth)) % 1000 == 0)
    for line in lines(market, crossed, rare):
        assert isinstance(line, Verdict)
        assert "liquidations are too few (30 needed)" in line.words


def test_a_partial_correlation_worked_by_hand():
    # Ranks 1 2 3 4 against 1 3 2 4 correlate by .8 (1 - 6 × 2 / (4 × 15)).
    first, second = np.array([1.0, 2, 3, 4]), np.array([10.0, 30, 20, 40])
    whole = np.ones((1, 4))
    assert PartialCorrelation.of(first, second, [np.array([1.0, 1, 1, 1])])(whole)[0] == (
        pytest.approx(0.8)
    )
    # Ranks 1 4 3 2 correlate with the first by .2 (d² = 8) and with the second by .4 (d² = 6).
    third = np.array([5.0, 8, 7, 6])
    expected = (0.8 - 0.2 * 0.4) / np.sqrt((1 - 0.2**2) * (1 - 0.4**2))
    assert PartialCorrelation.of(first, second, [third])(whole)[0] == pytest.approx(expected)


def slow_partial(first, second, controls):
    """Correlate what least squares on the controls' ranks leave of both."""
    from scipy.stats import rankdata

    base = np.column_stack([np.ones(len(first)), *(rankdata(one) for one in controls)])
    left = [
        ranks - base @ np.linalg.lstsq(base, ranks, rcond=None)[0]
        for ranks in (rankdata(first), rankdata(second))
    ]
    return np.corrcoef(*left)[0, 1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_partial_correlations_agree_with_least_squares(seed, count):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(count + 2, 60)).round(1)
    columns[0] += columns[-1]
    found = PartialCorrelation.of(columns[0], columns[1], columns[2:])(np.ones((1, 60)))[0]
    assert_allclose(found, slow_partial(columns[0], columns[1], columns[2:]), atol=1e-9)


def test_twice_the_weight_is_as_good_as_a_row_twice():
    rng = np.random.default_rng(4)
    first, second, control = rng.permuted(np.tile(np.arange(30.0), (3, 1)), axis=1)
    statistic = PartialCorrelation.of(first, second, [control])
    # All rows twice leave everything as it is.
    assert statistic(np.full((1, 30), 2.0))[0] == pytest.approx(statistic(np.ones((1, 30)))[0])


def test_a_gain_names_the_other_map_and_averages_both_sides(market, crossed, truth):
    periods = periods_of(market, truth, timedelta(hours=4))
    own = periods.total(crossed)
    gain = gain_over(own, periods, "other", np.ones_like(own))
    assert gain.over == "other"
    assert gain.both.value == pytest.approx((gain.long.value + gain.short.value) / 2)
    # An even map takes nothing away.
    assert gain.both.value == pytest.approx(gain_over(own, periods).both.value)
    for one in (gain.long, gain.short, gain.both):
        assert one.low < one.value < one.high


def test_the_exponential_law_finds_the_coefficients_it_was_drawn_with():
    rng = np.random.default_rng(2)
    columns = np.stack([np.ones(20_000), rng.gamma(2.0, 1.0, 20_000)])
    mean = 3.0 + 0.5 * columns[1]
    found = exponential_mean(columns, mean * rng.exponential(1.0, mean.size))
    assert_allclose(found, mean, rtol=0.05)


def test_no_coefficient_is_negative():
    falling = np.stack([np.ones(50), np.arange(50.0)])
    realised = 100.0 - np.arange(50.0)
    assert_allclose(exponential_mean(falling, realised), realised.mean(), rtol=0.01)


def test_a_column_of_nothing_changes_nothing():
    realised = np.random.default_rng(1).exponential(1.0, 50) + 0.1
    with_nothing = exponential_mean(np.stack([np.ones(50), np.zeros(50)]), realised)
    assert_allclose(with_nothing, exponential_mean(np.ones((1, 50)), realised), rtol=1e-5)


def test_the_likelihood_does_not_depend_on_the_size_of_a_map(market, crossed, truth):
    periods = periods_of(market, truth, timedelta(hours=4))
    own = periods.total(crossed)
    assert_allclose(log_likelihood(own, periods), log_likelihood(1e-3 * own, periods), atol=1e-3)


def test_periods_without_liquidations_are_no_obstacle(market, crossed):
    amounts = 0.1 * crossed
    amounts[:, ::2] = 0.0
    amounts[:, 2880 : 2880 + 480] = 0.0
    when, amount = lines(market, crossed, per_bar(market, amounts))
    assert np.isfinite([when.alone.both.value, amount.over_fading.value]).all()


def test_liquidations_of_nothing_are_none(market, crossed):
    for line in lines(market, crossed, per_bar(market, np.zeros_like(crossed))):
        assert isinstance(line, Verdict)
        assert "0 liquidations are too few" in line.words


def test_a_side_without_liquidations_adds_nothing(market, crossed, truth):
    longs = truth.where(truth.side > 0)
    when, amount = lines(market, crossed, longs)
    assert when.alone.long.value > 0.3
    assert when.alone.short.value == 0.0
    assert amount.verdict.answer == "yes"
