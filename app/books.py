"""Level books of stored markets: computed once, kept, and grown as their market does."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from app.cache import CacheStats, DiskCache, Memory, nbytes
from app.history import book_start
from app.markets import load_market, part
from app.request import HeatmapRequest
from app.stored_book import StoredBook, build_stored, from_bytes, to_bytes
from app.version import program_version
from engine.ensemble import growing
from engine.models import FlowModel
from ingest.coverage import MarketCoverage
from ingest.intervals import BarIntervals
from ingest.store import Store

_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Kept:
    """A book, the commit it is at least as new as, and which intervals it was read from."""

    stored: StoredBook
    commit: int
    intervals: BarIntervals


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which book: of a market's bars from ``start`` on, under a model."""

    market: MarketCoverage
    start: datetime
    model: FlowModel

    @property
    def key(self) -> tuple[object, ...]:
        """What stays the same as the market grows."""
        return self.market.exchange, self.market.symbol, self.start, self.model


class Books:
    """Books by market, start and model, thread-safe.

    A book is kept under the state of what its market is made of. When that has changed, the bars
    that stand are kept and the others are computed on top of them: live data cost a few bars. On
    disk are books as they were computed whole, by all that determines them.

    Parameters
    ----------
    store : Store
        Where the bars come from.
    disk : DiskCache
        Keeps books over restarts.
    warmup_days : int
        Days computed before a window, in histories too long to compute whole.
    """

    def __init__(self, store: Store, disk: DiskCache, warmup_days: int) -> None:
        self._store, self._disk, self._warmup_days = store, disk, warmup_days
        self._memory: Memory[_Kept] = Memory(_BYTES, nbytes, "books")

    def get(self, market: MarketCoverage, request: HeatmapRequest, model: FlowModel) -> StoredBook:
        """Return a market's book as the data are now.

        Raises
        ------
        NoData
            If no bar has open interest.
        ValueError
            If the model can't be computed from the bars.
        """
        wanted = self._wanted(market, request, model)
        # Before anything is read, the watermark too, under which a book may lie on disk: what is
        # committed meanwhile counts as a change to what was read.
        commit = self._store.commits
        # Of this market alone, so that a book serves every choice of exchanges. The watermark may
        # be newer than the market's end, rows having arrived in between: so both.
        watermark = self._store.map_watermark((market.exchange,), market.symbol)
        version = watermark, market.last
        kept = self._memory.get(wanted.key, lambda: self._compute(wanted, version, commit), version)
        return kept.stored

    def at_hand(self, market: MarketCoverage, request: HeatmapRequest, model: FlowModel) -> bool:
        """Return whether a book is in memory, so that it can be had at once."""
        return self._wanted(market, request, model).key in self._memory

    def stats(self) -> CacheStats:
        """Return what is kept in memory, and what was done."""
        return self._memory.stats()

    def _wanted(self, market: MarketCoverage, request: HeatmapRequest, model: FlowModel) -> _Wanted:
        window = request.history or request.start
        start = book_start(market, window, self._warmup_days, model.parameters)
        return _Wanted(market, start, model)

    def _compute(self, wanted: _Wanted, version: object, commit: int) -> _Kept:
        market = wanted.market
        intervals = self._store.bar_intervals(
            market.exchange, market.symbol, wanted.start, market.last
        )
        kept = self._memory.last(wanted.key)
        stored = None
        if kept is not None and kept.intervals == intervals:
            stored = self._grown(kept, market)
        if stored is None:
            stored = self._whole(wanted, version, intervals)
        return _Kept(stored, commit, intervals)

    def _grown(self, kept: _Kept, market: MarketCoverage) -> StoredBook | None:
        """Return a book with what has come since, None if it can't be grown."""
        exchange, symbol = market.exchange, market.symbol
        stands = self._store.bars_stand_until(exchange, symbol, kept.commit)
        standing = kept.stored.until(stands)
        if not len(standing.book):
            return None
        last = standing.book.open_time[-1]
        start, known_until = _aware(last), _aware(kept.stored.book.stop)
        # Who asks may have looked at the market before another reader's bars had come.
        stop = max(market.last, known_until)
        bars = self._store.bars(exchange, symbol, start, stop, kept.intervals)
        if not len(bars) or bars.open_time[0] != last:
            return None
        # The first bar stands; it tells whether the next one's change is known.
        known = not np.isnan(bars.open_interest[0])
        book = standing.book.ending(known=known)
        market_of_all = load_market(
            self._store, replace(bars, initial_open_interest=0.0), book.parameters
        )
        new = part(market_of_all, slice(1, None))
        try:
            return standing.extended(growing(book).append(new), new)
        except ValueError:  # margin rules have changed, or else computing it whole says it better
            return None

    def _whole(self, wanted: _Wanted, version: object, intervals: BarIntervals) -> StoredBook:
        market, model = wanted.market, wanted.model
        name = hashlib.sha256(repr((program_version(), wanted.key, version)).encode()).hexdigest()
        content = self._disk.get(name)
        stored = from_bytes(content, market, model.parameters) if content else None
        if stored is None:
            bars = self._store.bars(
                market.exchange, market.symbol, wanted.start, market.last, intervals
            )
            stored = build_stored(load_market(self._store, bars, model.parameters), model)
            self._disk.set(name, to_bytes(stored))
        return stored


def _aware(time: np.datetime64) -> datetime:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
