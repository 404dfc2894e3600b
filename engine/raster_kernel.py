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
    level_price,
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


@njit(cache=True, nogil=True)
def draw_levels(
    bars: Bars,
    tiers: Tiers,
    holders: Holders,
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
    changes : ndarray, shape (2, buckets, columns + 1, kinds)
        Filled: what comes and goes in each column by kind of holder, as it is at the column's end;
        index 0 holds the state before the first column. `accumulate` makes states of it.
    consumed : ndarray, shape (2, buckets, columns)
        Filled: liquidated in each column.
    """
    columns = consumed.shape[2]
    kinds, parts = len(holders.speed), len(holders.net)
    count = grid.column_of_bar.size
    opened, inverse = np.empty(parts), np.empty(kinds)
    epoch = np.empty(kinds, np.int32)
    # What a column's end is needed of lies together, and near.
    end_survival = ledger.survival[grid.bars_by]
    end_epoch = ledger.epoch[grid.bars_by]
    for bar in range(count):
        birth_column = grid.column_of_bar[bar]
        if birth_column >= columns:
            break
        rules = bars.regime[bar]
        for side in range(2):
            if not is_born(holders, ledger, bar, side):
                continue
            for part in range(parts):
                opened[part] = ledger.opened[bar + 1, side, part]
            for kind in range(kinds):
                epoch[kind] = ledger.epoch[bar + 1, side, kind]
                inverse[kind] = 1.0 / ledger.survival[bar + 1, side, kind]
            for tier in range(tiers.point.size):
                last, closed = death_bar(death[bar, side, tier])
                death_column = grid.column_of_bar[last] if last < count else columns
                if death_column < 0:
                    continue
                price = level_price(bars, tiers, bar, side, tier)
                bucket = bucket_of(price, grid.edges, grid.buckets_per_quote)
                if bucket < 0:
                    continue
                weight = tiers.weight[rules, tier]
                if by_notional:
                    weight *= price
                crossed = 0.0
                for part in range(parts):
                    kind = holders.of_tier[tier, part] if kinds > 1 else 0
                    size = opened[part] * weight * inverse[kind]
                    if death_column > birth_column:
                        changes[side, bucket, birth_column + 1, kind] += (
                            size
                            * end_survival[birth_column + 1, side, kind]
                            * epoch_decay(end_epoch[birth_column + 1, side, kind] - epoch[kind])
                        )
                        if death_column < columns:
                            changes[side, bucket, death_column + 1, kind] -= (
                                size
                                * end_survival[death_column + 1, side, kind]
                                * epoch_decay(end_epoch[death_column + 1, side, kind] - epoch[kind])
                            )
                    if death_column < columns and not closed:
                        # Crossing comes before closing: the state before the bar of death counts.
                        crossed += (
                            size
                            * ledger.survival[last, side, kind]
                            * epoch_decay(ledger.epoch[last, side, kind] - epoch[kind])
                        )
                if crossed > 0.0:
                    consumed[side, bucket, death_column] += crossed


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
        bucket = bucket_of(price, grid.edges, grid.buckets_per_quote)
        if bucket < 0 or column >= columns or death_column < 0:
            continue
        size = closings.size[i] * (price if by_notional else 1.0)
        if death_column > column:
            changes[side, bucket, column + 1, 0] -= size
        if death_column < columns:
            if not closed:
                consumed[side, bucket, death_column] -= size
            if death_column > column:
                changes[side, bucket, death_column + 1, 0] += size


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
    changes : ndarray, shape (2, buckets, columns + 1, kinds)
        From `draw_levels`.
    active : ndarray, shape (2, buckets, columns)
        Filled.
    """
    _, buckets, columns, _ = changes.shape
    kinds = len(holders.speed)
    kept = np.ones((columns, kinds))
    state, highest = np.empty(kinds), np.empty(kinds)
    for side in range(2):
        for column in range(1, columns):
            now, before = bars_by[column], bars_by[column - 1]
            for kind in range(kinds):
                kept[column, kind] = decay(
                    ledger.survival[now, side, kind],
                    ledger.epoch[now, side, kind],
                    ledger.survival[before, side, kind],
                    ledger.epoch[before, side, kind],
                )
        for bucket in range(buckets):
            state[:] = changes[side, bucket, 0]
            highest[:] = state
            for column in range(1, columns):
                total = 0.0
                for kind in range(kinds):
                    share = kept[column, kind]
                    now_held = state[kind] * share + changes[side, bucket, column, kind]
                    top = max(highest[kind] * share, now_held)
                    if now_held <= top * _ROUND_OFF:
                        now_held = 0.0
                    state[kind], highest[kind] = now_held, top
                    total += now_held * shown[side, column - 1, kind]
                active[side, bucket, column - 1] = total
