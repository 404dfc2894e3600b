"""The interface does what its description (OpenAPI) says, whatever is asked."""

import re
from types import SimpleNamespace

import httpx
import pytest
import schemathesis
from schemathesis.specs.openapi import checks

from app.api.answers import Answers
from app.api.routers import api_routers
from app.heatmaps import StoredHeatmaps
from app.main import create_app
from app.settings import Settings
from tests.api import DEADLINE, running
from tests.stores import add_market, memory_store

TOKEN = "open-sesame"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
GUARDED = {"api_token": TOKEN, "rate_limit": "off"}

# Arbitrary text names no symbol, and arbitrary times have no data: without these no answer but
# errors would be seen.
CONFIG = {
    "seed": 1,
    # A first answer may wait for kernels to compile; unless told, ten seconds are waited for it.
    "request-timeout": DEADLINE,
    "generation": {"max-examples": 20, "deterministic": True},
    "dictionaries": {
        "symbols": {"values": ["BTCUSDT", "btcusdt", "BTC", "ETHUSDT"]},
        "exchanges": {"values": ["binance", "bybit", "binance,bybit"]},
        "exchange": {"values": ["Binance", "bybit"]},
        "starts": {"values": ["2026-01-01T06:00:00Z", "2026-01-01T08:00", "1767254400000"]},
        "ends": {"values": ["2026-01-02T06:00:00Z", "2026-01-02", "1767340800000"]},
    },
    "parameters": {
        "query.symbol": {"dictionary": "symbols", "probability": 0.9},
        "query.exchanges": {"dictionary": "exchanges", "probability": 0.8},
        "query.exchange": {"dictionary": "exchange", "probability": 0.8},
        "query.start_time": {"dictionary": "starts", "probability": 0.8},
        "query.end_time": {"dictionary": "ends", "probability": 0.8},
        "query.time": {"dictionary": "ends", "probability": 0.8},
    },
}


def described(**settings):
    """Return the description of a server, which needs no data."""
    heatmaps = SimpleNamespace(state=dict, caches=list)
    return create_app(Settings(**settings), heatmaps, api_routers(heatmaps, None)).openapi()


DOCUMENT = described(**GUARDED)
OPERATIONS = [
    pytest.param(path, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for operation in methods.values()
]

schema = schemathesis.openapi.from_dict(
    described(**GUARDED), config=schemathesis.Config.from_dict(CONFIG)
)


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """Return the address of a server with two exchanges' data, which asks for a token."""
    settings = Settings(cache_dir=tmp_path_factory.mktemp("api") / "cache", **GUARDED)
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2)
        heatmaps = StoredHeatmaps(store, settings)
        answers = Answers(heatmaps.disk, settings)
        server = create_app(settings, heatmaps, api_routers(heatmaps, answers))
        with running(server) as address:
            yield address
        answers.close()
        heatmaps.close()


@schema.parametrize()
def test_every_answer_is_as_described(case, where):
    case.call_and_validate(
        base_url=where,
        headers=SHOWN,
        # What each parameter may be is described, but not what they may be together: that spans
        # have data, prices ascend and sizes fit is told by the answer, and a request that is fine
        # by itself can be refused.
        excluded_checks=[checks.positive_data_acceptance],
    )


def test_the_description_is_valid_and_the_servers_own(where):
    served = httpx.get(f"{where}/openapi.json", headers=SHOWN, timeout=DEADLINE).json()
    assert served["openapi"].startswith("3.1.")
    assert served == DOCUMENT
    schemathesis.openapi.from_dict(served).validate()


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_every_operation_is_told_in_words(path, operation):
    assert re.fullmatch(r"[a-z][a-z0-9_]+", operation["operationId"])
    assert 10 <= len(operation["summary"]) <= 60
    assert len(operation["description"]) >= 30
    (tag,) = operation["tags"]
    assert tag in {each["name"] for each in DOCUMENT["tags"]}
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description") or "enum" in str(parameter["schema"]), parameter
    if path != "/health":
        assert "401" in operation["responses"]
    if any(each["name"] == "symbol" for each in operation.get("parameters", ())):
        assert {"304", "400", "404", "422"} <= set(operation["responses"])


def test_names_of_operations_differ():
    names = [operation["operationId"] for _, operation in (each.values for each in OPERATIONS)]
    assert len(set(names)) == len(names)


def test_credentials_and_limits_are_described_where_they_are_asked_for():
    guarded = DOCUMENT["paths"]["/liquidations/heatmap"]["get"]
    assert guarded["security"] == [{"token": []}, {"login": []}]
    assert "429" not in guarded["responses"]
    open_to_all = described()["paths"]["/liquidations/heatmap"]["get"]
    assert "security" not in open_to_all
    assert "401" not in open_to_all["responses"]
    assert "Retry-After" in open_to_all["responses"]["429"]["headers"]
