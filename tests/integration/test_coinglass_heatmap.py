"""The map over time in CoinGlass's shape."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from app.heatmaps import StoredHeatmaps
from app.page_state import PageState
from app.picture import heatmap_request
from app.settings import Settings
from tests.api import serving
from tests.stores import add_market, memory_store

RANGES = ("12h", "24h", "3d", "7d", "30d", "90d", "180d", "1y")
HOLE = range(400, 460)

LIKE = {"preset": "custom", "window": "3d", "model": "coinglass-like"}
"""What the page shows where `model1` is asked for."""


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1, bars=1200)
        add_market(store, "bybit", seed=2, bars=1200)
        add_market(store, "okx", "ETHUSDT", seed=3, missing=HOLE)
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


def get(client, route="heatmap/model1", **asked):
    asked = {"exchange": "Binance", "symbol": "BTCUSDT", "range": "24h"} | asked
    asked = {name: value for name, value in asked.items() if value is not None}
    return client.get(f"/api/futures/liquidation/{route}", params=asked)


def found(client, route="heatmap/model1", **asked):
    answer = get(client, route, **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def matrix(data):
    """Return the cells as the page holds them, shape (buckets, columns)."""
    cells = np.zeros((len(data["y_axis"]), len(data["price_candlesticks"])))
    for x, y, value in data["liquidation_leverage_data"]:
        assert cells[y, x] == 0.0
        cells[y, x] = value
    return cells


@pytest.mark.parametrize("window", RANGES)
@pytest.mark.parametrize("route", ["heatmap/model1", "aggregated-heatmap/model3"])
def test_the_answer_has_its_clients_shape(client, route, window):
    answer = found(client, route, range=window)
    assert list(answer) == ["code", "msg", "data", "meta"]
    assert (answer["code"], answer["msg"]) == ("0", "success")
    data = answer["data"]
    assert set(data) == {
        "y_axis", "liquidation_leverage_data", "price_candlesticks", "update_time",
    }  # fmt: skip
    assert isinstance(data["update_time"], int)
    assert data["update_time"] == 1767225600_000 + 1200 * 300_000
    assert all(isinstance(price, float) for price in data["y_axis"])
    assert_allclose(np.diff(data["y_axis"]), np.diff(data["y_axis"])[0])
    assert data["liquidation_leverage_data"]
    for x, y, value in data["liquidation_leverage_data"]:
        assert type(x) is int
        assert 0 <= x < len(data["price_candlesticks"])
        assert type(y) is int
        assert 0 <= y < len(data["y_axis"])
        assert value == round(value, 2) > 0.0
    for time, *texts in data["price_candlesticks"]:
        assert type(time) is int
        assert 10**9 < time < 10**10
        assert len(texts) == 5
        assert all(isinstance(text, str) for text in texts)
        opened, high, low, close, volume = map(float, texts)
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume > 0.0


def test_the_values_are_the_pages_own(client, heatmaps):
    for number, model, profile in (
        ("model1", "coinglass-like", ""),
        ("model2", "turnover", "hot"),
        ("model3", "time-evolving", ""),
    ):
        state = PageState(
            symbol="BTCUSDT",
            exchanges=("bybit",),
            window="3d",
            preset="custom",
            model=model,
            profile=profile,
        )
        view = heatmaps.view(heatmap_request(heatmaps, state))
        answer = found(client, f"heatmap/{number}", exchange="Bybit", range="3d")
        assert_allclose(matrix(answer["data"]), view.heatmap.active.sum(axis=0), atol=0.0051)
        assert answer["meta"]["model"] == model
        assert answer["meta"]["answers_for"] == number
        assert ("measured on its pictures" in answer["meta"]["mapping"]) == (number == "model1")
        edges = view.heatmap.edges
        assert_allclose(answer["data"]["y_axis"], (edges[1:] + edges[:-1]) / 2)


def test_the_candles_are_the_pages_own_and_their_volume_is_all_that_was_traded(
    client, heatmaps, store
):
    state = PageState(symbol="BTCUSDT", exchanges=("binance",), **LIKE)
    view = heatmaps.view(heatmap_request(heatmaps, state))
    candles = found(client, range="3d")["data"]["price_candlesticks"]
    seconds = view.candles.open_time.astype("datetime64[s]").astype(int)
    assert [candle[0] for candle in candles] == seconds.tolist()
    for place, name in enumerate(("open", "high", "low", "close"), 1):
        assert [float(candle[place]) for candle in candles] == getattr(view.candles, name).tolist()
    first, last = heatmaps.extent("BTCUSDT")
    bars = store.bars("binance", "BTCUSDT", first, last)
    within = bars.open_time >= view.heatmap.times[0]
    traded = sum(float(candle[5]) for candle in candles)
    assert traded == pytest.approx(bars.quote_volume[within].sum())


def test_unknown_quote_volume_is_volume_at_the_close(tmp_path):
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        with store.transaction() as cursor:
            cursor.execute("UPDATE candles SET quote_volume = NULL WHERE hour(open_time) = 3")
        volumes = store.quote_volumes(
            "binance",
            "BTCUSDT",
            *(StoredHeatmaps(store, Settings(cache_dir=tmp_path)).extent("BTCUSDT")),
        )
        assert volumes["quote_volume"].size == 600
        assert (volumes["quote_volume"] > 0.0).all()


def test_a_column_without_candle_keeps_its_place_at_the_last_price(client, heatmaps):
    view = heatmaps.view(heatmap_request(heatmaps, PageState(symbol="ETHUSDT", **LIKE)))
    columns = view.heatmap.active.shape[2]
    assert view.candles.open_time.size < columns
    answer = found(client, "aggregated-heatmap/model1", symbol="ETH", range="3d", exchange=None)
    candles = answer["data"]["price_candlesticks"]
    without = answer["meta"]["columns_without_candle"]
    assert len(candles) == columns == view.candles.open_time.size + len(without)
    assert_allclose(matrix(answer["data"]), view.heatmap.active.sum(axis=0), atol=0.0051)
    assert without == list(range(without[0], without[-1] + 1))
    last = candles[without[0] - 1][4]
    for x in without:
        assert candles[x][1:] == [last, last, last, last, "0"]
    assert np.ptp(np.diff([candle[0] for candle in candles])) == 0


def test_the_aggregated_map_is_the_sum_of_the_exchanges(client, heatmaps):
    both = found(client, "aggregated-heatmap/model1", symbol="BTC", range="3d")
    state = PageState(symbol="BTCUSDT", **LIKE)
    request = heatmap_request(heatmaps, state)
    low, high = heatmaps.grid(request).low, heatmaps.grid(request).high
    alone = [
        heatmaps.view(
            request.model_copy(
                update={"exchanges": (exchange,), "price_low": low, "price_high": high}
            )
        ).heatmap.active.sum(axis=0)
        for exchange in ("binance", "bybit")
    ]
    assert_allclose(matrix(both["data"]), sum(alone), atol=0.0051)
    assert both["meta"]["exchanges"] == ["binance", "bybit"]
    assert both["meta"]["candle_exchange"] in ("binance", "bybit")


def test_the_meta_object_says_what_computed_it(client):
    meta = found(client, "heatmap/model2")["meta"]
    assert meta["answers_for"] == "model2"
    assert "no data of CoinGlass" in meta["note"]
    assert meta["leverage_weights"] == "25:0.142857,50:0.285714,100:0.571429"
    assert meta["simulated"] is False
    assert meta["data_end"] == "2026-01-05T04:00:00Z"
    assert meta["interval_seconds"] == 300
    assert {"engine_version", "data_watermark", "units", "crossing_price"} <= set(meta)


@pytest.mark.parametrize(
    "names",
    [
        {"exchange": "binance"},
        {"exchange": "BINANCE", "symbol": "btcusdt"},
        {"symbol": "BTC"},
        {"symbol": "BTC-USDT-SWAP"},
        {"interval": "1h", "limit": "100"},
    ],
)
def test_names_and_extra_parameters_are_taken_as_clients_send_them(client, names):
    assert found(client, **names)["data"] == found(client)["data"]


def test_a_client_may_send_its_key(client):
    plain = get(client)
    address = str(plain.url)
    assert client.get(address, headers={"CG-API-KEY": "mine"}).content == plain.content
    tag = {"If-None-Match": plain.headers["etag"]}
    assert client.get(address, headers=tag).status_code == 304


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"range": "5d"}, 422, "'12h', '24h', '3d', '7d', '30d', '90d', '180d' or '1y'"),
        ({"range": None}, 422, "range: Field required"),
        ({"exchange": None}, 422, "exchange: Field required"),
        ({"symbol": "BTC USDT"}, 422, "symbol: String should match pattern"),
        ({"route": "heatmap/model4"}, 422, "'model1', 'model2' or 'model3'"),
        ({"exchange": "Bitget"}, 400, "binance, bybit, okx, hyperliquid, but bitget is not"),
        ({"exchange": "OKX"}, 404, "Nothing is stored for BTCUSDT on okx; stored are binance"),
        ({"symbol": "DOGE"}, 404, "stored are BTCUSDT, ETHUSDT. Load candles"),
    ],
)
def test_errors_keep_their_status_and_have_a_code_and_a_message(client, changes, status, words):
    answer = get(client, **changes)
    assert answer.status_code == status
    problem = json.loads(answer.content)
    assert problem["code"] == str(status)
    assert words in problem["msg"]
    assert problem["detail"]
    assert ("supported" in problem) == (status == 400)
