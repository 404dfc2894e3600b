"""The Data page: thin edges between Dash and plain functions."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.backfills import backfill_wish, history_limits
from app.callbacks.clientside import in_browser
from app.exchange_states import States
from app.jobs import ENDED, INTERVAL, MOST_DAYS, Jobs, JobState, as_sentence
from app.stored_data import StoredData
from app.threads import threaded
from components import ids
from components.coverage_table import coverage_rows, coverage_sum, gap_list
from components.exchange_cards import exchange_cards
from components.job_list import job_list, job_progress, job_shape, limit_list
from components.theme import exchange_colour, exchange_name
from ingest.adapters import ADAPTERS, make_adapter

NO_JOBS = "No data can be loaded here; the command line can: liqheat fetch, liqheat backfill."
_FAST, _SLOW = 1000, 10_000


def register_data_page(
    app: Dash,
    pool: ThreadPoolExecutor,
    stored: StoredData,
    *,
    states: States | None = None,
    jobs: Jobs | None = None,
    collecting: bool = False,
) -> None:
    """Connect the Data page to the database, the collector and the jobs."""
    _register_exchanges(app, pool, stored, states, collecting=collecting)
    _register_coverage(app, pool, stored)
    _register_jobs(app, pool, jobs)
    if jobs is not None:
        _register_forms(app, pool, jobs)
    _register_recent(app, pool, stored, collecting=collecting)


def _register_exchanges(
    app: Dash,
    pool: ThreadPoolExecutor,
    stored: StoredData,
    states: States | None,
    *,
    collecting: bool,
) -> None:
    @app.callback(Output(ids.EXCHANGE_CARDS, "children"), Input(ids.DATA_TICK, "n_intervals"))
    @threaded(pool)
    def show_exchanges(_ticks: int | None) -> list[Any]:
        now = datetime.now(UTC)
        return exchange_cards(
            states() if states else [],
            now,
            collecting=collecting,
            simulated=stored.is_simulated(),
        )

    in_browser(app, "data.alive", Input(ids.DATA_TICK, "n_intervals"), prevent_initial_call=True)


def _register_coverage(app: Dash, pool: ThreadPoolExecutor, stored: StoredData) -> None:
    @app.callback(
        Output(ids.COVERAGE, "rowData"),
        Output(ids.COVERAGE_SUM, "children"),
        Output(ids.COVERAGE_EMPTY, "hidden"),
        Output(ids.COVERAGE_FRAME, "hidden"),
        Input(ids.COVERAGE_REFRESH, "n_clicks"),
        Input(ids.JOBS_ENDED, "data"),
        running=[(Output(ids.COVERAGE_REFRESH, "disabled"), True, False)],
    )
    @threaded(pool)
    def show_coverage(_clicks: int | None, _ended: int | None) -> tuple[Any, ...]:
        found = stored.coverage()
        return coverage_rows(found), coverage_sum(found), bool(found), not found

    @app.callback(
        Output(ids.COVERAGE_GAPS, "children"),
        Input(ids.COVERAGE, "selectedRows"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def show_gaps(chosen: list[dict[str, Any]] | None) -> list[Any]:
        return gap_list(chosen[0] if chosen else None)


def _register_jobs(app: Dash, pool: ThreadPoolExecutor, jobs: Jobs | None) -> None:
    @app.callback(
        Output(ids.JOBS, "children"),
        Output(ids.JOBS_SHAPE, "data"),
        Output(ids.JOBS_PROGRESS, "data"),
        Output(ids.JOBS_TICK, "interval"),
        Output(ids.JOBS_ENDED, "data"),
        Output(ids.JOBS_REFUSAL, "children"),
        Output(ids.JOBS_REFUSAL, "hidden"),
        Input(ids.JOBS_TICK, "n_intervals"),
        Input(ids.JOB_ANSWER, "children"),
        State(ids.JOBS_SHAPE, "data"),
        State(ids.JOBS_ENDED, "data"),
    )
    @threaded(pool)
    def show_jobs(
        _ticks: int | None, _answer: Any, shape: str | None, ended: int | None
    ) -> tuple[Any, ...]:
        shown = jobs.states() if jobs else []
        refusal = jobs.refusal if jobs else NO_JOBS
        now_ended, now_shape = count_ended(shown), job_shape(shown)
        return (
            job_list(shown) if now_shape != shape else no_update,
            now_shape,
            job_progress(shown),
            _FAST if any(job.state not in ENDED for job in shown) else _SLOW,
            now_ended if now_ended != (ended or 0) else no_update,
            refusal,
            not refusal,
        )

    in_browser(app, "data.progress", Input(ids.JOBS_PROGRESS, "data"))


def count_ended(jobs: Sequence[JobState]) -> int:
    """Return a number that changes when a job ends, so that what is stored is looked at again."""
    return sum(job.number for job in jobs if job.state in ENDED)


def _register_forms(app: Dash, pool: ThreadPoolExecutor, jobs: Jobs) -> None:
    @app.callback(
        Output(ids.JOB_ANSWER, "children"),
        Input(ids.FETCH_FORM, "n_submit"),
        State(ids.FETCH_SYMBOL, "value"),
        State(ids.FETCH_KINDS, "value"),
        State(ids.FETCH_START, "value"),
        State(ids.FETCH_STOP, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def fetch(
        submitted: int | None,
        symbol: str | None,
        kinds: list[str] | None,
        start: str | None,
        stop: str | None,
    ) -> str:
        if not submitted:
            raise PreventUpdate
        return answer(lambda: ask_fetch(jobs, symbol, kinds, start, stop))

    @app.callback(
        Output(ids.JOB_ANSWER, "children", allow_duplicate=True),
        Input(ids.BACKFILL_FORM, "n_submit"),
        State(ids.BACKFILL_EXCHANGE, "value"),
        State(ids.BACKFILL_SYMBOL, "value"),
        State(ids.BACKFILL_DAYS, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def backfill(
        submitted: int | None, exchange: str | None, symbol: str | None, days: float | None
    ) -> str:
        if not submitted:
            raise PreventUpdate
        return answer(lambda: ask_backfill(jobs, exchange, symbol, days))

    @app.callback(
        Output(ids.JOB_ANSWER, "children", allow_duplicate=True),
        Input(ids.JOB_ACTION, "data"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def act(action: dict[str, Any] | None) -> str:
        if not action:
            raise PreventUpdate
        return answer(lambda: ask_action(jobs, action))

    @app.callback(
        Output(ids.BACKFILL_LIMITS, "children"),
        Input(ids.BACKFILL_EXCHANGE, "value"),
        Input(ids.BACKFILL_DAYS, "value"),
    )
    @threaded(pool)
    def show_limits(exchange: str | None, days: float | None) -> list[Any]:
        return limit_list(limits(exchange, days, datetime.now(UTC)))


def answer(ask: Callable[[], str]) -> str:
    """Return what is said to who asked for something, also where it can't be."""
    try:
        return ask()
    except ValueError as e:
        return as_sentence(str(e))


def ask_fetch(
    jobs: Jobs, symbol: str | None, kinds: list[str] | None, start: str | None, stop: str | None
) -> str:
    """Start a fetch as the form says it; return a sentence."""
    if not start:
        raise ValueError("choose the first day")
    if not kinds:
        raise ValueError("choose at least one kind of data")
    number = jobs.add_fetch(symbol or "", ",".join(kinds), start[:10], (stop or "")[:10])
    return f"Job {number} was added."


def ask_backfill(jobs: Jobs, exchange: str | None, symbol: str | None, days: float | None) -> str:
    """Start a backfill as the form says it; return a sentence."""
    if not days or days != int(days):
        raise ValueError("days must be a whole number")
    return f"Job {jobs.add_backfill(exchange or '', symbol or '', int(days))} was added."


def ask_action(jobs: Jobs, action: dict[str, Any]) -> str:
    """Cancel a job or start it again, as its button says it; return a sentence."""
    match action:
        case {"action": "cancel", "number": int(number)}:
            jobs.cancel(number)
            return f"Job {number} is being cancelled."
        case {"action": "again", "number": int(number)}:
            return f"Job {jobs.again(number)} was added; it goes on with what is missing."
    raise ValueError("there is no such button")


def limits(exchange: str | None, days: float | None, now: datetime) -> list[str]:
    """Return sentences on what an exchange does not keep of the last days."""
    if exchange is None or exchange not in ADAPTERS:
        return []
    adapter = make_adapter(exchange)
    span = timedelta(days=min(max(days or 1, 1), MOST_DAYS))
    wish = backfill_wish("BTCUSDT", INTERVAL, now - span, now)
    before = f"{adapter.exchange}, "
    return [sentence.removeprefix(before) for sentence in history_limits(adapter, wish, now)]


def _register_recent(
    app: Dash, pool: ThreadPoolExecutor, stored: StoredData, *, collecting: bool
) -> None:
    @app.callback(Output(ids.RECENT, "data"), Input(ids.RECENT_ASKED, "data"))
    @threaded(pool)
    def load_recent(asked: dict[str, Any] | None) -> dict[str, Any]:
        return recent_answer(stored, asked, collecting=collecting)

    in_browser(app, "data.recent", Input(ids.RECENT, "data"))
    in_browser(
        app,
        "data.filter",
        Input(ids.RECENT_EXCHANGE, "value"),
        Input(ids.RECENT_SYMBOL, "value"),
        prevent_initial_call=True,
    )


def recent_answer(
    stored: StoredData, asked: dict[str, Any] | None, *, collecting: bool
) -> dict[str, Any]:
    """Return the newest liquidations of what is asked for, and whether more come."""
    exchange, symbol = (str((asked or {}).get(name) or "") for name in ("exchange", "symbol"))
    return {
        "exchange": exchange,
        "symbol": symbol,
        "rows": stored.recent(exchange, symbol),
        "collecting": collecting,
        "simulated": stored.is_simulated(),
        "looks": {
            name: {"name": exchange_name(name), "colour": exchange_colour(name)}
            for name in ADAPTERS
        },
    }
