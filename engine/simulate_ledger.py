"""The simulated traders' positions: compiled book-keeping and liquidation prices.

Prices are whole ticks and quantities whole lots (int64), so what is bought is exactly what is sold
and a candle's range decides a liquidation without rounding. Sides are indices: 0 long, 1 short.

Compiled code does not check bounds: `engine.simulate` sizes all arrays.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.frontier_kernel import pop, push

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = NDArray[np.void]
Compiled = TypeVar("Compiled", bound=Callable[..., Any])

OPEN, CLOSED, LIQUIDATED, MARGIN_ADDED = 0, 1, 2, 3
"""Why a row of the ledger ended."""

ISOLATED, CROSS, DEFENDS = 0, 1, 2
"""Habits: isolated margin; cross margin; isolated, and adds margin once."""


RULES = np.dtype(
    [("cap", "f8"), ("max_leverage", "f8"), ("rate", "f8"), ("deduction", "f8")], align=True
)
"""Leverage tiers, shape (exchanges, rows); short tables repeat their last row.

``rate`` is the maintenance rate and the closing fee together.
"""

POSITION = np.dtype(
    [
        ("exchange", "i8"),
        ("side", "i8"),
        ("lots", "i8"),
        ("entry", "i8"),  # tick
        ("leverage", "f8"),
        ("backing", "f8"),  # collateral over the position's own margin; 1 with isolated margin
        ("liquidation_price", "f8"),  # NaN where no price liquidates it
        ("trigger", "i8"),  # first tick that touches it
        ("opened", "i8"),  # microseconds since the first step
        ("ended", "i8"),
        ("exit", "i8"),  # tick
        ("reason", "i8"),
        ("continues", "i8"),  # row of the same position before margin was added, or -1
        ("horizon", "i8"),
        ("habit", "i8"),
        ("place", "i8"),  # among the open ones of its exchange and horizon
    ],
    align=True,
)
"""A row for each liquidation price that a position had."""


class Desk(NamedTuple):
    """The positions, and what is open on each exchange.

    Structured arrays keep what belongs together in one argument of the compiled functions.

    Attributes
    ----------
    ledger : ndarray of POSITION, shape (n,)
        All positions so far, then room for more.
    rules : ndarray of RULES, shape (exchanges, rows)
        Leverage tiers.
    key, row : ndarray, shape (exchanges, 2, capacity)
        Heaps by side, nearest liquidation on top: signed trigger, and row of the ledger.
    waiting : ndarray of int64, shape (exchanges, 2)
        Sizes of the heaps; ended rows leave them when they come on top.
    open_row : ndarray of int64, shape (exchanges, horizons, capacity)
        Open rows in no order.
    open_count : ndarray of int64, shape (exchanges, horizons)
        How many there are.
    held, pool : ndarray of int64, shape (exchanges, 2)
        Open lots by side, of traders and of unlevered holders.
    tick : ndarray of int64, shape (exchanges,)
        Last price.
    used : ndarray of int64, shape (1,)
        Rows of the ledger in use.
    """

    ledger: Records
    rules: Records
    key: Floats
    row: Ints
    waiting: Ints
    open_row: Ints
    open_count: Ints
    held: Ints
    pool: Ints
    tick: Ints
    used: Ints


def inner(function: Compiled) -> Compiled:
    """Compile what only compiled code calls: no way in from Python halves the time it takes."""
    compiled: Compiled = njit(  # type: ignore[call-overload]
        cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )(function)
    return compiled


@inner
def enter(
    desk: Desk, ticks: float, value: float, lots: int, exchange: int, side: int, entry: int,
    leverage: float, backing: float, habit: int, horizon: int, moment: int,
) -> int:  # fmt: skip
    """Write a new open position down, ``value`` a lot at its entry [quote]; return its row."""
    row = int(desk.used[0])
    desk.used[0] += 1
    new = desk.ledger[row]
    new["exchange"], new["side"], new["lots"], new["entry"] = exchange, side, lots, entry
    new["leverage"], new["backing"] = leverage, backing
    new["habit"], new["horizon"] = habit, horizon
    new["opened"], new["reason"], new["continues"] = moment, OPEN, -1
    place = desk.open_count[exchange, horizon]
    desk.open_row[exchange, horizon, place] = row
    desk.open_count[exchange, horizon] += 1
    new["place"] = place
    desk.held[exchange, side] += lots
    new["liquidation_price"] = np.nan
    # Collateral of more than the notional leaves a long nothing to fear.
    ratio = ratio_at(leverage / backing, side, value * lots, desk.rules[exchange])
    if ratio > 0.0:
        price = entry / ticks * ratio
        new["liquidation_price"] = price
        trigger = trigger_tick(price, side, ticks)
        new["trigger"] = trigger
        # Longs are touched from the highest down.
        key, waiting = float(trigger * (2 * side - 1)), desk.waiting[exchange, side]
        push(desk.key[exchange, side], desk.row[exchange, side], waiting, key, row)
        desk.waiting[exchange, side] += 1
    return row


@inner
def leave(desk: Desk, row: int, reason: int, tick: int, moment: int) -> None:
    """End a row; the last open one of its horizon takes its place."""
    gone = desk.ledger[row]
    exchange, horizon, place = gone["exchange"], gone["horizon"], gone["place"]
    last = desk.open_count[exchange, horizon] - 1
    moved = desk.open_row[exchange, horizon, last]
    desk.open_row[exchange, horizon, place] = moved
    desk.ledger[moved]["place"] = place
    desk.open_count[exchange, horizon] = last
    desk.held[exchange, gone["side"]] -= gone["lots"]
    gone["ended"], gone["exit"], gone["reason"] = moment, tick, reason


@inner
def nearest(desk: Desk, exchange: int, side: int) -> int:
    """Return the open row that a move against ``side`` touches first, -1 if there is none."""
    while desk.waiting[exchange, side] > 0:
        row = int(desk.row[exchange, side, 0])
        if desk.ledger[row]["reason"] == OPEN:
            return row
        pop(desk.key[exchange, side], desk.row[exchange, side], desk.waiting[exchange, side])
        desk.waiting[exchange, side] -= 1
    return -1


@inner
def ratio_at(leverage: float, side: int, notional: float, tiers: Records) -> float:
    """Return liquidation price over entry price; `engine.margin.liquidation_ratio`, compiled."""
    sign = 1.0 - 2.0 * side
    tier = _tier_at(notional, tiers)
    ratio = 0.0
    for _ in range(tiers.size):
        margin = 1.0 / leverage - sign + tiers[tier]["deduction"] / notional
        ratio = margin / (tiers[tier]["rate"] - sign)
        after = _tier_at(notional * ratio, tiers)
        if after == tier:
            break
        tier = after
    return ratio


@inner
def _tier_at(notional: float, tiers: Records) -> int:
    for tier in range(tiers.size):
        if notional < tiers[tier]["cap"]:
            return tier
    return tiers.size - 1


@inner
def largest_notional(leverage: float, tiers: Records) -> float:
    """Return the cap of the highest tier that allows ``leverage``. [quote]"""
    cap = 0.0
    for tier in range(tiers.size):
        if tiers[tier]["max_leverage"] >= leverage:
            cap = max(cap, tiers[tier]["cap"])
    return cap


@inner
def trigger_tick(price: float, side: int, ticks: float) -> int:
    """Return the first tick at which a falling (long) or rising (short) price touches ``price``."""
    tick = int(np.floor(price * ticks))
    # The product may be off by a rounding; what counts is how the tick compares as a price.
    while tick / ticks > price:
        tick -= 1
    while (tick + 1) / ticks <= price:
        tick += 1
    if side == 1 and tick / ticks < price:
        tick += 1
    return tick
