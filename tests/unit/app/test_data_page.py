from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from app.callbacks.data_page import (
    answer,
    ask_action,
    ask_backfill,
    ask_fetch,
    count_ended,
    limits,
    recent_answer,
)
from app.jobs import JobState
from app.stored_data import StoredData, recent_rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = JobState(
    number=1,
    exchange="okx",
    title="",
    state="running",
    part=0.0,
    detail="",
    rows=0,
    seconds_left=None,
    error="",
    notes=(),
)


class FakeJobs:
    """Writes down what it is asked for."""

    def __init__(self):
        self.asked = []

    def add_fetch(self, *given):
        self.asked.append(given)
        return 7

    def add_backfill(self, *given):
        self.asked.append(given)
        return 8

    def again(self, number):
        self.asked.append(("again", number))
        return 9

    def cancel(self, number):
        self.asked.append(("cancel", number))


def test_the_forms_ask_as_they_are_filled_in():
    jobs = FakeJobs()
    said = ask_fetch(jobs, "BTCUSDT", ["klines", "metrics"], "2024-01-01", None)
    assert said == "Job 7 was added."
    assert ask_backfill(jobs, "okx", "BTCUSDT", 3) == "Job 8 was added."
    assert jobs.asked == [
        ("BTCUSDT", "klines,metrics", "2024-01-01", ""),
        ("okx", "BTCUSDT", 3),
    ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda jobs: ask_fetch(jobs, None, None, None, None),
        lambda jobs: ask_fetch(jobs, "BTCUSDT", [], "2024-01-01", None),
        lambda jobs: ask_backfill(jobs, None, None, None),
        lambda jobs: ask_backfill(jobs, "okx", "BTCUSDT", 1.5),
        lambda jobs: ask_action(jobs, {"action": "cancel", "number": "1"}),
        lambda jobs: ask_action(jobs, {"action": "drop", "number": 1}),
    ],
)
def test_what_no_form_asks_is_a_sentence_and_nothing_is_done(ask):
    jobs = FakeJobs()
    said = answer(lambda: ask(jobs))
    assert said[0].isupper()
    assert said.endswith(".")
    assert jobs.asked == []


def test_buttons_cancel_and_start_again():
    jobs = FakeJobs()
    assert "being cancelled" in ask_action(jobs, {"action": "cancel", "number": 4})
    assert "goes on with what is missing" in ask_action(jobs, {"action": "again", "number": 4})
    assert jobs.asked == [("cancel", 4), ("again", 4)]


def test_the_number_of_ended_jobs_changes_when_one_ends():
    running = [JOB, replace(JOB, number=2)]
    one = [replace(JOB, state="done"), replace(JOB, number=2)]
    other = [JOB, replace(JOB, number=2, state="failed")]
    assert len({count_ended(jobs) for jobs in (running, one, other)}) == 3


def test_limits_are_said_before_an_exchange_is_asked():
    assert any("open interest of the last 30 days" in said for said in limits("binance", 90, NOW))
    assert limits("binance", 3, NOW) == []
    assert limits("nowhere", 3, NOW) == []
    assert limits(None, None, NOW) == []
    assert limits("okx", 1e300, NOW) != []


def test_stored_liquidations_are_told_as_live_ones():
    found = {
        "time": np.array(["2026-03-01T12:00:00.123456"], "datetime64[us]"),
        "exchange": np.array(["okx"], object),
        "symbol": np.array(["BTCUSDT"], object),
        "side": np.array([-1], np.int8),
        "quantity": np.array([0.5]),
        "price": np.array([64_000.0]),
        "notional": np.array([32_000.0]),
        "received_at": np.array(["NaT"], "datetime64[us]"),
        "trade_id": np.array([7]),
    }
    assert recent_rows(found) == [
        {
            "exchange": "okx",
            "symbol": "BTCUSDT",
            "side": "short",
            "time": "2026-03-01T12:00:00.123Z",
            "received": None,
            "quantity": 0.5,
            "price": 64_000.0,
            "notional": 32_000.0,
            "trade_id": 7,
        }
    ]
    assert recent_rows({name: column[:0] for name, column in found.items()}) == []


def test_without_a_database_there_is_nothing_to_tell():
    told = recent_answer(StoredData(None), None, collecting=False)
    assert (told["rows"], told["collecting"]) == ([], False)
    assert told["looks"]["okx"]["name"] == "OKX"
    assert StoredData(None).coverage() == []
