"""What is stored of each market."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self


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
    open_interest_rows : int
        Stored samples of open interest.
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

    @property
    def is_mapped(self) -> bool:
        """Whether there is the open interest that a map is made of."""
        return self.open_interest_first is not None

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Return a row of ``sql/markets.sql``."""
        exchange, symbol, intervals, first, last, rows, oi_first, oi_last, samples = row
        return cls(
            exchange=exchange,
            symbol=symbol,
            intervals=tuple(timedelta(seconds=seconds) for seconds in intervals),
            first=_aware(first),
            last=_aware(last),
            rows=rows,
            open_interest_first=oi_first and _aware(oi_first),
            open_interest_last=oi_last and _aware(oi_last),
            open_interest_rows=samples,
        )


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

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Return a row of ``sql/coverage.sql``."""
        exchange, symbol, kind, seconds, first, last, rows, starts, stops = row
        return cls(
            exchange=exchange,
            symbol=symbol,
            kind=kind,
            interval=None if seconds is None else timedelta(seconds=seconds),
            first=_aware(first),
            last=_aware(last),
            rows=rows,
            gaps=tuple(
                Span(_aware(start), _aware(stop))
                for start, stop in zip(starts or (), stops or (), strict=True)
            ),
        )


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC)
