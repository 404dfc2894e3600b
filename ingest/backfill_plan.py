"""What to ask an exchange for: kinds of data, how far back they go, and what is not stored yet."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.adapters.adapter import Adapter, HistoryLimit, Kind, NotOffered, Request
from ingest.coverage import Span
from ingest.intervals import SECONDS
from ingest.records import Candle, FundingRate, MarkCandle, OpenInterest

Row = Candle | MarkCandle | OpenInterest | FundingRate
Times = NDArray[np.datetime64]

INTERVALS = tuple(name for name, seconds in SECONDS.items() if seconds <= SECONDS["1d"])
"""Names of intervals that all begin at multiples of themselves, which weeks and months don't."""

SETTLED = timedelta(seconds=10)
"""A candle counts as closed so long after its end, for clocks that do not agree."""

EAGER = timedelta(seconds=1)
"""So long after its end it is asked for where it need not be assumed to have closed."""

_CANDLES = ("candles", "mark_candles")
_TOGETHER = 100  # missing spans with fewer bars in between are asked for as one
_LEAST_FUNDING, _MOST_FUNDING = timedelta(hours=1), timedelta(hours=8)
_EPOCH = np.datetime64(0, "us")


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of data by time: its name, and how an adapter is asked for it.

    Attributes
    ----------
    name, table : str
        What the reader calls it, and where it is stored.
    kind : str
        What the adapter calls it.
    requests, read : callable
        Of an adapter, symbol, interval, start and stop; of an adapter, text, symbol and interval.
    """

    name: str
    table: str
    kind: Kind
    requests: Callable[[Adapter, str, timedelta, datetime, datetime], list[Request]]
    read: Callable[[Adapter, bytes, str, timedelta], Sequence[Row]]


SERIES = (
    Series(
        "candles",
        "candles",
        "candles",
        lambda adapter, *wanted: adapter.candles(*wanted),
        lambda adapter, *answer: adapter.read_candles(*answer),
    ),
    Series(
        "mark-candles",
        "mark_candles",
        "mark_candles",
        lambda adapter, *wanted: adapter.mark_candles(*wanted),
        lambda adapter, *answer: adapter.read_mark_candles(*answer),
    ),
    Series(
        "open-interest",
        "open_interest",
        "open_interest_history",
        lambda adapter, *wanted: adapter.open_interest_history(*wanted),
        lambda adapter, text, symbol, _: adapter.read_open_interest_history(text, symbol),
    ),
    Series(
        "funding",
        "funding_rates",
        "funding",
        lambda adapter, symbol, _, start, stop: adapter.funding(symbol, start, stop),
        lambda adapter, text, symbol, _: adapter.read_funding(text, symbol),
    ),
)

TIERS = "tiers"
KINDS = (*(series.name for series in SERIES), TIERS)
"""What may be asked for, in the order that it is asked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the reader wants of each exchange: ``start <= time < stop``, both aware."""

    symbol: str
    interval: timedelta
    start: datetime
    stop: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask one exchange for of one series.

    Attributes
    ----------
    series : Series
        Of what kind.
    span : Span
        What the exchange can be asked for of what is wanted; may be empty.
    interval : timedelta
        Of candles, or between samples.
    note : str
        What the exchange keeps, where that is less than wanted.
    eager : bool
        Candles are asked for before they must have closed, so only those may be taken that the
        answer shows to have: see `closed`.
    """

    series: Series
    span: Span
    interval: timedelta
    note: str = ""
    eager: bool = False


def plan(
    adapter: Adapter, series: Series, wish: Wish, now: datetime, *, eager: bool = False
) -> Plan:
    """Return what to ask an exchange for, cut to what it keeps and what has closed.

    With ``eager`` candles are in it `EAGER` after their end rather than `SETTLED`.

    Raises
    ------
    NotOffered
        If it has none of this kind.
    ValueError
        If it has none of this interval, or can't have the symbol.
    """
    if (sentence := adapter.unavailable.get(series.kind)) is not None:
        raise NotOffered(sentence)
    if adapter.native(wish.symbol) is None:
        raise ValueError(f"{adapter.exchange} can have no market {wish.symbol}")
    interval = wish.interval
    if series.kind == "open_interest_history":
        interval = sampling_interval(adapter, wish.symbol, interval)
    # Asked for one bar, so that a wrong interval is said before anything is asked for.
    series.requests(adapter, wish.symbol, interval, floor(now, interval) - interval, now)
    eager = eager and series.kind in _CANDLES
    settled = EAGER if eager else SETTLED
    start, stop = wish.start, min(wish.stop, _latest(series, interval, now - settled, now))
    limit = adapter.history.get(series.kind)
    oldest = limit.oldest(now, interval) if limit else None
    note = ""
    if limit and oldest is not None and start < oldest:
        start, note = oldest, _note(series, limit, oldest, stop)
    if series.kind != "funding":
        start = _ceil(start, interval)
    return Plan(series, Span(start, max(start, stop)), interval, note, eager)


def sampling_interval(adapter: Adapter, symbol: str, interval: timedelta) -> timedelta:
    """Return the longest interval of open interest up to that of candles, else the shortest."""
    offered = [length for length in _lengths() if _has_samples(adapter, symbol, length)]
    return max((length for length in offered if length <= interval), default=min(offered))


def missing(plan: Plan, stored: Times) -> list[Span]:
    """Return the spans that have nothing stored, oldest first.

    Parameters
    ----------
    plan : Plan
        What is wanted.
    stored : ndarray of datetime64, shape (n,)
        When rows are stored within the plan's span, ascending. [UTC]

    Notes
    -----
    Candles and open interest have a row in every interval, so each that has none is missing, but
    holes that are near each other are one. Funding has a pace of the market's own, of one to
    eight hours: what lies further apart is missing.
    """
    if plan.span.start >= plan.span.stop:
        return []
    if plan.series.kind == "funding":
        return list(_without_funding(plan.span, stored))
    return _joined(_without_bars(plan.span, plan.interval, stored), _TOGETHER * plan.interval)


def within(rows: Sequence[Row], span: Span) -> list[Row]:
    """Return the rows of a span: servers answer with others too."""
    return [row for row in rows if span.start <= time_of(row) < span.stop]


def closed(rows: Sequence[Row], interval: timedelta, now: datetime) -> list[Row]:
    """Return the candles that have closed: a later one is there, or their end is long ago.

    By the exchange's own clock, that is, as long as ours is not ahead by more than `SETTLED`.
    """
    last = max(map(time_of, rows), default=now)
    return [row for row in rows if time_of(row) < last or last + interval + SETTLED <= now]


def can_be(row: Row, interval: timedelta) -> bool:
    """Return whether a candle begins where one begins and its prices lie in its range.

    One that does not would be stored for good, and no map could be made of it.
    """
    match row:
        case Candle():
            inside = row.low <= min(row.open, row.close) and max(row.open, row.close) <= row.high
        case MarkCandle():  # of which only the range counts
            inside = row.low <= row.high
        case _:
            return True
    return inside and row.open_time == floor(row.open_time, interval)


def time_of(row: Row) -> datetime:
    """Return the time that a row is stored by."""
    return row.open_time if isinstance(row, Candle | MarkCandle) else row.time


def columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Return rows as the columns that the store takes; at least one."""
    names = {name: name for name in type(rows[0]).__slots__}
    if isinstance(rows[0], OpenInterest):
        names["open_interest_notional"] = names.pop("notional")
    return {column: _column([getattr(row, name) for row in rows]) for column, name in names.items()}


def _column(values: list[Any]) -> Any:
    match values[0]:
        case str():
            return values[0]  # exchange and symbol: all rows are of one market
        case datetime():
            return np.array([time.replace(tzinfo=None) for time in values], "datetime64[us]")
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _latest(series: Series, interval: timedelta, settled: datetime, now: datetime) -> datetime:
    """Return the end of the last closed interval; what has a time of its own may be newer."""
    return floor(settled, interval) if series.kind in _CANDLES else now


def _note(series: Series, limit: HistoryLimit, oldest: datetime, stop: datetime) -> str:
    if oldest >= stop:
        return f"{limit.sentence} So there is no {series.name} of this range to ask for."
    return f"{limit.sentence} So {series.name} can be had from {oldest:%Y-%m-%d %H:%M} UTC on."


def _lengths() -> Iterator[timedelta]:
    return (timedelta(seconds=SECONDS[name]) for name in INTERVALS)


def _has_samples(adapter: Adapter, symbol: str, interval: timedelta) -> bool:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    try:
        adapter.open_interest_history(symbol, interval, start, start + interval)
    except NotOffered:
        raise
    except ValueError:
        return False
    return True


def _without_bars(span: Span, interval: timedelta, stored: Times) -> Iterator[Span]:
    step = np.timedelta64(interval, "us")
    wanted = np.arange(_naive(span.start), _naive(span.stop), step)
    # Binance stamps open interest up to seconds late.
    have = stored - (stored - _EPOCH) % step
    holes = wanted[~np.isin(wanted, have)]
    breaks = np.flatnonzero(np.diff(holes) > step) + 1
    for run in np.split(holes, breaks):
        if run.size:
            yield Span(_aware(run[0]), min(_aware(run[-1]) + interval, span.stop))


def _joined(spans: Iterator[Span], distance: timedelta) -> list[Span]:
    found: list[Span] = []
    for span in spans:
        if found and span.start - found[-1].stop < distance:
            found[-1] = Span(found[-1].start, span.stop)
        else:
            found.append(span)
    return found


def _without_funding(span: Span, stored: Times) -> Iterator[Span]:
    times = [_aware(time) for time in stored]
    if not times:
        yield span
        return
    if times[0] - span.start >= _LEAST_FUNDING:
        yield Span(span.start, times[0])
    late = timedelta(minutes=1)  # stamps are some milliseconds late, and not always as many
    for before, after in itertools.pairwise(times):
        if after - before > _MOST_FUNDING + late:
            yield Span(before + late, after)
    if span.stop - times[-1] > _LEAST_FUNDING - late:
        yield Span(times[-1] + late, span.stop)


def floor(time: datetime, interval: timedelta) -> datetime:
    """Return the last multiple of an interval since 1970 that is not later."""
    return time - (time - _aware(_EPOCH)) % interval


def _ceil(time: datetime, interval: timedelta) -> datetime:
    return time + -(time - _aware(_EPOCH)) % interval


def _naive(time: datetime) -> np.datetime64:
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


def _aware(time: np.datetime64) -> datetime:
    found: datetime = time.astype("datetime64[us]").item()
    return found.replace(tzinfo=UTC)
