from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest

from engine.models import MODELS
from engine.profiles import parse_profile
from engine.score import Calibration, Liquidations, Scorecard, Verdict, score
from engine.score.amount import Amount
from engine.score.positions import OpenPositions
from engine.score.scorecard import Zones
from engine.score.when import When
from engine.score.where import Where
from tests.scored import DAY, positions, span, walk

MODEL = MODELS["two-speed"]
PARTS = ("when", "amount", "where", "positions", "zones", "calibration")


@pytest.fixture(scope="module")
def market():
    return walk(60)


@pytest.fixture(scope="module")
def liquidations(market):
    """Return liquidations in each bar that the model's levels lose something in."""
    crossed = MODEL.build_book(market).crossed()
    side, bar = np.nonzero(crossed)
    price = np.where(side == 0, market.low[bar], market.high[bar])
    noise = np.random.default_rng(3).gamma(1.0, 0.1, bar.size)
    return Liquidations.of(
        market.open_time[bar] + np.timedelta64(1, "m"),
        1 - 2 * side,
        price,
        crossed[side, bar] * noise,
        span(market),
    )


@pytest.fixture(scope="module")
def observed(market):
    bars = np.arange(3000, len(market), 40)
    rows = [
        (market.open_time[bar], number, 1, 0.9 * market.close[bar])
        for number, bar in enumerate(bars)
    ]
    return positions(*rows)


@pytest.fixture(scope="module")
def card(market, liquidations, observed):
    return score(market, MODEL, liquidations, observed, against=[MODELS["turnover"]])


def test_all_lines_are_scored(card, market):
    assert isinstance(card, Scorecard)
    assert (card.exchange, card.symbol, card.model) == ("binance", "BTCUSDT", "two-speed")
    assert card.start == market.open_time[0] + 10 * DAY
    assert card.stop == market.open_time[-1] + np.timedelta64(market.interval)
    kinds = (When, Amount, Where, OpenPositions, Zones, Calibration)
    for part, kind in zip(PARTS, kinds, strict=True):
        assert isinstance(getattr(card, part), kind), part
    assert 0.0 < card.mapped_share < 1.0
    assert set(card.amount.over_models) == {"turnover"}
    assert card.when.verdict.answer == "yes"


def test_only_what_is_given_is_scored(market, observed):
    card = score(market, MODEL, positions=observed)
    assert [part for part in PARTS if getattr(card, part) is not None] == ["positions"]


def test_later_bars_change_nothing_of_what_was_scored_before(market, liquidations):
    until = market.open_time[0] + 50 * DAY
    early = liquidations.between(market.open_time[0], until)
    bars = int(np.searchsorted(market.open_time, until))
    first = {
        field.name: getattr(market, field.name)[:bars]
        for field in fields(market)
        if isinstance(getattr(market, field.name), np.ndarray)
    }
    whole, part = (score(one, MODEL, early) for one in (market, replace(market, **first)))
    assert part.when.alone == whole.when.alone
    assert part.calibration == whole.calibration
    assert part.where.over_uniform.value == pytest.approx(whole.where.over_uniform.value, abs=0.01)


def test_liquidations_at_other_times_show_nothing(market, liquidations):
    late = replace(
        liquidations,
        time=liquidations.time + 3 * DAY,
        recorded=liquidations.recorded + 3 * DAY,
    )
    card = score(market, MODEL, late)
    assert card.when.verdict.answer == "not shown"
    assert card.amount.verdict.answer == "not shown"


def test_a_map_that_the_price_never_reached_has_no_verdict(market, liquidations):
    near = replace(MODEL, parameters=replace(MODEL.parameters, profile=parse_profile("1.1:1")))
    card = score(market, near, liquidations)
    for found in (card.when, card.amount):
        assert isinstance(found, Verdict)
        assert found.answer == "no verdict"
        assert "the price crossed no level of the map" in found.words


def test_a_new_market_has_no_verdict_anywhere(market, liquidations, observed):
    short = market.open_time[0] + 5 * DAY
    card = score(
        market,
        MODEL,
        liquidations.between(market.open_time[0], short),
        observed.where(observed.time < short),
    )
    for part in PARTS:
        found = getattr(card, part)
        assert isinstance(found, Verdict), part
        assert found.answer == "no verdict"


def test_progress_can_stop_the_run(market, liquidations):
    seen = []

    def progress(doing):
        seen.append(doing)
        if doing == "where":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(market, MODEL, liquidations, progress=progress)
    assert seen == ["map", "other maps", "when and how much", "where"]


def test_a_shorter_warm_up_scores_more(market, liquidations, card):
    more = score(market, MODEL, liquidations, warm_up=timedelta(days=5))
    assert more.when.periods > card.when.periods
