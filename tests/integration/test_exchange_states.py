"""How connections to exchanges are told, from this process or from the database."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from app.api import exchanges
from app.api.exchanges import exchange_health_router
from app.exchange_states import ExchangeStates
from ingest.live.exchange_health import exchange_health, set_exchange_health
from ingest.live.health import Health
from ingest.store import Store
from tests.api import DEADLINE, running

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
NAMES = ["binance", "bybit", "okx", "hyperliquid"]


def health(exchange="okx", **changes):
    return Health(
        **{
            "exchange": exchange,
            "state": "connected",
            "last_contact": NOW - timedelta(hours=1),
            "last_message": NOW - timedelta(seconds=1),
            "last_event": NOW - timedelta(seconds=7),
            "messages_per_minute": 40,
            "events_per_minute": 9,
            "reconnects": 2,
            "lag": 0.25,
            "last_error": "it broke",
            "last_error_time": NOW - timedelta(minutes=50),
        }
        | changes
    )


@pytest.fixture
def store():
    with Store.open(":memory:") as opened:
        yield opened


def states(store, live=None, now=NOW):
    return {each.exchange: each for each in ExchangeStates(store, live, now=lambda: now).states()}


def test_exchanges_that_were_never_contacted_are_off(store):
    found = states(store)
    assert list(found) == NAMES
    assert {each.state for each in found.values()} == {"off"}
    assert {each.updated_at for each in found.values()} == {None}


def test_what_is_stored_comes_back_as_it_was(store):
    written = [health("okx"), health("bybit", state="down", last_event=None, lag=None)]
    set_exchange_health(store, written, NOW)
    found = exchange_health(store)
    assert [found["okx"].health, found["bybit"].health] == written
    assert found["okx"].updated_at == NOW


@pytest.mark.parametrize(("seconds", "state", "events"), [(30, "connected", 9), (31, "off", 0)])
def test_what_is_stored_counts_for_half_a_minute(store, seconds, state, events):
    set_exchange_health(store, [health("okx")], NOW)
    found = states(store, now=NOW + timedelta(seconds=seconds))["okx"]
    assert (found.state, found.events_per_minute) == (state, events)
    assert (found.messages_per_minute > 0) == (events > 0)
    assert found.last_error == "it broke"
    assert found.updated_at == NOW
    assert found.events is None


def test_what_this_process_knows_goes_first(store):
    set_exchange_health(store, [health("okx"), health("bybit")], NOW)
    live = {"okx": health("okx", state="degraded", events=5, overflows=1)}
    found = states(store, lambda: live, now=NOW + timedelta(seconds=5))
    assert (found["okx"].state, found["okx"].events, found["okx"].overflows) == ("degraded", 5, 1)
    assert found["okx"].updated_at == NOW + timedelta(seconds=5)
    assert (found["bybit"].state, found["bybit"].updated_at) == ("connected", NOW)
    assert found["binance"].state == "off"


def test_the_route_looks_once_in_ten_seconds(store, monkeypatch):
    set_exchange_health(store, [health("okx")], NOW)
    looked = []

    def look():
        looked.append(1)
        return ExchangeStates(store, now=lambda: NOW).states()

    application = FastAPI()
    application.include_router(exchange_health_router(look))
    with running(application) as where, httpx.Client(base_url=where, timeout=DEADLINE) as client:
        first, second = client.get("/exchanges/health"), client.get("/exchanges/health")
        assert first.json() == second.json()
        assert len(looked) == 1
        assert first.headers["cache-control"] == "private, max-age=10"
        assert 0 <= int(second.headers["age"]) <= 10
        monkeypatch.setattr(exchanges, "KEPT_SECONDS", 0.0)
        client.get("/exchanges/health")
        assert len(looked) == 2
    rows = first.json()["data"]
    assert [row["exchange"] for row in rows] == NAMES
    assert rows[2] == {
        "exchange": "okx",
        "state": "connected",
        "last_message": "2026-01-15T11:59:59Z",
        "last_event": "2026-01-15T11:59:53Z",
        "messages_per_minute": 40,
        "events_per_minute": 9,
        "reconnects": 2,
        "lag_seconds": 0.25,
        "last_error": "it broke",
        "last_error_time": "2026-01-15T11:10:00Z",
        "updated_at": "2026-01-15T12:00:00Z",
    }
