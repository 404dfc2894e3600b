"""Realised liquidations one by one."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.coinglass.envelope import Success, success
from app.api.coinglass.meta import liquidations_meta
from app.api.coinglass.names import base_asset
from app.api.coinglass.parameters import OrderQuery
from app.api.coinglass.spans import stored_spans
from app.api.formats import iso, rounded, unix_milliseconds
from app.heatmaps import StoredHeatmaps
from app.stored_book import time64
from components.theme import exchange_name
from ingest.columns import Arrays
from ingest.liquidations import LiquidationSpan, latest_liquidations

MOST_ORDERS = 200
ORDER_SPAN = timedelta(days=7)
"""How far back liquidations are listed where no start is asked for."""

_BUY, _SELL = 1, 2


class Order(BaseModel):
    """A liquidation."""

    exchange_name: str
    symbol: str
    base_asset: str
    price: float = Field(description="average fill [quote]")
    usd_value: float
    side: Literal[1, 2] = Field(
        description="of the order: 1 a buy, which closed a short; 2 a sell, which closed a long"
    )
    time: int = Field(description="[ms since 1970]")


def add_order_route(router: APIRouter, heatmaps: StoredHeatmaps, answers: Answers) -> None:
    """Add the route of single liquidations."""

    @router.get(
        "/order",
        summary="Liquidations of a pair one by one",
        responses={200: {"model": Success[list[Order]]}},
    )
    async def order(request: Request, query: Annotated[OrderQuery, Query()]) -> Response:
        """List the latest liquidations, at most 200, the newest first."""

        def find() -> Answer:
            return _orders(heatmaps, query)

        return await answers.reply(request, query, query.watermark(heatmaps), find, light=True)


def _orders(heatmaps: StoredHeatmaps, query: OrderQuery) -> Answer:
    (span,) = stored_spans(heatmaps, query.symbol, (query.exchange,))
    stop = query.end_time or span.last + timedelta(microseconds=1)
    start = query.start_time or stop - ORDER_SPAN
    found = latest_liquidations(
        heatmaps.store,
        span.exchange,
        span.symbol,
        start,
        stop,
        least_notional=query.min_liquidation_amount,
        limit=MOST_ORDERS,
    )
    meta = liquidations_meta(
        heatmaps,
        heatmaps.watermark(span.symbol),
        start_time=iso(time64(start)),
        end_time=iso(time64(stop)),
        data_start=iso(time64(span.first)),
        data_end=iso(time64(span.last)),
        most_rows=MOST_ORDERS,
    )
    return Answer(document=lambda: success(_rows(span, found), meta))


def _rows(span: LiquidationSpan, found: Arrays) -> list[dict[str, Any]]:
    market = {
        "exchange_name": exchange_name(span.exchange),
        "symbol": span.symbol,
        "base_asset": base_asset(span.symbol),
    }
    columns = (
        found["price"].tolist(),
        rounded(found["notional"]).tolist(),
        (_SELL if side > 0 else _BUY for side in found["side"]),
        unix_milliseconds(found["time"]).tolist(),
    )
    names = ("price", "usd_value", "side", "time")
    return [market | dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
