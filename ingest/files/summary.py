"""What came in, per market and kind."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ingest.coverage import Coverage, Span
from ingest.files.kinds import Kind
from ingest.files.loading import Loaded


@dataclass(frozen=True, slots=True)
class Summary:
    """What files of one kind brought for one market.

    Attributes
    ----------
    exchange, symbol, kind : str
        The market and what the files hold.
    interval : timedelta or None
        Of the candles that they gave.
    files, known : int
        Files that were loaded, and files that had been loaded before.
    rows, added, trades_added, missing, repeated, conflicting : int
        As `Loaded` has them, added up.
    first, last : datetime or None
        Time of the first and last row. [UTC]
    gaps : tuple of Span
        Where what is stored now misses rows between these times.
    """

    exchange: str
    symbol: str
    kind: Kind
    interval: timedelta | None
    files: int = 0
    known: int = 0
    rows: int = 0
    added: int = 0
    trades_added: int = 0
    missing: int = 0
    repeated: int = 0
    conflicting: int = 0
    first: datetime | None = None
    last: datetime | None = None
    gaps: tuple[Span, ...] = ()


def summarise(loaded: Iterable[Loaded], coverage: Iterable[Coverage]) -> list[Summary]:
    """Return what came in, by symbol, exchange and kind.

    Parameters
    ----------
    loaded : iterable of Loaded
        What came of each file.
    coverage : iterable of Coverage
        What is stored after them.
    """
    sums: dict[tuple[str, str, Kind, timedelta | None], Summary] = {}
    for one in loaded:
        source = one.source
        key = (source.symbol, source.exchange, source.kind, one.interval)
        empty = Summary(source.exchange, source.symbol, source.kind, one.interval)
        sums[key] = _add(sums.get(key, empty), one)
    gaps = {_stored_as(c.exchange, c.symbol, c.kind, c.interval): c.gaps for c in coverage}
    return [
        replace(s, gaps=_within(s, gaps.get(_stored_as(s.exchange, s.symbol, s.kind, s.interval))))
        for _, s in sorted(sums.items(), key=lambda item: str(item[0]))
    ]


def _add(s: Summary, one: Loaded) -> Summary:
    if one.known:
        return replace(s, known=s.known + 1)
    return replace(
        s,
        files=s.files + 1,
        rows=s.rows + one.rows,
        added=s.added + one.added,
        trades_added=s.trades_added + one.trades_added,
        missing=s.missing + one.missing,
        repeated=s.repeated + one.repeated,
        conflicting=s.conflicting + one.conflicting,
        first=min((t for t in (s.first, one.first) if t), default=None),
        last=max((t for t in (s.last, one.last) if t), default=None),
    )


def _stored_as(
    exchange: str, symbol: str, kind: str, interval: timedelta | None
) -> tuple[str, str, str, timedelta | None]:
    """Return where coverage lists it: trades are stored as candles."""
    if kind == Kind.TRADES and interval:
        kind = Kind.CANDLES
    return exchange, symbol, str(kind), interval


def _within(summary: Summary, gaps: tuple[Span, ...] | None) -> tuple[Span, ...]:
    if summary.first is None or summary.last is None:
        return ()
    return tuple(gap for gap in gaps or () if gap.start < summary.last and gap.stop > summary.first)
