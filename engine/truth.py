"""What the simulated market's traders really hold, and the map that this makes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.margin import LONG

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

REASONS = ("open", "closed", "liquidated", "margin added")
"""Why a row of `Positions` ended, by its ``reason``."""


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Positions of one market in the order they opened, a row for each liquidation price.

    A position whose holder adds margin goes on in a new row: same entry, lower leverage, another
    liquidation price, no trade. A position is open at the moment T iff ``opened < T <= ended``.

    Attributes
    ----------
    opened, ended : ndarray of datetime64[us], shape (n,)
        NaT where still open. [UTC]
    reason : ndarray of int8, shape (n,)
        Index into `REASONS`.
    side : ndarray of int8, shape (n,)
        +1 long, -1 short.
    quantity : ndarray, shape (n,)
        Size. [base]
    entry_price, exit_price : ndarray, shape (n,)
        Fills; the exit is NaN while open. [quote]
    leverage : ndarray, shape (n,)
        Entry notional over margin. [-]
    liquidation_price : ndarray, shape (n,)
        NaN for a long whose account could pay for all of it, which no price liquidates. [quote]
    continues : ndarray of int64, shape (n,)
        Row of the same position before margin was added; -1 where there is none.
    user : ndarray of int64, shape (n,)
        Who holds it, numbered within the market. Each user opens one position, so this is the
        position's number as well; it stays when margin is added and when rows are chosen.
    backing : ndarray, shape (n,)
        Collateral behind the position over its own margin: 1 with isolated margin, more with
        cross margin, where the account lends the rest; NaN where it is not known. [-]
    """

    opened: Times
    ended: Times
    reason: NDArray[np.int8]
    side: NDArray[np.int8]
    quantity: Floats
    entry_price: Floats
    exit_price: Floats
    leverage: Floats
    liquidation_price: Floats
    continues: NDArray[np.int64]
    user: NDArray[np.int64]
    backing: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.opened.size

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the chosen rows; ``continues`` is -1 where the row it names is not chosen."""
        place = np.append(np.where(chosen, np.cumsum(chosen) - 1, -1), -1)
        kept = {field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        return replace(self, **(kept | {"continues": place[kept["continues"]]}))

    def liquidated(self) -> NDArray[np.bool_]:
        """Return which rows ended by force, shape (n,)."""
        forced: NDArray[np.bool_] = self.reason == REASONS.index("liquidated")
        return forced

    def open_at(self, time: np.datetime64) -> Self:
        """Return the rows that are open at a moment, one a user. [UTC]"""
        return self.where((self.opened < time) & ~(self.ended < time))


@dataclass(frozen=True, slots=True, eq=False)
class Liquidations:
    """Forced closings, oldest first, complete.

    Attributes
    ----------
    time : ndarray of datetime64[us], shape (n,)
        When. [UTC]
    side : ndarray of int8, shape (n,)
        Side of the position: +1 long, -1 short.
    quantity, price : ndarray, shape (n,)
        Size [base], and the fill, which is the price that triggered it [quote].
    """

    time: Times
    side: NDArray[np.int8]
    quantity: Floats
    price: Floats


def true_liquidations(positions: Positions) -> Liquidations:
    """Return the forced closings of one market's positions."""
    forced = positions.where(positions.liquidated())
    order = np.argsort(forced.ended, kind="stable")
    return Liquidations(
        time=forced.ended[order],
        side=forced.side[order],
        quantity=forced.quantity[order],
        price=forced.exit_price[order],
    )


def stored_positions(columns: Mapping[str, NDArray[Any]]) -> Positions:
    """Return one market's positions from the columns that the database keeps of them.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        ``opened``, ``closed``, ``end_reason``, ``side``, ``quantity``, ``entry_price``,
        ``leverage`` and ``liquidation_price``, in the order the rows opened.

    Returns
    -------
    Positions
        Users are numbered anew. A liquidation's exit is its liquidation price, less than a tick
        off; no other exit is known, and no backing.

    Notes
    -----
    The database ends a row as ``closed`` where margin is added. The row that goes on opens at
    that very moment with the same side, size and entry, which no other event of a market does.
    """
    opened, ended = columns["opened"], columns["closed"]
    continues = _continued(columns)
    reason = np.array([REASONS.index(name) for name in columns["end_reason"]], np.int8)
    reason[continues[continues >= 0]] = REASONS.index("margin added")
    forced = reason == REASONS.index("liquidated")
    price = columns["liquidation_price"]
    return Positions(
        opened=opened,
        ended=ended,
        reason=reason,
        side=columns["side"],
        quantity=columns["quantity"],
        entry_price=columns["entry_price"],
        exit_price=np.where(forced, price, np.nan),
        leverage=columns["leverage"],
        liquidation_price=price,
        continues=continues,
        user=first_rows(continues),
        backing=np.full(opened.size, np.nan),
    )


def _continued(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Return each row's row before margin was added, -1 where there is none."""
    same = ("side", "quantity", "entry_price")

    def keys(moment: str) -> list[tuple[Any, ...]]:
        return list(zip(*(columns[name].tolist() for name in (moment, *same)), strict=True))

    ended = {key: row for row, key in enumerate(keys("closed")) if key[0] is not None}
    found = [ended.get(key, -1) for key in keys("opened")]
    return np.array(found, np.int64)


def first_rows(continues: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each row's position, shape (n,)."""
    first = np.arange(continues.size)
    while np.any(more := continues[first] >= 0):
        first[more] = continues[first[more]]
    return first


def true_map(positions: Positions, times: Times, edges: Floats) -> Floats:
    """Return the notional that was really open, on the grid of a `engine.heatmap.Heatmap`.

    Parameters
    ----------
    positions : Positions
        Of one market.
    times : ndarray of datetime64, shape (columns + 1,)
        Edges of the columns, ascending. [UTC]
    edges : ndarray, shape (buckets + 1,)
        Edges of the price buckets, half-open, ascending. [quote]

    Returns
    -------
    ndarray, shape (2, buckets, columns)
        Quantity times liquidation price of what is open at the column's end; longs, then shorts.
        [quote]
    """
    price = positions.liquidation_price
    inside = (price >= edges[0]) & (price < edges[-1])  # False for NaN
    shown = positions.where(inside)
    bucket = np.searchsorted(edges, shown.liquidation_price, side="right") - 1
    row = np.where(shown.side == LONG, 0, 1) * (edges.size - 1) + bucket
    ends = times[1:]
    # Open at T iff opened < T <= ended.
    first = np.searchsorted(ends, shown.opened, side="right")
    last = np.searchsorted(ends, shown.ended, side="right")
    last[np.isnat(shown.ended)] = ends.size
    shape = (2, edges.size - 1, ends.size)
    notional = _spread(row, first, last, shown.quantity * shown.liquidation_price, shape)
    # Sums of many sizes and their negatives leave a remainder where nothing is open.
    some = _spread(row, first, last, np.ones(len(shown)), shape) > 0.5
    return np.where(some, notional, 0.0)


def _spread(
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    weight: Floats,
    shape: tuple[int, int, int],
) -> Floats:
    """Add each weight to its row's columns ``first <= column < last``."""
    sides, buckets, columns = shape
    cells = (sides * buckets, columns + 1)
    flat = row * (columns + 1)
    size = cells[0] * cells[1]
    change = np.bincount(flat + first, weight, size) - np.bincount(flat + last, weight, size)
    return np.cumsum(change.reshape(cells), axis=1)[:, :-1].reshape(shape)
