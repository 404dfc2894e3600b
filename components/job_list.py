"""Jobs that load data: the forms that start them, and how far they are."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from components import ids
from components.accessibility import aria
from components.attributes import data
from components.durations import duration
from components.theme import exchange_colour, exchange_name
from engine.tiers import EXCHANGES

ARCHIVE_KINDS = {
    "klines": "Candles",
    "metrics": "Open interest",
    "fundingRate": "Funding",
    "markPriceKlines": "Mark price",
}
_CHOSEN_KINDS = ["klines", "metrics", "fundingRate"]
_DAYS = 30
_MOST_DAYS = 400

JobStateName = Literal["waiting", "running", "done", "failed", "cancelled"]


class Job(Protocol):
    """One job at one moment."""

    @property
    def number(self) -> int:
        """By which it is cancelled."""

    @property
    def exchange(self) -> str:
        """Whose data."""

    @property
    def title(self) -> str:
        """What is loaded."""

    @property
    def state(self) -> JobStateName:
        """How it is."""

    @property
    def part(self) -> float:
        """How much is done, from 0 to 1."""

    @property
    def detail(self) -> str:
        """The same in words."""

    @property
    def rows(self) -> int:
        """Rows that are new."""

    @property
    def seconds_left(self) -> float | None:
        """Time that it will take yet. [s]"""

    @property
    def error(self) -> str:
        """Why it failed, or a part of it."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences on what there is not."""


def job_list(jobs: Sequence[Job]) -> list[Component]:
    """Return the jobs, or a sentence where there are none."""
    if not jobs:
        return [html.P("No jobs yet.", className="muted")]
    return [_job(job) for job in jobs]


def job_shape(jobs: Sequence[Job]) -> str:
    """Return a text that changes whenever more of the list does than how far the jobs are.

    A list that is drawn anew each second takes the focus away, and loses clicks.
    """
    return repr([(job.number, job.state, job.error, tuple(job.notes)) for job in jobs])


def job_progress(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return how far jobs are, to be written into the list that is there."""
    return [{"number": job.number, "part": job.part, "said": _said(job)} for job in jobs]


def _job(job: Job) -> html.Article:
    bar = html.Div(
        html.I(style={"width": f"{100 * job.part:.1f}%"}),
        className="job-bar",
        role="progressbar",
        **aria(label=job.title, valuenow=f"{round(100 * job.part)}", valuemin="0", valuemax="100"),
    )
    return html.Article(
        [
            html.Div(
                [
                    html.H4(
                        [
                            html.I(
                                className="dot",
                                style={"background": exchange_colour(job.exchange)},
                            ),
                            html.Span(f"{exchange_name(job.exchange)} · {job.title}"),
                        ]
                    ),
                    *_button(job),
                ],
                className="job-head",
            ),
            bar,
            html.P(_said(job), className="job-state"),
            *([html.P(job.error, className="job-error")] if job.error else []),
            *_notes(job.notes),
        ],
        className=f"job is-{job.state}",
        **data(job=job.number, state=job.state),
    )


def _button(job: Job) -> list[Component]:
    match job.state:
        case "waiting" | "running":
            action, label = "cancel", "Cancel"
        case "done" if not job.error:
            return []
        case _:
            action, label = "again", "Start again"
    return [
        html.Button(
            label,
            className="job-button",
            type="button",
            **data(action=action, number=job.number),
            **aria(label=f"{label}: {exchange_name(job.exchange)} {job.title}"),
        )
    ]


_STATES = {
    "waiting": "Waiting for the job before it",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled; what has come is stored",
}


def _said(job: Job) -> str:
    said = ["Done but for what failed" if _is_partly_done(job) else _STATES[job.state]]
    if job.state == "running":
        said.append(f"{job.part:.0%}")
    if job.detail and job.state != "waiting":
        said.append(job.detail)
    if job.state != "waiting":
        said.append(f"{job.rows:,} new {'row' if job.rows == 1 else 'rows'}")
    if job.seconds_left is not None and job.seconds_left >= 1.0:
        said.append(f"about {duration(job.seconds_left)} left")
    return " · ".join(said)


def _is_partly_done(job: Job) -> bool:
    return job.state == "done" and bool(job.error)


def _notes(notes: Sequence[str]) -> list[Component]:
    if not notes:
        return []
    about = "1 note" if len(notes) == 1 else f"{len(notes):,} notes"
    return [
        html.Details([html.Summary(about), html.Ul([html.Li(note) for note in notes])]),
    ]


def fetch_form() -> dbc.Form:
    """Return the form that fetches files of Binance's archive."""
    return dbc.Form(
        [
            html.H3("From Binance's archive"),
            html.P(
                "Candles of 5 minutes since 2020, open interest since September 2020 (most symbols "
                "since December 2021), and funding. The archive is under CC BY-NC-SA 4.0: not for "
                "commercial use.",
                className="muted",
            ),
            html.Div(
                [
                    _field("Symbol", _symbol_input(ids.FETCH_SYMBOL)),
                    _field("First day (UTC)", dbc.Input(id=ids.FETCH_START, type="date")),
                    _field(
                        "Day after the last (else today)", dbc.Input(id=ids.FETCH_STOP, type="date")
                    ),
                ],
                className="fields",
            ),
            _kinds(),
            dbc.Button("Fetch", type="submit", color="primary", size="sm"),
        ],
        id=ids.FETCH_FORM,
        prevent_default_on_submit=True,
        class_name="job-form",
    )


def backfill_form() -> dbc.Form:
    """Return the form that asks an exchange for what it keeps."""
    return dbc.Form(
        [
            html.H3("From an exchange"),
            html.P("The last days of all kinds that the exchange itself keeps.", className="muted"),
            html.Div(
                [
                    _field("Exchange", _exchange_select()),
                    _field("Symbol", _symbol_input(ids.BACKFILL_SYMBOL)),
                    _field(
                        "Days",
                        dbc.Input(
                            id=ids.BACKFILL_DAYS,
                            type="number",
                            min=1,
                            max=_MOST_DAYS,
                            step=1,
                            value=_DAYS,
                        ),
                    ),
                ],
                className="fields",
            ),
            html.Ul(id=ids.BACKFILL_LIMITS, className="limits", **aria(live="polite")),
            dbc.Button("Backfill", type="submit", color="primary", size="sm"),
        ],
        id=ids.BACKFILL_FORM,
        prevent_default_on_submit=True,
        class_name="job-form",
    )


def limit_list(sentences: Sequence[str]) -> list[Component]:
    """Return what an exchange does not keep, before it is asked."""
    return [html.Li(sentence) for sentence in sentences]


def _symbol_input(name: str) -> dbc.Input:
    return dbc.Input(
        id=name, value="BTCUSDT", placeholder="BTCUSDT", autocomplete="off", maxLength=40
    )


def _exchange_select() -> dbc.Select:
    options = {name: exchange_name(name) for name in EXCHANGES}
    return dbc.Select(
        id=ids.BACKFILL_EXCHANGE,
        options=[{"label": label, "value": name} for name, label in options.items()],
        value=EXCHANGES[0],
    )


def _kinds() -> html.Div:
    return html.Div(
        dcc.Checklist(
            id=ids.FETCH_KINDS,
            options=[{"label": label, "value": name} for name, label in ARCHIVE_KINDS.items()],
            value=_CHOSEN_KINDS,
            inline=True,
            className="kinds",
        ),
        role="group",
        **aria(label="Kinds"),
    )


def _field(label: str, control: Component) -> html.Label:
    return html.Label([html.Span(label), control], className="field")
