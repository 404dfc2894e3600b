from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine.models import MODELS
from engine.score.nulls import nulls_of
from tests.scored import walk


@pytest.fixture(scope="module")
def market():
    return walk(4)


@pytest.mark.parametrize("name", list(MODELS))
def test_nulls_have_the_models_tiers_and_entries(market, name):
    parameters = MODELS[name].parameters
    found = list(nulls_of(market, parameters))
    assert [null.kind for null in found] == ["geometry", "volume", *["fading"] * 6]
    assert len({null.name for null in found}) == 8
    for null in found:
        assert null.parameters.profile == parameters.profile
        assert null.parameters.entry == parameters.entry
        book = null.build_book()
        assert (book.ledger.born[1:] > 0.0).all()


def by_kind(market, kind):
    return [null for null in nulls_of(market, MODELS["turnover"].parameters) if null.kind == kind]


def test_geometry_opens_alike_in_every_bar_and_closes_nothing(market):
    (null,) = by_kind(market, "geometry")
    ledger = null.build_book().ledger
    # What was liquidated opens anew.
    assert_allclose(ledger.born[1:] - ledger.liquidated[1:], 100.0, rtol=1e-3)
    assert ledger.closed.sum() < 1e-6 * ledger.born.sum()


def test_the_volume_map_opens_what_is_traded(market):
    (null,) = by_kind(market, "volume")
    ledger = null.build_book().ledger
    opened = ledger.born[1:] - ledger.liquidated[1:]
    assert_allclose(opened, np.stack([market.volume] * 2, axis=1), rtol=1e-3)
    assert ledger.closed.sum() < 1e-6 * ledger.born.sum()


def test_fading_maps_lose_half_in_their_half_life(market):
    null = next(null for null in by_kind(market, "fading") if null.market.volume[0] > 0)
    share = null.market.volume[0] / null.market.open_interest[0]
    hours = float(null.name.split()[-2])
    # Half is left after ln 2 / share bars of five minutes.
    assert hours == pytest.approx(np.log(2) / share / 12, rel=0.01)


def test_a_bar_without_volume_opens_as_much_on_the_map_of_geometry(market):
    quiet = np.where(np.arange(len(market)) % 3, market.volume, 0.0)
    still = replace(market, volume=quiet, quote_volume=quiet * market.close)
    for null in nulls_of(still, replace(MODELS["turnover"].parameters, entry="vwap")):
        born = null.build_book().ledger.born[1:]
        assert (born[0::3] > 0.0).all() == (null.kind != "volume")


def test_a_market_without_open_interest_has_nulls_too(market):
    unknown = replace(market, open_interest=np.full(len(market), np.nan))
    for null in nulls_of(unknown, MODELS["turnover"].parameters):
        assert (null.build_book().ledger.born[1:] > 0.0).all()
