"""The map as a plain list: what came before the map over time, and is on its way out."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.errors import RESPONSES
from app.api.formats import bucket_middles, rounded
from app.api.moment_query import MomentMeta, MomentQuery, is_live, moment_meta
from app.api.parameters import Side
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from engine.snapshots import SIDE_NAMES
from engine.snapshots import Side as PositionSide
from ingest.columns import Arrays

DEPRECATED = datetime(2026, 11, 1, tzinfo=UTC)
SUNSET = datetime(2027, 11, 1, tzinfo=UTC)
SUCCESSOR = "/liquidations/heatmap-timeseries"


class LevelsQuery(MomentQuery):
    """Levels at one moment."""

    side: Side = "both"


class PlainLevel(BaseModel):
    """What is open in a price bucket on one side."""

    price: float = Field(description="middle of the bucket [quote]")
    side: PositionSide
    notional: float = Field(description="[quote]")
    size: float = Field(description="[base]")


class Deprecated(BaseModel):
    """That the route is on its way out, and what to use instead."""

    since: str
    sunset: str = Field(description="the route may be gone from then on")
    successor: str = Field(description="address that answers the same and more")


class Levels(BaseModel):
    """Levels at one moment."""

    data: list[PlainLevel] = Field(description="ascending by price")
    deprecated: Deprecated
    meta: MomentMeta


def levels_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the deprecated route of levels."""
    router = APIRouter(prefix="/liquidations", tags=["moment"], responses=RESPONSES)

    @router.get(
        "/levels",
        deprecated=True,
        summary="Open levels at one moment, as a plain list",
        responses={200: {"model": Levels, "headers": _HEADERS}},
    )
    async def levels(request: Request, query: Annotated[LevelsQuery, Query()]) -> Response:
        """Use `/liquidations/heatmap-timeseries`, which tells how the levels came to be."""

        def find() -> Answer:
            return _levels(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(query.symbol), find)

    return router


_HEADERS = {
    "Deprecation": {"description": "Since when (RFC 9745)", "schema": {"type": "string"}},
    "Sunset": {"description": "Until when (RFC 8594)", "schema": {"type": "string"}},
    "Link": {"description": "What to use instead", "schema": {"type": "string"}},
}


def _levels(heatmaps: StoredHeatmaps, query: LevelsQuery) -> Answer:
    asked, moment = query.moment(heatmaps)
    successor = _successor(query)
    return Answer(
        document=lambda: {
            "data": _list(_rows(moment, query)),
            "deprecated": {
                "since": f"{DEPRECATED:%Y-%m-%dT%H:%M:%SZ}",
                "sunset": f"{SUNSET:%Y-%m-%dT%H:%M:%SZ}",
                "successor": successor,
            },
            "meta": moment_meta(asked, moment),
        },
        table=lambda: _rows(moment, query),
        headers={
            "Deprecation": f"@{int(DEPRECATED.timestamp())}",
            "Sunset": format_datetime(SUNSET, usegmt=True),
            "Link": f'<{successor}>; rel="successor-version"',
        },
        live=is_live(moment),
    )


def _successor(query: LevelsQuery) -> str:
    asked = {"symbol": query.symbol} | ({"exchanges": query.exchanges} if query.exchanges else {})
    return f"{SUCCESSOR}?{urlencode(asked)}"


def _rows(moment: MomentMap, query: LevelsQuery) -> Arrays:
    """Return a row for each bucket and side that holds anything."""
    notional, size = moment.sums("notional"), moment.sums("size")
    chosen = np.array([query.side in ("both", name) for name in SIDE_NAMES])
    held = (notional > 0.0) & chosen[:, None]
    bucket, side = np.nonzero(held.T)
    return {
        "price": bucket_middles(moment.edges)[bucket],
        "side": np.array(SIDE_NAMES)[side],
        "notional": rounded(notional[side, bucket]),
        "size": rounded(size[side, bucket], "size"),
    }


def _list(rows: Arrays) -> list[dict[str, Any]]:
    columns = [column.tolist() for column in rows.values()]
    return [dict(zip(rows, row, strict=True)) for row in zip(*columns, strict=True)]
