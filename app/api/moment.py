"""The map at one moment: by leverage or exchange, what a move liquidates, and max pain."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.errors import RESPONSES
from app.api.formats import bucket_middles, rounded
from app.api.moment_query import MomentMeta, MomentQuery, is_live, moment_meta
from app.api.parameters import Price
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from app.request import HeatmapRequest
from engine.kernels import Floats
from engine.snapshots import SIDE_NAMES
from ingest.columns import Arrays

MOST_PARTS = 200_000
"""Price buckets × sides × leverages or exchanges in one answer."""


class MapQuery(MomentQuery):
    """A map at one moment, in parts."""

    by: Literal["leverage", "exchange"] = Field(
        default="leverage", description="what each bucket's notional is divided by"
    )
    what_if: Price | None = Field(
        default=None,
        description="also tell what is liquidated if the market goes straight to this price "
        "(in format json) [quote]",
    )


class MapBucket(BaseModel):
    """One price bucket, modelled; parts that hold nothing are left out. [quote]"""

    price: float = Field(description="middle of the bucket")
    long: dict[str, float] = Field(description="open notional by leverage, or by exchange")
    short: dict[str, float]
    long_cumulative: float = Field(
        description="longs liquidated by a fall from the last price to the bucket's lower edge"
    )
    short_cumulative: float = Field(
        description="shorts liquidated by a rise from the last price to the bucket's upper edge"
    )
    calibrated_long: float | None = Field(
        default=None,
        description="what feeds would report of the bucket's longs; left out where not calibrated",
    )
    calibrated_short: float | None = None
    calibrated_long_cumulative: float | None = None
    calibrated_short_cumulative: float | None = None


class WhatIf(BaseModel):
    """What a move straight to a price liquidates; a touch counts."""

    price: float
    side: Literal["long", "short"] = Field(description="of the positions: longs if it falls")
    notional: float = Field(description="of all, modelled [quote]")
    calibrated_notional: float | None = Field(
        description="what feeds would report of it; null where not calibrated [quote]"
    )
    parts: dict[str, float] = Field(description="the same by leverage, or by exchange")


class LiquidationMap(BaseModel):
    """The map at one moment."""

    by: Literal["leverage", "exchange"]
    parts: list[str] = Field(description="leverages, or exchanges, that any bucket may name")
    last_price: float
    data: list[MapBucket] = Field(description="ascending by price, without a hole")
    what_if: WhatIf | None = None
    meta: MomentMeta


def map_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the route of the map at one moment."""
    router = APIRouter(prefix="/liquidations", tags=["moment"], responses=RESPONSES)

    @router.get(
        "/map",
        summary="The map at one moment, by leverage or exchange",
        responses={200: {"model": LiquidationMap}},
    )
    async def liquidation_map(request: Request, query: Annotated[MapQuery, Query()]) -> Response:
        """Tell what is open by price, by leverage or exchange, and what moves there liquidate."""

        def find() -> Answer:
            return _map(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(query.symbol), find)

    return router


def _map(heatmaps: StoredHeatmaps, query: MapQuery) -> Answer:
    if query.what_if is not None and query.format != "json":
        raise ValueError(f"what_if is told in format json only, but format is {query.format}")
    asked, moment = query.moment(heatmaps)
    names, parts = _parts(moment, query)
    if parts.size > MOST_PARTS:
        raise ValueError(
            f"{parts.shape[2]:,} price buckets by 2 sides by {len(names):,} parts are more than "
            f"the {MOST_PARTS:,} of one answer: ask for {MOST_PARTS // (2 * len(names)):,} "
            "price_bins or fewer"
        )
    return Answer(
        document=lambda: _document(asked, moment, query),
        table=lambda: _rows(moment, query),
        live=is_live(moment),
    )


def _document(asked: HeatmapRequest, moment: MomentMap, query: MapQuery) -> dict[str, Any]:
    return {
        "by": query.by,
        "parts": _parts(moment, query)[0],
        "last_price": moment.last_price,
        "data": list(_buckets(moment, query)),
        "what_if": None if query.what_if is None else _what_if(moment, query, query.what_if),
        "meta": moment_meta(asked, moment),
    }


def _parts(moment: MomentMap, query: MapQuery) -> tuple[list[str], Floats]:
    """Return names of the parts and their notional, shape (2, parts, buckets). [quote]"""
    if query.by == "exchange":
        by_exchange = [part.sum(axis=1) for part in moment.parts.values()]
        return list(moment.parts), rounded(np.stack(by_exchange, axis=1))
    return [f"{leverage:g}" for leverage in moment.leverages], rounded(moment.whole)


def _buckets(moment: MomentMap, query: MapQuery) -> Iterator[dict[str, Any]]:
    names, parts = _parts(moment, query)
    cumulative = rounded(moment.cumulative()).tolist()
    calibrated = list(_calibrated(moment))
    for bucket, price in enumerate(bucket_middles(moment.edges).tolist()):
        longs, shorts = (_held(names, parts[side, :, bucket]) for side in range(2))
        yield {
            "price": price,
            "long": longs,
            "short": shorts,
            "long_cumulative": cumulative[0][bucket],
            "short_cumulative": cumulative[1][bucket],
            **{name: amounts[bucket] for name, amounts in calibrated},
        }


def _calibrated(moment: MomentMap) -> Iterator[tuple[str, list[float]]]:
    """Yield each calibrated field's amounts by bucket, nothing where the map isn't calibrated."""
    found = {"": moment.calibrated_buckets(), "_cumulative": moment.calibrated_cumulative()}
    for kind, amounts in found.items():
        if amounts is not None:
            for side, row in zip(SIDE_NAMES, rounded(amounts).tolist(), strict=True):
                yield f"calibrated_{side}{kind}", row


def _held(names: list[str], amounts: Floats) -> dict[str, float]:
    return {
        name: amount for name, amount in zip(names, amounts.tolist(), strict=True) if amount > 0.0
    }


def _what_if(moment: MomentMap, query: MapQuery, price: float) -> dict[str, Any]:
    on_the_way = moment.on_the_way(price)
    by_exchange = query.by == "exchange"
    amounts = rounded(on_the_way.sum(axis=1 if by_exchange else 0))
    return {
        "price": price,
        "side": "long" if price < moment.last_price else "short",
        "notional": float(rounded(on_the_way.sum())),
        "calibrated_notional": moment.calibrated_on_the_way(price),
        "parts": _held(_parts(moment, query)[0], amounts),
    }


def _rows(moment: MomentMap, query: MapQuery) -> Arrays:
    """Return a row for each bucket, side and part that holds anything."""
    names, parts = _parts(moment, query)
    bucket, side, part = np.nonzero(parts.transpose(2, 0, 1))
    return {
        "price": bucket_middles(moment.edges)[bucket],
        "side": np.array(SIDE_NAMES)[side],
        query.by: np.array(names if query.by == "exchange" else moment.leverages)[part],
        "notional": parts[side, part, bucket],
        "cumulative": rounded(moment.cumulative())[side, bucket],
    }
