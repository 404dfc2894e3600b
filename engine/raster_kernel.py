"""Compiled loops that draw a level book onto a grid of time columns and price buckets."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.frontier_kernel import Closings
from engine.kernels import Bars, Floats, Ints, Ledger, Tiers, death_bar, decay

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


@njit(cache=True, nogil=True)
def draw_levels(
    bars: Bars,
    tiers: Tiers,
    ledger: Ledger,
    death: Ints,
    grid: Grid,
    by_notional: bool,
    changes: Floats,
    consumed: Floats,
) -> None:
    """Add all levels to the grid.

    Parameters
    ----------
    by_notional : bool
        Whether cells hold size times liquidation price [quote], or size [base].
    changes : ndarray, shape (2, buckets, columns + 1)
        Filled: what comes and goes in each column, as it is at the column's end; index 0 holds
        the state before the first column. `accumulate` makes states of it.
    consumed : ndarray, shape (2, buckets, columns)
        Filled: liquidated in each column.
    """
    columns = consumed.shape[2]
    tier_count = tiers.weight.shape[1]
    count = grid.column_of_bar.size
    for bar in range(count):
        birth_column = grid.column_of_bar[bar]
        if birth_column >= columns:
            break
        rules = bars.regime[bar]
        birth_end = grid.bars_by[birth_column + 1]
        for side in range(2):
            born = ledger.opened[bar + 1, side]
            if born <= 0.0:
                continue
            product, epoch = ledger.survival[bar + 1, side], ledger.epoch[bar + 1, side]
            shown = decay(
                ledger.survival[birth_end, side], ledger.epoch[birth_end, side], product, epoch
            )
            for tier in range(tier_count):
                last, closed = death_bar(death[bar, side, tier])
                death_column = grid.column_of_bar[last] if last < count else columns
                if death_column < 0:
                    continue
                price = bars.entry[bar] * tiers.ratio[rules, side, tier]
                bucket = bucket_of(price, grid.edges, grid.buckets_per_quote)
                if bucket < 0:
                    continue
                size = born * tiers.weight[rules, tier]
                if by_notional:
                    size *= price
                if death_column > birth_column:
                    changes[side, bucket, birth_column + 1] += size * shown
                if death_column < columns:
                    if not closed:
                        # Crossing comes before closing: the state before the bar of death counts.
                        consumed[side, bucket, death_column] += size * decay(
                            ledger.survival[last, side], ledger.epoch[last, side], product, epoch
                        )
                    if death_column > birth_column:
                        end = grid.bars_by[death_column + 1]
                        changes[side, bucket, death_column + 1] -= size * decay(
                            ledger.survival[end, side], ledger.epoch[end, side], product, epoch
                        )


@njit(cache=True, nogil=True)
def draw_closings(
    bars: Bars,
    tiers: Tiers,
    closings: Closings,
    death: Ints,
    grid: Grid,
    by_notional: bool,
    changes: Floats,
    consumed: Floats,
) -> None:
    """Take what was closed of single levels off what `draw_levels` drew.

    A closing is a level of negative size that lives from the closing to its level's death.
    """
    columns = consumed.shape[2]
    tier_count = tiers.weight.shape[1]
    count = grid.column_of_bar.size
    for i in range(closings.bar.size):
        level = closings.level[i]
        birth = level // (2 * tier_count)
        side, tier = level // tier_count % 2, level % tier_count
        column = grid.column_of_bar[closings.bar[i]]
        last, closed = death_bar(death[birth, side, tier])
        death_column = grid.column_of_bar[last] if last < count else columns
        price = bars.entry[birth] * tiers.ratio[bars.regime[birth], side, tier]
        bucket = bucket_of(price, grid.edges, grid.buckets_per_quote)
        if bucket < 0 or column >= columns or death_column < 0:
            continue
        size = closings.size[i] * (price if by_notional else 1.0)
        if death_column > column:
            changes[side, bucket, column + 1] -= size
        if death_column < columns:
            if not closed:
                consumed[side, bucket, death_column] -= size
            if death_column > column:
                changes[side, bucket, death_column + 1] += size


@njit(cache=True, nogil=True)
def accumulate(ledger: Ledger, bars_by: Ints, changes: Floats) -> None:
    """Turn each column's changes into its state, carrying over what closing leaves."""
    _, buckets, columns = changes.shape
    kept = np.ones(columns)
    for side in range(2):
        for column in range(1, columns):
            now, before = bars_by[column], bars_by[column - 1]
            kept[column] = decay(
                ledger.survival[now, side],
                ledger.epoch[now, side],
                ledger.survival[before, side],
                ledger.epoch[before, side],
            )
        for bucket in range(buckets):
            state = highest = 0.0
            for column in range(columns):
                state = state * kept[column] + changes[side, bucket, column]
                highest = max(highest * kept[column], state)
                if state <= highest * _ROUND_OFF:
                    state = 0.0
                changes[side, bucket, column] = state
