"""What the pictures are drawn from: one computed view, as the serving code hands it over."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.heatmap import Heatmap, blurred
from engine.score import Calibrations
from engine.summary import KeyFigures, risk_edges

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Last-price candles, one per time column or coarser, shape (n,) each.

    ``open_time`` is the start [UTC], prices are in quote asset.
    """

    open_time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Liquidations:
    """Realised liquidations in the view, shape (n,) each.

    ``side`` is +1 where a long, -1 where a short was closed; ``notional`` is in quote asset.
    """

    time: Times
    price: Floats
    notional: Floats
    side: NDArray[np.int8]
    exchange: NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Positions seen on exchanges that show them, shape (n,) each.

    One row for as long as a position stayed the same. ``side`` is +1 for a long, -1 for a short;
    ``liquidation_price`` is the exchange's own and ``notional`` the position's at that price
    [quote]; ``first_seen`` and ``last_seen`` are UTC; rows of one ``account``, a number without
    further meaning, are of one position that changed.
    """

    first_seen: Times
    last_seen: Times
    liquidation_price: Floats
    notional: Floats
    side: NDArray[np.int8]
    exchange: NDArray[np.str_]
    account: NDArray[np.int64]

    @classmethod
    def none(cls) -> Self:
        """Return no positions."""
        time = np.empty(0, "datetime64[us]")
        number = np.empty(0)
        side, exchange = np.empty(0, np.int8), np.empty(0, np.str_)
        return cls(time, time, number, number, side, exchange, np.empty(0, np.int64))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return some of them."""
        return type(self)(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapView:
    """One answer to one request.

    Attributes
    ----------
    symbol, exchanges
        What is shown; exchanges in the order of ``parts``.
    heatmap : Heatmap
        All exchanges together.
    parts : mapping of str to Heatmap
        Each exchange's own map on the same grid; they sum to ``heatmap``.
    candles, candle_exchange
        Price of the exchange with most open interest.
    liquidations
        What was really liquidated, as far as it is stored.
    gaps : tuple of (datetime64, datetime64)
        Spans in the view where candles or open interest are missing on an exchange that has some
        before.
    key_figures : KeyFigures
        At the view's end.
    data_stop : datetime64
        End of the last stored bar. [UTC]
    crossing_price : str
        ``"mark"``, ``"last"`` or ``"mark or last"``: which price kills levels.
    assumed_margin : tuple of str
        Exchanges whose leverage tiers are not known for the symbol.
    ties : bool
        Whether levels and pool sum to the open interest (not with closing policy ``none``).
    simulated : bool
        Whether the data are of the simulated market.
    watermark : str
        Names the state of the stored data that the view was computed from.
    positions
        What was observed of single positions, as far as it is stored.
    begun : mapping of str to datetime64
        Exchanges that count only from some time within the view, and from when. [UTC]
    calibrations : Calibrations
        What turns modelled amounts into those that the exchanges' feeds report.
    calibrated : ndarray, shape (2, 2000), or None
        What is open at the view's end in the buckets of `engine.summary.risk_edges`, as the feeds
        would report it; None where the map isn't calibrated. [quote]
    blur : float
        Width to which the heat is smoothed over price, of the last price; 0 for not at all. [-]
    skill : str
        What the map was found to know, in a line.
    """

    symbol: str
    exchanges: tuple[str, ...]
    heatmap: Heatmap
    parts: Mapping[str, Heatmap]
    candles: Candles
    candle_exchange: str
    liquidations: Liquidations
    gaps: tuple[tuple[np.datetime64, np.datetime64], ...]
    key_figures: KeyFigures
    data_stop: np.datetime64
    crossing_price: str
    assumed_margin: tuple[str, ...]
    ties: bool
    simulated: bool
    watermark: str
    positions: Positions = field(default_factory=Positions.none)
    begun: Mapping[str, np.datetime64] = field(default_factory=dict)
    calibrations: Calibrations = field(default_factory=Calibrations)
    calibrated: Floats | None = None
    blur: float = 0.0
    skill: str = ""

    def calibrated_between(self, low: float, high: float, side: int) -> float | None:
        """Return what feeds would report of a side (0 long, 1 short) between two prices. [quote]

        At the view's end; the prices are edges of `engine.summary.risk_edges`. None where the map
        isn't calibrated.
        """
        if self.calibrated is None:
            return None
        edges = risk_edges(self.key_figures.last_price)
        middles = (edges[:-1] + edges[1:]) / 2.0
        return float(self.calibrated[side, (middles > low) & (middles < high)].sum())

    @property
    def heat(self) -> Floats:
        """Open notional of both sides as it is drawn, shape (buckets, columns). [quote]"""
        return self.smooth(self.heatmap.active.sum(axis=0))

    def smooth(self, amounts: Floats) -> Floats:
        """Return amounts by bucket and column as smooth as the view is drawn."""
        return blurred(amounts, self.heatmap.edges, self.blur * self.key_figures.last_price)
