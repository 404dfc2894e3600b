"""Books that grow with the market, bar by bar."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.book import LevelBook
from engine.frontier_kernel import (
    Closings,
    Frontier,
    advance,
    advance_nearest,
    empty_frontier,
    gather,
)
from engine.kernels import ALIVE, Bars, Ledger
from engine.market import Market
from engine.rules import after, bars_of, check_market, tiers_of

_ROOM = 1.25  # arrays grow by a quarter, so that copying them is rare


class GrowingBook:
    """A level book that takes further bars at a cost that does not depend on its length.

    The result is equal, to the last digit, to the book of all bars computed at once. Books handed
    out earlier stay as they were: what is added later lies beyond their end. It has one owner;
    nothing is locked.

    Parameters
    ----------
    book : LevelBook
        The bars so far, from `engine.book.build_book`.
    """

    def __init__(self, book: LevelBook) -> None:
        self._book = book
        self._open_time = _Rows(book.open_time)
        self._close = _Rows(book.close)
        self._open_interest = _Rows(book.open_interest)
        self._bars = [_Rows(column) for column in book.bars]
        self._ledger = [_Rows(column) for column in book.ledger]
        alive = book.is_alive()
        # The book may be an earlier state of a longer one, whose later deaths are not its own.
        self._death = _Rows(np.where(alive, ALIVE, book.death).astype(np.int32))
        self._closings = [_Rows(column) for column in book.closings]
        self._frontier = empty_frontier(int(alive.sum()))
        gather(book.bars, book.tiers, book.holders, book.ledger, self._death.view, self._frontier)
        self._size = _Rows(_sizes_left(book)) if book.parameters.closing == "nearest" else None

    @property
    def book(self) -> LevelBook:
        """The book up to the last bar taken."""
        return self._book

    def append(self, market: Market) -> LevelBook:
        """Take further bars of the same market and return the grown book.

        Parameters
        ----------
        market : Market
            The new bars only; their ``initial_open_interest`` is not read.

        Raises
        ------
        ValueError
            If the bars are unusable, of another market, or do not come after the last one.
        """
        book = self._book
        check_market(market)
        _check_follows(book, market)
        bars, held = bars_of(market, book.parameters, book.last, book.bars)
        columns: tuple[NDArray[Any], ...] = bars
        for rows, column in zip(self._bars, columns, strict=True):
            rows.extend(column)
        self._open_time.extend(market.open_time)
        self._close.extend(market.close)
        self._open_interest.extend(held)
        self._death.extend(np.empty((len(market), *book.death.shape[1:]), np.int32))
        for rows in self._ledger:
            rows.extend(np.zeros((len(market), *rows.view.shape[1:]), rows.view.dtype))
        self._run(len(book), len(market))
        self._book = replace(
            book,
            open_time=self._open_time.view,
            close=self._close.view,
            open_interest=self._open_interest.view,
            bars=Bars._make(rows.view for rows in self._bars),
            ledger=Ledger._make(rows.view for rows in self._ledger),
            death=self._death.view,
            closings=Closings._make(rows.view for rows in self._closings),
            last=after(market, held, book.last),
        )
        return self._book

    def _run(self, start: int, count: int) -> None:
        bars = Bars._make(rows.view for rows in self._bars)
        ledger = Ledger._make(rows.view for rows in self._ledger)
        tiers, holders, death = self._book.tiers, self._book.holders, self._death.view
        self._make_room(count * tiers.point.size)
        if self._size is None:
            tied = self._book.parameters.closing != "none"
            advance(bars, tiers, holders, start, tied, ledger, death, self._frontier)
            return
        self._size.extend(np.zeros((count, *death.shape[1:])))
        before = self._closings[0].view.size
        most = int(self._frontier.counts.sum()) + 2 * count * (tiers.point.size + 1)
        for rows in self._closings:
            rows.extend(np.zeros(most, rows.view.dtype))
        closings = Closings._make(rows.view for rows in self._closings)
        after_run = advance_nearest(
            bars,
            tiers,
            holders,
            start,
            ledger,
            death,
            self._frontier,
            self._size.view,
            closings,
            before,
        )
        for rows in self._closings:
            rows.cut(after_run)

    def _make_room(self, levels: int) -> None:
        """Let the frontier hold ``levels`` more on each side."""
        needed = int(self._frontier.counts.max()) + levels
        if needed > self._frontier.keys.shape[1]:
            larger = empty_frontier(int(needed * _ROOM))
            capacity = self._frontier.keys.shape[1]
            larger.keys[:, :capacity] = self._frontier.keys
            larger.levels[:, :capacity] = self._frontier.levels
            self._frontier = Frontier(larger.keys, larger.levels, self._frontier.counts)


class _Rows:
    """An array that grows along its first axis without copying each time."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self._count = array.shape[0]

    @property
    def view(self) -> np.ndarray:
        return self._array[: self._count]

    def extend(self, rows: np.ndarray) -> None:
        count = self._count + rows.shape[0]
        if count > self._array.shape[0]:
            larger = np.empty((int(count * _ROOM) + 16, *rows.shape[1:]), self._array.dtype)
            larger[: self._count] = self.view
            self._array = larger
        self._array[self._count : count] = rows
        self._count = count

    def cut(self, count: int) -> None:
        self._count = count


def _sizes_left(book: LevelBook) -> np.ndarray:
    """Return what single closings left of each level, shape (n, 2, leverages). [base]"""
    size = book.ledger.opened[1:] * book.tiers.weight[book.bars.regime][:, None, :]
    np.subtract.at(size.reshape(-1), book.closings.level, book.closings.size)
    return size


def _check_follows(book: LevelBook, market: Market) -> None:
    names = (book.exchange, book.symbol, book.interval)
    if names != (market.exchange, market.symbol, market.interval):
        raise ValueError(
            f"bars must be of {book.symbol} on {book.exchange} every {book.interval}, but are of "
            f"{market.symbol} on {market.exchange} every {market.interval}"
        )
    if len(market) and len(book) and market.open_time[0] < book.stop:
        raise ValueError(
            f"bars must start at {book.stop} or later, but start at {market.open_time[0]}"
        )
    if book.parameters.needs_funding and market.funding is None:
        raise ValueError(f"no funding rates are known of {market.symbol} on {market.exchange}")
    tiers = tiers_of(market.margin, book.parameters, book.interval)
    if not all(np.array_equal(new, old) for new, old in zip(tiers, book.tiers, strict=True)):
        raise ValueError("margin rules have changed since the book was built; build it anew")
