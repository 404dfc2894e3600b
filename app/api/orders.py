"""What was really liquidated, one by one."""

from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers, Format
from app.api.cursor import NotACursor, next_link, read, written
from app.api.errors import RESPONSES
from app.api.formats import iso, rounded
from app.api.parameters import Price, Side, SpanQuery
from app.api.realised import Realised, RealisedMeta, realised, realised_meta
from app.heatmaps import StoredHeatmaps
from engine.snapshots import Side as PositionSide
from ingest.columns import NO_TRADE_ID, Arrays
from ingest.liquidation_pages import Order, Row, Wanted, page

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_NAMES: dict[int, Literal["long", "short"]] = {1: "long", -1: "short"}


class OrdersQuery(SpanQuery):
    """Realised liquidations, page by page."""

    side: Side = Field(default="both", description="of the position that was liquidated")
    min_notional: Price = Field(default=0.0, description="leave out smaller ones [quote]")
    order: Order = "newest"
    limit: int = Field(default=100, ge=1, le=1000, description="rows in a page, at most")
    cursor: str = Field(default="", max_length=500, description="where the page begins, as told")
    format: Format = "json"


class OrderRow(BaseModel):
    """One realised liquidation."""

    time: str
    exchange: str
    side: PositionSide = Field(description="of the position: a long is closed by a sell")
    price: float = Field(description="average fill [quote]")
    quantity: float = Field(description="[base]")
    notional: float = Field(description="quantity × price [quote]")


class Orders(BaseModel):
    """One page of realised liquidations."""

    data: list[OrderRow]
    next: str | None = Field(description="address of the next page, null on the last")
    cursor: str | None = Field(description="the same as a parameter")
    meta: RealisedMeta


def orders_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the route of single liquidations."""
    router = APIRouter(prefix="/liquidations", tags=["realised"], responses=RESPONSES)

    @router.get(
        "/orders",
        summary="Realised liquidations one by one, page by page",
        responses={200: {"model": Orders}},
    )
    async def orders(request: Request, query: Annotated[OrdersQuery, Query()]) -> Response:
        """List what the exchanges reported, newest or oldest first.

        Pages follow the `Link` header, or `next` in the body; they neither lose nor repeat a row,
        also when new ones arrive meanwhile.
        """

        def find() -> Answer:
            return _orders(heatmaps, query, str(request.url.path))

        return await answers.reply(
            request, query, heatmaps.watermark(query.symbol), find, light=True
        )

    return router


def _orders(heatmaps: StoredHeatmaps, query: OrdersQuery, path: str) -> Answer:
    stored = realised(query, heatmaps)
    start, stop, last = _place(query, stored)
    wanted = Wanted(
        query.symbol,
        stored.exchanges,
        start,
        stop,
        None if query.side == "both" else query.side,
        query.min_notional,
    )
    # One more than fits tells whether there is a next page.
    found = page(heatmaps.store, wanted, query.order, last, query.limit + 1)
    rows = {name: column[: query.limit] for name, column in found.items()}
    more = found["time"].size > query.limit
    cursor = _cursor(start, stop, rows) if more else None
    link = next_link(path, query, cursor)
    meta = realised_meta(query, heatmaps, stored, start, stop)
    return Answer(
        document=lambda: {"data": _rows(rows), "next": link, "cursor": cursor, "meta": meta},
        table=lambda: _columns(rows),
        headers={"Link": f'<{link}>; rel="next"'} if link else {},
        live=stop >= stored.last,
    )


def _place(query: OrdersQuery, stored: Realised) -> tuple[datetime, datetime, Row | None]:
    """Return the whole walk's span, and the row after which the page begins."""
    if not query.cursor:
        return *stored.span(query), None
    try:
        start, stop, time, exchange, side, quantity, price, trade_id = read(query.cursor)
        times = [int(each) for each in (start, stop, time)]
        row = Row(
            _time(times[2]),
            str(exchange),
            _NAMES[side],
            float(quantity),
            float(price),
            int(trade_id),
        )
    except (ValueError, TypeError, OverflowError, KeyError) as e:
        raise NotACursor from e
    known = row.exchange in stored.exchanges and isfinite(row.quantity) and isfinite(row.price)
    known = known and NO_TRADE_ID <= row.trade_id < 2**63
    if not known or times[0] >= times[1]:
        raise NotACursor
    return _time(times[0]), _time(times[1]), row


def _cursor(start: datetime, stop: datetime, rows: Arrays) -> str:
    last = {name: column[-1:].tolist()[0] for name, column in rows.items()}
    time = last["time"].replace(tzinfo=UTC)
    return written(
        *((each - _EPOCH) // _MICROSECOND for each in (start, stop, time)),
        *(last[name] for name in ("exchange", "side", "quantity", "price", "trade_id")),
    )


def _time(microseconds: int) -> datetime:
    if not 0 <= microseconds <= _LATEST:
        raise ValueError(f"times must be before 2100, but is {microseconds}")
    return _EPOCH + microseconds * _MICROSECOND


def _columns(rows: Arrays) -> Arrays:
    return {
        "time": rows["time"],
        "exchange": rows["exchange"].astype(np.str_),
        "side": np.where(rows["side"] > 0, "long", "short"),
        "price": rows["price"],
        "quantity": rows["quantity"],
        "notional": rounded(rows["notional"], "size"),
    }


def _rows(rows: Arrays) -> list[dict[str, Any]]:
    columns = _columns(rows)
    values = [
        [iso(time) for time in columns.pop("time")],
        *(column.tolist() for column in columns.values()),
    ]
    return [dict(zip(("time", *columns), row, strict=True)) for row in zip(*values, strict=True)]
