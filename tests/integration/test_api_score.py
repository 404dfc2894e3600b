"""``GET /liquidations/score`` over HTTP."""

import pytest

from app.assumptions import Assumptions
from app.score_record import ScoreRecord
from app.scores import skill_badge
from tests.api import serving
from tests.scored_store import add_bars, known_store

ASKED = {"symbol": "BTCUSDT", "model": "turnover"}
PATH = "/liquidations/score"


@pytest.fixture(scope="module")
def store():
    with known_store() as store:
        add_bars(store, "bybit", seed=2)
        yield store


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("api")) as client:
        yield client


def test_the_score_of_the_latest_data_is_answered_and_kept(client, store):
    answer = client.get(PATH, params=ASKED)
    assert answer.status_code == 200
    (one,) = answer.json()["data"]
    assert one["when"]["verdict"]["answer"] == "yes"
    assert (one["exchange"], one["model"]) == ("binance", "turnover")
    assert one["positions"] is None
    assert one["data_watermark"] == store.watermark((), "BTCUSDT")
    told = skill_badge(store, "BTCUSDT", ["binance"], Assumptions(model="turnover"))
    assert one.pop("badge") == told
    assert ScoreRecord.model_validate(one).when.periods > 100
    (refused,) = answer.json()["refused"]
    assert "No liquidations of BTCUSDT on bybit" in refused


def test_it_is_not_sent_again_while_nothing_changed(client):
    tag = client.get(PATH, params=ASKED).headers["etag"]
    assert client.get(PATH, params=ASKED, headers={"If-None-Match": tag}).status_code == 304


def test_any_period_can_be_scored(client):
    span = {"start_time": "2026-01-05", "end_time": "2026-02-01", "exchanges": "binance"}
    (one,) = client.get(PATH, params=ASKED | span).json()["data"]
    assert (one["start"], one["stop"]) == ("2026-01-05T00:00:00Z", "2026-02-01T00:00:00Z")
    assert one["when"]["periods"] < 27 * 6


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"symbol": "DOGEUSDT"}, 404, "Nothing is stored for DOGEUSDT"),
        ({"exchanges": "bybit"}, 404, "liqheat collect --symbols BTCUSDT"),
        ({"end_time": "2020-01-01"}, 404, "Nothing is stored for BTCUSDT on binance"),
        ({"exchanges": "ftx"}, 400, "ftx"),
        ({"model": "best"}, 422, "model"),
        ({"turnover": 2}, 422, "turnover"),
        ({"speed": 2}, 422, "speed"),
    ],
)
def test_what_can_not_be_scored_says_why(client, asked, status, said):
    answer = client.get(PATH, params=ASKED | asked)
    assert answer.status_code == status, answer.text
    assert said in answer.text
