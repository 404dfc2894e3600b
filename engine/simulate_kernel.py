"""Compiled loop of the simulated market: orders, forced closings, and the price they make.

A step lasts half a minute. In its first half the price moves: it passes continuously through every
tick on its way, and a position whose liquidation price it touches is closed there and pushes it
on. In the second half traders leave, add margin and come, at the price that was reached.

All exchanges follow one common price, each at a small distance of its own (its basis), so a forced
closing on one of them moves them all.
"""

import numpy as np
from numba import njit

from engine.simulate_ledger import (
    CLOSED,
    DEFENDS,
    ISOLATED,
    LIQUIDATED,
    MARGIN_ADDED,
    Desk,
    Floats,
    Ints,
    Records,
    enter,
    inner,
    largest_notional,
    leave,
    nearest,
)
from engine.simulate_path import HORIZON_STEPS, STEPS_PER_BAR, STEPS_PER_DAY
from engine.simulate_world import HALF_STEP, World, moment_of, tick_at, uniform

_AT_ONCE = 0.3  # share of forced closings' push that the price feels within the step
_PATIENCE = 0.1  # of the rest it feels in each step that follows
_STAYS = 0.4  # share of a push that stays
_RECOVERY = 0.5 ** (1.0 / 40.0)  # the rest halves in 20 minutes
_RESISTANCE = 0.03  # displacement at which others step in and halve the push
_PULL = 1.0 / (25.0 * STEPS_PER_DAY)
_FOLLOWING = 0.15  # how strongly openings follow the trend of a day

# Return on margin, and how many times sooner it makes a trader leave.
_GAIN, _GAIN_HASTE = 0.2, 4.0
_LOSS, _LOSS_HASTE = -0.45, 2.0
_MOST_HASTE = 4.0

_HEDGING_SPEED = 0.012


@njit(cache=True, nogil=True)
def run(world: World) -> None:
    """Let the market run over all steps, from the state that ``world`` holds."""
    exchanges = world.desk.tick.size
    following = np.zeros(exchanges, np.int64)
    for e in range(1, exchanges):
        following[e] = following[e - 1] + world.coming[:, e - 1].sum()
    orders = np.empty(4, np.int64)
    for step in range(world.coming.shape[0]):
        bar = step // STEPS_PER_BAR
        if step % STEPS_PER_BAR == 0:
            _begin(bar, world)
        _move(step, world)
        world.events[0] = 0
        long_share = _long_share(step, world)
        for e in range(exchanges):
            # Lots by who asks: takers who buy and sell, waiting orders that buy and sell.
            orders[:] = 0
            _depart(step, e, world, orders)
            if world.coming[step, e]:
                _arrive(step, e, following[e], long_share, world, orders)
                following[e] += world.coming[step, e]
            _match(step, e, world, orders)
        if step % STEPS_PER_BAR == STEPS_PER_BAR - 1:
            _end(bar, world)


@inner
def _move(step: int, world: World) -> None:
    """Move the price by the news and by all forced closings that they set off."""
    price, desk, tape = world.price, world.desk, world.tape
    move = world.path.outside[step]["move"]
    price[0] += move + _PULL * (world.terms.middle - price[0])
    price[1] *= _RECOVERY
    _push(_PATIENCE * price[3], price)
    price[3] *= 1.0 - _PATIENCE
    world.events[0] = 0
    bar = step // STEPS_PER_BAR
    for turn in range(2):
        _squeeze(turn if move < 0.0 else 1 - turn, step, world)
        for e in range(desk.tick.size):
            basis = world.path.venue[step, e]["basis"]
            tick = tick_at(price[0] + price[1] + basis, world.terms.ticks)
            desk.tick[e] = tick
            tape[bar, e]["high"] = max(tape[bar, e]["high"], tick)
            tape[bar, e]["low"] = min(tape[bar, e]["low"], tick)
    price[2] += (price[0] + price[1] - price[2]) / STEPS_PER_DAY


@inner
def _squeeze(side: int, step: int, world: World) -> None:
    """Close one side's positions in the order in which the price touches them."""
    desk, price, terms = world.desk, world.price, world.terms
    sign = 1 - 2 * side
    thin = np.sqrt(world.path.outside[step]["excitement"])
    while True:
        touched, reached = -1, -np.inf
        for e in range(desk.tick.size):
            row = nearest(desk, e, side)
            if row < 0:
                continue
            trigger, basis = desk.ledger[row]["trigger"], world.path.venue[step, e]["basis"]
            if sign * (trigger - tick_at(price[0] + price[1] + basis, terms.ticks)) < 0:
                continue
            common = sign * (np.log(trigger / terms.ticks) - basis)
            if common > reached:
                touched, reached = row, common
        if touched < 0:
            return
        _liquidate(touched, step, world)
        resistance = 1.0 + (price[1] / _RESISTANCE) ** 2
        push = terms.push * desk.ledger[touched]["lots"] * thin / resistance
        _push(-sign * push * _AT_ONCE, price)
        price[3] -= sign * push * (1.0 - _AT_ONCE)


@inner
def _push(displacement: float, price: Floats) -> None:
    """Displace the price, for good in part."""
    price[0] += _STAYS * displacement
    price[1] += (1.0 - _STAYS) * displacement


@inner
def _liquidate(row: int, step: int, world: World) -> None:
    """Close a position at its trigger; unlevered holders take the other side."""
    position = world.desk.ledger[row]
    e, side, lots = position["exchange"], position["side"], position["lots"]
    leave(world.desk, row, LIQUIDATED, position["trigger"], moment_of(step, 0, world.events))
    _pool_trades(e, side, lots, world)
    bar = world.tape[step // STEPS_PER_BAR, e]
    bar["liquidated_long"] += lots * (1 - side)
    bar["liquidated_short"] += lots * side
    _trade(lots * side, lots * (1 - side), position["trigger"], bar)


@inner
def _depart(step: int, e: int, world: World, orders: Ints) -> None:
    """Let some traders close their positions, or add margin.

    Candidates are picked at the highest rate that anybody has, and leave as often as they should.
    """
    desk = world.desk
    tick = desk.tick[e]
    activity = world.path.outside[step]["activity"]
    for horizon in range(HORIZON_STEPS.size):
        rate = activity * _MOST_HASTE / HORIZON_STEPS[horizon]
        for _ in range(int(rate * desk.open_count[e, horizon] + uniform(world.chance))):
            if desk.open_count[e, horizon] == 0:
                break
            place = int(uniform(world.chance) * desk.open_count[e, horizon])
            row = desk.open_row[e, horizon, place]
            gain = _gain(row, tick, desk)
            haste = _GAIN_HASTE if gain > _GAIN else _LOSS_HASTE if gain < _LOSS else 1.0
            if uniform(world.chance) * _MOST_HASTE >= haste:
                continue
            if gain < _LOSS and desk.ledger[row]["habit"] == DEFENDS:
                _add_margin(row, step, world)
            else:
                leave(desk, row, CLOSED, tick, moment_of(step, HALF_STEP, world.events))
                sells = 1 - desk.ledger[row]["side"]
                waits = 0 if uniform(world.chance) < 0.5 else 2
                orders[sells + waits] += desk.ledger[row]["lots"]


@inner
def _gain(row: int, tick: int, desk: Desk) -> float:
    """Return an open position's return on its margin. [-]"""
    position = desk.ledger[row]
    move = tick / position["entry"] - 1.0
    return float((1 - 2 * position["side"]) * move * position["leverage"])


@inner
def _add_margin(row: int, step: int, world: World) -> None:
    """Let a position go on in a new row, with 1.3 to 1.9 times its margin and no trade."""
    desk, terms = world.desk, world.terms
    old = desk.ledger[row]
    moment = moment_of(step, HALF_STEP, world.events)
    leave(desk, row, MARGIN_ADDED, desk.tick[old["exchange"]], moment)
    leverage = old["leverage"] / (1.3 + 0.6 * uniform(world.chance))
    new = enter(
        desk, terms.ticks, old["entry"] / terms.ticks / terms.lots, old["lots"], old["exchange"],
        old["side"], old["entry"], leverage, 1.0, ISOLATED, old["horizon"], moment,
    )  # fmt: skip
    desk.ledger[new]["continues"] = row


@inner
def _arrive(
    step: int, e: int, first: int, long_share: float, world: World, orders: Ints
) -> None:  # fmt: skip
    """Open the positions of those who come, from arrival ``first`` on."""
    desk, terms = world.desk, world.terms
    tick = desk.tick[e]
    value = tick / terms.ticks / terms.lots
    for k in range(first, first + world.coming[step, e]):
        trader = world.arrivals[k]
        most = 0.95 * largest_notional(trader["leverage"], desk.rules[e]) / value
        lots = max(int(min(trader["size"] * world.size[e]["position"], most)), 1)
        side = 0 if trader["side"] < long_share else 1
        enter(
            desk, terms.ticks, value, lots, e, side, tick, trader["leverage"], trader["backing"],
            trader["habit"], trader["horizon"], moment_of(step, HALF_STEP, world.events),
        )  # fmt: skip
        orders[side + (0 if trader["takes"] else 2)] += lots


@inner
def _match(step: int, e: int, world: World, orders: Ints) -> None:
    """Match orders with each other and the rest with unlevered holders; add noise."""
    bought, sold, waiting_to_buy, waiting_to_sell = orders[0], orders[1], orders[2], orders[3]
    # The difference is met by unlevered holders, who take or wait as the traders don't.
    if bought != waiting_to_sell:
        _pool_trades(e, int(bought > waiting_to_sell), abs(bought - waiting_to_sell), world)
    if sold != waiting_to_buy:
        _pool_trades(e, int(sold < waiting_to_buy), abs(sold - waiting_to_buy), world)
    venue, activity = world.path.venue[step, e], world.path.outside[step]["activity"]
    busy = activity * (1.0 + 40.0 * abs(world.price[1]))
    noise = int(world.size[e]["noise"] * venue["noise"] * busy)
    noise += _hedge(e, venue["hedging"], activity, world)
    noise_bought = int(noise * venue["noise_bought"])
    _trade(
        max(bought, waiting_to_sell) + noise_bought,
        max(sold, waiting_to_buy) + noise - noise_bought,
        world.desk.tick[e],
        world.tape[step // STEPS_PER_BAR, e],
    )


@inner
def _trade(bought: int, sold: int, tick: int, bar: Records) -> None:
    """Add lots that takers bought and sold to a bar."""
    bar["volume"] += bought + sold
    bar["quote"] += (bought + sold) * tick
    bar["taker_bought"] += bought


@inner
def _pool_trades(e: int, side: int, lots: int, world: World) -> None:
    """Let unlevered holders buy (side 0) or sell (1): some close, the others open positions."""
    pool, other = world.desk.pool, 1 - side
    share = min(0.5 * pool[e, other] / world.size[e]["pool"], 1.0)
    closed = min(int(lots * share + 0.5), pool[e, other])
    pool[e, other] -= closed
    pool[e, side] += lots - closed


@inner
def _hedge(e: int, wish: float, activity: float, world: World) -> int:
    """Let unlevered holders open or close with each other; return the lots traded."""
    pool = world.desk.pool
    gap = world.size[e]["pool"] * wish - 0.5 * (pool[e, 0] + pool[e, 1])
    lots = max(int(_HEDGING_SPEED * gap * activity), -min(pool[e, 0], pool[e, 1]))
    pool[e, 0] += lots
    pool[e, 1] += lots
    return int(abs(lots))


@inner
def _begin(bar: int, world: World) -> None:
    for e in range(world.desk.tick.size):
        tick = world.desk.tick[e]
        seen = world.tape[bar, e]
        seen["open"], seen["high"], seen["low"] = tick, tick, tick


@inner
def _end(bar: int, world: World) -> None:
    desk = world.desk
    for e in range(desk.tick.size):
        seen = world.tape[bar, e]
        seen["close"] = desk.tick[e]
        seen["open_interest"] = desk.held[e, 0] + desk.pool[e, 0]
        seen["held_long"], seen["held_short"] = desk.held[e, 0], desk.held[e, 1]
        seen["pool_long"], seen["pool_short"] = desk.pool[e, 0], desk.pool[e, 1]


@inner
def _long_share(step: int, world: World) -> float:
    """Return the share of openings that are long: traders follow the trend of the day."""
    trend = (world.price[0] + world.price[1] - world.price[2]) / world.terms.volatility
    mood = world.path.outside[step]["mood"]
    return float(min(max(0.5 + _FOLLOWING * np.tanh(trend) + mood, 0.2), 0.8))
