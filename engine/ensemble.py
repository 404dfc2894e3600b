"""Weighted means of several models' books, read like one book."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.book import LevelBook, OpenLevels
from engine.growth import GrowingBook
from engine.kernels import Floats
from engine.market import Market, Times
from engine.parameters import Parameters


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleBook:
    """Books of one market under several models, each of which counts for its share.

    It has what readers of a `LevelBook` use; what only one model's book has (its ledger, tiers,
    deaths) is in its parts.

    Attributes
    ----------
    parameters : Parameters
        The ensemble's: its members, and the mean of their leverage profiles.
    parts : tuple of LevelBook
        One a member.
    shares : tuple of float
        Weight of each part; they sum to 1. [-]
    """

    parameters: Parameters
    parts: tuple[LevelBook, ...]
    shares: tuple[float, ...]

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self._first)

    @property
    def _first(self) -> LevelBook:
        return self.parts[0]

    @property
    def exchange(self) -> str:
        """The market's exchange."""
        return self._first.exchange

    @property
    def symbol(self) -> str:
        """The market's symbol."""
        return self._first.symbol

    @property
    def interval(self) -> timedelta:
        """Length of a bar."""
        return self._first.interval

    @property
    def open_time(self) -> Times:
        """Start of each bar, shape (n,). [UTC]"""
        return self._first.open_time

    @property
    def close(self) -> Floats:
        """Last price at the end of each bar, shape (n,). [quote]"""
        return self._first.close

    @property
    def open_interest(self) -> Floats:
        """Open interest before the first bar and at the end of each, shape (n + 1,). [base]"""
        return self._first.open_interest

    @property
    def stop(self) -> np.datetime64:
        """End of the last bar. [UTC]"""
        return self._first.stop

    @property
    def gap(self) -> NDArray[np.bool_]:
        """Which bars' flow any of the models does not know, shape (n,)."""
        return np.asarray(np.any([part.gap for part in self.parts], axis=0))

    @property
    def held(self) -> Floats:
        """Size of all levels before the first bar and after each, shape (n + 1, 2). [base]"""
        return self.mean(part.held for part in self.parts)

    def mean(self, arrays: Iterable[Floats]) -> Floats:
        """Return the mean of one array a part, weighted by the shares."""
        return mean_of(arrays, self.shares)

    def price_range(self) -> tuple[float, float]:
        """Return prices between which every level lies. [quote]"""
        ranges = [part.price_range() for part in self.parts]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def until(self, time: np.datetime64) -> "EnsembleBook":
        """Return the book as it stood at a moment: of the bars that had ended by then. [UTC]"""
        return replace(self, parts=tuple(part.until(time) for part in self.parts))

    def ending(self, *, known: bool) -> "EnsembleBook":
        """Return it, told whether open interest is known at the end of the last bar."""
        return replace(self, parts=tuple(part.ending(known=known) for part in self.parts))

    def open_levels(self) -> OpenLevels:
        """Return all models' open levels, each with its model's share of its size."""
        return OpenLevels.joined(
            replace(
                levels := part.open_levels(),
                size=levels.size * share,
                tier=self.tier_of(part, levels.tier),
            )
            for part, share in zip(self.parts, self.shares, strict=True)
        )

    def tier_of(self, part: LevelBook, tier: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places in the ensemble's leverages of a part's, by their places in its own."""
        own = np.array(part.parameters.profile.leverage)
        return np.searchsorted(np.array(self.parameters.profile.leverage), own)[tier]

    def crossed(self) -> Floats:
        """Return the notional that each bar liquidated, shape (2, n). [quote]"""
        return self.mean(part.crossed() for part in self.parts)


Book = LevelBook | EnsembleBook
"""What every model makes of a market."""


def mean_of(arrays: Iterable[Floats], shares: Sequence[float]) -> Floats:
    """Return the weighted mean of arrays of one shape."""
    return np.asarray(sum(share * array for share, array in zip(shares, arrays, strict=True)))


class GrowingEnsemble:
    """An ensemble's book that takes further bars, each part as `GrowingBook` does.

    Parameters
    ----------
    book : EnsembleBook
        The bars so far.
    """

    def __init__(self, book: EnsembleBook) -> None:
        self._book = book
        self._parts = [GrowingBook(part) for part in book.parts]

    @property
    def book(self) -> EnsembleBook:
        """The book up to the last bar taken."""
        return self._book

    def append(self, market: Market) -> EnsembleBook:
        """Take further bars of the same market and return the grown book.

        Raises
        ------
        ValueError
            As `GrowingBook.append` does; the book is then not to be grown further.
        """
        grown = tuple(part.append(market) for part in self._parts)
        self._book = replace(self._book, parts=grown)
        return self._book


def growing(book: Book) -> GrowingBook | GrowingEnsemble:
    """Return a book as one that grows with the market, bar by bar."""
    return GrowingEnsemble(book) if isinstance(book, EnsembleBook) else GrowingBook(book)
