"""The map at the end of the data: by price and leverage, and where most is at risk."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, RootModel

from app.api.answers import Answer, Answers
from app.api.coinglass.envelope import Success, success
from app.api.coinglass.heatmap import page_request
from app.api.coinglass.meta import NOTIONAL, model_meta, moment_meta
from app.api.coinglass.names import coins
from app.api.coinglass.parameters import CoinMapQuery, MaxPainQuery, PairMapQuery
from app.api.coinglass.texts import number_texts, plain
from app.api.formats import bucket_middles, iso, rounded
from app.api.max_pain import MOST_SYMBOLS
from app.api.meta import calibration_meta
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from app.request import HeatmapRequest
from app.stored_book import time64
from engine.summary import Cluster

_DIGITS = 10  # of a price that is computed; what follows is noise

Level = tuple[float, float, float, None]


class Levels(RootModel[dict[str, list[Level]]]):
    """Price, to price [quote], notional at risk [USD] and leverage of each level there."""


class MaxPain(BaseModel):
    """Where most is at risk on both sides of a coin's price."""

    symbol: str = Field(description="the coin")
    price: float = Field(description="last close [quote]")
    long_max_pain_liq_level: float | None = Field(
        description="notional at risk in the price bucket that holds most below the price [USD]; "
        "null where there is none"
    )
    long_max_pain_liq_price: float | None = Field(description="its middle [quote]")
    short_max_pain_liq_level: float | None = Field(description="the same above the price [USD]")
    short_max_pain_liq_price: float | None


def add_level_routes(router: APIRouter, heatmaps: StoredHeatmaps, answers: Answers) -> None:
    """Add the routes of the map at the end of the data."""
    levels: dict[int | str, dict[str, Any]] = {200: {"model": Success[Levels]}}

    async def reply(request: Request, query: CoinMapQuery | PairMapQuery) -> Response:
        def find() -> Answer:
            return _levels(heatmaps, query)

        return await answers.reply(request, query, query.watermark(heatmaps), find)

    @router.get("/map", summary="A pair's map at the end of the data", responses=levels)
    async def pair(request: Request, query: Annotated[PairMapQuery, Query()]) -> Response:
        """List price, notional at risk and leverage of what was opened in the range and is open."""
        return await reply(request, query)

    @router.get("/aggregated-map", summary="A coin's map at the end of the data", responses=levels)
    async def coin(request: Request, query: Annotated[CoinMapQuery, Query()]) -> Response:
        """List the same of all stored exchanges together."""
        return await reply(request, query)

    @router.get(
        "/max-pain",
        summary="Where most is at risk, for every coin",
        responses={200: {"model": Success[list[MaxPain]]}},
    )
    async def max_pain(request: Request, query: Annotated[MaxPainQuery, Query()]) -> Response:
        """Find the fullest price bucket of longs below the price and of shorts above it."""

        def find() -> Answer:
            return _max_pain(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(), find)


def _levels(heatmaps: StoredHeatmaps, query: CoinMapQuery | PairMapQuery) -> Answer:
    symbol, exchanges = query.stored(heatmaps)
    request, moment = _moment(heatmaps, symbol, exchanges, query.window)
    return Answer(document=lambda: success(_by_price(moment), moment_meta(request, moment, None)))


def _max_pain(heatmaps: StoredHeatmaps, query: MaxPainQuery) -> Answer:
    found: dict[str, tuple[HeatmapRequest, MomentMap]] = {}
    missing = []
    stored = coins(heatmaps.symbols())
    for coin, symbol in list(stored.items())[:MOST_SYMBOLS]:
        try:
            found[coin] = _moment(heatmaps, symbol, (), query.range)
        except NoData as e:
            missing.append(str(e))
    if not found:
        raise NoData(missing[0] if missing else _NOTHING)
    rows = [_pain(coin, moment) for coin, (_, moment) in found.items()]
    meta = _pain_meta(found, heatmaps.watermark()) | {
        "left_out": max(0, len(stored) - MOST_SYMBOLS)
    }
    return Answer(document=lambda: success(rows, meta))


_NOTHING = 'Nothing is stored yet. Load candles and open interest with "liqheat ingest".'


def _moment(
    heatmaps: StoredHeatmaps, symbol: str, exchanges: Sequence[str], window: str
) -> tuple[HeatmapRequest, MomentMap]:
    """Return the map of what was opened in the window that ends with the data."""
    request = page_request(heatmaps, symbol, exchanges, window, None)
    return request, heatmaps.moment(request, request.stop, since=request.start)


def _by_price(moment: MomentMap) -> dict[str, list[Level]]:
    """Return the levels of both sides by price, ascending by price and leverage."""
    held = rounded(moment.whole.sum(axis=0)).T
    prices = bucket_middles(moment.edges)
    names = number_texts(prices)
    rows: dict[str, list[Level]] = {}
    for bucket, leverage in zip(*np.nonzero(held), strict=True):
        price, at_leverage = plain(float(prices[bucket])), plain(moment.leverages[leverage])
        level: Level = (price, float(held[bucket, leverage]), at_leverage, None)
        rows.setdefault(names[bucket], []).append(level)
    return rows


def _pain(coin: str, moment: MomentMap) -> dict[str, Any]:
    long, short = moment.max_pain()
    return {
        "symbol": coin,
        "price": moment.last_price,
        **_side("long", long),
        **_side("short", short),
    }


def _side(side: str, fullest: Cluster | None) -> dict[str, float | None]:
    return {
        f"{side}_max_pain_liq_level": None if fullest is None else round(fullest.notional, 2),
        f"{side}_max_pain_liq_price": (
            None if fullest is None else float(f"{fullest.price:.{_DIGITS}g}")
        ),
    }


def _pain_meta(
    found: dict[str, tuple[HeatmapRequest, MomentMap]], watermark: str
) -> dict[str, Any]:
    request, _ = next(iter(found.values()))
    return model_meta(request, None) | {
        "definition": "long pain lies below the price, short pain above it",
        "units": {"price": "quote currency", "level": NOTIONAL},
        "simulated": any(moment.simulated for _, moment in found.values()),
        "data_watermark": watermark,
        "coins": {
            coin: {
                "symbol": moment.symbol,
                "exchanges": list(moment.levels),
                "candle_exchange": moment.candle_exchange,
                "opened_since": iso(time64(asked.start)),
                "calibration": calibration_meta(moment.calibrations),
                "data_end": iso(moment.data_stop),
            }
            for coin, (asked, moment) in found.items()
        },
    }
