"""The map over time: page by page with its flows, or as one matrix."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers, piece
from app.api.cursor import first_page, next_link, page_at
from app.api.errors import RESPONSES
from app.api.formats import bucket_middles, iso_times, rounded
from app.api.meta import Meta, Shares, Sides, meta, shares
from app.api.parameters import HeatmapQuery
from app.heatmaps import StoredHeatmaps
from app.request import MOST_COLUMNS, HeatmapRequest
from app.views import Maps
from engine.heatmap import Heatmap, combine
from engine.snapshots import SIDE_NAMES
from ingest.columns import Arrays

MOST_PAGED = 200_000
"""Columns of all pages together."""

MOST_CELLS = 2_000_000
"""Times × price buckets × maps (the whole, and each exchange's where asked) in one answer."""

MOST_LEVELS = 400_000
"""The same where each is an object with names, in JSON pages: about 40 MB."""

_LAYERS = ("density", "consumed")


class Level(BaseModel):
    """What the model holds open in a price bucket at a time, and what it lost there before.

    Sides that were not asked for are left out, and so are calibrated amounts where the map is not
    calibrated: what the exchanges' feeds would report of the modelled ones.
    """

    price: float = Field(description="middle of the bucket [quote]")
    long_density: float | None = None
    short_density: float | None = None
    long_consumed: float | None = Field(default=None, description="modelled, not as reported")
    short_consumed: float | None = None
    calibrated_long_density: float | None = None
    calibrated_short_density: float | None = None
    calibrated_long_consumed: float | None = None
    calibrated_short_consumed: float | None = None


class Snapshot(BaseModel):
    """The map at one time."""

    timestamp: str = Field(description="end of the column")
    levels: list[Level] = Field(description="buckets that hold anything, ascending by price")
    opened: Sides = Field(description="levels' size that was born in the column [base]")
    closed: Sides = Field(description="… that its holders closed [base]")
    liquidated: Sides = Field(description="… that the price crossed: modelled, not reported [base]")
    open_interest: float | None = Field(description="one side counted; null if unknown [base]")
    coverage: Shares = Field(description="mapped share: levels / open interest [-]")
    exchanges: dict[str, list[Level]] | None = Field(
        default=None, description="each exchange's part of the levels, where asked for"
    )


class Timeseries(BaseModel):
    """One page of the map over time."""

    data: list[Snapshot]
    next: str | None = Field(description="address of the next page, null on the last")
    cursor: str | None = Field(description="the same as a parameter")
    meta: Meta


class Matrix(BaseModel):
    """The map as one matrix for each layer."""

    times: list[str] = Field(description="ends of the columns")
    prices: list[float] = Field(description="middles of the price buckets [quote]")
    values: list[list[float]] = Field(description="[price][time]: open at the column's end")
    consumed: list[list[float]] = Field(
        description="[price][time]: modelled notional that the price crossed in the column; meta's "
        "calibration says how it compares with what feeds report"
    )
    calibrated_values: list[list[float]] | None = Field(
        default=None, description="values as the exchanges' feeds would report them, if calibrated"
    )
    calibrated_consumed: list[list[float]] | None = None
    exchanges: dict[str, list[list[float]]] | None = Field(
        default=None, description="each exchange's part of the values, where asked for"
    )
    meta: Meta


class TimeseriesQuery(HeatmapQuery):
    """A map over time, page by page."""

    limit: int = Field(default=100, ge=1, le=1000, description="times in a page, at most")
    cursor: str = Field(default="", max_length=500, description="where the page begins, as told")


def heatmap_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the routes of the map over time."""
    router = APIRouter(prefix="/liquidations", tags=["heatmap"], responses=RESPONSES)

    @router.get(
        "/heatmap-timeseries",
        summary="Levels at each time, with flows, page by page",
        responses={200: {"model": Timeseries}},
    )
    async def timeseries(request: Request, query: Annotated[TimeseriesQuery, Query()]) -> Response:
        """At each time: what is open and what was liquidated by price, and the flows between.

        Pages follow the `Link` header, or `next` in the body; all pages of a walk share their price
        buckets, also when new data arrive meanwhile.
        """

        def find() -> Answer:
            return _timeseries(heatmaps, query, str(request.url.path))

        return await answers.reply(request, query, heatmaps.watermark(query.symbol), find)

    @router.get(
        "/heatmap",
        summary="The map as one matrix, compact",
        responses={200: {"model": Matrix}},
    )
    async def matrix(request: Request, query: Annotated[HeatmapQuery, Query()]) -> Response:
        """Axes and values: what is open at each time and price, and what was liquidated."""

        def find() -> Answer:
            return _matrix(heatmaps, query)

        return await answers.reply(request, query, heatmaps.watermark(query.symbol), find)

    return router


def _timeseries(heatmaps: StoredHeatmaps, query: TimeseriesQuery, path: str) -> Answer:
    whole_request = query.request(heatmaps, MOST_PAGED)
    page = page_at(query.cursor, whole_request) if query.cursor else None
    page = page or first_page(heatmaps.grid(whole_request), whole_request)
    most = MOST_LEVELS if query.format == "json" else MOST_CELLS
    _check_size(query, (min(query.limit, page.columns), page.buckets), heatmaps, most)
    request, after = page.request(query.limit), page.after(query.limit)
    maps = heatmaps.maps(request)
    cursor = after.cursor if after else None
    link = next_link(path, query, cursor)
    return Answer(
        document=lambda: {
            "data": [piece(snapshot) for snapshot in _snapshots(maps, query)],
            "next": link,
            "cursor": cursor,
            "meta": meta(request, maps, maps.whole),
        },
        table=lambda: _rows(maps, query),
        headers={"Link": f'<{link}>; rel="next"'} if link else {},
        live=_is_live(maps),
    )


def _matrix(heatmaps: StoredHeatmaps, query: HeatmapQuery) -> Answer:
    request = query.request(heatmaps)
    grid = heatmaps.grid(request)
    _check_size(query, (grid.times.size - 1, grid.edges.size - 1), heatmaps, MOST_CELLS)
    maps = heatmaps.maps(request)
    return Answer(
        document=lambda: _document(request, maps, query),
        table=lambda: _rows(maps, query),
        live=_is_live(maps),
    )


def _document(request: HeatmapRequest, maps: Maps, query: HeatmapQuery) -> dict[str, Any]:
    whole = maps.whole
    document = {
        "times": iso_times(whole.times[1:]),
        "prices": bucket_middles(whole.edges),
        "values": _of_sides(whole.active, query),
        "consumed": _of_sides(whole.consumed, query),
        "meta": meta(request, maps, whole),
    }
    if (calibrated := _calibrated(maps, maps.parts)) is not None:
        document["calibrated_values"] = _of_sides(calibrated.active, query)
        document["calibrated_consumed"] = _of_sides(calibrated.consumed, query)
    if query.breakdown == "exchange":
        document["exchanges"] = {
            exchange: _of_sides(part.active, query) for exchange, part in maps.parts.items()
        }
    return document


def _of_sides(cells: np.ndarray, query: HeatmapQuery) -> np.ndarray:
    chosen = cells[_sides(query)].sum(axis=0)
    return np.ascontiguousarray(rounded(chosen, query.measure))


def _sides(query: HeatmapQuery) -> list[int]:
    return [0, 1] if query.side == "both" else [SIDE_NAMES.index(query.side)]


def _snapshots(maps: Maps, query: HeatmapQuery) -> Iterator[dict[str, Any]]:
    whole = maps.whole
    levels = _levels(whole, query, _calibrated(maps, maps.parts))
    parts = {}
    if query.breakdown == "exchange":
        parts = {
            exchange: _levels(part, query, _calibrated(maps, {exchange: part}))
            for exchange, part in maps.parts.items()
        }
    for column, time in enumerate(iso_times(whole.times[1:])):
        snapshot = {
            "timestamp": time,
            "levels": next(levels),
            **{
                name: _pair(rounded(getattr(whole, name)[:, column], "size"))
                for name in ("opened", "closed", "liquidated")
            },
            "open_interest": float(rounded(whole.open_interest[column], "size")),
            "coverage": shares(whole.coverage[:, column]),
        }
        if parts:
            snapshot["exchanges"] = {name: next(part) for name, part in parts.items()}
        yield snapshot


def _calibrated(maps: Maps, parts: Mapping[str, Heatmap]) -> Heatmap | None:
    """Return exchanges' maps as their feeds would report them, None where that isn't known."""
    active, consumed = (
        maps.calibrations.scaled({name: getattr(part, layer) for name, part in parts.items()})
        for layer in ("active", "consumed")
    )
    if active is None or consumed is None:
        return None
    return replace(combine(list(parts.values())), active=active, consumed=consumed)


def _levels(
    heatmap: Heatmap, query: HeatmapQuery, calibrated: Heatmap | None = None
) -> Iterator[list[dict[str, float]]]:
    """Yield the buckets that hold anything, column by column."""
    names, cells = _layers(heatmap, calibrated, query)
    prices = bucket_middles(heatmap.edges).tolist()
    for column in range(cells.shape[2]):
        held = np.flatnonzero(cells[:, :, column].any(axis=0))
        rows = cells[:, held, column].T.tolist()
        yield [
            dict(zip(("price", *names), (prices[bucket], *row), strict=True))
            for bucket, row in zip(held.tolist(), rows, strict=True)
        ]


def _layers(
    heatmap: Heatmap, calibrated: Heatmap | None, query: HeatmapQuery
) -> tuple[list[str], np.ndarray]:
    """Return names of sides' layers, and their cells, shape (layers, buckets, columns)."""
    sides = _sides(query)
    names = [f"{SIDE_NAMES[side]}_{layer}" for layer in _LAYERS for side in sides]
    cells = [heatmap.active[sides], heatmap.consumed[sides]]
    if calibrated is not None:
        names += [f"calibrated_{name}" for name in names]
        cells += [calibrated.active[sides], calibrated.consumed[sides]]
    return names, rounded(np.concatenate(cells), query.measure)


def _rows(maps: Maps, query: HeatmapQuery) -> Arrays:
    """Return a row for each time, exchange where asked for, and bucket that holds anything."""
    if query.breakdown == "none":
        return _rows_of(maps.whole, _calibrated(maps, maps.parts), query)
    parts = []
    for exchange, part in maps.parts.items():
        rows = _rows_of(part, _calibrated(maps, {exchange: part}), query)
        parts.append({"exchange": np.full(rows["price"].size, exchange), **rows})
    # Exchanges that aren't calibrated have none of those columns.
    names = max(parts, key=len)
    return {
        name: np.concatenate(
            [part.get(name, np.full(part["price"].size, np.nan)) for part in parts]
        )
        for name in names
    }


def _rows_of(heatmap: Heatmap, calibrated: Heatmap | None, query: HeatmapQuery) -> Arrays:
    names, cells = _layers(heatmap, calibrated, query)
    column, bucket = np.nonzero(cells.any(axis=0).T)
    return {
        "timestamp": heatmap.times[column + 1],
        "price": bucket_middles(heatmap.edges)[bucket],
        **{name: layer[bucket, column] for name, layer in zip(names, cells, strict=True)},
    }


def _pair(sides: np.ndarray) -> dict[str, float]:
    return {"long": float(sides[0]), "short": float(sides[1])}


def _is_live(maps: Maps) -> bool:
    times = next(iter(maps.parts.values())).times
    return bool(times[-1] >= maps.data_stop)


def _check_size(
    query: HeatmapQuery, shape: tuple[int, int], heatmaps: StoredHeatmaps, most: int
) -> None:
    columns, buckets = shape
    if columns > MOST_COLUMNS:
        raise ValueError(
            f"the interval makes {columns:,} columns, and at most {MOST_COLUMNS:,} fit one answer: "
            "ask for a longer interval or a shorter span"
        )
    maps = 1
    if query.breakdown == "exchange":
        maps += len(query.names or heatmaps.exchanges(query.symbol))
    if columns * buckets * maps > most:
        raise ValueError(
            f"{columns:,} times by {buckets:,} price buckets by {maps} maps are more than the "
            f"{most:,} cells of one answer: ask for {most // (columns * maps):,} "
            "price_bins or fewer, fewer times (limit, a longer interval), or a shorter span"
        )
