from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from dash import html

from components import ids
from components.coverage_table import MOST_GAPS, coverage_rows, coverage_sum, gap_list
from components.data_page import data_page
from components.exchange_cards import exchange_cards
from components.job_list import job_list, job_progress, job_shape

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Connection:
    exchange: str = "okx"
    state: str = "connected"
    last_message: datetime | None = NOW
    last_event: datetime | None = NOW - timedelta(seconds=7)
    lag: float | None = 0.213
    last_error: str | None = None
    last_error_time: datetime | None = None
    events_per_minute: int = 1234
    reconnects: int = 2


@dataclass
class Gap:
    start: datetime
    stop: datetime


@dataclass
class Series:
    exchange: str = "binance"
    symbol: str = "BTCUSDT"
    kind: str = "candles"
    interval: timedelta | None = timedelta(minutes=5)
    first: datetime = NOW - timedelta(days=1)
    last: datetime = NOW
    rows: int = 288
    gaps: tuple = ()


@dataclass
class Job:
    number: int = 3
    exchange: str = "bybit"
    title: str = "History: BTCUSDT, the last 30 days"
    state: str = "running"
    part: float = 0.254
    detail: str = "10 of 40 requests"
    rows: int = 1
    seconds_left: float | None = 75.0
    error: str = ""
    notes: tuple = ()


def text(part):
    """Return what a reader sees of components."""
    if part is None:
        return ""
    if isinstance(part, list | tuple):
        return " ".join(filter(None, map(text, part)))
    return text(part.children) if hasattr(part, "children") else str(part)


def found(part, **wanted):
    """Return the components below one that have these attributes."""
    parts = part if isinstance(part, list | tuple) else [part]
    below = [each for p in parts if hasattr(p, "_traverse") for each in [p, *p._traverse()]]
    return [
        each
        for each in below
        if all(getattr(each, name, None) == value for name, value in wanted.items())
    ]


def test_a_card_says_the_state_in_a_word_and_all_figures():
    (card,) = exchange_cards([Connection()], NOW, collecting=True)
    said = text(card)
    for part in ("OKX", "connected", "7 s ago", "1,234", "0.21 s", "Reconnects 2"):
        assert part in said
    assert "Last error" not in said


@pytest.mark.parametrize("state", ["connected", "degraded", "down", "off"])
def test_every_state_is_a_word_beside_a_shape(state):
    (card,) = exchange_cards([Connection(state=state)], NOW, collecting=True)
    assert state in text(card)
    assert found(card, className="connection-shape")
    assert not found(card, className="visually-hidden")


def test_what_was_never_measured_is_not_shown_as_zero():
    (card,) = exchange_cards([Connection(lag=None, last_event=None)], NOW, collecting=True)
    assert "never" in text(card)
    assert "Lag –" in text(card)


def test_the_last_error_is_whole_in_a_tooltip_and_reached_by_key():
    error = "OKX closed the connection with code 1006 " * 5
    connection = Connection(last_error=error, last_error_time=NOW - timedelta(minutes=3))
    (card,) = exchange_cards([connection], NOW, collecting=True)
    (shown,) = found(card, className="card-error")
    assert shown.title == error
    assert shown.tabIndex == "0"
    assert "3 min ago" in text(shown)


def test_where_nothing_is_collected_the_cards_say_how_to():
    assert "--collect" in text(exchange_cards([], NOW, collecting=False))
    assert "--collect" not in text(exchange_cards([], NOW, collecting=True))


def test_of_the_simulated_market_it_is_said_that_it_has_no_live_data():
    said = text(exchange_cards([], NOW, collecting=False, simulated=True))
    assert "simulated market has no live data" in said
    assert "start the server" not in said


def test_a_row_of_the_table_has_times_in_utc_and_the_missing_time():
    gaps = (
        Gap(NOW - timedelta(hours=9), NOW - timedelta(hours=8)),
        Gap(NOW - timedelta(hours=3), NOW - timedelta(hours=2, minutes=30)),
    )
    (row,) = coverage_rows([Series(gaps=gaps)])
    assert (row["exchange"], row["symbol"], row["kind"]) == ("Binance", "BTCUSDT", "candles")
    assert (row["interval"], row["rows"]) == ("5m", 288)
    assert (row["first"], row["last"]) == ("2026-02-28 12:00", "2026-03-01 12:00")
    assert (row["gaps"], row["missing"], row["missing_text"]) == (2, 5400, "1 h 30 min")
    assert row["spans"][0] == ["2026-03-01 03:00", "2026-03-01 04:00"]


@pytest.mark.parametrize(
    ("seconds", "name"), [(60, "1m"), (3600, "1h"), (14_400, "4h"), (86_400, "1d"), (90, "90s")]
)
def test_intervals_are_written_as_the_commands_take_them(seconds, name):
    (row,) = coverage_rows([Series(interval=timedelta(seconds=seconds))])
    assert row["interval"] == name


def test_rows_are_told_apart():
    series = [Series(), Series(interval=timedelta(hours=1)), Series(kind="metrics", interval=None)]
    assert len({row["id"] for row in coverage_rows(series)}) == 3


def test_the_table_is_summed_in_a_line():
    series = [Series(), Series(kind="metrics", rows=1000), Series(exchange="okx")]
    assert coverage_sum(series) == "2 markets, 1,576 rows"
    assert coverage_sum([Series()]) == "1 market, 288 rows"


def test_the_gaps_of_a_row_are_listed_and_counted():
    gap = Gap(NOW - timedelta(hours=1), NOW)
    over_night = Gap(NOW - timedelta(days=2), NOW - timedelta(days=1))
    (row,) = coverage_rows([Series(gaps=(gap, over_night))])
    said = text(gap_list(row))
    assert "Binance BTCUSDT candles 5m: 2 gaps, 1 d 1 h missing (UTC)." in said
    assert "2026-03-01 11:00 – 12:00" in said
    assert "2026-02-27 12:00 – 2026-02-28 12:00" in said


def test_no_more_gaps_are_sent_than_can_be_read():
    gaps = tuple(
        Gap(NOW + timedelta(hours=n), NOW + timedelta(hours=n, minutes=5))
        for n in range(MOST_GAPS + 7)
    )
    (row,) = coverage_rows([Series(gaps=gaps)])
    assert len(row["spans"]) == MOST_GAPS
    assert "and 7 more" in text(gap_list(row))


def test_without_gaps_or_without_a_row_there_is_a_sentence():
    (row,) = coverage_rows([Series()])
    assert text(gap_list(row)) == "Binance BTCUSDT candles 5m: no gaps."
    assert "Choose a row" in text(gap_list(None))


def test_a_running_job_says_how_far_it_is_and_can_be_cancelled():
    (job,) = job_list([Job()])
    said = text(job)
    for part in ("Bybit", "25%", "10 of 40 requests", "1 new row", "about 1 min left"):
        assert part in said
    (button,) = found(job, type="button")
    assert getattr(button, "data-action") == "cancel"
    assert getattr(button, "data-number") == "3"
    assert getattr(found(job, role="progressbar")[0], "aria-valuenow") == "25"


def test_no_time_left_is_told_where_there_would_be_none():
    assert "left" not in text(job_list([Job(seconds_left=0.3)]))
    assert "about 1 s left" in text(job_list([Job(seconds_left=1.0)]))


@pytest.mark.parametrize(
    ("state", "action"),
    [("waiting", "cancel"), ("failed", "again"), ("cancelled", "again"), ("done", None)],
)
def test_a_job_offers_what_can_be_done_with_it(state, action):
    buttons = found(job_list([Job(state=state, seconds_left=None)]), type="button")
    assert [getattr(button, "data-action") for button in buttons] == ([action] if action else [])


def test_a_job_of_which_a_part_failed_says_so_and_can_be_started_again():
    (job,) = job_list([Job(state="done", error="A file failed.", seconds_left=None)])
    assert "Done but for what failed" in text(job)
    (button,) = found(job, type="button")
    assert getattr(button, "data-action") == "again"


def test_a_job_tells_its_error_and_what_there_is_not():
    notes = ("Not in the archive: metrics of 2024-02-29.",)
    (job,) = job_list([Job(state="failed", error="No answer.", notes=notes)])
    assert "No answer." in text(job)
    assert "1 note" in text(job)
    assert notes[0] in text(job)


def test_only_what_is_more_than_progress_changes_the_list_s_shape():
    jobs = [Job(), Job(number=2, state="waiting")]
    later = [Job(part=0.6, rows=90, detail="24 of 40 requests", seconds_left=None), jobs[1]]
    assert job_shape(later) == job_shape(jobs)
    for other in (Job(state="done"), Job(error="No answer."), Job(notes=("None.",))):
        assert job_shape([other, jobs[1]]) != job_shape(jobs)
    assert job_shape(jobs[:1]) != job_shape(jobs)


def test_progress_says_the_same_as_the_list():
    (told,) = job_progress([Job()])
    (drawn,) = job_list([Job()])
    assert (told["number"], told["part"]) == (3, 0.254)
    assert told["said"] in text(drawn)


def test_without_jobs_the_list_says_so():
    assert text(job_list([])) == "No jobs yet."


def test_the_page_says_licence_interval_and_limits_before_anything_is_fetched():
    said = text(data_page(html.Nav()))
    assert "CC BY-NC-SA 4.0: not for commercial use" in said
    assert "Candles of 5 minutes since 2020, open interest since September 2020" in said


def test_every_id_of_the_page_is_there_once():
    names = [
        name
        for part in data_page(html.Nav())._traverse()
        if (name := getattr(part, "id", None)) is not None
    ]
    assert len(names) == len(set(names))
    assert {ids.COVERAGE, ids.JOBS, ids.RECENT_ROWS, ids.EXCHANGE_CARDS} <= set(names)
