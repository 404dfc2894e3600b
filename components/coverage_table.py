"""What is stored of each market: a table to filter and sort, and the gaps of one row."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import dash_ag_grid as dag  # type: ignore[import-untyped]
from dash import html
from dash.development.base_component import Component

from components import ids
from components.durations import duration, total
from components.theme import exchange_name

MOST_GAPS = 100
"""Gaps of a row that are listed."""

_KINDS = {"mark-candles": "mark candles", "metrics": "open interest"}
_INTERVALS = ((86_400, "d"), (3600, "h"), (60, "m"))


class Gap(Protocol):
    """A span without rows. [UTC]"""

    @property
    def start(self) -> datetime:
        """Where it begins."""

    @property
    def stop(self) -> datetime:
        """Where it ends."""


class StoredSeries(Protocol):
    """What is stored of one kind of data of one market; times are UTC."""

    @property
    def exchange(self) -> str:
        """Where."""

    @property
    def symbol(self) -> str:
        """Of what."""

    @property
    def kind(self) -> str:
        """Which data."""

    @property
    def interval(self) -> timedelta | None:
        """Of candles."""

    @property
    def first(self) -> datetime:
        """Time of the first row."""

    @property
    def last(self) -> datetime:
        """Time of the last row."""

    @property
    def rows(self) -> int:
        """How many."""

    @property
    def gaps(self) -> Sequence[Gap]:
        """Where regular data miss rows."""


def coverage_rows(stored: Sequence[StoredSeries]) -> list[dict[str, Any]]:
    """Return the table's rows."""
    return [_row(series) for series in stored]


def _row(series: StoredSeries) -> dict[str, Any]:
    missing = total([gap.stop - gap.start for gap in series.gaps])
    return {
        "id": f"{series.exchange} {series.symbol} {series.kind} {_interval(series.interval)}",
        "symbol": series.symbol,
        "exchange": exchange_name(series.exchange),
        "kind": _KINDS.get(series.kind, series.kind),
        "interval": _interval(series.interval),
        "first": _minute(series.first),
        "last": _minute(series.last),
        "rows": series.rows,
        "gaps": len(series.gaps),
        "missing": missing,
        "missing_text": duration(missing) if missing else "",
        "spans": [[_minute(gap.start), _minute(gap.stop)] for gap in series.gaps[:MOST_GAPS]],
    }


def coverage_sum(stored: Sequence[StoredSeries]) -> str:
    """Return the table in a line."""
    markets = {(series.exchange, series.symbol) for series in stored}
    rows = sum(series.rows for series in stored)
    return f"{len(markets):,} {'market' if len(markets) == 1 else 'markets'}, {rows:,} rows"


def gap_list(row: dict[str, Any] | None) -> list[Component]:
    """Return the gaps of a row of the table, or what to do to see some."""
    if row is None:
        return [html.P("Choose a row to see its gaps.", className="muted")]
    name = " ".join(
        part for part in (row["exchange"], row["symbol"], row["kind"], row["interval"]) if part
    )
    if not row["gaps"]:
        return [html.P(f"{name}: no gaps.")]
    more = row["gaps"] - len(row["spans"])
    listed: list[Component] = [
        html.Li(f"{start} – {stop}" if start[:10] != stop[:10] else f"{start} – {stop[11:]}")
        for start, stop in row["spans"]
    ]
    if more:
        listed.append(html.Li(f"and {more:,} more"))
    gaps = "1 gap" if row["gaps"] == 1 else f"{row['gaps']:,} gaps"
    return [
        html.P(f"{name}: {gaps}, {row['missing_text']} missing (UTC)."),
        html.Ul(listed, className="gap-list"),
    ]


def coverage_table() -> dag.AgGrid:
    """Return the table without rows, which shows that it waits for them."""
    return dag.AgGrid(
        id=ids.COVERAGE,
        columnDefs=_COLUMNS,
        defaultColDef={"filter": True, "floatingFilter": False, "minWidth": 70, "flex": 1},
        getRowId="params.data.id",
        dashGridOptions={
            "rowSelection": {
                "mode": "singleRow",
                "checkboxes": False,
                "enableClickSelection": True,
            },
            "rowHeight": 30,
            "headerHeight": 34,
            "suppressCellFocus": False,
            # One stop of the Tab key, arrows within: else the way to what follows leads through
            # every cell of every row.
            "tabToNextCell": {"function": "false"},
            "tabToNextHeader": {"function": "false"},
            "enableCellTextSelection": True,
            "tooltipShowDelay": 300,
        },
        className="coverage-table",
        style={"height": None, "width": None},
    )


def no_coverage() -> list[Component]:
    """Return what to do where nothing is stored."""
    return [
        html.H3("Nothing is stored yet"),
        html.P(
            [
                "Load some below, or with ",
                html.Code("liqheat ingest PATH"),
                " while the server is stopped.",
            ]
        ),
    ]


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _interval(interval: timedelta | None) -> str:
    if interval is None:
        return ""
    seconds = int(interval.total_seconds())
    for size, unit in _INTERVALS:
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


_NUMBER = {
    "type": "rightAligned",
    "filter": "agNumberColumnFilter",
    "valueFormatter": {"function": "d3.format(',')(params.value)"},
}
_COLUMNS: list[dict[str, Any]] = [
    {"field": "symbol", "headerName": "Symbol", "minWidth": 94, "flex": 1.1},
    {"field": "exchange", "headerName": "Exchange", "minWidth": 94},
    {"field": "kind", "headerName": "Kind", "minWidth": 102, "flex": 1.1},
    {"field": "interval", "headerName": "Bars", "minWidth": 64, "flex": 0.6},
    {"field": "first", "headerName": "From (UTC)", "minWidth": 126, "flex": 1.3},
    {"field": "last", "headerName": "To (UTC)", "minWidth": 126, "flex": 1.3},
    {"field": "rows", "headerName": "Rows", "minWidth": 74, **_NUMBER},
    {"field": "gaps", "headerName": "Gaps", "minWidth": 64, "flex": 0.7, **_NUMBER},
    {
        "field": "missing",
        "headerName": "Missing",
        "minWidth": 88,
        **_NUMBER,
        "valueFormatter": {"function": "params.data.missing_text"},
    },
]
