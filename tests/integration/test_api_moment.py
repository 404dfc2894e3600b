"""The map at one moment, as programs ask for it."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose

from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings
from tests.api import serving
from tests.stores import START, add_market, memory_store

TIME = START + timedelta(hours=30)
ROUTES = ("map", "max-pain", "levels")


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2)
        add_market(store, "okx", seed=3, open_interest=False)
        add_market(store, "binance", "ETHUSDT", seed=4, bars=300)
        add_market(store, "okx", "DOGEUSDT", seed=5, open_interest=False)
        yield store


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("api")) as client:
        yield client


@pytest.fixture(scope="module")
def heatmaps(store, tmp_path_factory):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path_factory.mktemp("page")))
    yield heatmaps
    heatmaps.close()


def moment(heatmaps, time=TIME, since=None, **changes):
    asked = {
        "symbol": "BTCUSDT",
        "start": time - timedelta(days=7),
        "stop": time,
        "exchanges": ("binance", "bybit"),
        "buckets": 200,
    }
    return heatmaps.moment(HeatmapRequest(**asked | changes), time, since)


def get(client, route, **changes):
    asked = {"symbol": "BTCUSDT", "exchanges": "binance,bybit", "time": TIME.isoformat()} | changes
    asked = {name: value for name, value in asked.items() if value is not None}
    return client.get(f"/liquidations/{route}", params=asked)


def found(client, route, **changes):
    answer = get(client, route, **changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_map_holds_each_buckets_parts_and_curves(client, heatmaps):
    told, engine = found(client, "map"), moment(heatmaps)
    assert told["parts"] == [f"{leverage:g}" for leverage in engine.leverages]
    for side, name in enumerate(("long", "short")):
        sums = [sum(bucket[name].values()) for bucket in told["data"]]
        assert_allclose(sums, engine.whole.sum(axis=1)[side], atol=0.1)
        curve = [bucket[f"{name}_cumulative"] for bucket in told["data"]]
        assert_allclose(curve, engine.cumulative()[side], atol=0.0051)
    middles = (engine.edges[1:] + engine.edges[:-1]) / 2
    assert_allclose([bucket["price"] for bucket in told["data"]], middles)
    assert told["last_price"] == told["meta"]["last_price"] == engine.last_price
    assert told["meta"]["time"] == "2026-01-02T06:00:00Z"
    assert told["meta"]["exchanges"] == ["binance", "bybit"]
    assert told["what_if"] is None


def test_the_map_by_exchange_sums_to_the_map_by_leverage(client, heatmaps):
    told, by_leverage = found(client, "map", by="exchange"), found(client, "map")
    assert told["parts"] == ["binance", "bybit"]
    engine = moment(heatmaps)
    for exchange, part in engine.parts.items():
        longs = [bucket["long"].get(exchange, 0.0) for bucket in told["data"]]
        assert_allclose(longs, part[0].sum(axis=0), atol=0.0051)
    for ours, theirs in zip(told["data"], by_leverage["data"], strict=True):
        assert sum(ours["short"].values()) == pytest.approx(sum(theirs["short"].values()), abs=0.1)
        assert ours["short_cumulative"] == theirs["short_cumulative"]


@pytest.mark.parametrize(("share", "side"), [(0.9, "long"), (1.1, "short")])
@pytest.mark.parametrize("by", ["leverage", "exchange"])
def test_what_if_tells_what_a_move_liquidates(client, heatmaps, share, side, by):
    engine = moment(heatmaps)
    price = engine.last_price * share
    told = found(client, "map", what_if=price, by=by)["what_if"]
    assert told["side"] == side
    levels = engine.levels.values()
    low, high = sorted((price, engine.last_price))
    expected = sum(
        each.notional[
            (each.side == (side == "short")) & (each.price >= low) & (each.price <= high)
        ].sum()
        for each in levels
    )
    assert told["notional"] == pytest.approx(expected, abs=0.01)
    assert sum(told["parts"].values()) == pytest.approx(expected, abs=0.2)


def test_without_a_time_the_map_is_of_the_datas_end(client, heatmaps):
    told = found(client, "map", time=None)
    assert told["meta"]["time"] == told["meta"]["data_end"] == "2026-01-03T02:00:00Z"
    engine = moment(heatmaps, START + timedelta(hours=50))
    assert told["last_price"] == engine.last_price


def test_price_buckets_are_those_asked_for(client):
    narrow = {"price_low": 48_000, "price_high": 52_000, "price_bin_size": 100}
    told = found(client, "map", **narrow)
    assert told["meta"]["price_bin_size"] == 100
    assert [told["data"][0]["price"], told["data"][-1]["price"]] == [48_050, 51_950]


def test_a_profile_of_the_callers_own_makes_the_parts(client):
    told = found(client, "map", leverage_weights="10:1,50:3")
    assert told["parts"] == ["10", "50"]
    assert told["meta"]["leverage_weights"] == "10:0.25,50:0.75"


def test_max_pain_is_the_pages(client, heatmaps):
    (told,) = found(client, "max-pain")["data"]
    view = heatmaps.view(
        HeatmapRequest(symbol="BTCUSDT", start=START, stop=TIME, exchanges=("binance", "bybit"))
    )
    assert told["long_max_pain_price"] == pytest.approx(view.key_figures.long_max_pain)
    assert told["short_max_pain_price"] == pytest.approx(view.key_figures.short_max_pain)
    assert told["long_max_pain_price"] < told["last_price"] < told["short_max_pain_price"]
    longs, _ = moment(heatmaps).max_pain()
    assert told["long_max_pain_notional"] == pytest.approx(longs.notional, abs=0.01)


def test_max_pain_counts_the_symbols_beyond_the_most_of_one_answer(store, tmp_path, monkeypatch):
    monkeypatch.setattr("app.api.max_pain.MOST_SYMBOLS", 1)
    with serving(store, tmp_path) as client:
        told = found(client, "max-pain", symbol=None, exchanges=None, time=None)
    assert ([row["symbol"] for row in told["data"]], told["meta"]["left_out"]) == (["BTCUSDT"], 1)


def test_max_pain_of_all_symbols_tells_those_that_can_be_mapped(client):
    told = found(client, "max-pain", symbol=None, exchanges=None, time=None)
    assert [(row["symbol"], row["time"]) for row in told["data"]] == [
        ("BTCUSDT", "2026-01-03T02:00:00Z"),
        ("ETHUSDT", "2026-01-02T01:00:00Z"),
    ]
    assert told["data"][0]["exchanges"] == ["binance", "bybit"]
    assert told["meta"]["left_out"] == 0
    at = found(client, "max-pain", symbol=None, exchanges="binance")
    assert [row["symbol"] for row in at["data"]] == ["BTCUSDT"]


def test_a_range_counts_only_levels_born_in_it(client, heatmaps):
    (told,) = found(client, "max-pain", range="12h")["data"]
    longs, shorts = moment(heatmaps, since=TIME - timedelta(hours=12)).max_pain()
    assert told["long_max_pain_price"] == pytest.approx(longs.price)
    assert told["long_max_pain_notional"] == pytest.approx(longs.notional, abs=0.01)
    assert told["short_max_pain_notional"] == pytest.approx(shorts.notional, abs=0.01)
    assert (
        told["long_max_pain_notional"]
        < found(client, "max-pain")["data"][0]["long_max_pain_notional"]
    )


def test_levels_are_the_open_buckets_of_each_side(client, heatmaps):
    told, engine = found(client, "levels")["data"], moment(heatmaps)
    size = moment(heatmaps, measure="size")
    for side, name in enumerate(("long", "short")):
        rows = [row for row in told if row["side"] == name]
        held = engine.whole.sum(axis=1)[side]
        assert_allclose([row["notional"] for row in rows], held[held > 0], atol=0.0051)
        held = size.whole.sum(axis=1)[side]
        assert_allclose([row["size"] for row in rows], held[held > 0], atol=1e-7)
        assert found(client, "levels", side=name)["data"] == rows
    prices = [row["price"] for row in told]
    assert prices == sorted(prices)


def test_levels_say_that_they_are_deprecated_and_what_comes_instead(client):
    answer = get(client, "levels")
    since = datetime.fromtimestamp(int(answer.headers["deprecation"].removeprefix("@")), UTC)
    sunset = parsedate_to_datetime(answer.headers["sunset"])
    assert answer.headers["sunset"].endswith(" GMT")
    told = answer.json()["deprecated"]
    assert datetime.fromisoformat(told["since"]) == since < sunset
    assert datetime.fromisoformat(told["sunset"]) == sunset
    assert answer.headers["link"] == f'<{told["successor"]}>; rel="successor-version"'
    assert told["successor"].startswith("/liquidations/heatmap-timeseries?symbol=BTCUSDT&")
    instead = client.get(answer.links["successor-version"]["url"])
    assert instead.status_code == 200
    assert instead.json()["meta"]["exchanges"] == ["binance", "bybit"]
    schema = client.get("/openapi.json").json()["paths"]
    assert schema["/liquidations/levels"]["get"]["deprecated"] is True
    assert "deprecated" not in schema["/liquidations/map"]["get"]
    assert get(client, "levels", format="csv").headers["sunset"] == answer.headers["sunset"]


@pytest.mark.parametrize(
    ("route", "changes", "header"),
    [
        ("map", {}, "price,side,leverage,notional,cumulative"),
        ("map", {"by": "exchange"}, "price,side,exchange,notional,cumulative"),
        ("levels", {}, "price,side,notional,size"),
        (
            "max-pain",
            {},
            "symbol,exchanges,time,last_price,long_max_pain_price,long_max_pain_notional,"
            "calibrated_long_max_pain_notional,short_max_pain_price,short_max_pain_notional,"
            "calibrated_short_max_pain_notional",
        ),
    ],
)
def test_tables_hold_what_documents_hold(client, route, changes, header):
    answer = get(client, route, format="csv", **changes)
    told, *rows = answer.text.splitlines()
    assert told == header
    data = found(client, route, **changes)["data"]
    if route == "map":
        amounts = [float(row.split(",")[3]) for row in rows]
        total = sum(sum(each[side].values()) for each in data for side in ("long", "short"))
        assert sum(amounts) == pytest.approx(total)
    else:
        assert len(rows) == len(data)
    parquet = get(client, route, format="parquet", **changes)
    assert parquet.content[:4] == b"PAR1"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"exchanges": "binance,ftx"}, 400, "ftx is not"),
        ({"exchanges": "\N{SNOWMAN}"}, 400, "is not"),
        ({"symbol": "XRPUSDT"}, 404, "Load candles and open interest with"),
        ({"exchanges": "okx"}, 404, "No open interest is stored"),
        ({"exchanges": "hyperliquid"}, 404, "stored are binance, bybit, okx"),
        ({"time": "2026-03-01"}, 404, "there are data from 2026-01-01"),
        ({"time": "2001-03-01"}, 404, "there are data from 2026-01-01"),
        ({"time": "2026-01-01"}, 404, "there are data from 2026-01-01"),
        ({"time": "soon"}, 422, "valid datetime"),
        ({"time": "9999-12-31T23:59:59-23:59"}, 422, "before 2100"),
        ({"time": "1e400"}, 422, "valid datetime"),
        ({"time": "9" * 400}, 422, "time"),
        ({"time": "nan"}, 422, "time"),
        ({"symbol": ""}, 422, "should match pattern"),
        ({"symbol": "\N{GREEK CAPITAL LETTER BETA}TC"}, 422, "should match pattern"),
        ({"model": "astrology"}, 422, "must be one of"),
        ({"leverage_weights": "5:inf"}, 422, "leverage_weights"),
        ({"leverage_weights": "nan:1"}, 422, "leverage_weights"),
        ({"exchange": "binance"}, 422, "no such parameter"),
        ({"format": "xml"}, 422, "'json', 'csv' or 'parquet'"),
    ],
)
def test_what_cannot_be_answered_says_why(client, route, changes, status, words):
    answer = get(client, route, **changes)
    assert answer.status_code == status, answer.text
    assert words in answer.text


def test_the_widest_bucket_holds_all(client):
    answer = get(client, "map", price_bin_size=1.6e308)
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 1


@pytest.mark.parametrize(
    ("route", "changes", "words"),
    [
        ("map", {"price_bins": 2001}, "less than or equal to 2000"),
        ("map", {"price_low": 5, "price_high": 4}, "must ascend"),
        ("map", {"price_low": 5}, "must ascend"),
        ("map", {"price_low": 1, "price_high": "1e300"}, "must be between"),
        ("map", {"price_low": 0, "price_high": "1e-300"}, "must be between"),
        ("map", {"price_bin_size": 1e-300}, "are too many"),
        ("map", {"price_bin_size": "inf"}, "finite number"),
        ("map", {"by": "colour"}, "'leverage' or 'exchange'"),
        ("map", {"what_if": "nan"}, "finite number"),
        ("map", {"what_if": -1}, "greater than or equal to 0"),
        ("map", {"what_if": 5, "format": "csv"}, "what_if is told in format json only"),
        ("max-pain", {"range": "1y"}, "'12h', '24h', '48h', '3d', '7d', '14d' or '30d'"),
        ("levels", {"side": "buy"}, "'both', 'long' or 'short'"),
        ("levels", {"price_bin_size": 0.5}, "at most 2000 are possible"),
    ],
)
def test_bad_parameters_say_what_is_allowed(client, route, changes, words):
    answer = get(client, route, **changes)
    assert answer.status_code == 422, answer.text
    assert words in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"what_if": 0},
        {"what_if": "1e308"},
        {"price_low": 0, "price_high": "1e-249"},
        {"price_low": 0, "price_high": "1e249"},
        {"price_low": 1, "price_high": 2, "price_bins": 1},
        {"time": "2026-01-01T00:05:00Z"},
        {"exchanges": ",,binance,,"},
    ],
)
def test_odd_parameters_that_can_be_are_answered(client, changes):
    assert get(client, "map", **changes).status_code == 200


def test_too_many_parts_say_how_many_buckets_fit(client):
    many = ",".join(f"{leverage}:1" for leverage in range(2, 122))
    wide = {"price_low": 45_000, "price_high": 55_000, "price_bins": 2000}
    answer = get(client, "map", leverage_weights=many, **wide)
    assert answer.status_code == 422
    assert "ask for 833 price_bins or fewer" in answer.text
    assert (
        get(client, "map", leverage_weights=many, **wide | {"price_bins": 833}).status_code == 200
    )


def test_an_empty_database_has_no_max_pain_and_says_what_to_do_otherwise(tmp_path):
    with memory_store() as store, serving(store, tmp_path) as client:
        assert get(client, "max-pain", symbol=None, time=None, exchanges=None).json()["data"] == []
        for name in ("csv", "parquet"):
            empty = get(client, "max-pain", symbol=None, time=None, exchanges=None, format=name)
            assert empty.status_code == 200, empty.text
        for route in ROUTES:
            answer = get(client, route, exchanges=None)
            assert answer.status_code == 404
            assert "liqheat ingest" in answer.text


def test_sums_of_empty_maps_are_zero(client):
    far = {"price_low": 1, "price_high": 2, "price_bins": 4}
    told = found(client, "map", **far)
    assert all(bucket["long"] == {} for bucket in told["data"])
    assert np.ptp([bucket["long_cumulative"] for bucket in told["data"]]) == 0
    assert found(client, "levels", **far)["data"] == []
