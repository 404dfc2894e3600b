"""The Data page: exchanges, what is stored, jobs, recent liquidations."""

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from components import ids
from components.accessibility import aria
from components.coverage_table import coverage_table, gap_list, no_coverage
from components.dialogs import plain_help_dialog
from components.header import notice_bar, page_header
from components.job_list import backfill_form, fetch_form
from components.theme import exchange_name
from engine.tiers import EXCHANGES

REFRESH_SECONDS = 10
ALL = "all"


def data_page(links: html.Nav) -> html.Div:
    """Return the page without values: callbacks fill them in.

    ``links`` lead to all pages.
    """
    return html.Div(
        [
            *_memory(),
            page_header(links),
            notice_bar(),
            html.Main([_exchanges(), _stored(), _recent(), _loading()], className="data"),
            _help(),
        ],
        className="page",
    )


def _memory() -> list[Component]:
    stores = (
        ids.JOB_ACTION,
        ids.JOBS_ENDED,
        ids.JOBS_PROGRESS,
        ids.JOBS_SHAPE,
        ids.RECENT,
        ids.RECENT_ASKED,
    )
    return [
        *(dcc.Store(id=name) for name in stores),
        dcc.Interval(id=ids.DATA_TICK, interval=1000 * REFRESH_SECONDS),
        dcc.Interval(id=ids.JOBS_TICK, interval=1000 * REFRESH_SECONDS),
    ]


def _section(
    name: str, title: str, *content: Component, beside: Component | None = None
) -> html.Section:
    head = [html.H2(title, id=f"{name}-title"), *([beside] if beside else [])]
    return html.Section(
        [html.Div(head, className="section-head"), *content],
        className=f"data-section {name}-section",
        **aria(labelledby=f"{name}-title"),
    )


def _exchanges() -> html.Section:
    waiting = html.P("Loading…", className="muted")
    cards = html.Div(waiting, id=ids.EXCHANGE_CARDS, className="exchange-cards")
    return _section("exchanges", "Exchanges", cards)


def _stored() -> html.Section:
    beside = html.Div(
        [
            html.Span(id=ids.COVERAGE_SUM, className="muted", role="status"),
            html.Button("Refresh", id=ids.COVERAGE_REFRESH, className="job-button", type="button"),
        ],
        className="section-side",
    )
    return _section(
        "stored",
        "Stored data",
        html.Div(no_coverage(), id=ids.COVERAGE_EMPTY, className="nothing", hidden=True),
        html.Div(
            [
                coverage_table(),
                html.Div(
                    gap_list(None), id=ids.COVERAGE_GAPS, className="gaps", **aria(live="polite")
                ),
            ],
            id=ids.COVERAGE_FRAME,
        ),
        beside=beside,
    )


def _recent() -> html.Section:
    filters = html.Div(
        [
            html.Span(id=ids.RECENT_STATUS, className="muted", role="status"),
            _named("Exchange", _exchange_filter()),
            _named("Symbol", _symbol_filter()),
        ],
        className="section-side",
    )
    return _section(
        "recent",
        "Recent liquidations",
        html.Div(
            [
                html.Table([html.Thead(_columns()), html.Tbody(id=ids.RECENT_ROWS)]),
                html.P("Loading…", id=ids.RECENT_EMPTY, className="nothing muted"),
            ],
            id=ids.RECENT_FRAME,
            className="recent-frame",
            tabIndex="0",
            role="region",
            **aria(label="Recent liquidations, the newest first"),
        ),
        beside=filters,
    )


def _exchange_filter() -> dbc.Select:
    every = {ALL: "All exchanges"} | {name: exchange_name(name) for name in EXCHANGES}
    options = [{"label": label, "value": name} for name, label in every.items()]
    return dbc.Select(id=ids.RECENT_EXCHANGE, options=options, value=ALL)


def _symbol_filter() -> dbc.Input:
    return dbc.Input(
        id=ids.RECENT_SYMBOL,
        placeholder="All symbols",
        debounce=True,
        autocomplete="off",
        maxLength=40,
    )


def _named(name: str, control: Component) -> html.Label:
    return html.Label([html.Span(name, className="visually-hidden"), control])


def _columns() -> html.Tr:
    names = {
        "time": "Time (UTC)",
        "exchange": "Exchange",
        "symbol": "Symbol",
        "side": "Side",
        "price": "Price",
        "usd": "USD",
    }
    return html.Tr([html.Th(label, className=name, scope="col") for name, label in names.items()])


def _loading() -> html.Section:
    return _section(
        "load",
        "Load data",
        html.P(id=ids.JOBS_REFUSAL, className="refusal", hidden=True),
        html.Div([fetch_form(), backfill_form()], className="job-forms"),
        html.P(id=ids.JOB_ANSWER, className="job-answer", role="status"),
        html.H3("Jobs"),
        html.Div(html.P("Loading…", className="muted"), id=ids.JOBS, className="jobs"),
    )


def _help() -> dbc.Modal:
    return plain_help_dialog(
        "Data",
        html.P(
            "Exchanges: how live data come in. Bars mean that they do, fewer bars that something "
            "is wrong, a cross that there is no connection, a ring that nothing is collected."
        ),
        html.P(
            "Stored data: what is in the database. Click a column to sort it, its funnel to "
            "filter, a row to see its gaps. A gap is where regular data miss rows."
        ),
        html.P(
            "Recent liquidations: as exchanges report them, each some by rules of its own. The "
            "list stands still while the pointer is on it."
        ),
        html.P(
            "Load data: of each exchange one job runs at a time, and goes on when this page is "
            "closed. What a cancelled job has loaded stays; started again, it loads the rest."
        ),
    )
