"""Where most longs and most shorts would be liquidated, symbol by symbol."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers, Format
from app.api.errors import RESPONSES
from app.api.formats import iso
from app.api.meta import CalibrationMeta, InForce, calibration_meta, in_force
from app.api.moment_query import is_live
from app.api.parameters import ExchangesQuery, ModelQuery, Symbol, Time, known_exchanges
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from app.request import HeatmapRequest
from engine.parameters import Parameters
from engine.summary import Cluster
from engine.version import engine_version
from ingest.columns import Arrays

MOST_SYMBOLS = 50
"""Symbols that one answer tells of when none is named."""

RANGES = {
    "12h": timedelta(hours=12),
    "24h": timedelta(hours=24),
    "48h": timedelta(hours=48),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "14d": timedelta(days=14),
    "30d": timedelta(days=30),
}


class MaxPainQuery(ExchangesQuery, ModelQuery):
    """Symbols at one moment."""

    symbol: Symbol | None = Field(default=None, description="all that can be mapped if left out")
    time: Time | None = Field(
        default=None,
        description="ISO 8601 or Unix milliseconds; UTC where it names no zone; end of each "
        "symbol's data if left out",
    )
    range: Literal["12h", "24h", "48h", "3d", "7d", "14d", "30d"] | None = Field(
        default=None,
        description="count only levels that were born in this span before the time; all that are "
        "open if left out, as the page does",
    )
    format: Format = "json"


class MaxPain(BaseModel):
    """Max pain of one symbol; prices and notional are null where nothing is open. [quote]"""

    symbol: str
    exchanges: list[str]
    time: str
    last_price: float
    long_max_pain_price: float | None = Field(
        description="middle of the bucket below the last price that holds most long notional; "
        "buckets are 0.1 % of the last price"
    )
    long_max_pain_notional: float | None = Field(description="modelled as open there")
    calibrated_long_max_pain_notional: float | None = Field(
        description="what feeds would report if it were reached; null where not calibrated"
    )
    short_max_pain_price: float | None = Field(
        description="middle of the bucket above the last price that holds most short notional"
    )
    short_max_pain_notional: float | None = Field(description="modelled as open there")
    calibrated_short_max_pain_notional: float | None


class MaxPainMeta(InForce):  # type: ignore[misc]
    """What an answer was computed from, and how."""

    range: str | None
    calibration: dict[str, dict[str, CalibrationMeta]] = Field(description="by symbol and exchange")
    left_out: int = Field(description="further symbols, beyond the most of one answer")
    data_watermark: str
    engine_version: str


class MaxPains(BaseModel):
    """Max pain of symbols."""

    data: list[MaxPain]
    meta: MaxPainMeta


def max_pain_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the route of max pain."""
    router = APIRouter(prefix="/liquidations", tags=["moment"], responses=RESPONSES)

    @router.get(
        "/max-pain",
        summary="Where most longs and most shorts would be liquidated",
        responses={200: {"model": MaxPains}},
    )
    async def max_pain(request: Request, query: Annotated[MaxPainQuery, Query()]) -> Response:
        """Long pain lies below the last price, short pain above it, each at any distance.

        Without a symbol, those with most exchanges come first, 50 of them at most.
        """

        def find() -> Answer:
            return _max_pain(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(query.symbol), find)

    return router


def _max_pain(heatmaps: StoredHeatmaps, query: MaxPainQuery) -> Answer:
    exchanges = known_exchanges(query.names, heatmaps)
    left_out = 0
    if query.symbol is not None:
        moments = [_moment(heatmaps, query, query.symbol, exchanges)]
    else:
        markets = _mapped(heatmaps, exchanges, query.assumed().parameters)
        left_out = max(0, len(markets) - MOST_SYMBOLS)
        moments = list(_moments(heatmaps, query, list(markets.items())[:MOST_SYMBOLS]))
    rows = [_row(moment) for moment in moments]
    return Answer(
        document=lambda: {"data": rows, "meta": _meta(heatmaps, query, moments, left_out)},
        table=lambda: _columns(rows),
        live=not moments or any(is_live(moment) for moment in moments),
    )


def _mapped(
    heatmaps: StoredHeatmaps, exchanges: Sequence[str], assumed: Parameters
) -> dict[str, tuple[str, ...]]:
    """Return the symbols that a model can map, and on which of the exchanges."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(heatmaps.symbols(), ())
    for market in heatmaps.markets():
        if (market.is_mapped or not assumed.follows_interest) and market.exchange in (
            exchanges or (market.exchange,)
        ):
            found[market.symbol] += (market.exchange,)
    return {symbol: names for symbol, names in found.items() if names}


def _moments(
    heatmaps: StoredHeatmaps, query: MaxPainQuery, markets: Sequence[tuple[str, tuple[str, ...]]]
) -> Iterator[MomentMap]:
    for symbol, exchanges in markets:
        # Not every symbol has data at the time asked for.
        with suppress(NoData):
            yield _moment(heatmaps, query, symbol, exchanges)


def _moment(
    heatmaps: StoredHeatmaps, query: MaxPainQuery, symbol: str, exchanges: tuple[str, ...]
) -> MomentMap:
    assumed = query.assumed().parameters
    time = query.time or heatmaps.extent(symbol, exchanges, assumed)[1]
    request = HeatmapRequest(
        symbol=symbol,
        start=time - max(RANGES.values()),
        stop=time,
        exchanges=exchanges,
        **query.changes(),
        # Max pain has buckets of its own.
        buckets=1,
        price_low=0.0,
        price_high=1.0,
    )
    return heatmaps.moment(request, time, time - RANGES[query.range] if query.range else None)


def _row(moment: MomentMap) -> dict[str, Any]:
    longs, shorts = moment.max_pain()
    return {
        "symbol": moment.symbol,
        "exchanges": list(moment.levels),
        "time": iso(moment.time),
        "last_price": moment.last_price,
        **_told("long", longs, moment.calibrated_pain(longs, 0)),
        **_told("short", shorts, moment.calibrated_pain(shorts, 1)),
    }


def _told(side: str, cluster: Cluster | None, calibrated: float | None) -> dict[str, float | None]:
    names = (
        f"{side}_max_pain_price",
        f"{side}_max_pain_notional",
        f"calibrated_{side}_max_pain_notional",
    )
    if cluster is None:
        return dict.fromkeys(names)
    price = float(f"{cluster.price:.12g}")
    reported = None if calibrated is None else round(calibrated, 2)
    return dict(zip(names, (price, round(cluster.notional, 2), reported), strict=True))


def _meta(
    heatmaps: StoredHeatmaps, query: MaxPainQuery, moments: Sequence[MomentMap], left_out: int
) -> dict[str, Any]:
    return {
        **in_force(query),
        "range": query.range,
        "calibration": {moment.symbol: calibration_meta(moment.calibrations) for moment in moments},
        "left_out": left_out,
        "data_watermark": heatmaps.watermark(query.symbol),
        "engine_version": engine_version(),
    }


def _columns(rows: Sequence[dict[str, Any]]) -> Arrays:
    """Return the rows as columns; a row's exchanges are one text."""
    numbers = ["last_price", *_told("long", None, None), *_told("short", None, None)]
    return {
        "symbol": np.array([row["symbol"] for row in rows], np.str_),
        "exchanges": np.array([" ".join(row["exchanges"]) for row in rows], np.str_),
        "time": np.array([row["time"].removesuffix("Z") for row in rows], "datetime64[us]"),
        **{name: np.array([row[name] for row in rows], np.float64) for name in numbers},
    }
