"""The map at one moment, against the page's map and the books themselves."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings
from engine.models import MODELS
from tests.stores import START, STEP, add_market, memory_store


@pytest.fixture(scope="module")
def heatmaps(tmp_path_factory):
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2)
        add_market(store, "okx", seed=3, bars=300)
        heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path_factory.mktemp("cache")))
        yield heatmaps
        heatmaps.close()


def request(**changes):
    fields = {
        "symbol": "BTCUSDT",
        "start": START + 100 * STEP,
        "stop": START + 500 * STEP,
        "exchanges": ("binance", "bybit"),
    }
    return HeatmapRequest(**fields | changes)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "funding-adjusted"])
@pytest.mark.parametrize("measure", ["notional", "size"])
@pytest.mark.parametrize("bar", [180, 350, 500])
def test_a_moment_is_the_views_column_that_ends_then(heatmaps, model, measure, bar):
    asked = request(model=model, measure=measure)
    view = heatmaps.view(asked)
    moment = heatmaps.moment(asked, START + bar * STEP)
    column = bar - 101
    assert view.heatmap.times[column + 1] == moment.time
    assert_array_equal(moment.edges, view.heatmap.edges)
    assert_allclose(
        moment.whole.sum(axis=1), view.heatmap.active[:, :, column], rtol=1e-9, atol=1e-3
    )
    for exchange, part in view.parts.items():
        ours = moment.parts[exchange].sum(axis=1)
        assert_allclose(ours, part.active[:, :, column], rtol=1e-9, atol=1e-3)
    assert_allclose(moment.coverage, view.heatmap.coverage[:, column])


@pytest.mark.parametrize("bar", [150, 320, 500])
def test_a_moments_figures_are_those_of_a_page_that_ends_then(heatmaps, bar):
    time = START + bar * STEP
    view = heatmaps.view(request(stop=time))
    moment = heatmaps.moment(request(stop=time), time)
    figures = view.key_figures
    assert moment.last_price == figures.last_price
    assert moment.candle_exchange == view.candle_exchange
    longs, shorts = moment.max_pain()
    assert (longs.price, shorts.price) == (figures.long_max_pain, figures.short_max_pain)
    for distance, at_risk in figures.at_risk.items():
        down = moment.on_the_way(figures.last_price * (1 - distance)).sum()
        up = moment.on_the_way(figures.last_price * (1 + distance)).sum()
        assert_allclose((down, up), at_risk, rtol=1e-9, atol=1e-3)


def test_leverages_are_the_profiles_and_their_levels_lie_where_they_should(heatmaps):
    asked = request(exchanges=("binance",), profile="10:1,50:3")
    moment = heatmaps.moment(asked, START + 500 * STEP)
    assert moment.leverages == (10.0, 50.0)
    levels = moment.levels["binance"]
    assert moment.parts["binance"].shape == (2, 2, moment.edges.size - 1)
    inside = (levels.price >= moment.edges[0]) & (levels.price < moment.edges[-1])
    for side in range(2):
        for tier in range(2):
            chosen = inside & (levels.side == side) & (levels.tier == tier)
            ours = moment.parts["binance"][side, tier].sum()
            assert ours == pytest.approx(levels.notional[chosen].sum())


def test_curves_grow_away_from_the_price_to_what_a_move_liquidates(heatmaps):
    moment = heatmaps.moment(request(), START + 400 * STEP)
    longs, shorts = moment.cumulative()
    assert (np.diff(longs) <= 0).all()
    assert (np.diff(shorts) >= 0).all()
    assert longs[0] > 0
    assert shorts[-1] > 0
    assert longs[moment.edges[:-1] >= moment.last_price].sum() == 0
    assert shorts[moment.edges[1:] <= moment.last_price].sum() == 0
    for bucket in (0, 40, 80):
        fall = moment.on_the_way(moment.edges[bucket]).sum()
        assert longs[bucket] == pytest.approx(fall)
    rise = moment.on_the_way(moment.edges[-1]).sum()
    assert shorts[-1] == pytest.approx(rise)


def test_going_nowhere_liquidates_nothing(heatmaps):
    moment = heatmaps.moment(request(), START + 400 * STEP)
    assert moment.on_the_way(moment.last_price).sum() == 0
    assert moment.on_the_way(moment.last_price).shape == (2, len(moment.leverages))


def test_a_touch_liquidates(heatmaps):
    moment = heatmaps.moment(request(exchanges=("binance",)), START + 400 * STEP)
    levels = moment.levels["binance"]
    for side, away in ((0, np.inf), (1, 0.0)):
        reachable = (levels.side == side) & ((levels.price < moment.last_price) == (side == 0))
        nearest = np.argmin(np.where(reachable, abs(levels.price - moment.last_price), np.inf))
        price = levels.price[nearest]
        there, short_of_it = moment.on_the_way(price), moment.on_the_way(np.nextafter(price, away))
        assert there.sum() >= levels.notional[nearest] > 0
        assert short_of_it.sum() == 0


def test_only_levels_born_since_count_where_asked_for(heatmaps):
    time = START + 400 * STEP
    whole = heatmaps.moment(request(exchanges=("binance",)), time)
    since = time - timedelta(hours=3)
    late = heatmaps.moment(request(exchanges=("binance",)), time, since)
    # Bars 364 to 399 end within the last three hours.
    kept = whole.levels["binance"].birth >= 364
    assert 0 < kept.sum() < kept.size
    assert_array_equal(late.levels["binance"].price, whole.levels["binance"].price[kept])
    assert_array_equal(late.coverage, whole.coverage)


def test_an_exchange_whose_data_have_ended_is_left_out(heatmaps):
    asked = request(exchanges=())
    assert list(heatmaps.moment(asked, START + 300 * STEP).parts) == ["binance", "bybit", "okx"]
    assert list(heatmaps.moment(asked, START + 312 * STEP).parts) == ["binance", "bybit", "okx"]
    assert list(heatmaps.moment(asked, START + 313 * STEP).parts) == ["binance", "bybit"]


def test_moments_without_data_say_what_there_are(heatmaps):
    with pytest.raises(NoData, match=r"at 2026-01-04 00:00 UTC; there are data from 2026-01-01"):
        heatmaps.moment(request(), START + timedelta(days=3))
    with pytest.raises(NoData, match="at 2026-01-01 00:00 UTC"):
        heatmaps.moment(request(start=START, stop=START + 2 * STEP), START)
