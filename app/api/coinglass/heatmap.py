"""The map over time: cells that hold anything, by the numbers of column and bucket."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.coinglass.candles import Candlestick, column_candles
from app.api.coinglass.envelope import Success, success
from app.api.coinglass.meta import NOT_THEIRS
from app.api.coinglass.models import CoinGlassModel, assumed, mapping
from app.api.coinglass.parameters import CoinHeatmapQuery, PairHeatmapQuery
from app.api.formats import aware, bucket_middles, rounded, unix_milliseconds
from app.api.meta import meta
from app.heatmaps import StoredHeatmaps
from app.page_state import PageState
from app.picture import heatmap_request
from app.request import HeatmapRequest
from components.presets import CUSTOM_PRESET
from engine.heatmap import Heatmap

Cell = tuple[int, int, float]


class HeatmapData(BaseModel):
    """A window of the map."""

    y_axis: list[float] = Field(description="middles of the price buckets [quote]")
    liquidation_leverage_data: list[Cell] = Field(
        description="number of the candle, number in y_axis, notional at risk [USD]; others hold 0"
    )
    price_candlesticks: list[Candlestick] = Field(
        description="Unix seconds, open, high, low, close, volume [USD]; one for each column"
    )
    update_time: int = Field(description="end of the data [ms since 1970]")


_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": Success[HeatmapData]}}


def add_heatmap_routes(router: APIRouter, heatmaps: StoredHeatmaps, answers: Answers) -> None:
    """Add the routes of the map over time."""

    async def reply(
        request: Request, query: CoinHeatmapQuery | PairHeatmapQuery, model: CoinGlassModel
    ) -> Response:
        def find() -> Answer:
            symbol, exchanges = query.stored(heatmaps)
            asked = page_request(heatmaps, symbol, exchanges, query.range, model)
            return _answer(heatmaps, asked, model)

        return await answers.reply(request, query, query.watermark(heatmaps), find)

    @router.get("/heatmap/{model}", summary="A pair's map over time", responses=_ANSWERS)
    async def pair(
        request: Request, model: CoinGlassModel, query: Annotated[PairHeatmapQuery, Query()]
    ) -> Response:
        """Notional at risk by time and price, the page's own for the same exchange and window."""
        return await reply(request, query, model)

    @router.get("/aggregated-heatmap/{model}", summary="A coin's map over time", responses=_ANSWERS)
    async def coin(
        request: Request, model: CoinGlassModel, query: Annotated[CoinHeatmapQuery, Query()]
    ) -> Response:
        """Notional at risk by time and price, of all stored exchanges together."""
        return await reply(request, query, model)


def page_request(
    heatmaps: StoredHeatmaps,
    symbol: str,
    exchanges: Sequence[str],
    window: str,
    model: CoinGlassModel | None,
) -> HeatmapRequest:
    """Return what the page computes for the same choices."""
    state = PageState(
        symbol=symbol,
        exchanges=tuple(exchanges),
        window=window,
        preset=CUSTOM_PRESET,  # others assume for themselves
        **assumed(model).changes(),
    )
    return heatmap_request(heatmaps, state)


def _answer(heatmaps: StoredHeatmaps, request: HeatmapRequest, model: CoinGlassModel) -> Answer:
    view, maps = heatmaps.view(request), heatmaps.maps(request)
    times = view.heatmap.times
    volumes = heatmaps.store.quote_volumes(
        view.candle_exchange,
        view.symbol,
        *(aware(time) for time in unix_milliseconds(times[[0, -1]]).tolist()),
    )
    candles, without = column_candles(view.candles, volumes, times)
    notes = {
        "answers_for": model,
        "mapping": mapping(model),
        "note": NOT_THEIRS,
        "candle_exchange": view.candle_exchange,
        "columns_without_candle": without,
    }
    return Answer(
        document=lambda: success(
            {
                "y_axis": bucket_middles(view.heatmap.edges),
                "liquidation_leverage_data": _cells(view.heatmap),
                "price_candlesticks": candles,
                "update_time": int(unix_milliseconds(np.array([maps.data_stop]))[0]),
            },
            meta(request, maps, view.heatmap) | notes,
        )
    )


def _cells(heatmap: Heatmap) -> list[Cell]:
    """Return the cells that hold at least a cent, column by column, upwards in each."""
    held = rounded(heatmap.active.sum(axis=0)).T
    column, bucket = np.nonzero(held)
    return list(zip(column.tolist(), bucket.tolist(), held[column, bucket].tolist(), strict=True))
