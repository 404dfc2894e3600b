"""From books to the view that pictures, numbers and files are made of."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import numpy as np

from app.request import HeatmapRequest
from app.stored_book import StoredBook, time64
from components.view import Candles, HeatmapView, Liquidations
from engine.book import LevelBook
from engine.grid import price_edges, shown_range, step_edges, time_edges
from engine.heatmap import combine, rasterise
from engine.kernels import Floats
from engine.market import Times
from engine.summary import KeyFigures, key_figures, risk_edges
from ingest.store import Arrays

_LARGEST = 1500  # liquidations drawn; the rest are too small to see


def draw(
    request: HeatmapRequest,
    stored: Sequence[StoredBook],
    liquidations: Mapping[str, Arrays],
    *,
    simulated: bool,
    watermark: str,
) -> HeatmapView:
    """Return the view of the books, at least one of which has bars in the request's range."""
    leading = max(stored, key=lambda each: each.book.open_interest[-1] * each.book.close[-1])
    times = _times(request, [each.book for each in stored])
    candles = _candles(leading.candles, times)
    edges = _edges(request, candles)
    parts = {
        each.book.exchange: rasterise(each.book, times, edges, request.measure) for each in stored
    }
    return HeatmapView(
        symbol=request.symbol,
        exchanges=tuple(parts),
        heatmap=combine(list(parts.values())),
        parts=parts,
        candles=candles,
        candle_exchange=leading.book.exchange,
        liquidations=_largest(liquidations, times),
        gaps=tuple(gap for each in stored for gap in _gaps(each.book, times)),
        key_figures=_figures([each.book for each in stored], leading.book, times[-1]),
        data_stop=max(each.book.stop for each in stored),
        crossing_price=" and ".join(sorted({each.crossing_price for each in stored})[::-1]),
        assumed_margin=tuple(each.book.exchange for each in stored if each.assumed_margin),
        ties=stored[0].book.parameters.closing != "none",
        simulated=simulated,
        watermark=watermark,
    )


def _times(request: HeatmapRequest, books: Sequence[LevelBook]) -> Times:
    """Return column edges of whole bars, no farther than the data go."""
    interval = max((book.interval for book in books), default=timedelta(minutes=1))
    start = max(time64(request.start), min(book.open_time[0] for book in books))
    stop = min(time64(request.stop), max(book.stop for book in books))
    if request.step is None:
        return time_edges(start, stop, interval, request.columns)
    if request.step < interval or request.step % interval:
        raise ValueError(
            f"the interval must be a multiple of the stored bars' {interval}, but is {request.step}"
        )
    return step_edges(start, stop, request.step)


def level_range(book: LevelBook) -> tuple[float, float]:
    """Return prices between which every level of a book lies. [quote]"""
    entry, ratio = book.bars.entry, book.tiers.ratio
    low, high = entry.min() * ratio.min(), entry.max() * ratio.max()
    return max(float(low) * (1 - 1e-9), 0.0), float(high) * (1 + 1e-9)


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


def _edges(request: HeatmapRequest, candles: Candles) -> Floats:
    if request.price_low is not None and request.price_high is not None:
        return price_edges(request.price_low, request.price_high, request.buckets)
    if not candles.low.size:
        raise ValueError("the range lies in a gap of the candles; choose a wider one")
    return price_edges(
        *shown_range(float(candles.low.min()), float(candles.high.max())), request.buckets
    )


def _largest(by_exchange: Mapping[str, Arrays], times: Times) -> Liquidations:
    """Return the largest realised liquidations, oldest first."""
    names = ("time", "price", "notional", "side")
    columns = {
        name: np.concatenate([rows[name] for rows in by_exchange.values()]) for name in names
    }
    exchange = np.repeat(
        np.array(list(by_exchange), np.str_), [rows["time"].size for rows in by_exchange.values()]
    )
    within = (columns["time"] >= times[0]) & (columns["time"] < times[-1])
    columns["notional"] = np.where(within, columns["notional"], 0.0)
    kept = np.argsort(columns["notional"], kind="stable")[-_LARGEST:]
    kept = kept[columns["notional"][kept] > 0.0]
    kept = kept[np.argsort(columns["time"][kept], kind="stable")]
    return Liquidations(
        time=columns["time"][kept],
        price=columns["price"][kept],
        notional=columns["notional"][kept],
        side=columns["side"][kept].astype(np.int8),
        exchange=exchange[kept],
    )


def _gaps(book: LevelBook, times: Times) -> Iterator[tuple[np.datetime64, np.datetime64]]:
    """Yield the spans in the view over which no flow is known."""
    ends = book.open_time + np.timedelta64(book.interval)
    edges = np.flatnonzero(np.diff(book.bars.gap, prepend=False, append=False))
    for first, last in edges.reshape(-1, 2):
        start = ends[first - 1] if first else book.open_time[0]
        stop = ends[last - 1]
        if start < times[-1] and stop > times[0]:
            yield max(start, times[0]), min(stop, times[-1])


def _figures(books: Sequence[LevelBook], leading: LevelBook, stop: np.datetime64) -> KeyFigures:
    """Return the key figures of all books' levels at ``stop``."""
    ended = int(
        np.searchsorted(leading.open_time + np.timedelta64(leading.interval), stop, "right")
    )
    last_price = float(leading.close[max(ended - 1, 0)])
    first = min(book.open_time[0] for book in books)
    moment = np.array([min(first, stop - np.timedelta64(1, "us")), stop])
    heatmap = combine([rasterise(book, moment, risk_edges(last_price)) for book in books])
    tracked, held = heatmap.tracked[:, 0], 2.0 * heatmap.open_interest[0]
    coverage = float(tracked.sum() / held) if held > 0.0 else 0.0
    return key_figures(heatmap.active[:, :, 0], last_price, coverage)
