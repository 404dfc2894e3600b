"""What was really liquidated, summed by interval."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers, Format
from app.api.cursor import NotACursor, next_link, read, written
from app.api.errors import RESPONSES
from app.api.formats import aware, iso, rounded, unix_milliseconds
from app.api.parameters import INTERVALS, Breakdown, Interval, SpanQuery, check_columns
from app.api.realised import Realised, RealisedMeta, realised, realised_meta
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from ingest.columns import Arrays
from ingest.liquidations import liquidation_sums

MOST_INTERVALS = 200_000
"""Intervals of all pages together."""

_MONDAY = datetime(2000, 1, 3, tzinfo=UTC)
_LATEST = 4_102_444_800_000  # 2100 [ms]


class HistoryQuery(SpanQuery):
    """Sums of realised liquidations, page by page."""

    interval: Interval = Field(
        default="1h", description="what is summed; days begin at midnight, weeks on Monday, UTC"
    )
    breakdown: Breakdown = Field(
        default="none", description="whether the exchanges' parts are told too; they sum up"
    )
    limit: int = Field(default=500, ge=1, le=1000, description="intervals in a page, at most")
    cursor: str = Field(default="", max_length=500, description="where the page begins, as told")
    format: Format = "json"


class HistorySums(BaseModel):
    """What was liquidated in an interval."""

    long_usd: float = Field(description="notional of longs [quote]")
    short_usd: float = Field(description="notional of shorts [quote]")
    count: int = Field(description="liquidations of both sides")


class HistoryRow(HistorySums):
    """What was liquidated in one interval."""

    time: str = Field(description="start of the interval")
    exchanges: dict[str, HistorySums] | None = Field(
        default=None, description="each exchange's part, where asked for"
    )


class HistoryMeta(RealisedMeta):
    """What the sums tell of."""

    interval_seconds: float


class History(BaseModel):
    """One page of sums."""

    data: list[HistoryRow] = Field(description="every interval, oldest first")
    next: str | None = Field(description="address of the next page, null on the last")
    cursor: str | None = Field(description="the same as a parameter")
    meta: HistoryMeta


def history_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the route of sums."""
    router = APIRouter(prefix="/liquidations", tags=["realised"], responses=RESPONSES)

    @router.get(
        "/history",
        summary="Realised liquidations summed by interval, page by page",
        responses={200: {"model": History}},
    )
    async def history(request: Request, query: Annotated[HistoryQuery, Query()]) -> Response:
        """Sum what was liquidated of longs and of shorts, as the exchanges reported it.

        Intervals without a liquidation are zero; the span is cut to what is stored. Pages follow
        the `Link` header, or `next` in the body.
        """

        def find() -> Answer:
            return _history(heatmaps, query, str(request.url.path))

        return await answers.reply(
            request, query, heatmaps.watermark(query.symbol), find, light=True
        )

    return router


def _history(heatmaps: StoredHeatmaps, query: HistoryQuery, path: str) -> Answer:
    stored, step = realised(query, heatmaps), INTERVALS[query.interval]
    start, whole_stop = _place(query, stored, step)
    stop = min(whole_stop, start + query.limit * step)
    cursor = written(*map(_milliseconds, (stop, whole_stop))) if stop < whole_stop else None
    link = next_link(path, query, cursor)
    parts = {name: _sums(heatmaps, query, name, start, stop) for name in stored.exchanges}
    times = _times(start, stop, step)
    meta = realised_meta(query, heatmaps, stored, start, stop)
    return Answer(
        document=lambda: {
            "data": _rows(times, parts, query),
            "next": link,
            "cursor": cursor,
            "meta": meta | {"interval_seconds": step.total_seconds()},
        },
        table=lambda: _columns(times, parts, query),
        headers={"Link": f'<{link}>; rel="next"'} if link else {},
        live=stop >= stored.last,
    )


def _place(query: HistoryQuery, stored: Realised, step: timedelta) -> tuple[datetime, datetime]:
    """Return where the page begins and the walk ends, both at an interval's edge."""
    if query.cursor:
        return _place_at(query.cursor, step)
    start, stop = stored.span(query)
    if stop <= stored.first or start >= stored.last:
        raise NoData(
            f"No liquidations are stored for {query.symbol} from {start:%Y-%m-%d %H:%M} to "
            f"{stop:%Y-%m-%d %H:%M} UTC; there are some from {stored.first:%Y-%m-%d %H:%M} to "
            f"{stored.last:%Y-%m-%d %H:%M}."
        )
    # What is not stored is not known to be nothing.
    start, stop = max(start, stored.first), min(stop, stored.last)
    check_columns(stop - start, step, MOST_INTERVALS)
    return _MONDAY + (start - _MONDAY) // step * step, _MONDAY - (_MONDAY - stop) // step * step


def _place_at(cursor: str, step: timedelta) -> tuple[datetime, datetime]:
    try:
        start, stop = (int(part) for part in read(cursor))
    except (ValueError, TypeError, OverflowError) as e:
        raise NotACursor from e
    if not 0 <= start < stop <= _LATEST:
        raise NotACursor
    first, last = aware(start), aware(stop)
    if (first - _MONDAY) % step or (last - _MONDAY) % step:
        raise NotACursor
    return first, last


def _sums(
    heatmaps: StoredHeatmaps, query: HistoryQuery, exchange: str, start: datetime, stop: datetime
) -> Arrays:
    """Return an exchange's sums of every interval, shape (intervals,) each."""
    step = INTERVALS[query.interval]
    found = liquidation_sums(heatmaps.store, exchange, query.symbol, step, start, stop)
    place = np.searchsorted(_times(start, stop, step), found["start"])
    sums = {
        "long_usd": np.zeros((stop - start) // step),
        "short_usd": np.zeros((stop - start) // step),
        "count": np.zeros((stop - start) // step, np.int64),
    }
    sums["long_usd"][place] = rounded(found["long"])
    sums["short_usd"][place] = rounded(found["short"])
    sums["count"][place] = found["count"]
    return sums


def _whole(parts: dict[str, Arrays]) -> Arrays:
    """Return the sums of all exchanges: of what is told of each, to the cent."""
    every = list(parts.values())
    return {
        "long_usd": rounded(np.sum([part["long_usd"] for part in every], axis=0)),
        "short_usd": rounded(np.sum([part["short_usd"] for part in every], axis=0)),
        "count": np.sum([part["count"] for part in every], axis=0),
    }


def _rows(
    times: NDArray[np.datetime64], parts: dict[str, Arrays], query: HistoryQuery
) -> list[dict[str, Any]]:
    rows = [
        {"time": iso(time)} | sums
        for time, sums in zip(times, _as_rows(_whole(parts)), strict=True)
    ]
    if query.breakdown == "exchange":
        by_exchange = {exchange: _as_rows(part) for exchange, part in parts.items()}
        for place, row in enumerate(rows):
            row["exchanges"] = {name: part[place] for name, part in by_exchange.items()}
    return rows


def _as_rows(columns: Arrays) -> list[dict[str, Any]]:
    values = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _columns(
    times: NDArray[np.datetime64], parts: dict[str, Arrays], query: HistoryQuery
) -> Arrays:
    if query.breakdown == "none":
        return {"time": times} | _whole(parts)
    every = [
        {"exchange": np.full(times.size, exchange), "time": times} | part
        for exchange, part in parts.items()
    ]
    return {name: np.concatenate([columns[name] for columns in every]) for name in every[0]}


def _times(start: datetime, stop: datetime, step: timedelta) -> NDArray[np.datetime64]:
    first, last = (np.datetime64(time.replace(tzinfo=None), "us") for time in (start, stop))
    return np.arange(first, last, np.timedelta64(step))


def _milliseconds(time: datetime) -> int:
    return int(unix_milliseconds(np.array(time.replace(tzinfo=None), "datetime64[us]")))
