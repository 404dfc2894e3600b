"""A hand-written source of heatmaps: small, fast, and the same on every run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from threading import Event

import numpy as np

from app.errors import NoData
from app.request import HeatmapRequest
from components.view import Candles, HeatmapView, Liquidations
from engine.heatmap import Heatmap
from engine.summary import KeyFigures
from engine.zones import Zone

START = datetime(2026, 1, 1, tzinfo=UTC)
BARS, MINUTES = 40 * 96, 15
STOP = START + BARS * timedelta(minutes=MINUTES)
PRICES = {"BTCUSDT": 64_000.0, "ETHUSDT": 3_100.0, "SOLUSDT": 142.0}
EXCHANGES = {"binance": 1.0, "bybit": 0.6, "okx": 0.4}
LEVERAGES = ((100, 0.2), (50, 0.3), (25, 0.3), (10, 0.2))


@dataclass(frozen=True)
class Bars:
    time: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray


@dataclass(frozen=True)
class Levels:
    """Shape (2, n): longs, then shorts."""

    price: np.ndarray
    size: np.ndarray
    birth: np.ndarray
    death: np.ndarray


class FakeHeatmaps:
    """Three exchanges that follow one random walk with different amounts."""

    def symbols(self):
        return list(PRICES)

    def exchanges(self, symbol):
        return [] if symbol not in PRICES else list(EXCHANGES)

    def extent(self, symbol, exchanges=(), assumed=None):
        if symbol not in PRICES:
            raise NoData(f'No data for {symbol} yet. Load some with "liqheat ingest PATH".')
        return START, STOP

    def fitted(self, symbol, exchanges):
        return None

    def view(self, request: HeatmapRequest) -> HeatmapView:
        self.extent(request.symbol)
        for exchange in request.exchanges:
            if exchange not in EXCHANGES:
                raise NoData(f"No data for {request.symbol} on {exchange} yet.")
        if not request.start < request.stop:
            raise ValueError("the start of the range must be before its stop")
        return _view(request)


class NothingStored(FakeHeatmaps):
    """An empty database."""

    def symbols(self):
        return []


class WaitingHeatmaps(FakeHeatmaps):
    """Keeps the readers of ETHUSDT waiting, and breaks for those of SOLUSDT when told to."""

    def __init__(self):
        self.asked, self.answer = Event(), Event()
        self.broken = False

    def view(self, request):
        if request.symbol == "ETHUSDT":
            self.asked.set()
            assert self.answer.wait(180)
        if request.symbol == "SOLUSDT" and self.broken:
            raise ZeroDivisionError("secret detail")
        return super().view(request)


@cache
def _bars(symbol: str) -> Bars:
    random = np.random.default_rng(len(symbol) + int(PRICES[symbol]))
    shock = 0.0022 * random.standard_t(4, BARS)
    shock[int(BARS * 0.93) : int(BARS * 0.93) + 12] -= 0.006
    close = PRICES[symbol] * np.exp(np.cumsum(shock))
    opened = np.concatenate([[PRICES[symbol]], close[:-1]])
    reach = 1.0 + np.abs(0.0012 * random.standard_normal((2, BARS)))
    time = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(BARS) * np.timedelta64(
        MINUTES * 60_000_000, "us"
    )
    high = np.maximum(opened, close) * reach[0]
    low = np.minimum(opened, close) / reach[1]
    return Bars(time, opened, high, low, close)


@cache
def _levels(symbol: str) -> Levels:
    bars = _bars(symbol)
    random = np.random.default_rng(7)
    burst = random.gamma(0.35, 1.0, (2, BARS)) * 4e6
    rows = []
    for side, direction in ((0, 1), (1, -1)):
        leverage = np.array([lev for lev, _ in LEVERAGES])
        weight = np.array([w for _, w in LEVERAGES])
        price = bars.close[:, None] * (1.0 - direction / leverage + direction * 0.004)
        size = burst[side][:, None] * weight
        birth = np.repeat(np.arange(BARS), leverage.size)
        touched = bars.low if side == 0 else bars.high
        rows.append((price.ravel(), size.ravel(), birth, _deaths(price, touched, direction)))
    return Levels(*(np.stack(column) for column in zip(*rows, strict=True)))


def _deaths(price, touched, direction):
    death = np.full(price.size, BARS)
    heap: list[tuple[float, int]] = []
    tiers = price.shape[1]
    for bar in range(BARS):
        while heap and -direction * heap[0][0] * direction >= touched[bar] * direction:
            death[heappop(heap)[1]] = bar
        for tier in range(tiers):
            index = bar * tiers + tier
            heappush(heap, (-direction * price[bar, tier], index))
    return death


def _view(request: HeatmapRequest) -> HeatmapView:
    bars, levels = _bars(request.symbol), _levels(request.symbol)
    exchanges = request.exchanges or tuple(EXCHANGES)
    start, stop = (
        np.datetime64(t.replace(tzinfo=None), "us") for t in (request.start, request.stop)
    )
    inside = (bars.time >= start) & (bars.time < stop)
    if not inside.any():
        raise NoData(f"No data for {request.symbol} in this range.")
    columns = min(request.columns, int(inside.sum()))
    times = start + ((stop - start) / columns * np.arange(columns + 1)).astype("timedelta64[us]")
    low, high = _price_range(request, bars, inside)
    edges = np.linspace(low, high, request.buckets + 1)
    whole = _raster(levels, bars, times, edges)
    share = {exchange: EXCHANGES[exchange] * 0.5 for exchange in exchanges}
    parts = {exchange: _scaled(whole, factor) for exchange, factor in share.items()}
    heatmap = _scaled(whole, sum(share.values()))
    last = float(bars.close[inside][-1])
    return HeatmapView(
        symbol=request.symbol,
        exchanges=exchanges,
        heatmap=heatmap,
        parts=parts,
        candles=Candles(
            bars.time[inside], *(getattr(bars, n)[inside] for n in ("open", "high", "low", "close"))
        ),
        candle_exchange=exchanges[0],
        liquidations=_liquidations(bars, inside, exchanges),
        gaps=((start + (stop - start) * 30 // 100, start + (stop - start) * 33 // 100),),
        key_figures=_key_figures(heatmap, last),
        data_stop=np.datetime64(STOP.replace(tzinfo=None), "us"),
        crossing_price="mark",
        assumed_margin=("okx",) if "okx" in exchanges else (),
        ties=True,
        simulated=True,
        watermark="fake-1",
    )


def _price_range(request, bars, inside):
    if request.price_low is not None and request.price_high is not None:
        return request.price_low, request.price_high
    return bars.low[inside].min() * 0.94, bars.high[inside].max() * 1.06


def _raster(levels: Levels, bars: Bars, times, edges) -> Heatmap:
    columns, buckets = times.size - 1, edges.size - 1
    # The first bar that ends after a column's end is no longer part of it.
    column_of = np.searchsorted(times[1:], np.append(bars.time, bars.time[-1]), side="right")
    active = np.zeros((2, buckets, columns + 1))
    consumed = np.zeros((2, buckets, columns))
    for side in (0, 1):
        bucket = np.searchsorted(edges, levels.price[side], side="right") - 1
        birth, death = column_of[levels.birth[side]], column_of[levels.death[side]]
        death = np.where(levels.death[side] == BARS, columns, death)
        seen = (bucket >= 0) & (bucket < buckets) & (birth < death)
        for sign, column in ((1.0, birth), (-1.0, death)):
            np.add.at(
                active[side],
                (bucket[seen], np.minimum(column[seen], columns)),
                sign * levels.size[side][seen],
            )
        dead = seen & (death < columns) & (death > 0)
        np.add.at(consumed[side], (bucket[dead], death[dead]), levels.size[side][dead])
    cells = np.maximum(np.cumsum(active, axis=2)[:, :, :-1], 0.0)
    nothing = np.zeros((2, columns))
    tracked = cells.sum(axis=1) / bars.close[-1]
    return Heatmap(
        times, edges, cells, consumed, nothing, nothing, nothing, tracked, tracked.sum(axis=0)
    )


def _scaled(heatmap: Heatmap, factor: float) -> Heatmap:
    return Heatmap(
        heatmap.times,
        heatmap.edges,
        heatmap.active * factor,
        heatmap.consumed * factor,
        heatmap.opened,
        heatmap.closed,
        heatmap.liquidated,
        heatmap.tracked * factor,
        heatmap.open_interest,
    )


def _liquidations(bars: Bars, inside, exchanges) -> Liquidations:
    move = bars.close / bars.open - 1.0
    chosen = np.flatnonzero(inside & (np.abs(move) > 0.004))
    fell = move[chosen] < 0.0
    return Liquidations(
        time=bars.time[chosen] + np.timedelta64(MINUTES * 30_000_000, "us"),
        price=np.where(fell, bars.low[chosen], bars.high[chosen]),
        notional=np.abs(move[chosen]) ** 2 * 4e10,
        side=np.where(fell, 1, -1).astype(np.int8),
        exchange=np.array([exchanges[i % len(exchanges)] for i in range(chosen.size)]),
    )


def _zone(edges: np.ndarray, held: np.ndarray, peak: int) -> Zone:
    low, high, height = float(edges[peak]), float(edges[peak + 1]), float(held[peak])
    return Zone(low, high, (low + high) / 2.0, height, height, height, 0.2)


def _key_figures(heatmap: Heatmap, last: float) -> KeyFigures:
    long, short = heatmap.active[:, :, -1]
    middle = (heatmap.edges[:-1] + heatmap.edges[1:]) / 2.0
    distance = middle / last - 1.0
    at_risk = {
        d: (
            float(long[(distance < 0) & (distance >= -d)].sum()),
            float(short[(distance > 0) & (distance <= d)].sum()),
        )
        for d in (0.01, 0.02, 0.05)
    }
    down, up = at_risk[0.05]
    below = int(np.argmax(np.where(distance < 0, long, 0.0)))
    above = int(np.argmax(np.where(distance > 0, short, 0.0)))
    return KeyFigures(
        last_price=last,
        above=_zone(heatmap.edges, short, above),
        below=_zone(heatmap.edges, long, below),
        at_risk=at_risk,
        imbalance=(down - up) / (down + up) if down + up else 0.0,
        long_max_pain=float(middle[below]),
        short_max_pain=float(middle[above]),
        coverage=0.62,
    )
