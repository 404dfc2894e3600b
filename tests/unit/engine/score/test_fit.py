from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.book import build_book
from engine.margin import LeverageTier, MarginRules
from engine.models import MODELS
from engine.profiles import TurningLadder
from engine.score import Fit, Verdict, fit
from tests.scored import DAY, per_bar, walk

BASE = MODELS["two-speed"].parameters


@pytest.fixture(scope="module")
def market():
    # Half-hours keep 36 books quick.
    whole = walk(12, step=0.006)
    return replace(
        whole,
        interval=timedelta(minutes=30),
        open_time=whole.open_time[0] + np.arange(len(whole)) * np.timedelta64(30, "m"),
    )


@pytest.fixture(scope="module")
def low_ladder(market):
    """Liquidations of positions whose highest leverage is 50x."""
    parameters = replace(BASE, profile=TurningLadder(50.0))
    noise = np.random.default_rng(5).gamma(2.0, 0.5, (2, len(market)))
    return per_bar(market, 0.1 * build_book(market, parameters).crossed() * noise)


@pytest.fixture(scope="module")
def fitted(market, low_ladder):
    return fit(market, low_ladder, BASE)


def test_the_ladder_that_made_the_liquidations_is_found(fitted):
    assert isinstance(fitted, Fit)
    assert (fitted.top.value, fitted.top.low, fitted.top.high) == (50.0, 50.0, 50.0)
    assert fitted.top.identified
    assert fitted.parameters.profile == TurningLadder(50.0)
    assert fitted.deviance < fitted.base_deviance


def test_all_but_three_numbers_are_kept(fitted):
    back = replace(
        fitted.parameters,
        profile=BASE.profile,
        slow_of_turnover=BASE.slow_of_turnover,
        speed_ratio=BASE.speed_ratio,
    )
    assert back == BASE
    assert fitted.parameters.slow_of_turnover == fitted.slow_of_turnover.value
    assert fitted.parameters.speed_ratio == fitted.speed_ratio.value


def test_the_fit_says_what_it_was_made_from(fitted, market):
    assert fitted.start == market.open_time[0] + 10 * DAY
    assert fitted.stop == market.open_time[-1] + np.timedelta64(market.interval)
    assert fitted.days == (fitted.stop - fitted.start) // DAY
    assert fitted.periods >= 200


def test_noise_identifies_nothing(market):
    noise = np.random.default_rng(8).exponential(1e4, (2, len(market)))
    found = fit(market, per_bar(market, noise), BASE)
    for number in (found.top, found.slow_of_turnover, found.speed_ratio):
        assert not number.identified
        assert number.low <= number.value <= number.high


def test_progress_is_reported_and_can_stop_the_fit(market, low_ladder):
    seen = []

    def progress(done, of):
        seen.append((done, of))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(market, low_ladder, BASE, progress)
    assert seen == [(1, 36), (2, 36), (3, 36)]


def test_ladders_above_the_exchanges_maximum_are_not_tried(market, low_ladder):
    rules = (MarginRules((LeverageTier(0.0, 1e12, 75.0, 0.004),)),)
    counts = []
    found = fit(replace(market, margin=rules), low_ladder, BASE, lambda done, of: counts.append(of))
    assert counts[-1] == 18
    assert found.parameters.profile == TurningLadder(50.0)


def test_too_few_periods_fit_nothing(market, low_ladder):
    short = low_ladder.between(market.open_time[0], market.open_time[0] + 20 * DAY)
    found = fit(market, short, BASE)
    assert isinstance(found, Verdict)
    assert "too few (200 needed)" in found.words


def test_too_few_liquidations_fit_nothing(market, low_ladder):
    few = replace(
        low_ladder,
        **{name: getattr(low_ladder, name)[-29:] for name in ("time", "side", "price", "notional")},
    )
    found = fit(market, few, BASE)
    assert isinstance(found, Verdict)
    assert "liquidations are too few (30 needed)" in found.words


def test_models_of_another_family_are_rejected(market, low_ladder):
    with pytest.raises(ValueError, match="two speeds on a turning ladder"):
        fit(market, low_ladder, MODELS["turnover"].parameters)
