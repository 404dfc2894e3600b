"""What is stored of each market."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


class Span(NamedTuple):
    """A half-open span of time, ``start <= time < stop``. [UTC]"""

    start: datetime
    stop: datetime


@dataclass(frozen=True, slots=True)
class MarketCoverage:
    """What a reader can ask of one market.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    intervals : tuple of timedelta
        Intervals of the stored candles, finest first.
    first, last : datetime
        Start of the first and end of the last stored candle. [UTC]
    rows : int
        Stored candles of all intervals.
    open_interest_first, open_interest_last : datetime or None
        First and last sample of open interest. [UTC]
    open_interest_rows, liquidation_rows, mark_rows : int
        Stored samples of open interest, liquidations, and mark-price candles.
    """

    exchange: str
    symbol: str
    intervals: tuple[timedelta, ...]
    first: datetime
    last: datetime
    rows: int
    open_interest_first: datetime | None
    open_interest_last: datetime | None
    open_interest_rows: int
    liquidation_rows: int
    mark_rows: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is stored of one kind of data of one market.

    Attributes
    ----------
    exchange, symbol, kind : str
        The market and what it is: ``"candles"``, ``"mark-candles"``, ``"metrics"``,
        ``"funding"``, ``"trades"`` or ``"liquidations"``.
    interval : timedelta or None
        Of candles.
    first, last : datetime
        Time of the first row and of the last one, which for candles is the last one's end. [UTC]
    rows : int
        Stored rows.
    gaps : tuple of Span
        Where regular data miss rows; always empty for trades and liquidations.
    """

    exchange: str
    symbol: str
    kind: str
    interval: timedelta | None
    first: datetime
    last: datetime
    rows: int
    gaps: tuple[Span, ...]
