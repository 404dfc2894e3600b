"""Realised liquidations by exchange and by coin, in ranges that end with the data."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.coinglass.envelope import Success, success
from app.api.coinglass.meta import liquidations_meta
from app.api.coinglass.names import base_asset
from app.api.coinglass.parameters import CoinListQuery, ExchangeListQuery
from app.api.coinglass.spans import stored_spans
from app.api.formats import iso
from app.heatmaps import StoredHeatmaps
from app.stored_book import time64
from components.theme import exchange_name
from ingest.liquidations import LiquidationSpan, LiquidationTotal, liquidation_totals

ALL = "All"

_SIDES = ("", "long_", "short_")
_COIN_HOURS = (24, 12, 4, 1)


class ExchangeRow(BaseModel):
    """What was liquidated on an exchange."""

    exchange: str = Field(description=f"{ALL} in the first row")
    liquidation_usd: float
    long_liquidation_usd: float
    short_liquidation_usd: float


class CoinRow(BaseModel):
    """What was liquidated of a coin."""

    symbol: str = Field(description="the coin")
    liquidation_usd_24h: float
    long_liquidation_usd_24h: float
    short_liquidation_usd_24h: float
    liquidation_usd_12h: float
    long_liquidation_usd_12h: float
    short_liquidation_usd_12h: float
    liquidation_usd_4h: float
    long_liquidation_usd_4h: float
    short_liquidation_usd_4h: float
    liquidation_usd_1h: float
    long_liquidation_usd_1h: float
    short_liquidation_usd_1h: float


def add_list_routes(router: APIRouter, heatmaps: StoredHeatmaps, answers: Answers) -> None:
    """Add the routes of liquidations by exchange and by coin."""

    @router.get(
        "/exchange-list",
        summary="Liquidations by exchange",
        responses={200: {"model": Success[list[ExchangeRow]]}},
    )
    async def exchanges(request: Request, query: Annotated[ExchangeListQuery, Query()]) -> Response:
        """Sum up what was liquidated on each exchange in a range that ends with the data."""

        def find() -> Answer:
            return _exchange_list(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(), find, light=True)

    @router.get(
        "/coin-list",
        summary="Liquidations by coin",
        responses={200: {"model": Success[list[CoinRow]]}},
    )
    async def coins(request: Request, query: Annotated[CoinListQuery, Query()]) -> Response:
        """Sum up what was liquidated of each coin in ranges that end with the data."""

        def find() -> Answer:
            return _coin_list(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(), find, light=True)


def _exchange_list(heatmaps: StoredHeatmaps, query: ExchangeListQuery) -> Answer:
    spans = stored_spans(heatmaps, query.symbol, ())
    stop = _end(heatmaps, spans)
    totals = _totals(heatmaps, spans, stop, int(query.range.removesuffix("h")))
    rows = [
        _exchange_row(exchange_name(exchange), [t for t in totals if t.exchange == exchange])
        for exchange in dict.fromkeys(span.exchange for span in spans)
    ]
    rows.sort(key=lambda row: -row["liquidation_usd"])
    rows.insert(0, _exchange_row(ALL, totals))
    return Answer(document=lambda: success(rows, _meta(heatmaps, spans, stop)))


def _exchange_row(name: str, totals: Sequence[LiquidationTotal]) -> dict[str, Any]:
    names = (f"{side}liquidation_usd" for side in _SIDES)
    return {"exchange": name} | dict(zip(names, _amounts(totals), strict=True))


def _coin_list(heatmaps: StoredHeatmaps, query: CoinListQuery) -> Answer:
    spans = stored_spans(heatmaps, None, (query.exchange,) if query.exchange else ())
    stop = _end(heatmaps, spans)
    rows: dict[str, dict[str, Any]] = {
        coin: {"symbol": coin} for coin in (base_asset(span.symbol) for span in spans)
    }
    for hours in _COIN_HOURS:
        totals = _totals(heatmaps, spans, stop, hours)
        names = [f"{side}liquidation_usd_{hours}h" for side in _SIDES]
        for coin, row in rows.items():
            of_coin = [total for total in totals if base_asset(total.symbol) == coin]
            row.update(zip(names, _amounts(of_coin), strict=True))
    ordered = sorted(rows.values(), key=lambda row: -row["liquidation_usd_24h"])
    return Answer(document=lambda: success(ordered, _meta(heatmaps, spans, stop)))


def _totals(
    heatmaps: StoredHeatmaps, spans: Sequence[LiquidationSpan], stop: datetime, hours: int
) -> list[LiquidationTotal]:
    wanted = {(span.exchange, span.symbol) for span in spans}
    found = liquidation_totals(heatmaps.store, stop - timedelta(hours=hours), stop)
    return [total for total in found if (total.exchange, total.symbol) in wanted]


def _amounts(totals: Sequence[LiquidationTotal]) -> tuple[float, float, float]:
    """Return what was liquidated of both sides, longs and shorts, to the cent."""
    long, short = sum(total.long for total in totals), sum(total.short for total in totals)
    return round(long + short, 2), round(long, 2), round(short, 2)


def _end(heatmaps: StoredHeatmaps, spans: Sequence[LiquidationSpan]) -> datetime:
    """Return the end of what is stored of the markets, the later of liquidations and candles."""
    wanted = {(span.exchange, span.symbol) for span in spans}
    candles = (m.last for m in heatmaps.markets() if (m.exchange, m.symbol) in wanted)
    return max((*(span.last + timedelta(microseconds=1) for span in spans), *candles))


def _meta(
    heatmaps: StoredHeatmaps, spans: Sequence[LiquidationSpan], stop: datetime
) -> dict[str, Any]:
    return liquidations_meta(
        heatmaps,
        heatmaps.watermark(),
        end_time=iso(time64(stop)),
        data_start=iso(time64(min(span.first for span in spans))),
        data_end=iso(time64(max(span.last for span in spans))),
    )
