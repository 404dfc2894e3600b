"""From books to the view that pictures, numbers and files are made of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import nan

import numpy as np

from app.request import MOST_BUCKETS, HeatmapRequest
from app.stored_book import LASTING, StoredBook, time64
from components.view import Candles, HeatmapView, Liquidations, Positions
from engine.ensemble import Book
from engine.grid import price_edges, shown_range, step_edges, time_edges, width_edges
from engine.heatmap import Heatmap, combine, rasterise
from engine.kernels import Floats
from engine.market import Times
from engine.score import Calibrations
from engine.summary import KeyFigures, key_figures, risk_edges
from ingest.store import Arrays

LASTS = timedelta(hours=24)
"""How much later a level should still be open to count as lasting."""

LARGEST = 1500
"""Liquidations drawn; the rest are too small to see."""
_LEAST_WEIGHT = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Edges of time columns [UTC] and of price buckets [quote].

    ``low`` and ``high`` are the prices that the edges were chosen to hold. [quote]
    """

    times: Times
    edges: Floats
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Each exchange's map on one grid, without what a picture shows beside it.

    Attributes
    ----------
    symbol : str
        What is mapped.
    parts : mapping of str to Heatmap
        By exchange.
    data_stop : datetime64
        End of the last stored bar. [UTC]
    crossing_price : str
        ``"mark"``, ``"last"`` or ``"mark or last"``: which price kills levels.
    assumed_margin : tuple of str
        Exchanges whose leverage tiers are not known for the symbol.
    simulated : bool
        Whether the data are of the simulated market.
    watermark : str
        Names the state of the stored data.
    calibrations : Calibrations
        What turns modelled amounts into those that the exchanges' feeds report.
    """

    symbol: str
    parts: Mapping[str, Heatmap]
    data_stop: np.datetime64
    crossing_price: str
    assumed_margin: tuple[str, ...]
    simulated: bool
    watermark: str
    calibrations: Calibrations = field(default_factory=Calibrations)

    @property
    def whole(self) -> Heatmap:
        """All exchanges together."""
        return combine(list(self.parts.values()))


def grid_of(request: HeatmapRequest, stored: Sequence[StoredBook]) -> Grid:
    """Return the grid on which a request is answered."""
    times = _times(request, [each.book for each in stored])
    low, high = _price_range(request, _candles(_leading(stored, times).candles, times))
    return Grid(times, request_edges(request, low, high), low, high)


def draw_maps(
    request: HeatmapRequest, stored: Sequence[StoredBook], *, simulated: bool, watermark: str
) -> Maps:
    """Return the maps of the books, at least one of which is known in the request's range."""
    grid = grid_of(request, stored)
    return Maps(
        symbol=request.symbol,
        parts={
            each.book.exchange: _while_known(
                each,
                rasterise(
                    each.book,
                    grid.times,
                    grid.edges,
                    request.measure,
                    lasting=LASTS if request.lasting else None,
                    between_rungs=True,
                ),
            )
            for each in stored
        },
        data_stop=max(each.book.stop for each in stored),
        crossing_price=either_price(each.crossing_price for each in stored),
        assumed_margin=tuple(each.book.exchange for each in stored if each.assumed_margin),
        simulated=simulated,
        watermark=watermark,
    )


def draw(
    maps: Maps,
    stored: Sequence[StoredBook],
    liquidations: Mapping[str, Arrays],
    positions: Positions,
    figures: KeyFigures,
) -> HeatmapView:
    """Return maps with what a picture shows beside them.

    Parameters
    ----------
    maps : Maps
        The maps.
    stored : sequence of StoredBook
        The books that they are of.
    liquidations : mapping of str to Arrays
        By exchange, its `LARGEST` of `told_span`, oldest first.
    positions : Positions
        Those observed.
    figures : KeyFigures
        From `figures_of`.
    """
    heatmap = maps.whole
    times = heatmap.times
    leading = _leading(stored, times)
    # Nothing is missing where no exchange has begun or all have ended.
    first = max(times[0], min(each.start for each in stored))
    last = min(times[-1], max(each.book.stop for each in stored))
    return HeatmapView(
        symbol=maps.symbol,
        exchanges=tuple(maps.parts),
        heatmap=heatmap,
        parts=maps.parts,
        candles=_candles(leading.candles, times),
        candle_exchange=leading.book.exchange,
        liquidations=_largest(liquidations),
        gaps=tuple(gap for each in stored for gap in _gaps(each, first, last)),
        key_figures=figures,
        data_stop=maps.data_stop,
        crossing_price=maps.crossing_price,
        assumed_margin=maps.assumed_margin,
        ties=heatmap.ties,
        simulated=maps.simulated,
        watermark=maps.watermark,
        positions=positions,
        calibrations=maps.calibrations,
        calibrated=_calibrated_levels(maps, stored, figures.last_price),
        begun={each.book.exchange: each.start for each in stored if first < each.start < last},
    )


def _leading(stored: Sequence[StoredBook], times: Times) -> StoredBook:
    """Return the book of the exchange with most open interest, which shows the price."""
    return max(stored, key=lambda each: _weight(each, times))


def _times(request: HeatmapRequest, books: Sequence[Book]) -> Times:
    """Return column edges of whole bars, no farther than the data go."""
    interval = max((book.interval for book in books), default=timedelta(minutes=1))
    start = max(time64(request.start), min(book.open_time[0] for book in books))
    stop = min(time64(request.stop), max(book.stop for book in books))
    if request.step is None:
        return time_edges(start, stop, interval, request.columns)
    if request.step < interval or request.step % interval:
        raise ValueError(
            f"the interval must be a multiple of the stored bars' {_minutes(interval)}, but is "
            f"{_minutes(request.step)}"
        )
    return step_edges(start, stop, request.step)


def _minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):g} minutes"


def _weight(stored: StoredBook, times: Times) -> float:
    """Return an exchange's open interest at the view's end, 0 if it has no candles. [quote]

    Where it is unknown, it counts for less than any that is known.
    """
    firsts = np.searchsorted(stored.candles.open_time, times[[0, -1]])
    if firsts[0] == firsts[1]:
        return 0.0
    held = stored.book.open_interest[firsts[1]] * stored.book.close[firsts[1] - 1]
    return float(np.fmax(held, _LEAST_WEIGHT))


def either_price(crossing_prices: Iterable[str]) -> str:
    """Return which price kills levels: the books' common one, or ``"mark or last"``."""
    prices = set(crossing_prices)
    return prices.pop() if len(prices) == 1 else "mark or last"


def _while_known(stored: StoredBook, heatmap: Heatmap) -> Heatmap:
    """Return an exchange's map with nothing in the columns for which it has no data."""
    known = (heatmap.times[1:] > stored.start) & (heatmap.times[:-1] < stored.stop)
    if known.all():
        return heatmap
    return replace(
        heatmap,
        active=heatmap.active * known,
        tracked=heatmap.tracked * known,
        open_interest=heatmap.open_interest * known,
    )


def _candles(candles: Candles, times: Times) -> Candles:
    """Return one candle for each column that has any."""
    firsts = np.searchsorted(candles.open_time, times)
    filled = np.flatnonzero(firsts[1:] > firsts[:-1])
    starts = firsts[filled]
    inside = slice(firsts[0], firsts[-1])
    if not filled.size:
        nothing = np.empty(0)
        return Candles(times[:0], nothing, nothing, nothing, nothing)
    return Candles(
        open_time=times[filled],
        open=candles.open[starts],
        high=np.maximum.reduceat(candles.high[inside], starts - firsts[0]),
        low=np.minimum.reduceat(candles.low[inside], starts - firsts[0]),
        close=candles.close[firsts[filled + 1] - 1],
    )


def request_edges(request: HeatmapRequest, low: float, high: float) -> Floats:
    """Return the edges of a request's price buckets that hold two prices. [quote]"""
    if request.bucket_width is not None:
        return width_edges(low, high, request.bucket_width, MOST_BUCKETS)
    return price_edges(low, high, request.buckets)


def _price_range(request: HeatmapRequest, candles: Candles) -> tuple[float, float]:
    if request.price_low is not None and request.price_high is not None:
        return request.price_low, request.price_high
    if not candles.low.size:
        raise ValueError("no exchange has candles in the range; choose a wider one")
    return shown_range(float(candles.low.min()), float(candles.high.max()))


def told_span(maps: Maps) -> tuple[datetime, datetime]:
    """Return from and until when realised liquidations are shown: at the data's end, those since.

    The bar that they belong to is mapped when it has ended.
    """
    times = _edges(maps)
    stop = times[-1] + LASTING if times[-1] >= maps.data_stop else times[-1]
    start, stop = (time.astype("datetime64[us]").item() for time in (times[0], stop))
    return start.replace(tzinfo=UTC), stop.replace(tzinfo=UTC)


def _edges(maps: Maps) -> Times:
    return next(iter(maps.parts.values())).times


def _largest(by_exchange: Mapping[str, Arrays]) -> Liquidations:
    """Return the largest realised liquidations, oldest first."""
    names = ("time", "price", "notional", "side")
    columns = {
        name: np.concatenate([rows[name] for rows in by_exchange.values()]) for name in names
    }
    exchange = np.repeat(
        np.array(list(by_exchange), np.str_), [rows["time"].size for rows in by_exchange.values()]
    )
    kept = np.argsort(columns["notional"], kind="stable")[-LARGEST:]
    kept = kept[columns["notional"][kept] > 0.0]
    kept = kept[np.argsort(columns["time"][kept], kind="stable")]
    return Liquidations(
        time=columns["time"][kept],
        price=columns["price"][kept],
        notional=columns["notional"][kept],
        side=columns["side"][kept].astype(np.int8),
        exchange=exchange[kept],
    )


def _gaps(
    stored: StoredBook, first: np.datetime64, last: np.datetime64
) -> Iterator[tuple[np.datetime64, np.datetime64]]:
    """Yield the spans from ``first`` to ``last`` in which flow or state of a book is not known.

    What was before it began is none: of an exchange that is collected since an hour ago it would be
    all of the others' history.
    """
    book = stored.book
    ends = book.open_time + np.timedelta64(book.interval)
    runs = np.flatnonzero(np.diff(book.gap, prepend=False, append=False)).reshape(-1, 2)
    spans = [(ends[begin - 1] if begin else stored.start, ends[end - 1]) for begin, end in runs]
    for start, stop in [*spans, (stored.stop, last)]:
        if max(start, first) < min(stop, last):
            yield max(start, first), min(stop, last)


def figures_of(maps: Maps, stored: Sequence[StoredBook]) -> KeyFigures:
    """Return the key figures of all levels that are known at the maps' end."""
    times = _edges(maps)
    leading, stop = _leading(stored, times).book, times[-1]
    ended = int(
        np.searchsorted(leading.open_time + np.timedelta64(leading.interval), stop, "right")
    )
    last_price = float(leading.close[max(ended - 1, 0)])
    moment = np.array([stop - np.timedelta64(1, "us"), stop])
    edges = risk_edges(last_price)

    def held_then(lasting: timedelta | None) -> Heatmap:
        parts = (rasterise(each.book, moment, edges, lasting=lasting) for each in stored)
        return combine([_while_known(each, part) for each, part in zip(stored, parts, strict=True)])

    heatmap, lasting = held_then(None), held_then(LASTS)
    tracked, held = heatmap.tracked[:, 0], 2.0 * heatmap.open_interest[0]
    coverage = float(tracked.sum() / held) if held > 0.0 else 0.0
    coverage = coverage if heatmap.ties else nan
    return key_figures(heatmap.active[:, :, 0], lasting.active[:, :, 0], last_price, coverage)


def _calibrated_levels(
    maps: Maps, stored: Sequence[StoredBook], last_price: float
) -> Floats | None:
    """Return what is open at the maps' end in the buckets of `risk_edges`, as feeds report it."""
    if not maps.calibrations.known:
        return None
    stop = _edges(maps)[-1]
    moment, edges = np.array([stop - np.timedelta64(1, "us"), stop]), risk_edges(last_price)
    heatmaps = (_while_known(each, rasterise(each.book, moment, edges)) for each in stored)
    parts = {
        each.book.exchange: heatmap.active[:, :, 0]
        for each, heatmap in zip(stored, heatmaps, strict=True)
    }
    return maps.calibrations.scaled(parts)
