"""What is stored: exchanges, symbols, and from when to when."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers, Format
from app.api.errors import RESPONSES
from app.api.formats import iso
from app.api.parameters import ExchangesQuery, Symbol, known_exchanges
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.stored_book import time64
from engine.tiers import EXCHANGES
from ingest.columns import Arrays
from ingest.coverage import Coverage, MarketCoverage
from ingest.intervals import interval_name

KindName = Literal["candles", "mark-candles", "metrics", "funding", "trades", "liquidations"]

_RESPONSES = {status: answer for status, answer in RESPONSES.items() if status != 404}


class ListQuery(ExchangesQuery):
    """A list of what is stored."""

    format: Format = "json"


class CoverageQuery(ListQuery):
    """What is stored of each market."""

    symbol: Symbol | None = Field(default=None, description="all if left out")
    kind: KindName | None = Field(default=None, description="all if left out")
    gaps: int = Field(
        default=5, ge=0, le=1000, description="gaps to list for each row, at most (in format json)"
    )


class Extent(BaseModel):
    """From when to when there are candles."""

    first: str | None = Field(description="start of the first candle; null where nothing is stored")
    last: str | None = Field(description="end of the last candle")


class ExchangeRow(Extent):
    """One exchange."""

    exchange: str
    supported: bool = Field(description="whether the program knows its margin rules")
    stored: bool
    symbols: list[str] = Field(description="symbols that have candles")


class SymbolPart(Extent):
    """A symbol on one exchange."""

    exchange: str
    mapped: bool = Field(description="whether open interest is stored, which most models need")


class SymbolRow(Extent):
    """One symbol."""

    symbol: str
    mapped: bool = Field(description="whether it is on any exchange")
    exchanges: list[SymbolPart]


class Gap(BaseModel):
    """A span without rows."""

    start: str
    stop: str


class CoverageRow(BaseModel):
    """What is stored of one kind of data of one market."""

    exchange: str
    symbol: str
    kind: KindName
    interval: str | None = Field(description="of candles")
    first: str = Field(description="time of the first row")
    last: str = Field(description="time of the last row; of candles, the last one's end")
    rows: int
    gap_count: int
    gaps: list[Gap] = Field(description="the first ones")


class ExchangeList(BaseModel):
    """All exchanges, supported or stored."""

    data: list[ExchangeRow]


class SymbolList(BaseModel):
    """All stored symbols, those on most exchanges first."""

    data: list[SymbolRow]


class CoverageList(BaseModel):
    """What is stored of each market and kind."""

    data: list[CoverageRow]


def stored_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the routes of what is stored; a list of all is empty if nothing is."""
    router = APIRouter(tags=["stored"])

    @router.get(
        "/exchanges",
        summary="Exchanges that are supported, and what is stored of each",
        responses=_RESPONSES | {200: {"model": ExchangeList}},
    )
    async def exchanges(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
        """List exchanges whose margin rules are known, and any others that are stored."""

        def find() -> Answer:
            return _exchanges(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(), find, light=True)

    @router.get(
        "/symbols",
        summary="Stored symbols, on which exchanges and from when to when",
        responses=_RESPONSES | {200: {"model": SymbolList}},
    )
    async def symbols(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
        """List symbols that have candles, those on most exchanges first."""

        def find() -> Answer:
            return _symbols(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(), find, light=True)

    @router.get(
        "/coverage",
        summary="What is stored per market and kind, with gaps",
        responses=RESPONSES | {200: {"model": CoverageList}},
    )
    async def coverage(request: Request, query: Annotated[CoverageQuery, Query()]) -> Response:
        """List first and last time, rows and gaps, as `liqheat coverage` does."""

        def find() -> Answer:
            return _coverage(heatmaps, query)

        return await answers.reply(
            request, query, heatmaps.watermark(query.symbol), find, light=True
        )

    return router


def _exchanges(heatmaps: StoredHeatmaps, query: ListQuery) -> Answer:
    markets = heatmaps.markets()
    names = known_exchanges(query.names, heatmaps) or tuple(
        dict.fromkeys((*EXCHANGES, *(market.exchange for market in markets)))
    )
    rows = [
        _exchange_row(name, [market for market in markets if market.exchange == name])
        for name in names
    ]
    return Answer(lambda: {"data": rows}, lambda: _exchange_table(rows))


def _exchange_row(name: str, markets: Sequence[MarketCoverage]) -> dict[str, Any]:
    return {
        "exchange": name,
        "supported": name in EXCHANGES,
        "stored": bool(markets),
        "symbols": sorted(market.symbol for market in markets),
        **_extent(markets),
    }


def _exchange_table(rows: Sequence[Mapping[str, Any]]) -> Arrays:
    """Return the rows as columns; the symbols of an exchange are one text."""
    return {
        "exchange": _texts(row["exchange"] for row in rows),
        "supported": np.array([row["supported"] for row in rows], np.bool_),
        "stored": np.array([row["stored"] for row in rows], np.bool_),
        "symbols": _texts(" ".join(row["symbols"]) for row in rows),
        "first": _times(row["first"] for row in rows),
        "last": _times(row["last"] for row in rows),
    }


def _symbols(heatmaps: StoredHeatmaps, query: ListQuery) -> Answer:
    names = known_exchanges(query.names, heatmaps)
    markets = [market for market in heatmaps.markets() if not names or market.exchange in names]
    of_symbol: dict[str, list[MarketCoverage]] = {}
    for market in markets:
        of_symbol.setdefault(market.symbol, []).append(market)
    ordered = sorted(of_symbol.items(), key=lambda item: (-len(item[1]), item[0]))
    return Answer(
        lambda: {"data": [_symbol_row(symbol, parts) for symbol, parts in ordered]},
        lambda: _symbol_table([market for _, parts in ordered for market in parts]),
    )


def _symbol_row(symbol: str, markets: Sequence[MarketCoverage]) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "mapped": any(_is_mapped(market) for market in markets),
        **_extent(markets),
        "exchanges": [
            {"exchange": market.exchange, "mapped": _is_mapped(market), **_extent([market])}
            for market in markets
        ],
    }


def _symbol_table(markets: Sequence[MarketCoverage]) -> Arrays:
    """Return a row for each symbol and exchange."""
    return {
        "symbol": _texts(market.symbol for market in markets),
        "exchange": _texts(market.exchange for market in markets),
        "mapped": np.array([_is_mapped(market) for market in markets], np.bool_),
        "first": _times(_iso(market.first) for market in markets),
        "last": _times(_iso(market.last) for market in markets),
    }


def _coverage(heatmaps: StoredHeatmaps, query: CoverageQuery) -> Answer:
    names = known_exchanges(query.names, heatmaps)
    one = names[0] if len(names) == 1 else None
    stored = heatmaps.store.coverage(one, query.symbol)
    if query.symbol and not stored:
        raise NoData(
            f"Nothing is stored for {query.symbol}{f' on {one}' if one else ''} yet. Load some "
            'with "liqheat ingest".'
        )
    rows = [
        row
        for row in stored
        if (not names or row.exchange in names) and query.kind in (None, row.kind)
    ]
    return Answer(
        lambda: {"data": [_coverage_row(row, query.gaps) for row in rows]},
        lambda: _coverage_table(rows),
    )


def _coverage_row(row: Coverage, gaps: int) -> dict[str, Any]:
    return {
        "exchange": row.exchange,
        "symbol": row.symbol,
        "kind": row.kind,
        "interval": row.interval and interval_name(row.interval),
        "first": _iso(row.first),
        "last": _iso(row.last),
        "rows": row.rows,
        "gap_count": len(row.gaps),
        "gaps": [{"start": _iso(gap.start), "stop": _iso(gap.stop)} for gap in row.gaps[:gaps]],
    }


def _coverage_table(rows: Sequence[Coverage]) -> Arrays:
    return {
        "exchange": _texts(row.exchange for row in rows),
        "symbol": _texts(row.symbol for row in rows),
        "kind": _texts(row.kind for row in rows),
        "interval": _texts((row.interval and interval_name(row.interval)) or "" for row in rows),
        "first": _times(_iso(row.first) for row in rows),
        "last": _times(_iso(row.last) for row in rows),
        "rows": np.array([row.rows for row in rows], np.int64),
        "gaps": np.array([len(row.gaps) for row in rows], np.int64),
    }


def _is_mapped(market: MarketCoverage) -> bool:
    return market.open_interest_first is not None


def _extent(markets: Sequence[MarketCoverage]) -> dict[str, str | None]:
    return {
        "first": _iso(min(market.first for market in markets)) if markets else None,
        "last": _iso(max(market.last for market in markets)) if markets else None,
    }


def _iso(time: datetime) -> str:
    return iso(time64(time))


def _texts(texts: Iterable[str]) -> np.ndarray:
    return np.array(list(texts), np.str_)


def _times(times: Iterable[str | None]) -> np.ndarray:
    return np.array([(time or "NaT").removesuffix("Z") for time in times], "datetime64[us]")
