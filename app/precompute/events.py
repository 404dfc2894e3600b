"""What happened to positions in a span of a book, event by event."""

import numpy as np

from engine.book import LevelBook
from engine.ensemble import Book, EnsembleBook
from ingest.columns import Arrays

_OPENED, _CLOSED, _LIQUIDATED = 0, 1, 2


def events_of(book: Book, start: np.datetime64, stop: np.datetime64) -> Arrays:
    """Return the events of the bars that end in ``start < time <= stop``, oldest first.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``time`` (end of the bar), ``side`` (0 longs, 1 shorts), ``event`` (0 opened, 1 closed,
        2 liquidated), ``price`` (entry, the bar's close, liquidation price) [quote], ``quantity``
        [base], ``leverage`` (NaN for closings, which all levels share).
    """
    if isinstance(book, EnsembleBook):
        return _of_parts(book, start, stop)
    ends = book.open_time + np.timedelta64(book.interval)
    first, last = (int(i) for i in np.searchsorted(ends, (start, stop), side="right"))
    parts = (_opened(book, first, last), _closed(book, first, last), _liquidated(book, first, last))
    bar, side, event, price, quantity, leverage = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    order = np.argsort(bar, kind="stable")
    return {
        "time": ends[bar[order]],
        "side": side[order].astype(np.int8),
        "event": event[order].astype(np.int8),
        "price": price[order],
        "quantity": quantity[order],
        "leverage": leverage[order],
    }


def _of_parts(book: EnsembleBook, start: np.datetime64, stop: np.datetime64) -> Arrays:
    """Return all parts' events, each with its part's share of the quantity."""
    parts = [events_of(part, start, stop) for part in book.parts]
    for events, share in zip(parts, book.shares, strict=True):
        events["quantity"] = events["quantity"] * share
    joined = {name: np.concatenate([events[name] for events in parts]) for name in parts[0]}
    order = np.argsort(joined["time"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def _opened(book: LevelBook, first: int, last: int) -> tuple[np.ndarray, ...]:
    weight = book.tiers.weight[book.bars.regime[first:last]]
    size = book.ledger.born[first + 1 : last + 1, :, None] * weight[:, None, :]
    bar, side, tier = np.nonzero(size > 0.0)
    quantity = size[bar, side, tier]
    bar = bar + first
    event = np.full(bar.size, _OPENED)
    entry = book.bars.entry[bar, book.tiers.point[tier]]
    return bar, side, event, entry, quantity, book.leverage(bar, tier)


def _closed(book: LevelBook, first: int, last: int) -> tuple[np.ndarray, ...]:
    size = book.ledger.closed[first + 1 : last + 1]
    bar, side = np.nonzero(size > 0.0)
    quantity = size[bar, side]
    bar = bar + first
    unknown = np.full(bar.size, np.nan)
    return bar, side, np.full(bar.size, _CLOSED), book.close[bar], quantity, unknown


def _liquidated(book: LevelBook, first: int, last: int) -> tuple[np.ndarray, ...]:
    death = book.death[:last]
    birth, side, tier = np.nonzero((death >= first) & (death < last))
    bar = death[birth, side, tier].astype(np.int64)
    # Crossing comes before closing: the state before the bar of death counts.
    size = book.size(birth, side, tier, bar)
    if book.closings.bar.size:
        taken = np.zeros(book.death.size)
        np.add.at(taken, book.closings.level, book.closings.size)
        _, sides, leverages = book.death.shape
        size = np.maximum(size - taken[(birth * sides + side) * leverages + tier], 0.0)
    price, leverage = book.price(birth, side, tier, bar + 1), book.leverage(birth, tier)
    kept = size > 0.0
    columns = (bar, side, np.full(bar.size, _LIQUIDATED), price, size, leverage)
    return tuple(column[kept] for column in columns)
