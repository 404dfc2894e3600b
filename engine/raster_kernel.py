"""Compiled loops that draw a level book onto a grid of time columns and price buckets."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.frontier_kernel import Closings
from engine.kernels import (
    Bars,
    Floats,
    Holders,
    Ints,
    Ledger,
    Tiers,
    death_bar,
    decay,
    epoch_decay,
    is_born,
    kind_of,
    level_price,
    level_stretch,
)

_ROUND_OFF = 1e-12  # of a bucket's highest state: what can be left when its levels are gone


class Grid(NamedTuple):
    """Where bars and prices fall.

    Attributes
    ----------
    column_of_bar : ndarray of int32, shape (n,)
        Column in which a bar ends; -1 before the first, ``columns`` after the last.
    bars_by : ndarray of int32, shape (columns + 1,)
        Number of bars ended before column 0, and by the end of each column.
    edges : ndarray, shape (buckets + 1,)
        Edges of the price buckets, ``edges[i] <= price < edges[i + 1]``. [quote]
    buckets_per_quote : float
        Buckets over the width of all.
    """

    column_of_bar: Ints
    bars_by: Ints
    edges: Floats
    buckets_per_quote: float


@njit(cache=True, nogil=True)
def bucket_of(price: float, edges: Floats, buckets_per_quote: float) -> int:
    """Return the bucket of a price, -1 outside the edges."""
    buckets = edges.size - 1
    if not edges[0] <= price < edges[buckets]:
        return -1
    # Near an edge the product can round to the wrong side, just below the top edge up to
    # ``buckets``: compiled code would write past the end without an error.
    bucket = min(int((price - edges[0]) * buckets_per_quote), buckets)
    if price < edges[bucket]:
        return bucket - 1
    if price >= edges[bucket + 1]:
        return bucket + 1
    return bucket


@njit(cache=True, nogil=True, inline="always")
def buckets_between(low: float, high: float, grid: Grid) -> tuple[int, int]:
    """Return the first bucket of those that prices lie in, and the one past the last."""
    buckets = grid.edges.size - 1
    bottom, top = grid.edges[0], grid.edges[buckets]
    # Before the product, which far from narrow edges no whole number holds.
    if not (high > bottom and low < top):
        return 0, 0
    first = int((max(low, bottom) - bottom) * grid.buckets_per_quote)
    past = int((min(high, top) - bottom) * grid.buckets_per_quote) + 1
    return min(first, buckets - 1), min(past, buckets)


@njit(cache=True, nogil=True, inline="always")
def amount_in(bucket: int, low: float, high: float, by_notional: bool, grid: Grid) -> float:
    """Return the amount in a bucket of a level of size 1, spread evenly over prices."""
    begin, end = max(low, grid.edges[bucket]), min(high, grid.edges[bucket + 1])
    size = max(end - begin, 0.0) / (high - low)
    return float(size * (begin + end) / 2.0 if by_notional else size)


@njit(cache=True, nogil=True)
def draw_levels(
    bars: Bars,
    tiers: Tiers,
    holders: Holders,
    ledger: Ledger,
    death: Ints,
    grid: Grid,
    by_notional: bool,
    reach: float,
    changes: Floats,
    consumed: Floats,
) -> None:
    """Add all levels to the grid.

    Parameters
    ----------
    by_notional : bool
        Whether cells hold size times liquidation price [quote], or size [base].
    reach : float
        What is open is drawn evenly over the prices of its leverage divided and multiplied by it;
        at its own price where it is 1. What was liquidated is drawn at its own. [-]
    changes : ndarray, shape (2, columns + 1, buckets, kinds)
        Filled: what comes and goes in each column by kind of holder, as it is at the column's end;
        index 0 holds the state before the first column. `accumulate` makes states of it.
    consumed : ndarray, shape (2, columns, buckets)
        Filled: liquidated in each column.

    Notes
    -----
    Columns are the outer axis, since what a bar opens falls into one of them, which then stays in
    the processor's nearest cache.
    """
    columns = consumed.shape[1]
    kinds, parts = len(holders.speed), len(holders.net)
    count = grid.column_of_bar.size
    # Of a level that weighs 1, by kind: its size in units of survival, and at its birth's column.
    scaled, shown, epoch = np.empty(kinds), np.empty(kinds), np.empty(kinds, np.int32)
    came, left = np.empty(parts), np.empty(parts)  # of a level, at its birth and its death
    for side in range(2):
        # One side's alone, and columns' ends by themselves, stay in near caches.
        survival, epochs = ledger.survival[:, side].copy(), ledger.epoch[:, side].copy()
        end_survival, end_epoch = survival[grid.bars_by], epochs[grid.bars_by]
        for bar in range(count):
            birth = grid.column_of_bar[bar] + 1
            if birth > columns:
                break
            if not is_born(holders, ledger, bar, side):
                continue
            rules = bars.regime[bar]
            for kind in range(kinds):
                part = kind if parts == kinds else 0
                epoch[kind] = epochs[bar + 1, kind]
                scaled[kind] = ledger.opened[bar + 1, side, part] / survival[bar + 1, kind]
                age = end_epoch[birth, kind] - epoch[kind]
                shown[kind] = scaled[kind] * end_survival[birth, kind] * epoch_decay(age)
            for tier in range(tiers.point.size):
                last, closed = death_bar(death[bar, side, tier])
                dead = grid.column_of_bar[last] + 1 if last < count else columns + 1
                if dead < 1:
                    continue
                low = high = price = level_price(bars, tiers, bar, side, tier)
                at = bucket_of(price, grid.edges, grid.buckets_per_quote)
                first, past = at, at + 1
                if reach != 1.0:
                    low, high = level_stretch(bars, tiers, bar, side, tier, reach)
                    first, past = buckets_between(low, high, grid)
                elif at < 0:
                    continue
                weight, amount = tiers.weight[rules, tier], price if by_notional else 1.0
                crossed = 0.0
                for part in range(parts):
                    kind = kind_of(holders, tier, part)
                    came[part] = weight * shown[kind]
                    if dead > columns:
                        continue
                    size = weight * scaled[kind]
                    age = end_epoch[dead, kind] - epoch[kind]
                    left[part] = size * end_survival[dead, kind] * epoch_decay(age)
                    # Crossing comes before closing: the state before the bar of death counts.
                    age = epochs[last, kind] - epoch[kind]
                    crossed += size * survival[last, kind] * epoch_decay(age)
                if dead > birth:
                    for bucket in range(first, past):
                        here = amount
                        if low < high:
                            here = amount_in(bucket, low, high, by_notional, grid)
                        for part in range(parts):
                            kind = kind_of(holders, tier, part)
                            changes[side, birth, bucket, kind] += came[part] * here
                            if dead <= columns:
                                changes[side, dead, bucket, kind] -= left[part] * here
                if dead <= columns and not closed and at >= 0:
                    consumed[side, dead - 1, at] += crossed * amount


@njit(cache=True, nogil=True)
def draw_closings(
    bars: Bars,
    tiers: Tiers,
    closings: Closings,
    death: Ints,
    grid: Grid,
    by_notional: bool,
    reach: float,
    changes: Floats,
    consumed: Floats,
) -> None:
    """Take what was closed of single levels off what `draw_levels` drew.

    A closing is a level of negative size that lives from the closing to its level's death.
    """
    columns = consumed.shape[1]
    tier_count = tiers.point.size
    count = grid.column_of_bar.size
    for i in range(closings.bar.size):
        level = closings.level[i]
        birth = level // (2 * tier_count)
        side, tier = level // tier_count % 2, level % tier_count
        column = grid.column_of_bar[closings.bar[i]]
        last, closed = death_bar(death[birth, side, tier])
        death_column = grid.column_of_bar[last] if last < count else columns
        price = level_price(bars, tiers, birth, side, tier)
        low = high = price
        at = bucket_of(price, grid.edges, grid.buckets_per_quote)
        first, past = at, at + 1
        if reach != 1.0:
            low, high = level_stretch(bars, tiers, birth, side, tier, reach)
            first, past = buckets_between(low, high, grid)
        if column >= columns or death_column < 0 or past <= 0:
            continue
        size, amount = closings.size[i], price if by_notional else 1.0
        if death_column > column:
            for bucket in range(first, past):
                here = amount
                if low < high:
                    here = amount_in(bucket, low, high, by_notional, grid)
                changes[side, column + 1, bucket, 0] -= size * here
                if death_column < columns:
                    changes[side, death_column + 1, bucket, 0] += size * here
        if at >= 0 and death_column < columns and not closed:
            consumed[side, death_column, at] -= size * amount


@njit(cache=True, nogil=True)
def accumulate(
    holders: Holders,
    ledger: Ledger,
    bars_by: Ints,
    shown: Floats,
    changes: Floats,
    active: Floats,
) -> None:
    """Fill ``active`` with each column's state, carrying over what closing leaves.

    Parameters
    ----------
    shown : ndarray, shape (2, columns, kinds)
        Share of each kind's levels that is shown. [-]
    changes : ndarray, shape (2, columns + 1, buckets, kinds)
        From `draw_levels`; left as states.
    active : ndarray, shape (2, columns, buckets)
        Filled.
    """
    _, columns, buckets, _ = changes.shape
    kinds = len(holders.speed)
    highest = np.empty((buckets, kinds))
    for side in range(2):
        highest[:] = changes[side, 0]
        for column in range(1, columns):
            now, before = bars_by[column], bars_by[column - 1]
            for kind in range(kinds):
                kept = decay(
                    ledger.survival[now, side, kind],
                    ledger.epoch[now, side, kind],
                    ledger.survival[before, side, kind],
                    ledger.epoch[before, side, kind],
                )
                share = shown[side, column - 1, kind]
                for bucket in range(buckets):
                    held = changes[side, column - 1, bucket, kind] * kept
                    held += changes[side, column, bucket, kind]
                    top = max(highest[bucket, kind] * kept, held)
                    if held <= top * _ROUND_OFF:
                        held = 0.0
                    highest[bucket, kind] = top
                    changes[side, column, bucket, kind] = held
                    if kind == 0:
                        active[side, column - 1, bucket] = held * share
                    else:
                        active[side, column - 1, bucket] += held * share
