import numpy as np
import pytest

from components.view import Candles, HeatmapView, Liquidations, Positions
from engine.heatmap import Heatmap
from engine.summary import KeyFigures
from engine.zones import Zone

HOUR = np.timedelta64(1, "h")
START = np.datetime64("2026-02-05T00:00", "us")


def heatmap(active, consumed=None):
    """Return a map of 100 to 160 in buckets of 20, over hours, from cells (2, 3, columns)."""
    active = np.array(active, dtype=float)
    columns = active.shape[2]
    nothing = np.zeros((2, columns))
    return Heatmap(
        times=START + np.arange(columns + 1) * HOUR,
        edges=np.array([100.0, 120.0, 140.0, 160.0]),
        active=active,
        consumed=np.zeros_like(active) if consumed is None else np.array(consumed, dtype=float),
        opened=nothing,
        closed=nothing,
        liquidated=nothing,
        tracked=nothing,
        open_interest=nothing[0],
    )


@pytest.fixture
def view():
    # Longs at 100 to 120, shorts at 140 to 160; the second hour consumes longs at 120 to 140.
    whole = heatmap(
        [[[40, 80], [30, 0], [0, 0]], [[0, 0], [0, 0], [0, 20]]],
        [[[0, 0], [0, 30], [0, 0]], [[0, 0], [0, 0], [0, 0]]],
    )
    binance = heatmap([[[30, 60], [30, 0], [0, 0]], [[0, 0], [0, 0], [0, 5]]])
    bybit = heatmap([[[10, 20], [0, 0], [0, 0]], [[0, 0], [0, 0], [0, 15]]])
    return HeatmapView(
        symbol="BTCUSDT",
        exchanges=("binance", "bybit"),
        heatmap=whole,
        parts={"binance": binance, "bybit": bybit},
        candles=Candles(
            open_time=START + np.arange(2) * HOUR,
            open=np.array([125.0, 135.0]),
            high=np.array([138.0, 136.0]),
            low=np.array([124.0, 121.0]),
            close=np.array([135.0, 130.0]),
        ),
        candle_exchange="binance",
        liquidations=Liquidations(
            time=START + np.array([70, 80]) * np.timedelta64(1, "m"),
            price=np.array([125.0, 122.0]),
            notional=np.array([16.0, 4.0]),
            side=np.array([1, -1], dtype=np.int8),
            exchange=np.array(["binance", "bybit"]),
        ),
        gaps=(),
        key_figures=KeyFigures(
            last_price=130.0,
            above=Zone(148.0, 152.0, 150.0, 20.0, 18.0, 35.0, 0.4),
            below=None,
            at_risk={0.01: (1_200_000.0, 0.0), 0.02: (0.0, 340_000.0), 0.05: (0.0, 0.0)},
            imbalance=-0.25,
            long_max_pain=110.0,
            short_max_pain=None,
            coverage=0.62,
        ),
        data_stop=START + 2 * HOUR,
        crossing_price="mark",
        assumed_margin=("okx",),
        ties=True,
        simulated=True,
        watermark="abc",
    )


def texts(component):
    """Return all text within a component, a list of them, or plain text."""
    if isinstance(component, str):
        return [component]
    if isinstance(component, list | tuple):
        return [text for child in component for text in texts(child)]
    children = getattr(component, "children", None)
    return [] if children is None else texts(children)


def positions(*rows):
    """Return positions of one account each: first and last minute, price, notional, side."""
    first, last, price, notional, side = (np.array(column) for column in zip(*rows, strict=True))
    return Positions(
        first_seen=START + first * np.timedelta64(1, "m"),
        last_seen=START + last * np.timedelta64(1, "m"),
        liquidation_price=price.astype(float),
        notional=notional.astype(float),
        side=side.astype(np.int8),
        exchange=np.full(first.size, "hyperliquid"),
        account=np.arange(first.size),
    )
