"""What the Data page reads of a database, and who may start jobs by it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import orjson
import pytest

from app.callbacks.data_page import recent_answer
from app.heatmaps import StoredHeatmaps
from app.jobs import Jobs
from app.main import create_app
from app.settings import Settings
from app.stored_data import MOST_RECENT, StoredData
from ingest.store import Store

NOON = np.datetime64("2026-03-01T12:00", "us")


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "market.duckdb") as opened:
        yield opened


def add(store, n=3, exchange="binance", symbol="BTCUSDT", start=NOON, **columns):
    values = {
        "exchange": exchange,
        "symbol": symbol,
        "time": start + np.arange(n) * np.timedelta64(1, "s"),
        "side": np.full(n, 1, np.int8),
        "quantity": np.full(n, 0.5),
        "price": 100.0 + np.arange(n),
    }
    store.add_liquidations(values | columns)


def test_the_newest_liquidations_of_all_markets_come_first(store):
    add(store)
    add(store, exchange="okx", symbol="ETHUSDT", start=NOON + np.timedelta64(1500, "ms"))
    told = StoredData(store).recent()
    assert [(row["exchange"], row["time"]) for row in told[:3]] == [
        ("okx", "2026-03-01T12:00:03.500Z"),
        ("okx", "2026-03-01T12:00:02.500Z"),
        ("binance", "2026-03-01T12:00:02.000Z"),
    ]
    assert told[-1] == {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "side": "long",
        "time": "2026-03-01T12:00:00.000Z",
        "received": None,
        "quantity": 0.5,
        "price": 100.0,
        "notional": 50.0,
        "trade_id": None,
    }


def test_they_are_those_of_an_exchange_or_a_symbol_and_not_too_many(store):
    add(store, n=MOST_RECENT + 9)
    add(store, exchange="okx")
    add(store, exchange="okx", symbol="ETHUSDT")
    stored = StoredData(store)
    assert len(stored.recent()) == MOST_RECENT
    assert {row["exchange"] for row in stored.recent("okx")} == {"okx"}
    assert [row["symbol"] for row in stored.recent("okx", "ETHUSDT")] == ["ETHUSDT"] * 3
    assert stored.recent("bybit") == []
    assert stored.recent("okx' OR true --") == []


def test_the_answer_says_what_it_is_an_answer_to(store):
    add(store)
    told = recent_answer(
        StoredData(store), {"exchange": "binance", "symbol": "BTCUSDT", "at": 1}, collecting=True
    )
    assert (told["exchange"], told["symbol"], told["collecting"]) == ("binance", "BTCUSDT", True)
    assert len(told["rows"]) == 3


def test_coverage_is_found_once_until_something_is_stored(store, monkeypatch):
    add(store)
    counted = []
    coverage = Store.coverage
    monkeypatch.setattr(Store, "coverage", lambda self: counted.append(1) or coverage(self))
    stored = StoredData(store)
    assert [row.rows for row in stored.coverage()] == [3]
    stored.coverage()
    assert len(counted) == 1
    add(store, start=NOON + np.timedelta64(1, "h"))
    assert [row.rows for row in stored.coverage()] == [6]
    assert len(counted) == 2


def test_readers_who_wait_together_are_answered_together(store, monkeypatch):
    add(store)
    begun, go_on, counted = threading.Event(), threading.Event(), []
    coverage = Store.coverage

    def slow(self):
        counted.append(1)
        add(self, n=1, start=NOON + len(counted) * np.timedelta64(1, "h"))  # live data come
        begun.set()
        assert go_on.wait(180)
        return coverage(self)

    monkeypatch.setattr(Store, "coverage", slow)
    stored = StoredData(store)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(stored.coverage)
        assert begun.wait(180)
        others = [pool.submit(stored.coverage) for _ in range(7)]
        while not all(other.running() for other in others):
            pass
        go_on.set()
        assert {reader.result()[0].rows for reader in (first, *others)} <= {4, 5}
    assert len(counted) <= 3


# What a page of another site could send without asking the browser for leave: a body that is text.
SUBMIT = {
    "output": "job-answer.children@x",
    "outputs": {"id": "job-answer", "property": "children"},
    "inputs": [{"id": "job-action", "property": "data", "value": {"action": "again", "number": 1}}],
    "state": [],
    "changedPropIds": ["job-action.data"],
}


@pytest.mark.parametrize(
    ("kind", "settings", "asked"),
    [
        ("application/json", {}, True),
        ("text/plain", {}, False),
        ("application/json", {"api_token": "secret"}, False),
    ],
)
def test_other_sites_and_strangers_start_no_jobs(store, tmp_path, kind, settings, asked):
    settings = Settings(database=tmp_path / "market.duckdb", cache_dir=tmp_path / "c", **settings)
    jobs, acted = Jobs(store, settings), []
    jobs.again = lambda number: acted.append(number) or number
    heatmaps = StoredHeatmaps(store, settings)
    server = create_app(settings, heatmaps, jobs=jobs)

    async def send():
        transport = httpx.ASGITransport(server, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            secret = {"authorization": "Bearer secret"}
            dependencies = (await http.get("/_dash-dependencies", headers=secret)).json()
            callback = next(
                each
                for each in dependencies
                if [one["id"] for one in each["inputs"]] == ["job-action"]
            )

            body = orjson.dumps(SUBMIT | {"output": callback["output"]})
            headers = {"content-type": kind}
            return await http.post("/data/_dash-update-component", content=body, headers=headers)

    try:
        asyncio.run(send())
    finally:
        heatmaps.close()
    assert acted == ([1] if asked else [])
