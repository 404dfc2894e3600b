"""What was really liquidated: which markets and times a caller asks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from app.api.formats import iso
from app.api.parameters import SpanQuery, known_exchanges, span_within
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.stored_book import time64
from ingest.liquidations import liquidation_spans


@dataclass(frozen=True, slots=True)
class Realised:
    """Stored liquidations of a symbol.

    Attributes
    ----------
    exchanges : tuple of str
        Those asked for, or all that have any.
    first, last : datetime
        Time of the first one, and end of the data: later ones are not known. [UTC]
    """

    exchanges: tuple[str, ...]
    first: datetime
    last: datetime

    def span(self, query: SpanQuery) -> tuple[datetime, datetime]:
        """Return start and stop of what is asked for."""
        return span_within(query, self.first, self.last)


class RealisedMeta(BaseModel):
    """What an answer about realised liquidations tells of."""

    symbol: str
    exchanges: list[str]
    start_time: str
    end_time: str
    units: dict[str, str]
    side: str = Field(description="whose side is told")
    simulated: bool
    data_start: str = Field(description="time of the first stored one")
    data_end: str = Field(description="end of the data")
    data_watermark: str


def realised(query: SpanQuery, heatmaps: StoredHeatmaps) -> Realised:
    """Return what is stored of the liquidations asked for.

    Raises
    ------
    UnknownExchange
        If an exchange is not one.
    NoData
        If none are stored; the message says how to load some.
    """
    names = known_exchanges(query.names, heatmaps)
    spans = {
        span.exchange: span
        for span in liquidation_spans(heatmaps.store)
        if span.symbol == query.symbol
    }
    if not spans:
        raise NoData(
            f"No liquidations are stored for {query.symbol} yet. Load some with "
            '"liqheat ingest", or see what there is with "liqheat coverage".'
        )
    if unknown := sorted(set(names) - set(spans)):
        raise NoData(
            f"No liquidations are stored for {query.symbol} on {', '.join(unknown)}; stored are "
            f"those on {', '.join(spans)}."
        )
    exchanges = names or tuple(spans)
    candles = [
        market.last
        for market in heatmaps.markets()
        if market.symbol == query.symbol and market.exchange in exchanges
    ]
    return Realised(
        exchanges,
        min(spans[name].first for name in exchanges),
        # Half-open: the last one is within.
        max([*candles, *(spans[name].last + timedelta(milliseconds=1) for name in exchanges)]),
    )


def realised_meta(
    query: SpanQuery, heatmaps: StoredHeatmaps, stored: Realised, start: datetime, stop: datetime
) -> dict[str, Any]:
    """Return what `RealisedMeta` describes."""
    return {
        "symbol": query.symbol,
        "exchanges": list(stored.exchanges),
        "start_time": iso(time64(start)),
        "end_time": iso(time64(stop)),
        "units": {
            "price, notional, long_usd, short_usd": "quote currency",
            "quantity": "base currency",
            "time": "UTC",
        },
        "side": "of the position",
        "simulated": heatmaps.store.is_simulated(),
        "data_start": iso(time64(stored.first)),
        "data_end": iso(time64(stored.last)),
        "data_watermark": heatmaps.watermark(query.symbol),
    }
