"""The stored market data: typed reads and writes."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
from numpy.typing import NDArray

from ingest.bars import Bars
from ingest.changes import LATE, MAP_TABLES, Change, ChangeLog, changes
from ingest.columns import Arrays, Columns, batch, unmasked
from ingest.coverage import Coverage, MarketCoverage
from ingest.database import StoreError, StoreLocked, StoreTooNew, connect, statement
from ingest.intervals import BarIntervals, finest_interval

__all__ = ["LATE", "Arrays", "Bars", "Store", "StoreError", "StoreLocked", "StoreTooNew"]

ASSUMED_SPACING = timedelta(hours=4)
"""Spacing assumed of a market's first sample of open interest, which no other one precedes."""


class Store:
    """Market data in one DuckDB database; safe to use from several threads.

    Every call uses a cursor of its own; writes happen one at a time.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None = None) -> None:
        self._connection = connection
        self._writer = threading.Lock()
        self._commits = 0
        self._revisions: tuple[int, list[tuple[Any, ...]]] = (-1, [])
        self._changes: list[Change] = []
        self._log = ChangeLog()
        self._listeners: list[Callable[[Change], None]] = []
        self.path = path
        """The database's file, None in memory."""
        self.read_only = False
        """Whether nothing can be written."""

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Self:
        """Open a database, made or brought up to date unless ``read_only``.

        Parameters
        ----------
        path : Path or str
            File of the database, or ``":memory:"``.
        read_only : bool
            Write nothing. Several processes can then read at once.

        Raises
        ------
        StoreLocked
            If another process has it open.
        StoreTooNew
            If a newer program wrote it.
        StoreError
            If it can't be used for another reason.
        """
        connection = connect(path, read_only=read_only)
        store = cls(connection, None if str(path) == ":memory:" else Path(path))
        store.read_only = read_only
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, so that another process can open it."""
        self._connection.close()

    def lock_down(self) -> None:
        """Keep DuckDB from anything but this database: files, extensions, settings.

        For a process that answers strangers. Of all files it can only read those that are unpacked
        into `unpack_folder`, so that archives can still be loaded, but not other files.
        """
        folder = self.unpack_folder
        # A path that leads there by links is another one to DuckDB.
        readable = {str(folder.absolute()), str(folder.resolve())} if folder else set()
        self._connection.execute(statement("allow_folders"), {"folders": sorted(readable)})
        self._connection.execute(statement("lock_down"))

    @property
    def unpack_folder(self) -> Path | None:
        """Folder beside the database that files are unpacked in; none in memory."""
        return self.path and self.path.with_name(f"{self.path.name}.unpacked")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for one reader; cursors are not shared between threads."""
        return self._connection.cursor()

    @contextmanager
    def transaction(
        self, using: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a cursor whose writes all happen, or none of them when the block raises.

        The cursor is ``using`` if given (temporary tables belong to one), else a new one.
        """
        with self._writer, nullcontext(using) if using else self.cursor() as cursor:
            self._changes = []
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            # Before anybody can see the rows: what was read of them must not count as unchanged.
            for change in self._changes:
                self._log.add(self._commits + 1, change)
            cursor.execute("COMMIT")
            self._commits += 1
            committed = self._changes
        for change in committed:
            for tell in self._listeners:
                tell(change)

    def changed(self, cursor: duckdb.DuckDBPyConnection, change: Change) -> None:
        """Count a change of a market in the running transaction, whose cursor it is."""
        maps = change.table in MAP_TABLES
        market = {"exchange": change.exchange, "symbol": change.symbol, "maps": maps}
        cursor.execute(statement("bump_revision"), market)
        self._changes.append(change)

    def listen(self, tell: Callable[[Change], None]) -> None:
        """Tell of each change, in the thread that wrote it, when it has been committed."""
        self._listeners.append(tell)

    @property
    def commits(self) -> int:
        """How many transactions were committed since the database was opened here."""
        return self._commits

    def bars_stand_until(self, exchange: str, symbol: str, since: int) -> np.datetime64:
        """Return the moment such that bars which ended by then are as they were at a commit.

        Parameters
        ----------
        exchange, symbol : str
            The market.
        since : int
            What `commits` was before the bars were read.
        """
        return self._log.bars_stand_until(exchange, symbol, since)

    # What is stored

    def markets(self) -> list[MarketCoverage]:
        """Return the markets that have candles, by symbol and exchange."""
        with self.cursor() as cursor:
            rows = cursor.execute(statement("markets")).fetchall()
        return [MarketCoverage.from_row(row) for row in rows]

    def coverage(self, exchange: str | None = None, symbol: str | None = None) -> list[Coverage]:
        """Return what is stored per market and kind, with gaps; of all markets if not told."""
        market = {"exchange": exchange, "symbol": symbol}
        with self.cursor() as cursor:
            rows = cursor.execute(statement("coverage"), market).fetchall()
        return [Coverage.from_row(row) for row in rows]

    def watermark(self, exchanges: Sequence[str] = (), symbol: str | None = None) -> str:
        """Return a short text that changes whenever rows of these markets change.

        No exchanges means all that have the symbol, no symbol all there are. Two databases never
        share a watermark. Costs a query after a write only.
        """
        return self._watermark(exchanges, symbol, maps=False)

    def map_watermark(self, exchanges: Sequence[str] = (), symbol: str | None = None) -> str:
        """Return a text like `watermark` that changes only with what maps are made of."""
        return self._watermark(exchanges, symbol, maps=True)

    def _watermark(self, exchanges: Sequence[str], symbol: str | None, *, maps: bool) -> str:
        state = [
            (database, exchange, of, map_revision if maps else revision)
            for database, exchange, of, revision, map_revision in self._market_revisions()
            if (symbol is None or of == symbol) and (not exchanges or exchange in exchanges)
            # Maps know nothing of a market that only has liquidations.
            if map_revision or not maps
        ]
        return hashlib.sha256(repr((symbol, maps, state)).encode()).hexdigest()[:16]

    def _market_revisions(self) -> list[tuple[Any, ...]]:
        # Nobody else can write while this process has the database open, so what was read stands
        # until the next commit here. Counted before reading: a commit meanwhile makes it stale.
        commits = self._commits
        read_after, rows = self._revisions
        if read_after != commits:
            with self.cursor() as cursor:
                rows = cursor.execute(statement("revisions")).fetchall()
            self._revisions = (commits, rows)
        return rows

    def is_simulated(self) -> bool:
        """Return whether the data come from the simulated market."""
        with self.cursor() as cursor:
            row = cursor.execute(statement("meta"), {"key": "simulated"}).fetchone()
        return row is not None and row[0] == "true"

    def mark_simulated(self) -> None:
        """Remember that the data come from the simulated market."""
        with self.transaction() as cursor:
            cursor.execute(statement("set_meta"), {"key": "simulated", "value": "true"})

    # One market

    def bar_intervals(
        self, exchange: str, symbol: str, start: datetime, stop: datetime
    ) -> BarIntervals:
        """Return which stored intervals `bars` reads in a range."""
        span = {"exchange": exchange, "symbol": symbol, "start": naive(start), "stop": naive(stop)}
        with self.cursor() as cursor:
            cursor.execute("BEGIN")
            return _intervals(cursor, span)

    def bars(
        self,
        exchange: str,
        symbol: str,
        start: datetime,
        stop: datetime,
        intervals: BarIntervals | None = None,
    ) -> Bars:
        """Return the candles with ``start <= open_time < stop`` and what was known at their ends.

        Parameters
        ----------
        exchange, symbol : str
            The market.
        start, stop : datetime
            Aware; see Notes for the interval.
        intervals : BarIntervals, optional
            From `bar_intervals` of a longer range, so that a part of it is read alike.

        Returns
        -------
        Bars
            Empty, with an interval of zero, where nothing is stored.

        Notes
        -----
        The interval is the finest that covers at least nine tenths of what the best covered one
        covers in the range. Open interest is the last sample up to `LATE` after the bar's end,
        never a later one, and unknown when it is older than a bar and than 1.5 times the median of
        the last five spacings up to that sample. What is stored later changes no earlier bar.
        """
        market = {"exchange": exchange, "symbol": symbol}
        span = market | {"start": naive(start), "stop": naive(stop)}
        with self.cursor() as cursor:
            # One transaction, so that what the statements see is of one moment.
            cursor.execute("BEGIN")
            read = intervals or _intervals(cursor, span)
            parameters = span | {
                "interval_seconds": read.seconds,
                "mark_interval_seconds": read.mark_seconds,
                "late_seconds": LATE.total_seconds(),
                "assumed_spacing_seconds": ASSUMED_SPACING.total_seconds(),
            }
            columns = unmasked(cursor.execute(statement("bars"), parameters).fetchnumpy())
        initial = columns.pop("initial_open_interest")
        return Bars(
            exchange=exchange,
            symbol=symbol,
            interval=timedelta(seconds=read.seconds),
            initial_open_interest=float(initial[0]) if initial.size else np.nan,
            **columns,
        )

    def quote_volumes(self, exchange: str, symbol: str, start: datetime, stop: datetime) -> Arrays:
        """Return volumes of the candles that `bars` reads, oldest first.

        Returns
        -------
        dict of ndarray, shape (n,)
            ``time`` (datetime64[us]) of the candle's start, ``quote_volume`` [quote], the volume at
            the close where it is not known.
        """
        span = {"exchange": exchange, "symbol": symbol, "start": naive(start), "stop": naive(stop)}
        with self.cursor() as cursor:
            cursor.execute("BEGIN")
            seconds = _finest(cursor, "intervals", span) or 0
            parameters = span | {"interval_seconds": seconds}
            return unmasked(cursor.execute(statement("quote_volumes"), parameters).fetchnumpy())

    def liquidations(self, exchange: str, symbol: str, start: datetime, stop: datetime) -> Arrays:
        """Return liquidations with ``start <= time < stop``, oldest first.

        Returns
        -------
        dict of ndarray, shape (n,)
            ``time`` (datetime64[us]), ``side`` of the position (int8, +1 long, -1 short),
            ``quantity`` [base], ``price`` [quote], ``notional`` [quote], ``price_kind``
            (``"fill"``, ``"bankruptcy"``, ``"mark"``, ``""`` where unknown), ``trigger_price``
            (NaN where unknown) [quote], ``received_at`` (NaT where it did not come live),
            ``trade_id`` (int64, the exchange's own, -1 where it gives none).
        """
        return self._read("liquidations", exchange, symbol, start, stop)

    def funding_rates(self, exchange: str, symbol: str, start: datetime, stop: datetime) -> Arrays:
        """Return funding rates with ``start <= time < stop``, oldest first.

        Returns
        -------
        dict of ndarray, shape (n,)
            ``time`` (datetime64[us]), ``funding_rate`` per interval [-], ``interval_hours`` (NaN
            where unknown).
        """
        return self._read("funding_rates", exchange, symbol, start, stop)

    def leverage_tiers(self, exchange: str, symbol: str) -> Arrays:
        """Return the stored leverage tiers, oldest table first, each ascending by floor.

        Returns
        -------
        dict of ndarray, shape (n,)
            ``valid_from`` (datetime64[us]), ``floor`` and ``cap`` [quote], ``max_leverage``,
            ``maintenance_rate`` and ``closing_fee`` [-], ``deduction`` [quote].
        """
        return self._read("leverage_tiers", exchange, symbol)

    def stored_times(
        self,
        table: str,
        exchange: str,
        symbol: str,
        start: datetime,
        stop: datetime,
        interval: timedelta = timedelta(0),
    ) -> NDArray[np.datetime64]:
        """Return when rows are stored with ``start <= time < stop``, oldest first.

        Parameters
        ----------
        table : str
            ``"candles"``, ``"mark_candles"`` (by their open), ``"open_interest"`` or
            ``"funding_rates"``.
        exchange, symbol : str
            The market.
        start, stop : datetime
            Aware.
        interval : timedelta
            Of candles.
        """
        parameters = {
            "table": table,
            "exchange": exchange,
            "symbol": symbol,
            "start": naive(start),
            "stop": naive(stop),
            "interval_seconds": int(interval.total_seconds()),
        }
        with self.cursor() as cursor:
            found = cursor.execute(statement("stored_times"), parameters).fetchnumpy()
        return unmasked(found)["time"].astype("datetime64[us]")

    def simulated_positions(self, exchange: str, symbol: str) -> Arrays:
        """Return the simulated market's positions, in the order they opened.

        Returns
        -------
        dict of ndarray, shape (n,)
            ``opened``, ``closed`` (datetime64[us], NaT while open), ``end_reason`` (``"open"``,
            ``"closed"``, ``"liquidated"``), ``side`` (int8, +1 long, -1 short), ``quantity``
            [base], ``entry_price`` and ``liquidation_price`` [quote], ``leverage`` [-].
        """
        return self._read("simulated_positions", exchange, symbol)

    # Writing columns: arrays by name, with `exchange` and `symbol`; scalars stand for columns.

    def add_candles(self, columns: Columns) -> int:
        """Add candles that are not stored yet and return how many there were.

        Parameters
        ----------
        columns : mapping
            ``exchange``, ``symbol``, ``interval`` (a timedelta) or ``interval_seconds``,
            ``open_time``, ``open``, ``high``, ``low``, ``close`` [quote], ``volume`` [base], and
            where known ``quote_volume`` [quote], ``taker_buy_volume`` [base].

        Notes
        -----
        A stored candle that does not know its takers' part gives way to one that does.
        """
        return self._add("candles", columns)

    def add_mark_candles(self, columns: Columns) -> int:
        """Add mark-price candles (as `add_candles`, no volumes); return how many were new."""
        return self._add("mark_candles", columns)

    def add_open_interest(self, columns: Columns) -> int:
        """Add samples: ``time``, ``open_interest`` [base]; return how many were new.

        ``open_interest_notional`` [quote] where known.
        """
        return self._add("open_interest", columns)

    def add_funding_rates(self, columns: Columns) -> int:
        """Add rates: ``time``, ``funding_rate``; return how many were new.

        ``interval_hours`` where known.
        """
        return self._add("funding_rates", columns)

    def add_liquidations(self, columns: Columns) -> int:
        """Add liquidations; return how many were new. Exact repetitions are one liquidation.

        Parameters
        ----------
        columns : mapping
            ``exchange``, ``symbol``, ``time``, ``side`` of the position (+1, -1), ``quantity``
            [base], ``price`` [quote], and where known ``trade_id`` (-1 for none). Two that agree
            in all of these are one. Where known also ``price_kind``, ``trigger_price`` [quote],
            ``received_at``.
        """
        return self._add("liquidations", columns)

    def add_leverage_tiers(self, columns: Columns) -> int:
        """Add dated leverage tiers; rows of the same date and floor are replaced.

        ``valid_from``, ``floor``, ``cap`` [quote], ``max_leverage``, ``maintenance_rate`` and
        where there are any ``deduction`` [quote], ``closing_fee`` [-].
        """
        return self._add("leverage_tiers", columns)

    def add_simulated_positions(self, columns: Columns) -> int:
        """Add positions of the simulated market, columns as `simulated_positions` returns."""
        return self._add("simulated_positions", columns)

    def _read(
        self,
        name: str,
        exchange: str,
        symbol: str,
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> Arrays:
        parameters: dict[str, object] = {"exchange": exchange, "symbol": symbol}
        if start is not None and stop is not None:
            parameters |= {"start": naive(start), "stop": naive(stop)}
        with self.cursor() as cursor:
            return unmasked(cursor.execute(statement(name), parameters).fetchnumpy())

    def _add(self, table: str, columns: Columns) -> int:
        rows = batch(table, columns)
        if not rows["symbol"].size:
            return 0
        with self.transaction() as cursor:
            # Columns, not rows: DuckDB inserts row by row about a hundred times slower.
            cursor.register("batch", rows)
            added = add_batch(cursor, table)
            if added:
                for change in changes(table, rows):
                    self.changed(cursor, change)
        return added


def add_batch(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    """Move the rows of the relation ``batch`` into a table; return how many were new."""
    if table == "candles":
        cursor.execute(statement("drop_poorer_candles"))
    row = cursor.execute(statement(f"add_{table}")).fetchone()
    return int(row[0]) if row else 0


def naive(time: datetime) -> datetime:
    """Return an aware time as the database holds it: UTC, without saying so."""
    if time.tzinfo is None:
        raise ValueError(f"times must say their zone, but {time} does not")
    return time.astimezone(UTC).replace(tzinfo=None)


def _intervals(cursor: duckdb.DuckDBPyConnection, span: dict[str, Any]) -> BarIntervals:
    seconds = _finest(cursor, "intervals", span) or 0
    mark = _finest(cursor, "mark_intervals", span | {"interval_seconds": seconds})
    return BarIntervals(seconds, mark or 0)


def _finest(cursor: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> int | None:
    return finest_interval(dict(cursor.execute(statement(name), parameters).fetchall()))
