"""Markets and events for tests of scores."""

import numpy as np

from engine.score import Liquidations, ObservedPositions
from tests.markets import START, market

HOUR = np.timedelta64(1, "h")
DAY = np.timedelta64(1, "D")


def walk(days, *, seed=1, step=0.002):
    """Return a market of 5-minute bars whose price, volume and open interest wander."""
    rng = np.random.default_rng(seed)
    bars = 288 * days
    volume = 20.0 * np.exp(np.repeat(np.cumsum(rng.normal(0, 0.15, 24 * days)), 12) % 3.0 - 1.0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, step, bars)))
    opens = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opens, close) * (1 + rng.exponential(step / 3, bars))
    low = np.minimum(opens, close) * (1 - rng.exponential(step / 3, bars))
    interest = 5000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, bars)))
    return market(
        np.stack((opens, high, low, close), axis=1), interest, initial=5000.0, volume=volume
    )


def liquidations(*events, recorded=None):
    """Return liquidations of ``(time, side, price, notional)``."""
    time, side, price, notional = zip(*events, strict=True) if events else ([],) * 4
    return Liquidations.of(
        np.array(time, "M8[us]"),
        np.array(side, int),
        np.array(price, float),
        np.array(notional, float),
        None if recorded is None else np.array(recorded, "M8[us]"),
    )


def per_bar(whole, amounts):
    """Return liquidations of what each bar lost, shape (2, bars), prices unknown."""
    bars = len(whole)
    return Liquidations.of(
        np.tile(whole.open_time, 2),
        np.repeat([1, -1], bars),
        np.full(2 * bars, np.nan),
        amounts.ravel(),
        span(whole),
    )


def span(whole):
    """Return the span of a market's bars as the one in which its feed was recorded."""
    return np.array([[whole.open_time[0], whole.open_time[-1] + np.timedelta64(whole.interval)]])


def positions(*seen):
    """Return observations of ``(time, holder, side, liquidation_price)``, in any order."""
    time, holder, side, price = zip(*seen, strict=True)
    return ObservedPositions(
        np.array(time, "M8[us]"),
        np.array(holder, int),
        np.array(side, np.int8),
        np.array(price, float),
    )


def at(hours):
    """Return the moment ``hours`` after the start of the test markets."""
    return START + np.timedelta64(round(hours * 3600), "s")
