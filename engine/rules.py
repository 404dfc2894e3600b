"""From a market and assumptions to what the kernels run on: entries, shares, flow, prices."""

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Bars, Floats, Holders, Ints, Tiers, stands_out
from engine.margin import (
    SIDES,
    MarginRules,
    liquidation_ratio,
    liquidation_tier,
    ratio_by_margin,
    without_maintenance,
)
from engine.market import Market
from engine.parameters import Parameters
from engine.profiles import LeverageProfile, TurningLadder

_SPREAD = (1 / 6, 3 / 6, 5 / 6)
"""Where in a bar's range positions are taken to open with entry rule ``spread``."""
_LONGEST_HLC3 = timedelta(minutes=10)
"""Longest bars whose openings are put at one price with entry rule ``auto``."""
_LEAST_MARGIN = 1.25
"""Margin at the top of a turning ladder, at least, over the maintenance margin. [-]"""
_MOST_CLOSED = 0.999
"""Share of a side that may close in a bar while positions open, with several kinds of holders."""
_BURSTS = 6
"""An opening stands out if it is one of so many largest of the day before."""
_DAY = timedelta(days=1)
_ONE_SIDED = 0.001
"""Funding of a day at which nobody on the side that is paid is taken to be levered. [-]"""


class Before(NamedTuple):
    """What a bar needs to know of the one before it.

    ``stop`` is its end (NaT if there is none), ``open_interest`` the last known one [base], and
    ``known`` whether it was known at the end of that bar. A model that does not follow open
    interest reads none of the latter two where ``open_interest`` is NaN.
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


def check_needs(market: Market, parameters: Parameters) -> None:
    """Raise ``ValueError`` if a market lacks what a model needs."""
    if parameters.follows_interest and not market.initial_open_interest >= 0.0:
        raise ValueError(
            f"open interest before the first bar must be known and not negative, but is "
            f"{market.initial_open_interest:g}"
        )
    if parameters.needs_funding and market.funding is None:
        raise ValueError(f"no funding rates are known of {market.symbol} on {market.exchange}")
    unknown = np.isnan(market.taker_buy_volume)
    if parameters.side_rule == "taker" and len(market) and unknown.all():
        raise ValueError(
            f"side rule taker needs taker volume, which the candles of {market.symbol} on "
            f"{market.exchange} do not have; choose candle or symmetric"
        )


def _is_range(market: Market) -> NDArray[np.bool_]:
    return (market.crossing_low > 0.0) & (market.crossing_high >= market.crossing_low)


def bars_of(
    market: Market, parameters: Parameters, before: Before, earlier: Bars | None = None
) -> tuple[Bars, Floats]:
    """Return the kernels' bars, and the open interest at the end of each. [base]

    Parameters
    ----------
    market : Market
        The bars.
    parameters : Parameters
        What is assumed.
    before : Before
        What the first of them needs to know of the one before it.
    earlier : Bars, optional
        What was made of the bars before the market's.

    Notes
    -----
    Unknown open interest is the last known one for models that follow it, and NaN for others.
    """
    if parameters.follows_interest:
        held, change, gap = _flow(market, before)
        turned_over = parameters.turnover * market.volume
    else:
        held, gap = market.open_interest, ~_follows(market, before)
        change = _openings(market, parameters, before)
        turned_over = _standing_out(market, parameters, change, earlier)
    paid = _paid(market, parameters, earlier)
    moved = drift_of(market.margin, parameters)[:, None] * paid
    bars = Bars(
        entry=entry_points(market, parameters.entry),
        turn=_turn(market, parameters),
        low=market.crossing_low - moved[0],
        high=market.crossing_high - moved[1],
        levered=_by_funding(market, paid, earlier)
        if parameters.side_rule == "funding"
        else levered_share(market, parameters.side_rule),
        change=change,
        gap=gap,
        turned_over=turned_over,
        regime=_regime(market),
        paid=paid,
    )
    return bars, held


def _paid(market: Market, parameters: Parameters, earlier: Bars | None) -> Floats:
    """Return what a long has paid since the first bar, per unit of base asset, shape (n,). [quote]

    It is paid at the open of the bar in which it falls due, which is near the price then.
    """
    if not parameters.needs_funding or market.funding is None:
        return np.zeros(len(market))
    before = earlier.paid[-1:] if earlier is not None else np.empty(0)
    start = before if before.size else np.zeros(1)
    return np.cumsum(np.concatenate((start, np.nan_to_num(market.funding) * market.open)))[1:]


def _by_funding(market: Market, paid: Floats, earlier: Bars | None) -> Floats:
    """Return the levered share of openings of longs and shorts by the last day's funding.

    The side that paid is crowded and all levered, the other the less, the more it was paid.
    """
    window = max(_DAY // market.interval, 1)
    known = np.empty(0) if earlier is None else earlier.paid[-window:]
    history = np.concatenate((np.zeros(window - known.size), known, paid))
    rate = (paid - history[: paid.size]) / market.close
    longs = 0.5 + 0.5 * np.clip(rate / _ONE_SIDED, -1.0, 1.0)
    return np.minimum(1.0, 2.0 * np.stack((longs, 1.0 - longs), axis=1))


def drift_of(margin: tuple[MarginRules, ...], parameters: Parameters) -> Floats:
    """Return by how much levels move for each unit of funding that a long pays, shape (2,). [-]

    Notes
    -----
    A position's margin falls by what it pays, so its price moves by :math:`1 / (1 - s m)` of that,
    for both sides in the same direction. One maintenance rate stands for all of a side's, that of
    the first rules at the reference notional: between rates of .4 % and 1 %, levels differ by .6 %
    of what funding moved them by.
    """
    if not parameters.funding:
        return np.zeros(len(SIDES))
    rules = margin[0] if parameters.maintenance else without_maintenance(margin[0])
    rate = rules.tier_at(parameters.reference_notional).maintenance_rate + rules.closing_fee
    return np.array([1.0 / (1.0 - side * rate) for side in SIDES])


def entry_rule(rule: str, interval: timedelta) -> str:
    """Return the entry rule that holds for bars of a length."""
    if rule != "auto":
        return rule
    return "hlc3" if interval <= _LONGEST_HLC3 else "spread"


def entry_points(market: Market, rule: str) -> Floats:
    """Return the entry prices of what each bar opens, equally much at each, shape (n, points).

    [quote]
    """
    rule = entry_rule(rule, market.interval)
    if rule == "spread":
        span = (market.high - market.low)[:, None]
        return np.asarray(market.low[:, None] + span * np.array(_SPREAD))
    return _entry_price(market, rule)[:, None]


def _entry_price(market: Market, rule: str) -> Floats:
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
    unknown_before = np.concatenate(([not before.known], unknown[:-1]))
    return held, change, unknown | unknown_before | ~_follows(market, before)


def _follows(market: Market, before: Before) -> NDArray[np.bool_]:
    """Return which bars begin where the one before them ended; the very first one does, too."""
    stops = market.open_time + np.timedelta64(market.interval)
    follows = market.open_time == np.concatenate(([before.stop], stops[:-1]))
    if len(market) and np.isnat(before.stop):
        follows[0] = True
    return np.asarray(follows, np.bool_)


def _openings(market: Market, parameters: Parameters, before: Before) -> Floats:
    """Return what might open in each bar of a model that does not follow open interest. [base]

    A rise over missing bars is not the bar's.
    """
    by_volume = parameters.turnover * market.volume
    if parameters.opening == "volume":
        return by_volume
    rise = np.maximum(np.diff(market.open_interest, prepend=before.open_interest), 0.0)
    known = ~np.isnan(rise) & _follows(market, before)
    return np.where(known, rise, by_volume)


def _standing_out(
    market: Market, parameters: Parameters, openings: Floats, earlier: Bars | None
) -> Floats:
    """Return the openings, with rule ``bursts`` only those that stand out against a day. [base]

    Compared with bars before it alone, so that nothing that comes later changes it.
    """
    if parameters.opening != "bursts":
        return openings
    window = max(_DAY // market.interval, _BURSTS)
    known = np.empty(0) if earlier is None else earlier.change[-window:]
    values = np.concatenate((known, openings))
    return np.where(stands_out(values, known.size, window, _BURSTS), openings, 0.0)


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


def _turn(market: Market, parameters: Parameters) -> Floats:
    """Return the margin of each bar's rungs over that of the ladder's lowest turn, shape (n,)."""
    if not isinstance(parameters.profile, TurningLadder):
        return np.ones(len(market))
    steps = np.array(
        [
            _ladder(parameters.profile, rules, parameters.reference_notional).step
            for rules in market.margin
        ]
    )
    number = market.open_time.astype("datetime64[us]").astype(np.int64) // (
        market.interval // timedelta(microseconds=1)
    )
    return np.asarray(steps[_regime(market)] ** -TurningLadder.turns(number))


def tiers_of(margin: tuple[MarginRules, ...], parameters: Parameters, interval: timedelta) -> Tiers:
    """Return price ratios and weights of the profile's leverages under each regime of rules.

    Fixed leverages above what a regime allows at the reference notional weigh nothing there.
    """
    if not margin:
        raise ValueError("a market needs margin rules to have liquidation prices")
    points = len(_SPREAD) if entry_rule(parameters.entry, interval) == "spread" else 1
    profile, notional = parameters.profile, parameters.reference_notional
    drift = drift_of(margin, parameters)
    if not parameters.maintenance:
        margin = tuple(without_maintenance(rules) for rules in margin)
    rows = [
        _ladder_row(_ladder(profile, rules, notional), rules, notional)
        if isinstance(profile, TurningLadder)
        else _profile_row(profile, rules, notional)
        for rules in margin
    ]
    base, slope, weight, leverage = (np.stack(column) for column in zip(*rows, strict=True))
    return Tiers(
        base=np.tile(base, points),
        slope=np.tile(slope, points),
        weight=np.tile(weight / points, points),
        leverage=np.tile(leverage, points),
        point=np.repeat(np.arange(points), weight.shape[1]),
        drift=drift,
    )


def _profile_row(
    profile: LeverageProfile, rules: MarginRules, notional: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the regime's base and slope, weight and leverage of fixed leverages."""
    base = np.ones((len(SIDES), len(profile.leverage)))
    weight = np.zeros(len(profile.leverage))
    allowed = profile.up_to(rules.tier_at(notional).max_leverage)
    for leverage, share in zip(allowed.leverage, allowed.weight, strict=True):
        tier = profile.leverage.index(leverage)
        weight[tier] = share
        base[:, tier] = [liquidation_ratio(leverage, side, rules, notional) for side in SIDES]
    return base, np.zeros_like(base), weight, np.array(profile.leverage, np.float64)


def _ladder_row(
    ladder: TurningLadder, rules: MarginRules, notional: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the regime's base and slope, weight and leverage of a turning ladder.

    The margin tier of a rung is that of the middle of its range.
    """
    middle, lowest = ladder.rungs(0.5), ladder.rungs(0.0)
    base, slope = np.empty((2, len(SIDES), ladder.count))
    for row, side in enumerate(SIDES):
        for rung in range(ladder.count):
            tier = liquidation_tier(float(middle[rung]), side, rules, notional)
            base[row, rung], slope[row, rung] = ratio_by_margin(
                tier, side, rules.closing_fee, notional
            )
    return base, slope / lowest, np.array(ladder.weight), lowest


def _ladder(profile: TurningLadder, rules: MarginRules, notional: float) -> TurningLadder:
    """Return a turning ladder as an exchange's rules let it be at a notional [quote].

    It is a density, so its top is not dropped where it is above the tier's maximum, but no margin
    may come near the maintenance margin.
    """
    tier = rules.tier_at(notional)
    ladder = profile.up_to(tier.max_leverage)
    least = _LEAST_MARGIN * (tier.maintenance_rate + rules.closing_fee)
    return ladder if ladder.highest * least <= 1.0 else replace(ladder, highest=1.0 / least)


def holders_of(tiers: Tiers, parameters: Parameters) -> Holders:
    """Return the kinds of holders that a model knows."""
    count = tiers.point.size
    if parameters.speeds == "two":
        return Holders(
            speed=(1.0, parameters.speed_ratio),
            pool_kind=1,
            of_tier=np.zeros(count, np.int64),
            inflow=np.tile(np.eye(2), (len(tiers.weight), 1, 1)),
            net=(1.0 - parameters.slow_of_net, parameters.slow_of_net),
            turned=(1.0 - parameters.slow_of_turnover, parameters.slow_of_turnover),
            most_closed=_MOST_CLOSED,
            follows=True,
        )
    if parameters.speeds == "layered":
        return _layers(tiers, parameters)
    return Holders(
        speed=(1.0,),
        pool_kind=0,
        of_tier=np.zeros(count, np.int64),
        inflow=np.ones((len(tiers.weight), 1, 1)),
        net=(1.0,),
        turned=(1.0,),
        most_closed=1.0,
        follows=parameters.follows_interest,
    )


def _layers(tiers: Tiers, parameters: Parameters) -> Holders:
    """Return one kind of holders a leverage, the faster the higher it is."""
    leverage = np.array(parameters.profile.leverage)
    kinds = leverage.size
    speed = (leverage / 10.0) ** parameters.layering
    by_point = tiers.weight.reshape(len(tiers.weight), -1, kinds)
    return Holders(
        speed=tuple(speed.tolist()),
        pool_kind=0,
        of_tier=np.arange(tiers.point.size) % kinds,
        inflow=by_point.sum(axis=1)[:, :, None],
        net=(1.0,),
        turned=(1.0,),
        most_closed=_MOST_CLOSED,
        follows=True,
    )
