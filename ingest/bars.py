"""What is read back as one market's bars."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Candles of one market and interval, oldest first, with what was known at each one's end.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    interval : timedelta
        Length of a bar; 30 days for calendar months.
    open_time : ndarray of datetime64[us], shape (n,)
        Start of each bar; a hole is a missing bar. [UTC]
    open, high, low, close : ndarray, shape (n,)
        Last-price candle. [quote]
    volume, quote_volume, taker_buy_volume : ndarray, shape (n,)
        Traded volume [base], the same in quote asset [quote], and the part that takers bought
        [base]; the latter two NaN where unknown.
    mark_high, mark_low : ndarray, shape (n,)
        Range of the mark price, NaN where it is not stored for the whole bar. [quote]
    open_interest : ndarray, shape (n,)
        Open interest at the bar's end, one side counted, NaN where unknown. [base]
    open_interest_time : ndarray of datetime64[us], shape (n,)
        When that was sampled, NaT where unknown. [UTC]
    initial_open_interest : float
        Open interest at the start of the first bar, NaN where unknown. [base]
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
    mark_high: Floats
    mark_low: Floats
    open_interest: Floats
    open_interest_time: Times
    initial_open_interest: float

    def __len__(self) -> int:
        """Return the number of bars."""
        return self.open_time.size
