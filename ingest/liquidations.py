"""What was really liquidated, summed or listed, as interfaces ask for it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.columns import NO_TRADE_ID, Arrays, unmasked
from ingest.database import statement
from ingest.store import Store, naive


@dataclass(frozen=True, slots=True)
class LiquidationSpan:
    """From when to when a market's liquidations are stored, both included. [UTC]"""

    exchange: str
    symbol: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class LiquidationTotal:
    """What was liquidated of a market's longs and shorts. [quote]"""

    exchange: str
    symbol: str
    long: float
    short: float


def liquidation_spans(store: Store) -> list[LiquidationSpan]:
    """Return the span of each market that has liquidations."""
    with store.cursor() as cursor:
        rows = cursor.execute(statement("liquidation_spans")).fetchall()
    return [
        LiquidationSpan(exchange, symbol, _aware(first), _aware(last))
        for exchange, symbol, first, last in rows
    ]


def liquidation_totals(store: Store, start: datetime, stop: datetime) -> list[LiquidationTotal]:
    """Return the sums of each market that has liquidations with ``start <= time < stop``."""
    span = {"start": naive(start), "stop": naive(stop)}
    with store.cursor() as cursor:
        rows = cursor.execute(statement("liquidation_totals"), span).fetchall()
    return [LiquidationTotal(*row) for row in rows]


def liquidation_sums(
    store: Store,
    exchange: str,
    symbol: str,
    interval: timedelta,
    start: datetime,
    stop: datetime,
) -> Arrays:
    """Return sums of a market's liquidations by interval, oldest first.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``start`` (datetime64[us]) of those intervals that have any, ``long`` and ``short``, by side
        of the position [quote], ``count`` of both. Intervals are counted from midnight, weeks from
        Monday. [UTC]
    """
    parameters = {
        "exchange": exchange,
        "symbol": symbol,
        "interval_seconds": int(interval.total_seconds()),
        "start": naive(start),
        "stop": naive(stop),
    }
    with store.cursor() as cursor:
        return unmasked(cursor.execute(statement("liquidation_sums"), parameters).fetchnumpy())


def latest_liquidations(
    store: Store,
    exchange: str,
    symbol: str,
    start: datetime,
    stop: datetime,
    *,
    least_notional: float = 0.0,
    limit: int,
) -> Arrays:
    """Return the last ``limit`` liquidations of at least a notional in a range, newest first.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``time`` (datetime64[us]), ``side`` of the position (int8, +1 long, -1 short), ``price``
        [quote], ``notional`` [quote].
    """
    parameters = {
        "exchange": exchange,
        "symbol": symbol,
        "start": naive(start),
        "stop": naive(stop),
        "least_notional": least_notional,
        "limit": limit,
    }
    with store.cursor() as cursor:
        return unmasked(cursor.execute(statement("latest_liquidations"), parameters).fetchnumpy())


def largest_liquidations(
    store: Store, exchange: str, symbol: str, start: datetime, stop: datetime, *, limit: int
) -> Arrays:
    """Return the ``limit`` largest liquidations with ``start <= time < stop``, oldest first.

    Returns
    -------
    dict of ndarray, shape (n,)
        As `latest_liquidations`.
    """
    parameters = {
        "exchange": exchange,
        "symbol": symbol,
        "start": naive(start),
        "stop": naive(stop),
        "limit": limit,
    }
    with store.cursor() as cursor:
        return unmasked(cursor.execute(statement("largest_liquidations"), parameters).fetchnumpy())


def recent_liquidations(
    store: Store, exchange: str | None = None, symbol: str | None = None, *, limit: int
) -> Arrays:
    """Return the last liquidations of all markets, or of an exchange or symbol, newest first.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``time`` (datetime64[us]), ``exchange``, ``symbol``, ``side`` of the position (int8, +1
        long, -1 short), ``quantity`` [base], ``price`` [quote], ``notional`` [quote],
        ``received_at`` (datetime64[us], NaT where it was not received live), ``trade_id`` (int64,
        `NO_TRADE_ID` where the exchange gives none).
    """
    parameters = {"exchange": exchange, "symbol": symbol, "limit": limit, "none": NO_TRADE_ID}
    with store.cursor() as cursor:
        return unmasked(cursor.execute(statement("recent_liquidations"), parameters).fetchnumpy())


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC)
