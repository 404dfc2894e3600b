"""Realised liquidations by interval."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.coinglass.envelope import Success, success
from app.api.coinglass.meta import liquidations_meta
from app.api.coinglass.parameters import CoinHistoryQuery, HistoryQuery, PairHistoryQuery
from app.api.coinglass.spans import stored_spans
from app.api.coinglass.sums import Sums, interval_sums
from app.api.coinglass.texts import number_texts
from app.api.formats import iso, rounded, unix_milliseconds
from app.heatmaps import StoredHeatmaps
from app.stored_book import time64


class HistoryRow(BaseModel):
    """What was liquidated in an interval."""

    time: int = Field(description="start of the interval [ms since 1970]")
    long_liquidation_usd: str
    short_liquidation_usd: str


class AggregatedHistoryRow(HistoryRow):
    """What was liquidated in an interval, as text and as numbers."""

    aggregated_long_liquidation_usd: float
    aggregated_short_liquidation_usd: float


def add_history_routes(router: APIRouter, heatmaps: StoredHeatmaps, answers: Answers) -> None:
    """Add the routes of liquidations by interval."""

    @router.get(
        "/history",
        summary="Liquidations of a pair by interval",
        responses={200: {"model": Success[list[HistoryRow]]}},
    )
    async def pair(request: Request, query: Annotated[PairHistoryQuery, Query()]) -> Response:
        """Sum up what was liquidated of longs and shorts in each interval."""

        def find() -> Answer:
            sums, meta = _found(heatmaps, query, query.symbol, (query.exchange,))
            return Answer(document=lambda: success(_rows(sums), meta))

        return await answers.reply(request, query, query.watermark(heatmaps), find, light=True)

    @router.get(
        "/aggregated-history",
        summary="Liquidations of a coin by interval",
        responses={200: {"model": Success[list[AggregatedHistoryRow]]}},
    )
    async def coin(request: Request, query: Annotated[CoinHistoryQuery, Query()]) -> Response:
        """Sum up what was liquidated of longs and shorts in each interval on several exchanges."""

        def find() -> Answer:
            sums, meta = _found(heatmaps, query, query.symbol, query.names)
            return Answer(document=lambda: success(_aggregated_rows(sums), meta))

        return await answers.reply(request, query, query.watermark(heatmaps), find, light=True)


def _found(
    heatmaps: StoredHeatmaps, query: HistoryQuery, name: str, exchanges: Sequence[str]
) -> tuple[Sums, dict[str, Any]]:
    spans = stored_spans(heatmaps, name, exchanges)
    stored = [span.exchange for span in spans]
    symbol = spans[0].symbol
    return interval_sums(heatmaps.store, spans, query), liquidations_meta(
        heatmaps,
        heatmaps.watermark(symbol),
        symbol=symbol,
        exchanges=stored,
        not_stored=[exchange for exchange in exchanges if exchange not in stored],
        interval_seconds=query.step / timedelta(seconds=1),
        data_start=iso(time64(min(span.first for span in spans))),
        data_end=iso(time64(max(span.last for span in spans))),
    )


def _rows(sums: Sums) -> list[dict[str, Any]]:
    times = unix_milliseconds(sums.start).tolist()
    long, short = number_texts(rounded(sums.long)), number_texts(rounded(sums.short))
    names = ("time", "long_liquidation_usd", "short_liquidation_usd")
    return [dict(zip(names, row, strict=True)) for row in zip(times, long, short, strict=True)]


def _aggregated_rows(sums: Sums) -> list[dict[str, Any]]:
    long, short = rounded(sums.long).tolist(), rounded(sums.short).tolist()
    names = ("aggregated_long_liquidation_usd", "aggregated_short_liquidation_usd")
    return [
        row | dict(zip(names, numbers, strict=True))
        for row, *numbers in zip(_rows(sums), long, short, strict=True)
    ]
