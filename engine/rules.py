"""From a market and assumptions to what the kernels run on: entries, shares, flow, prices."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Bars, Floats, Ints, Tiers
from engine.margin import SIDES, MarginRules, liquidation_ratio
from engine.market import Market
from engine.parameters import Parameters


class Before(NamedTuple):
    """What a bar needs to know of the one before it.

    ``stop`` is its end (NaT if there is none), ``open_interest`` the last known one [base], and
    ``known`` whether it was known at the end of that bar.
    """

    stop: np.datetime64
    open_interest: float
    known: bool


def beginning(market: Market) -> Before:
    """Return the state before a market's first bar."""
    return Before(np.datetime64("NaT", "us"), market.initial_open_interest, True)


def check_market(market: Market) -> None:
    """Raise ``ValueError`` naming the first thing that makes a market unusable."""
    arrays = {
        "open": market.open,
        "high": market.high,
        "low": market.low,
        "close": market.close,
        "volume": market.volume,
        "quote volume": market.quote_volume,
        "taker buy volume": market.taker_buy_volume,
        "open interest": market.open_interest,
        "crossing high": market.crossing_high,
        "crossing low": market.crossing_low,
    }
    for name, array in arrays.items():
        if array.shape != market.open_time.shape:
            raise ValueError(f"{name} has {array.size} values for {len(market)} bars")
    if not market.initial_open_interest >= 0.0:
        raise ValueError(
            f"open interest before the first bar must be known and not negative, but is "
            f"{market.initial_open_interest:g}"
        )
    checks = (
        ("bars must ascend in time", market.open_time[1:] > market.open_time[:-1]),
        ("low must be positive", market.low > 0.0),
        ("high must be at least open and close", market.high >= np.fmax(market.open, market.close)),
        ("low must be at most open and close", market.low <= np.fmin(market.open, market.close)),
        ("volume must not be negative", market.volume >= 0.0),
        ("crossing range must be ordered and positive", _is_range(market)),
        ("open interest must not be negative or infinite", _is_amount_or_unknown(market)),
        ("prices must be finite", np.isfinite(market.open + market.high + market.close)),
        ("volume must be finite", np.isfinite(market.volume)),
    )
    for rule, holds in checks:
        if not holds.all():
            bar = int(np.argmin(holds))
            raise ValueError(f"{rule}, which fails at bar {bar} ({market.open_time[bar]} UTC)")


def _is_amount_or_unknown(market: Market) -> NDArray[np.bool_]:
    return ~((market.open_interest < 0.0) | np.isinf(market.open_interest))


def check_takers(market: Market, parameters: Parameters) -> None:
    """Raise ``ValueError`` if sides follow takers and no bar says what takers bought."""
    unknown = np.isnan(market.taker_buy_volume)
    if parameters.side_rule == "taker" and len(market) and unknown.all():
        raise ValueError(
            f"side rule taker needs taker volume, which the candles of {market.symbol} on "
            f"{market.exchange} do not have; choose candle or symmetric"
        )


def _is_range(market: Market) -> NDArray[np.bool_]:
    return (market.crossing_low > 0.0) & (market.crossing_high >= market.crossing_low)


def bars_of(market: Market, parameters: Parameters, before: Before) -> tuple[Bars, Floats]:
    """Return the kernels' bars, and the open interest of each with unknown ones held. [base]"""
    held, change, gap = _flow(market, before)
    bars = Bars(
        entry=entry_price(market, parameters.entry),
        low=np.ascontiguousarray(market.crossing_low),
        high=np.ascontiguousarray(market.crossing_high),
        levered=levered_share(market, parameters.side_rule),
        change=change,
        gap=gap,
        turned_over=parameters.turnover * market.volume,
        regime=_regime(market),
    )
    return bars, held


def entry_price(market: Market, rule: str) -> Floats:
    """Return the entry price of what each bar opens, shape (n,). [quote]"""
    if rule == "close":
        return np.ascontiguousarray(market.close)
    hlc3 = (market.high + market.low + market.close) / 3.0
    if rule == "hlc3":
        return hlc3
    with np.errstate(invalid="ignore", divide="ignore"):
        vwap = market.quote_volume / market.volume
    traded = np.isfinite(vwap) & (market.quote_volume > 0.0) & (market.volume > 0.0)
    return np.where(traded, vwap, hlc3)


def levered_share(market: Market, rule: str) -> Floats:
    """Return the levered share of openings of longs and shorts, shape (n, 2). [-]

    Bars that do not say what takers bought count as even under rule ``taker``.
    """
    if rule == "symmetric":
        return np.ones((len(market), 2))
    if rule == "candle":
        longs = 0.5 + 0.5 * np.sign(market.close - market.open)
        return np.stack((longs, 1.0 - longs), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        bought = market.taker_buy_volume / market.volume
    bought = np.where(np.isfinite(bought), np.clip(bought, 0.0, 1.0), 0.5)
    return np.minimum(1.0, 2.0 * np.stack((bought, 1.0 - bought), axis=1))


def _flow(market: Market, before: Before) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return open interest with unknown ones held, its changes, and which of them are gaps."""
    unknown = np.isnan(market.open_interest)
    latest = np.where(unknown, 0, np.arange(1, len(market) + 1))
    held = np.concatenate(([before.open_interest], market.open_interest))[
        np.maximum.accumulate(latest)
    ]
    change = np.diff(held, prepend=before.open_interest)
    stops = market.open_time + np.timedelta64(market.interval)
    follows = market.open_time == np.concatenate(([before.stop], stops[:-1]))
    if len(market) and np.isnat(before.stop):
        follows[0] = True
    unknown_before = np.concatenate(([not before.known], unknown[:-1]))
    return held, change, unknown | unknown_before | ~follows


def after(market: Market, held: Floats, before: Before) -> Before:
    """Return the state after a market's last bar."""
    if not len(market):
        return before
    stop = market.open_time[-1] + np.timedelta64(market.interval)
    return Before(stop, float(held[-1]), not np.isnan(market.open_interest[-1]))


def _regime(market: Market) -> Ints:
    starts = [np.datetime64(rules.valid_from.replace(tzinfo=None), "us") for rules in market.margin]
    found = np.searchsorted(np.array(starts), market.open_time, side="right") - 1
    return np.maximum(found, 0).astype(np.int32)


def tiers_of(margin: tuple[MarginRules, ...], parameters: Parameters) -> Tiers:
    """Return price ratios and weights of the profile's leverages under each regime of rules.

    Leverages above what a regime allows at the reference notional weigh nothing there.
    """
    if not margin:
        raise ValueError("a market needs margin rules to have liquidation prices")
    profile, notional = parameters.profile, parameters.reference_notional
    ratio = np.ones((len(margin), len(SIDES), len(profile.leverage)))
    weight = np.zeros((len(margin), len(profile.leverage)))
    for row, rules in enumerate(margin):
        allowed = profile.up_to(rules.tier_at(notional).max_leverage)
        for leverage, share in zip(allowed.leverage, allowed.weight, strict=True):
            tier = profile.leverage.index(leverage)
            weight[row, tier] = share
            for column, side in enumerate(SIDES):
                ratio[row, column, tier] = liquidation_ratio(leverage, side, rules, notional)
    return Tiers(ratio, weight)
