"""The engine's input: one market's bars."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.margin import MarginRules

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Bars of one symbol on one exchange, oldest first, at the finest stored interval.

    Attributes
    ----------
    exchange, symbol : str
        Our spelling: ``"binance"``, ``"BTCUSDT"``.
    interval : timedelta
        Length of a bar.
    open_time : ndarray of datetime64[us], shape (n,)
        Start of each bar, strictly ascending; a hole is a missing bar. [UTC]
    open, high, low, close : ndarray, shape (n,)
        Last-price candle. [quote]
    volume : ndarray, shape (n,)
        Traded volume. [base]
    quote_volume, taker_buy_volume : ndarray, shape (n,)
        Traded volume [quote], and the part of ``volume`` that takers bought [base]; NaN where
        the exchange does not say.
    open_interest : ndarray, shape (n,)
        Open interest at the *end* of each bar, one side counted, NaN where unknown. [base]
    initial_open_interest : float
        Open interest before the first bar. [base]
    margin : tuple of MarginRules
        The exchange's margin rules, dated, oldest first.
    crossing_high, crossing_low : ndarray, shape (n,)
        Range that liquidates: of the mark price where stored, of the last price elsewhere. [quote]
    marked : ndarray of bool, shape (n,), or None
        Which bars' crossing range is of the mark price; None where none's is.
    funding : ndarray, shape (n,), or None
        What longs paid shorts in each bar, as a share of notional: the sum of the funding rates
        that fell due from its start to before its end; None if unknown. [-]
    """

    exchange: str
    symbol: str
    interval: timedelta
    open_time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats
    taker_buy_volume: Floats
    open_interest: Floats
    initial_open_interest: float
    margin: tuple[MarginRules, ...]
    crossing_high: Floats
    crossing_low: Floats
    marked: NDArray[np.bool_] | None = None
    funding: Floats | None = None

    def __len__(self) -> int:
        """Return the number of bars."""
        return self.open_time.size
