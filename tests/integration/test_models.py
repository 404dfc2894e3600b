"""Every model goes every way: pictures, the interface, files, snapshots, growing, restarts."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from app.errors import NoData
from app.export import export_chunks
from app.heatmaps import StoredHeatmaps
from app.history import book_start
from app.markets import load_market
from app.page_state import PageState
from app.picture import Picture, draw
from app.precompute.answers import find_snapshots
from app.precompute.jobs import Job
from app.request import HeatmapRequest
from app.settings import Settings
from app.stored_book import build_stored, from_bytes, to_bytes
from engine.grid import price_edges, step_edges
from engine.heatmap import rasterise
from engine.models import MODELS, find_model
from tests.api import serving
from tests.snapshot_stores import DAY_BARS, add_part, precompute
from tests.stores import START, STEP, add_market, memory_store, times

BARS = 3 * DAY_BARS
FREE = [name for name, model in MODELS.items() if not model.parameters.follows_interest]
"""Models that need no open interest."""
BOUND = [name for name in MODELS if name not in FREE]


def add_funding(store, bars=900):
    """Store funding rates that fall due every eight hours, as an exchange stamps them."""
    due = times(bars // 96, offset=96)[0] + np.arange(bars // 96) * np.timedelta64(8, "h")
    rate = 1e-3 * np.sin(np.arange(due.size))
    late = np.timedelta64(1, "ms")
    market = {"exchange": "binance", "symbol": "BTCUSDT"}
    store.add_funding_rates(market | {"time": due + late, "funding_rate": rate})


def fill(store, bars=900):
    """Store two exchanges, the second of which has no open interest and no funding."""
    add_funding(store, bars)
    add_market(store, "binance", seed=1, bars=bars)
    add_market(store, "okx", seed=2, bars=bars, open_interest=False)


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        fill(store)
        yield store


@pytest.fixture(scope="module")
def heatmaps(store, tmp_path_factory):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path_factory.mktemp("maps")))
    yield heatmaps
    heatmaps.close()


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("api")) as client:
        yield client


def request(**changes):
    fields = {
        "symbol": "BTCUSDT",
        "start": START + timedelta(hours=30),
        "stop": START + timedelta(hours=70),
        "step": timedelta(hours=1),
        "buckets": 100,
    }
    return HeatmapRequest(**fields | changes)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_maps_what_it_can(heatmaps, model):
    view = heatmaps.view(request(model=model))
    assert set(view.parts) == ({"binance", "okx"} if model in FREE else {"binance"})
    assert all(part.active.sum() > 0.0 for part in view.parts.values())
    assert view.ties == MODELS[model].parameters.ties
    assert np.isnan(view.key_figures.coverage) == (not view.ties)
    assert view.candle_exchange == "binance"


@pytest.mark.parametrize("model", MODELS)
def test_the_page_draws_a_model(heatmaps, model):
    picture = draw(heatmaps, PageState(symbol="BTCUSDT", preset="custom", model=model))
    assert isinstance(picture, Picture)
    assert ("levels do not tie to the open interest" in picture.provenance) == (model in FREE)


@pytest.mark.parametrize("model", FREE)
def test_a_market_without_open_interest_is_mapped_by_models_that_need_none(heatmaps, model):
    view = heatmaps.view(request(model=model, exchanges=("okx",)))
    assert view.heatmap.active.sum() > 0.0
    assert np.isnan(view.heatmap.open_interest).all()
    assert np.isnan(view.heatmap.coverage).all()


@pytest.mark.parametrize("model", BOUND)
def test_others_say_which_models_would_do(heatmaps, model):
    with pytest.raises(NoData, match=r"No open interest .* for BTCUSDT on okx") as told:
        heatmaps.view(request(model=model, exchanges=("okx",)))
    assert all(name in str(told.value) for name in FREE)


@pytest.mark.parametrize("route", ["heatmap-timeseries", "heatmap", "map", "max-pain"])
@pytest.mark.parametrize("model", MODELS)
def test_programs_can_ask_for_a_model(client, model, route):
    answer = client.get(f"/liquidations/{route}", params={"symbol": "BTCUSDT", "model": model})
    assert answer.status_code == 200, answer.text
    found = answer.json()["meta"]
    assert found["model"] == model
    if "coverage" in found:
        assert (found["coverage"]["long"] is None) == (model in FREE)


@pytest.mark.parametrize("model", FREE)
def test_programs_get_maps_of_markets_without_open_interest(client, model):
    asked = {"symbol": "BTCUSDT", "model": model, "exchanges": "okx"}
    answer = client.get("/liquidations/heatmap-timeseries", params=asked).json()
    assert answer["meta"]["exchanges"] == ["okx"]
    assert {each["open_interest"] for each in answer["data"]} == {None}
    assert client.get("/liquidations/map", params=asked).status_code == 200
    assert client.get("/liquidations/max-pain", params=asked).json()["data"]
    refused = client.get("/liquidations/map", params=asked | {"model": "turnover"})
    assert refused.status_code == 404
    assert model in refused.text


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_exported(heatmaps, model):
    (rows,) = export_chunks(heatmaps, request(model=model, buckets=400), timedelta(hours=1))
    drawn = heatmaps.view(request(model=model, measure="size", price_low=1.0, price_high=2e5))
    priced = ~np.isnan(rows["price_low"])
    for exchange, part in drawn.parts.items():
        of = (rows["exchange"] == exchange) & (rows["timestamp"] == part.times[-1])
        held = rows["active_size"][of & priced].sum()
        assert_allclose(held, part.tracked[:, -1].sum(), rtol=1e-6)
        rest = rows["active_size"][of & ~priced]
        if model in FREE:  # no row pretends to be the rest of the open interest
            assert not rest.size
        else:
            assert_allclose(held + rest.sum(), 2.0 * part.open_interest[-1], rtol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_snapshots_answer_what_the_book_would(model):
    with memory_store() as store:
        add_part(store, 0, BARS, bars=BARS)
        add_funding(store)
        hour = timedelta(hours=1)
        job = Job("binance", "BTCUSDT", find_model(model), interval=hour, width=50.0, events=True)
        precompute(store, job)
        (market,) = store.markets()
        start = times(1)[0]
        grid = (
            step_edges(start + np.timedelta64(24, "h"), start + np.timedelta64(60, "h"), hour),
            price_edges(40_000, 60_000, 400),
        )
        begin = book_start(market, START, 30, job.model.parameters)
        found = find_snapshots(store, market, begin, job.model, *grid)
        bars = store.bars("binance", "BTCUSDT", market.first, market.last)
        book = job.model.build_book(load_market(store, bars, job.model.parameters))
    assert found is not None
    drawn = rasterise(book, *grid, between_rungs=True)
    assert drawn.active.any()
    assert_allclose(found[1].active, drawn.active, rtol=1e-9, atol=1e-3)
    assert_allclose(found[1].consumed, drawn.consumed, rtol=1e-9, atol=1e-3)
    assert_allclose(found[1].tracked, drawn.tracked, rtol=1e-9)
    assert_allclose(found[1].open_interest, drawn.open_interest)
    assert_allclose(found[1].coverage, drawn.coverage, rtol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_a_book_grows_with_the_market_as_if_computed_anew(model, tmp_path):
    wanted = request(model=model, stop=START + timedelta(hours=75))
    with memory_store() as store:
        fill(store, 840)
        heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "grown"))
        first = heatmaps.view(wanted)
        fill(store, 900)  # rows that are there stay; the last 60 bars are new
        grown = heatmaps.view(wanted)
        heatmaps.close()
        fresh = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "fresh"))
        anew = fresh.view(wanted)
        fresh.close()
    assert grown.heatmap.times[-1] > first.heatmap.times[-1]
    assert_array_equal(grown.heatmap.active, anew.heatmap.active)
    assert_array_equal(grown.heatmap.consumed, anew.heatmap.consumed)


@pytest.mark.parametrize("model", MODELS)
def test_a_book_survives_a_restart(store, model):
    market = store.markets()[0]
    assumed = find_model(model)
    bars = store.bars("binance", "BTCUSDT", market.first, market.last)
    stored = build_stored(load_market(store, bars, assumed.parameters), assumed)
    again = from_bytes(to_bytes(stored), market, assumed.parameters)
    assert again is not None
    half = START + 450 * STEP
    moment = np.datetime64(half.replace(tzinfo=None), "us")
    for ours, theirs in ((again, stored), (again.until(moment), stored.until(moment))):
        levels, others = ours.book.open_levels(), theirs.book.open_levels()
        assert levels.size.size
        for name in ("price", "size", "side", "leverage", "birth"):
            assert_array_equal(getattr(levels, name), getattr(others, name))


@pytest.mark.parametrize(
    "assumed",
    [
        {"model": "funding-adjusted"},
        {"model": "ensemble", "members": "two-speed,funding-adjusted"},
    ],
)
def test_without_funding_rates_it_says_how_to_load_some(tmp_path, assumed):
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path))
        wanted = request(**assumed, stop=START + timedelta(hours=45))
        with pytest.raises(NoData, match="No funding rates are stored for BTCUSDT") as told:
            heatmaps.view(wanted)
        assert "backfill --exchange binance --symbol BTCUSDT --kinds funding" in str(told.value)
        add_funding(store, 500)
        first = heatmaps.view(wanted)
        # An earlier rate that comes late changes what came after it.
        late = {"time": times(1, offset=50), "funding_rate": 0.01}
        store.add_funding_rates({"exchange": "binance", "symbol": "BTCUSDT"} | late)
        second = heatmaps.view(wanted)
        heatmaps.close()
    assert not np.allclose(first.heatmap.active, second.heatmap.active)
