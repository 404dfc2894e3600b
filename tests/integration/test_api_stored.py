"""What is stored, as programs ask for it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine.tiers import EXCHANGES
from ingest.intervals import interval_name
from tests.api import serving
from tests.stores import START, add_market, memory_store

ROUTES = ("exchanges", "symbols", "coverage")


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2, bars=300, missing=[100, 101, 200])
        add_market(store, "okx", "ETHUSDT", seed=3, open_interest=False)
        add_market(store, "sim", "AAAUSDT", seed=4, bars=100)
        add_market(store, "okx", "AAAUSDT", seed=5, bars=100, open_interest=False)
        store.add_funding_rates(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "time": np.array(["2026-01-01T00", "2026-01-01T08"], "datetime64[us]"),
                "funding_rate": np.array([0.0001, 0.0001]),
            }
        )
        yield store


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("api")) as client:
        yield client


def found(client, route, **asked):
    answer = client.get(f"/{route}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def iso(time):
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def test_exchanges_are_those_supported_and_those_stored(client):
    told = found(client, "exchanges")
    assert [row["exchange"] for row in told] == [*EXCHANGES, "sim"]
    by_name = {row["exchange"]: row for row in told}
    assert by_name["binance"] == {
        "exchange": "binance",
        "supported": True,
        "stored": True,
        "symbols": ["BTCUSDT"],
        "first": "2026-01-01T00:00:00Z",
        "last": "2026-01-03T02:00:00Z",
    }
    assert by_name["hyperliquid"]["supported"]
    assert not by_name["hyperliquid"]["stored"]
    assert by_name["hyperliquid"]["first"] is None
    assert not by_name["sim"]["supported"]
    assert by_name["sim"]["stored"]


def test_symbols_tell_their_exchanges_and_whether_they_can_be_mapped(client):
    told = found(client, "symbols")
    assert [(row["symbol"], row["mapped"]) for row in told] == [
        ("AAAUSDT", True),
        ("BTCUSDT", True),
        ("ETHUSDT", False),
    ]
    assert [(part["exchange"], part["mapped"]) for part in told[0]["exchanges"]] == [
        ("okx", False),
        ("sim", True),
    ]
    bitcoin = told[1]
    assert bitcoin["first"] == iso(START)
    assert bitcoin["last"] == "2026-01-03T02:00:00Z"
    assert [(part["exchange"], part["mapped"], part["last"]) for part in bitcoin["exchanges"]] == [
        ("binance", True, "2026-01-03T02:00:00Z"),
        ("bybit", True, "2026-01-02T01:00:00Z"),
    ]


@pytest.mark.parametrize("route", ["exchanges", "symbols"])
def test_lists_are_filtered_by_exchange(client, route):
    told = found(client, route, exchanges="bybit,okx")
    names = [row.get("symbol", row["exchanges"] if route == "symbols" else row["exchange"])
             for row in told]  # fmt: skip
    assert (
        names
        == {"exchanges": ["bybit", "okx"], "symbols": ["AAAUSDT", "BTCUSDT", "ETHUSDT"]}[route]
    )


def test_coverage_is_the_stores(client, store):
    told = found(client, "coverage", gaps=1000)
    stored = store.coverage()
    assert len(told) == len(stored)
    for row, coverage in zip(told, stored, strict=True):
        assert row == {
            "exchange": coverage.exchange,
            "symbol": coverage.symbol,
            "kind": coverage.kind,
            "interval": coverage.interval and interval_name(coverage.interval),
            "first": iso(coverage.first),
            "last": iso(coverage.last),
            "rows": coverage.rows,
            "gap_count": len(coverage.gaps),
            "gaps": [{"start": iso(gap.start), "stop": iso(gap.stop)} for gap in coverage.gaps],
        }


@pytest.mark.parametrize(
    ("asked", "markets"),
    [
        ({"symbol": "btcusdt", "kind": "candles"}, {("binance", "BTCUSDT"), ("bybit", "BTCUSDT")}),
        ({"exchanges": "bybit"}, {("bybit", "BTCUSDT")}),
        (
            {"exchanges": "BYBIT,okx", "kind": "candles"},
            {("bybit", "BTCUSDT"), ("okx", "AAAUSDT"), ("okx", "ETHUSDT")},
        ),
        ({"kind": "funding"}, {("binance", "BTCUSDT")}),
        ({"kind": "trades"}, set()),
        ({"symbol": "ETHUSDT", "kind": "trades"}, set()),
        ({"exchanges": "hyperliquid"}, set()),
    ],
)
def test_coverage_is_filtered(client, asked, markets):
    told = found(client, "coverage", **asked)
    assert {(row["exchange"], row["symbol"]) for row in told} == markets
    if "kind" in asked:
        assert {row["kind"] for row in told} == ({asked["kind"]} if markets else set())


def test_gaps_are_listed_up_to_a_number_and_counted(client):
    asked = {"exchanges": "bybit", "kind": "candles"}
    (row,) = found(client, "coverage", **asked)
    assert row["gap_count"] == 2
    assert row["gaps"][0] == {"start": "2026-01-01T08:20:00Z", "stop": "2026-01-01T08:30:00Z"}
    (row,) = found(client, "coverage", gaps=1, **asked)
    assert (row["gap_count"], len(row["gaps"])) == (2, 1)
    (row,) = found(client, "coverage", gaps=0, **asked)
    assert (row["gap_count"], row["gaps"]) == (2, [])


@pytest.mark.parametrize("route", ROUTES)
def test_an_empty_database_has_empty_lists(tmp_path, route):
    with memory_store() as store, serving(store, tmp_path) as client:
        told = found(client, route)
        if route == "exchanges":
            assert [row["exchange"] for row in told] == list(EXCHANGES)
            assert not any(row["stored"] for row in told)
        else:
            assert told == []
        for name in ("csv", "parquet"):
            assert client.get(f"/{route}", params={"format": name}).status_code == 200


@pytest.mark.parametrize(
    ("route", "header", "row"),
    [
        (
            "exchanges",
            "exchange,supported,stored,symbols,first,last",
            "hyperliquid,true,false,,,",
        ),
        (
            "symbols",
            "symbol,exchange,mapped,first,last",
            "BTCUSDT,bybit,true,2026-01-01T00:00:00Z,2026-01-02T01:00:00Z",
        ),
        (
            "coverage",
            "exchange,symbol,kind,interval,first,last,rows,gaps",
            "bybit,BTCUSDT,candles,5m,2026-01-01T00:00:00Z,2026-01-02T01:00:00Z,297,2",
        ),
    ],
)
def test_lists_are_tables_too(client, route, header, row):
    answer = client.get(f"/{route}", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    told, *rows = answer.text.splitlines()
    assert told == header
    assert row in [line.replace('""', "") for line in rows]
    parquet = client.get(f"/{route}", params={"format": "parquet"})
    assert parquet.content[:4] == b"PAR1"


def test_lists_change_with_the_data(tmp_path):
    with memory_store() as store, serving(store, tmp_path) as client:
        assert found(client, "symbols") == []
        empty = client.get("/symbols")
        add_market(store, "binance", seed=1)
        again = client.get("/symbols", headers={"If-None-Match": empty.headers["etag"]})
        assert again.status_code == 200
        assert datetime.fromisoformat(again.json()["data"][0]["first"]) == datetime(
            2026, 1, 1, tzinfo=UTC
        )


@pytest.mark.parametrize(
    ("route", "asked", "status", "words"),
    [
        *[(route, {"exchanges": "ftx"}, 400, "ftx is not") for route in ROUTES],
        *[(route, {"exchanges": "\N{SNOWMAN}\x00'--"}, 400, "is not") for route in ROUTES],
        *[(route, {"exchanges": "x" * 201}, 422, "at most 200 characters") for route in ROUTES],
        *[(route, {"limit": 5}, 422, "no such parameter") for route in ROUTES],
        *[(route, {"format": ""}, 422, "'json', 'csv' or 'parquet'") for route in ROUTES],
        ("coverage", {"symbol": "XRPUSDT"}, 404, "Nothing is stored for XRPUSDT yet. Load some"),
        ("coverage", {"symbol": "ETHUSDT", "exchanges": "bybit"}, 404, "for ETHUSDT on bybit yet"),
        ("coverage", {"symbol": ""}, 422, "should match pattern"),
        ("coverage", {"symbol": "BTC%"}, 422, "should match pattern"),
        ("coverage", {"kind": "levels"}, 422, "'candles'"),
        ("coverage", {"gaps": 1001}, 422, "less than or equal to 1000"),
        ("coverage", {"gaps": "nan"}, 422, "valid integer"),
    ],
)
def test_bad_parameters_say_what_is_allowed(client, route, asked, status, words):
    answer = client.get(f"/{route}", params=asked)
    assert answer.status_code == status, answer.text
    assert words in answer.text
