"""The map at the end of the data and max pain, in CoinGlass's shapes."""

from datetime import timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose

from app.heatmaps import StoredHeatmaps
from app.page_state import PageState
from app.picture import heatmap_request
from app.settings import Settings
from engine.models import DEFAULT_MODEL
from tests.api import serving
from tests.stores import START, add_market, memory_store

STOP = START + timedelta(minutes=5 * 1200)


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1, bars=1200)
        add_market(store, "bybit", seed=2, bars=1200)
        add_market(store, "binance", "ETHUSDT", seed=3, bars=1200)
        add_market(store, "binance", "XRPUSDT", seed=4, bars=50, open_interest=False)
        yield store


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("coinglass")) as client:
        yield client


@pytest.fixture(scope="module")
def heatmaps(store, tmp_path_factory):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path_factory.mktemp("page")))
    yield heatmaps
    heatmaps.close()


def found(client, route, **asked):
    answer = client.get(f"/api/futures/liquidation/{route}", params=asked)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert list(content) == ["code", "msg", "data", "meta"]
    assert (content["code"], content["msg"]) == ("0", "success")
    return content


def moment(heatmaps, window, *exchanges, hours):
    request = heatmap_request(
        heatmaps, PageState(symbol="BTCUSDT", exchanges=exchanges, window=window)
    )
    return heatmaps.moment(request, STOP, since=STOP - timedelta(hours=hours))


@pytest.mark.parametrize("window", ["1d", "7d", "30d"])
@pytest.mark.parametrize(
    ("route", "market"),
    [("map", {"exchange": "Binance", "symbol": "BTCUSDT"}), ("aggregated-map", {"symbol": "BTC"})],
)
def test_the_map_is_a_list_of_levels_by_price(client, route, market, window):
    data = found(client, route, range=window, **market)["data"]
    assert data
    for key, levels in data.items():
        for price, level, leverage, nothing in levels:
            assert float(key) == price
            assert "." not in key or not key.endswith("0")
            assert level == round(level, 2) > 0.0
            assert 1 < leverage <= 150
            assert nothing is None
        assert len({level[2] for level in levels}) == len(levels)
    assert [float(key) for key in data] == sorted(map(float, data))


def test_the_map_holds_what_was_opened_in_the_range_and_is_open(client, heatmaps):
    answer = found(client, "map", exchange="binance", symbol="BTCUSDT", range="1d")
    expected = moment(heatmaps, "24h", "binance", hours=24)
    cells = np.zeros(expected.whole.shape[1:])
    middles = (expected.edges[1:] + expected.edges[:-1]) / 2
    for levels in answer["data"].values():
        for price, level, leverage, _ in levels:
            bucket = np.argmin(np.abs(middles - price))
            cells[expected.leverages.index(leverage), bucket] += level
    assert_allclose(cells, expected.whole.sum(axis=0), atol=0.0051)
    week = found(client, "map", exchange="binance", symbol="BTCUSDT", range="7d")
    assert total(week) > total(answer)


def total(answer):
    return sum(level[1] for levels in answer["data"].values() for level in levels)


def test_the_aggregated_map_is_of_all_exchanges(client, heatmaps):
    answer = found(client, "aggregated-map", symbol="BTC", range="1d")
    expected = moment(heatmaps, "24h", hours=24)
    assert total(answer) == pytest.approx(expected.whole.sum(), rel=1e-6)
    assert answer["meta"]["exchanges"] == ["binance", "bybit"]
    parts = sum(part.sum() for part in expected.parts.values())
    assert total(answer) == pytest.approx(parts, rel=1e-6)


def test_the_map_tells_what_it_is_of(client):
    meta = found(client, "map", exchange="Binance", symbol="BTC", range="1d")["meta"]
    assert meta["symbol"] == "BTCUSDT"
    assert meta["exchanges"] == ["binance"]
    assert meta["time"] == meta["data_end"] == "2026-01-05T04:00:00Z"
    assert meta["opened_since"] == "2026-01-04T04:00:00Z"
    assert (meta["model"], meta["simulated"]) == (DEFAULT_MODEL, False)
    assert meta["answers_for"] is None
    assert "default" in meta["mapping"]
    assert "no data of CoinGlass" in meta["note"]
    assert 0.0 < meta["coverage"]["long"] <= 1.0 + 1e-9


@pytest.mark.parametrize("window", ["12h", "24h", "48h", "3d", "7d", "14d", "30d"])
def test_max_pain_lies_below_the_price_for_longs_and_above_it_for_shorts(client, window):
    answer = found(client, "max-pain", range=window)
    assert [row["symbol"] for row in answer["data"]] == ["BTC", "ETH"]
    for row in answer["data"]:
        assert list(row) == [
            "symbol", "price", "long_max_pain_liq_level", "long_max_pain_liq_price",
            "short_max_pain_liq_level", "short_max_pain_liq_price",
        ]  # fmt: skip
        assert row["long_max_pain_liq_price"] < row["price"] < row["short_max_pain_liq_price"]
        assert row["long_max_pain_liq_level"] > 0.0 < row["short_max_pain_liq_level"]
    assert answer["meta"]["definition"] == "long pain lies below the price, short pain above it"
    assert answer["meta"]["coins"]["BTC"]["exchanges"] == ["binance", "bybit"]


def test_max_pain_is_the_maps_own_and_of_a_day_unless_told(client, heatmaps):
    long, short = moment(heatmaps, "24h", hours=24).max_pain()
    row = found(client, "max-pain")["data"][0]
    assert row["price"] == moment(heatmaps, "24h", hours=24).last_price
    assert row["long_max_pain_liq_price"] == pytest.approx(long.price)
    assert row["long_max_pain_liq_level"] == pytest.approx(long.notional)
    assert row["short_max_pain_liq_price"] == pytest.approx(short.price)
    assert row["short_max_pain_liq_level"] == pytest.approx(short.notional)


def test_a_pair_without_open_interest_has_a_heatmap_of_bursts_alone(client):
    asked = {"exchange": "Binance", "symbol": "XRPUSDT", "range": "24h"}
    meta = found(client, "heatmap/model1", **asked)["meta"]
    assert meta["coverage"] == {"long": None, "short": None}
    model3 = client.get("/api/futures/liquidation/heatmap/model3", params=asked)
    assert model3.status_code == 404
    assert "No open interest is stored for XRPUSDT" in model3.json()["msg"]


def test_a_pair_without_open_interest_has_no_map(client):
    answer = client.get(
        "/api/futures/liquidation/map",
        params={"exchange": "Binance", "symbol": "XRPUSDT", "range": "1d"},
    )
    assert answer.status_code == 404
    assert answer.json()["code"] == "404"
    assert "No open interest is stored for XRPUSDT" in answer.json()["msg"]


def test_without_any_data_max_pain_says_how_to_load_some(tmp_path):
    with memory_store() as store, serving(store, tmp_path) as client:
        answer = client.get("/api/futures/liquidation/max-pain")
        assert answer.status_code == 404
        assert 'Load candles and open interest with "liqheat ingest"' in answer.json()["msg"]


@pytest.mark.parametrize(
    ("route", "window", "words"),
    [
        ("map", "3d", "'1d', '7d' or '30d'"),
        ("aggregated-map", "24h", "'1d', '7d' or '30d'"),
        ("max-pain", "1d", "'12h', '24h', '48h', '3d', '7d', '14d' or '30d'"),
    ],
)
def test_another_range_is_answered_with_those_that_there_are(client, route, window, words):
    asked = {"exchange": "Binance", "symbol": "BTCUSDT", "range": window}
    answer = client.get(f"/api/futures/liquidation/{route}", params=asked)
    assert answer.status_code == 422
    assert words in answer.json()["msg"]
