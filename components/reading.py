"""What the map says at one time and price, for the reader's cursor."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from dash import html
from dash.development.base_component import Component

from components.formats import percent, usd
from components.theme import exchange_colour, exchange_name
from components.view import HeatmapView, Liquidations, Positions


@dataclass(frozen=True, slots=True)
class Observed:
    """Positions whose liquidation price lies in a cell: how many, worth how much [quote], where."""

    count: int
    notional: float
    exchanges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One cell of the map.

    Attributes
    ----------
    low, high : float
        Edges of the price bucket. [quote]
    start, stop : datetime64
        Edges of the column. [UTC]
    long, short : float
        Open at the column's end. [quote]
    consumed : float
        Modelled notional that the price crossed within the column. [quote]
    realised : float
        Liquidated within the cell, as reported. [quote]
    observed : Observed
        Positions seen within the cell.
    shares : mapping of str to float
        Each exchange's part of what is open. [-]
    """

    low: float
    high: float
    start: np.datetime64
    stop: np.datetime64
    long: float
    short: float
    consumed: float
    realised: float
    observed: Observed
    shares: Mapping[str, float]

    @property
    def total(self) -> float:
        """Open long and short. [quote]"""
        return self.long + self.short


def read_cell(view: HeatmapView, time: np.datetime64, price: float) -> Reading | None:
    """Return the cell at a time and price, or None outside the map."""
    heatmap = view.heatmap
    column = int(np.searchsorted(heatmap.times, time, side="right")) - 1
    bucket = int(np.searchsorted(heatmap.edges, price, side="right")) - 1
    _, buckets, columns = heatmap.active.shape
    if not (0 <= column < columns and 0 <= bucket < buckets):
        return None
    long, short = (float(notional) for notional in heatmap.active[:, bucket, column])
    start, stop = heatmap.times[column : column + 2]
    low, high = (float(edge) for edge in heatmap.edges[bucket : bucket + 2])
    return Reading(
        low=low,
        high=high,
        start=start,
        stop=stop,
        long=long,
        short=short,
        consumed=float(heatmap.consumed[:, bucket, column].sum()),
        realised=_realised(view.liquidations, start, stop, low, high),
        observed=_observed(view.positions, start, stop, low, high),
        shares=_shares(view, bucket, column, long + short),
    )


def _shares(view: HeatmapView, bucket: int, column: int, total: float) -> dict[str, float]:
    if total <= 0.0:
        return {}
    return {
        exchange: float(part.active[:, bucket, column].sum()) / total
        for exchange, part in view.parts.items()
    }


def _realised(
    liquidations: Liquidations, start: np.datetime64, stop: np.datetime64, low: float, high: float
) -> float:
    price, time = liquidations.price, liquidations.time
    inside = (time >= start) & (time < stop) & (price >= low) & (price < high)
    return float(liquidations.notional[inside].sum())


def _observed(
    positions: Positions, start: np.datetime64, stop: np.datetime64, low: float, high: float
) -> Observed:
    price = positions.liquidation_price
    inside = (positions.first_seen < stop) & (positions.last_seen >= start)
    found = positions.take(inside & (price >= low) & (price < high))
    # Of a position that changed within the cell, what it was at last.
    newest = np.argsort(found.last_seen, kind="stable")[::-1]
    found = found.take(newest[np.unique(found.account[newest], return_index=True)[1]])
    return Observed(
        count=found.notional.size,
        notional=float(found.notional.sum()),
        exchanges=tuple(sorted({str(exchange) for exchange in found.exchange})),
    )


def reading_card(reading: Reading | None) -> list[Component]:
    """Return what a reading says; its time, price and distance are written at the cursor."""
    if reading is None:
        return [html.P("Outside the map", className="reading-note")]
    rows = [_row("At risk (modelled)", usd(reading.total), "reading-total")]
    if reading.total > 0.0:
        rows += [
            _row("Long", usd(reading.long), "is-long"),
            _row("Short", usd(reading.short), "is-short"),
        ]
    if reading.consumed > 0.0:
        rows.append(_row("Crossed (modelled)", usd(reading.consumed), "is-consumed"))
    if reading.realised > 0.0:
        rows.append(_row("Liquidated (reported)", usd(reading.realised), "is-realised"))
    if reading.observed.count:
        rows.append(_observed_row(reading.observed))
    card: list[Component] = [html.Dl(rows, className="reading-rows")]
    if reading.shares:
        card.append(_share_bar(reading.shares))
    return card


def _observed_row(observed: Observed) -> html.Div:
    where = ", ".join(exchange_name(exchange) for exchange in observed.exchanges)
    return _row(
        f"Observed positions ({where})", f"{observed.count}, {usd(observed.notional)}", "is-held"
    )


def _row(label: str, value: str, kind: str) -> html.Div:
    return html.Div([html.Dt(label), html.Dd(value)], className=kind)


def _share_bar(shares: Mapping[str, float]) -> html.Div:
    bar = [
        html.Span(style={"width": percent(share, 2), "background": exchange_colour(exchange)})
        for exchange, share in shares.items()
    ]
    names = [
        html.Span(
            [
                html.I(style={"background": exchange_colour(exchange)}),
                f"{exchange_name(exchange)} {percent(share, 0)}",
            ]
        )
        for exchange, share in shares.items()
    ]
    return html.Div(
        [html.Div(bar, className="share-bar"), html.Div(names, className="share-names")]
    )
