"""State of the simulated market, and what it is before the first step.

Prices are whole ticks, quantities whole lots; see `engine.simulate_ledger`.
"""

from typing import NamedTuple

import numpy as np

from engine.margin import MarginRules
from engine.simulate_ledger import POSITION, RULES, Desk, Floats, Ints, Records, inner
from engine.simulate_path import (
    BARS_PER_DAY,
    HORIZON_STEPS,
    STEPS_PER_BAR,
    STEPS_PER_DAY,
    Path,
    SymbolSetting,
    stream,
)

STEP = 30_000_000
"""Length of a step. [µs]"""
HALF_STEP = STEP // 2
_CROWD = 20.0  # events of a half step until half of it has passed

_TRADERS_SHARE = 0.31  # of open interest; the rest is unlevered
_STAY_DAYS = 2.0  # mean, all horizons and reasons to leave together
_NOISE_PER_DAY = 1.28  # volume between market makers over open interest
_PUSH = 0.35  # displacement of the price over the share of open interest that is closed by force


class Terms(NamedTuple):
    """Numbers of the symbol.

    Attributes
    ----------
    ticks, lots : float
        Price steps in one unit of quote, smallest quantities in one unit of base.
    push : float
        Displacement of the price's logarithm by one forced lot. [-]
    middle : float
        Logarithm of the price to which the market returns.
    volatility : float
        Standard deviation of an ordinary day's return. [-]
    """

    ticks: float
    lots: float
    push: float
    middle: float
    volatility: float


SIZE = np.dtype([("pool", "f8"), ("position", "f8"), ("noise", "f8")])
"""Lots on an exchange: wanted by unlevered holders on each side, of a mean position, between
market makers in a step."""

BAR = np.dtype(
    [
        ("open", "i8"),
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),
        ("quote", "i8"),  # ticks times lots
        ("taker_bought", "i8"),
        ("open_interest", "i8"),  # at the end, as are the next four
        ("held_long", "i8"),
        ("held_short", "i8"),
        ("pool_long", "i8"),
        ("pool_short", "i8"),
        ("liquidated_long", "i8"),
        ("liquidated_short", "i8"),
    ]
)
"""What happened in a bar on an exchange, in ticks and lots."""


class World(NamedTuple):
    """All of one symbol.

    Attributes
    ----------
    path : Path
        What comes from outside.
    arrivals : ndarray of ARRIVAL, shape (k,)
        Traders who come: all of an exchange in order of time, then those of the next.
    coming : ndarray of int64, shape (steps, exchanges)
        How many come in a step.
    terms : Terms
        Numbers of the symbol.
    size : ndarray of SIZE, shape (exchanges,)
        Numbers of the exchanges.
    desk : Desk
        The positions.
    tape : ndarray of BAR, shape (bars, exchanges)
        What is seen.
    price : ndarray, shape (4,)
        Logarithm of the common price in two parts, what stays and what recovers; its mean over
        a day; and the push of forced closings that it is still to feel.
    events : ndarray of int64, shape (1,)
        Events of the current half step.
    chance : ndarray of int64, shape (2,)
        State of the random numbers that decide who leaves.
    """

    path: Path
    arrivals: Records
    coming: Ints
    terms: Terms
    size: Records
    desk: Desk
    tape: Records
    price: Floats
    events: Ints
    chance: Ints


def build_world(
    setting: SymbolSetting,
    path: Path,
    rules: dict[str, MarginRules],
    sizes: Floats,
    per_bar: Floats,
    coming: Ints,
    traders: Records,
    seed: int,
) -> World:
    """Return the state before the first step: prices, unlevered holders, and no trader.

    Parameters
    ----------
    setting : SymbolSetting
        The symbol.
    path : Path
        What comes from outside.
    rules : dict of str to MarginRules
        Of each exchange.
    sizes : ndarray, shape (exchanges,)
        Sizes of the exchanges. [-]
    per_bar : ndarray, shape (exchanges,)
        How many traders come in a bar at an activity of 1.
    coming, traders : ndarray
        As in `World`.
    seed : int
        Of the market.
    """
    interest = sizes * setting.open_interest * setting.lots
    size = np.empty(len(rules), SIZE)
    size["pool"] = (1.0 - _TRADERS_SHARE) * interest
    size["position"] = 2.0 * _TRADERS_SHARE * interest / (per_bar * BARS_PER_DAY * _STAY_DAYS)
    size["noise"] = _NOISE_PER_DAY * interest / STEPS_PER_DAY
    logarithm = float(np.log(setting.price))
    terms = Terms(
        ticks=float(setting.ticks),
        lots=float(setting.lots),
        push=_PUSH / float(interest.sum()),
        middle=float(np.log(setting.middle)),
        volatility=setting.volatility,
    )
    # Every position has room to add margin once; memory that nobody touches costs nothing.
    desk = _desk(_tables(list(rules.values())), 2 * traders.size)
    desk.pool[:] = size["pool"].astype(np.int64)[:, None]
    desk.tick[:] = round(setting.price * setting.ticks)
    return World(
        path=path,
        arrivals=traders,
        coming=coming,
        terms=terms,
        size=size,
        desk=desk,
        tape=np.zeros((coming.shape[0] // STEPS_PER_BAR, len(rules)), BAR),
        price=np.array([logarithm, 0.0, logarithm, 0.0]),
        events=np.zeros(1, np.int64),
        chance=stream(seed, "leaving").integers(1, 2**31 - 300, 2),
    )


def _desk(rules: Records, rows: int) -> Desk:
    exchanges, horizons = rules.shape[0], HORIZON_STEPS.size
    return Desk(
        ledger=np.empty(rows, POSITION),
        rules=rules,
        key=np.empty((exchanges, 2, rows)),
        row=np.empty((exchanges, 2, rows), np.int64),
        waiting=np.zeros((exchanges, 2), np.int64),
        open_row=np.empty((exchanges, horizons, rows), np.int64),
        open_count=np.zeros((exchanges, horizons), np.int64),
        held=np.zeros((exchanges, 2), np.int64),
        pool=np.zeros((exchanges, 2), np.int64),
        tick=np.zeros(exchanges, np.int64),
        used=np.zeros(1, np.int64),
    )


def _tables(rules: list[MarginRules]) -> Records:
    longest = max(len(margin.tiers) for margin in rules)
    table = np.empty((len(rules), longest), RULES)
    for e, margin in enumerate(rules):
        for n in range(longest):
            tier = margin.tiers[min(n, len(margin.tiers) - 1)]
            rate = tier.maintenance_rate + margin.closing_fee
            table[e, n] = (tier.cap, tier.max_leverage, rate, tier.deduction)
    return table


@inner
def tick_at(logarithm: float, ticks: float) -> int:
    """Return the tick nearest to a price given by its logarithm."""
    return int(np.floor(np.exp(logarithm) * ticks + 0.5))


@inner
def moment_of(step: int, offset: int, events: Ints) -> int:
    """Return the time of the half step's next event, each later than the one before. [µs]"""
    n = events[0]
    events[0] += 1
    return step * STEP + offset + int(HALF_STEP * (n / (n + _CROWD)))


@inner
def uniform(chance: Ints) -> float:
    """Return a number in (0, 1) by L'Ecuyer's two combined multiplicative generators.

    In plain integers, since NumPy's generators make the kernel slow to compile.
    """
    chance[0] = 40014 * chance[0] % 2147483563
    chance[1] = 40692 * chance[1] % 2147483399
    difference = (chance[0] - chance[1]) % 2147483562
    return (difference if difference else 2147483562) / 2147483563.0
