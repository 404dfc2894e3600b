"""Where: does a map know at which prices of the touched range? (docs/scorecard.md, line 3.)"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.heatmap import blurred
from engine.kernels import Floats
from engine.margin import LONG, SIDES
from engine.market import Market, Times
from engine.score.events import WARM_UP, Liquidations
from engine.score.evidence import (
    FEWEST_EVENTS,
    Estimate,
    Verdict,
    judge,
    mean_by_time,
    no_verdict,
)
from engine.score.sampling import Held, Moments, by_cell, log_gain
from engine.zones import Zone, find_zones

QUESTION = "Knows better than a uniform guess at which prices of the touched range"

CELL = 0.0005
"""Width of a cell, of the price at the start of the hour. [-]"""
FEWEST_HOURS = 10
"""Fewer hours with liquidations allow no verdict."""

_REACH = 0.25  # farthest that the price is followed within an hour
_HOUR = np.timedelta64(1, "h")
_MINUTE = np.timedelta64(1, "m")


@dataclass(frozen=True, slots=True)
class Where:
    """Line 3 of the scorecard. Gains are means over events. [nats per event]

    Attributes
    ----------
    events, hours : int
        Liquidations that were compared, one a minute, side and cell; hours they happened in.
    outside : float
        Share of the liquidations with a known price that lie outside the touched range. [-]
    over_uniform : Estimate
        Of the map, over a uniform guess in the touched range.
    geometry_over_uniform, profile_over_uniform : Estimate
        The same of the geometry map, and of the map's own mean by distance from the price.
    over_geometry, over_profile : Estimate
        Of the map over these two.
    verdict : Verdict
        By the gain over a uniform guess.
    """

    events: int
    hours: int
    outside: float
    over_uniform: Estimate
    geometry_over_uniform: Estimate
    profile_over_uniform: Estimate
    over_geometry: Estimate
    over_profile: Estimate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class HitRate:
    """Share of liquidations that happened near a zone, and what a blind guess would hit.

    Attributes
    ----------
    tolerance : float
        Distance from a zone that still counts. [-]
    events : int
        Liquidations that were compared.
    hit, covered : float
        Share of them near a zone, and mean share of their hours' touched range that is. [-]
    lift : Estimate
        ``hit`` less ``covered``: zero is what a blind guess has. [-]
    """

    tolerance: float
    events: int
    hit: float
    covered: float
    lift: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """Liquidations by the hour, and the range of prices that each hour touched.

    Attributes
    ----------
    moments : Moments
        Starts of the hours with liquidations, and the price there; m of them.
    count : ndarray of int, shape (2, m)
        Cells of `CELL` from that price to the hour's low and high.
    reach : ndarray, shape (2, m)
        Distance from that price to the hour's low and high. [-]
    hour, side, cell : ndarray of int, shape (n,)
        Of each event: hour, 0 for longs and 1 for shorts, cell counted from the price.
    distance : ndarray, shape (n,)
        Of each event from the price at the start of the hour, to its own side. [-]
    time : ndarray of datetime64[us], shape (n,)
        Of each event. [UTC]
    outside : float
        Share of the liquidations with a known price that are outside the touched range. [-]
    """

    moments: Moments
    count: NDArray[np.int64]
    reach: Floats
    hour: NDArray[np.int64]
    side: NDArray[np.int64]
    cell: NDArray[np.int64]
    distance: Floats
    time: Times
    outside: float

    def __len__(self) -> int:
        """Return the number of events."""
        return self.time.size

    @property
    def too_few(self) -> str:
        """Why these events allow no verdict; empty if they do."""
        if len(self) < FEWEST_EVENTS:
            return f"{len(self)} liquidations are too few ({FEWEST_EVENTS} needed)"
        if len(self.moments) < FEWEST_HOURS:
            return f"{len(self.moments)} hours are too few ({FEWEST_HOURS} needed)"
        return ""


def touched(market: Market, liquidations: Liquidations, warm_up: timedelta = WARM_UP) -> Touched:
    """Return liquidations by the hour with the range of prices that each hour touched.

    One event a minute, side and cell is kept: a cascade is reported in many pieces. Hours without
    all of their bars, before the end of ``warm_up`` or of longer bars have none.
    """
    hours, opens, reach = _hours(market, warm_up)
    known = liquidations.where(np.isfinite(liquidations.price))
    hour = np.searchsorted(hours, known.time, side="right") - 1
    during = hour >= 0
    during[during] = known.time[during] < hours[hour[during]] + _HOUR
    events, hour = known.where(during), hour[during]
    side = np.where(events.side == LONG, 0, 1)
    distance = -events.side * (events.price / opens[hour] - 1.0)
    inside = (distance >= 0.0) & (distance <= np.minimum(reach[side, hour], _REACH) + 1e-12)
    cell = (distance / CELL).astype(np.int64)
    minute = (events.time - hours[hour]) // _MINUTE if len(events) else hour
    kept = np.flatnonzero(inside)
    named = np.stack([hour, minute.astype(np.int64), side, cell])[:, kept]
    kept = kept[np.sort(np.unique(named, axis=1, return_index=True)[1])]
    used, place = np.unique(hour[kept], return_inverse=True)
    count = np.maximum(np.ceil(np.minimum(reach[:, used], _REACH) / CELL - 1e-9), 1.0)
    count = count.astype(np.int64)
    return Touched(
        moments=Moments(hours[used], opens[used]),
        count=count,
        reach=np.minimum(reach[:, used], _REACH),
        hour=place,
        side=side[kept],
        # A price at the very end of the range is in its last cell.
        cell=np.minimum(cell[kept], count[side[kept], place] - 1),
        distance=distance[kept],
        time=events.time[kept],
        outside=float(1.0 - inside.mean()) if inside.size else 0.0,
    )


def _hours(market: Market, warm_up: timedelta) -> tuple[Times, Floats, Floats]:
    """Return whole hours' starts, prices there, and distances to low and high, shape (2, hours)."""
    per_hour = timedelta(hours=1) // market.interval
    start = market.open_time.astype("datetime64[h]").astype("datetime64[us]")
    found, first, place, count = np.unique(
        start, return_index=True, return_inverse=True, return_counts=True
    )
    low, high = np.full(found.size, np.inf), np.full(found.size, -np.inf)
    np.minimum.at(low, place, market.crossing_low)
    np.maximum.at(high, place, market.crossing_high)
    whole = (count == per_hour) & (per_hour > 0)
    if len(market):
        whole &= found >= market.open_time[0] + np.timedelta64(warm_up)
    opens = market.open[first[whole]]
    reach = np.stack([1.0 - low[whole] / opens, high[whole] / opens - 1.0])
    return found[whole], opens, np.maximum(reach, 0.0)


def score_where(held: Held, geometry: Held, events: Touched) -> Where | Verdict:
    """Return line 3, or why there is no verdict.

    Parameters
    ----------
    held, geometry : callable
        What the map, and the map of geometry, held at moments (see `engine.score.sampling`).
    events : Touched
        Liquidations by the hour.
    """
    if events.too_few:
        return no_verdict(QUESTION, events.too_few)
    amounts = _cells(held, events)
    profile = np.broadcast_to(amounts.mean(axis=1, keepdims=True), amounts.shape)
    gains = {
        "map": event_gain(amounts, events),
        "geometry": event_gain(_cells(geometry, events), events),
        "profile": event_gain(profile, events),
    }

    def mean(gain: Floats) -> Estimate:
        return mean_by_time(gain, np.ones(gain.size), events.time)

    over_uniform, over_geometry = mean(gains["map"]), mean(gains["map"] - gains["geometry"])
    return Where(
        events=len(events),
        hours=len(events.moments),
        outside=events.outside,
        over_uniform=over_uniform,
        geometry_over_uniform=mean(gains["geometry"]),
        profile_over_uniform=mean(gains["profile"]),
        over_geometry=over_geometry,
        over_profile=mean(gains["map"] - gains["profile"]),
        verdict=judge(
            QUESTION, over_uniform, over_geometry, "It places them worse than a uniform guess."
        ),
    )


def _cells(held: Held, events: Touched) -> Floats:
    """Return what cells held at the start of each hour, shape (2, m, cells), from the price on."""
    return by_cell(held, events.moments, CELL, int(events.count.max()))


def event_gain(amounts: Floats, events: Touched) -> Floats:
    """Return the gain over a uniform guess at each event, shape (n,). [nats]

    ``amounts`` is what cells held, shape (2, m, cells). Its density is taken over the touched
    cells.
    """
    cells = np.arange(amounts.shape[2])
    inside = np.where(cells < events.count[:, :, None], amounts, 0.0)
    total = inside.sum(axis=2)[events.side, events.hour]
    at = inside[events.side, events.hour, events.cell]
    count = events.count[events.side, events.hour]
    # An empty map is a uniform guess to the last digit: no rounding may make it a worse one.
    density = np.divide(at * count, total, out=np.ones(at.size), where=total > 0.0)
    return log_gain(density)


def hit_rate(
    held: Held, events: Touched, tolerance: float = 0.005, blur: float = 0.002
) -> HitRate | Verdict:
    """Return the share of liquidations near a prominent zone of their side, beside a blind guess's.

    Parameters
    ----------
    held : callable
        What the map held at moments (see `engine.score.sampling`); zones are found at the start of
        the hour.
    events : Touched
        Liquidations by the hour.
    tolerance : float
        Distance from a zone that still counts, of the price. [-]
    blur : float
        Standard deviation by which the map is smoothed before zones are found. [-]
    """
    if events.too_few:
        return no_verdict("Zones are hit more often than a blind guess would", events.too_few)
    # Beyond the reach of zones, so that the blur has no edge within it.
    offsets = CELL * np.arange(-240, 241, dtype=np.float64)
    amounts = held(events.moments, offsets)
    smooth = blurred(amounts.transpose(0, 2, 1), offsets, blur)
    hit, covered = np.zeros(len(events)), np.zeros(len(events))
    order = np.argsort(events.hour * 2 + events.side, kind="stable")
    groups = np.unique(events.hour[order] * 2 + events.side[order], return_index=True)[1]
    for group in np.split(order, groups[1:]):
        hour, side = events.hour[group[0]], events.side[group[0]]
        price = float(events.moments.price[hour])
        zones = find_zones(smooth[side, :, hour], price * (1.0 + offsets), price, SIDES[side])
        spans = _near(zones, price, SIDES[side], tolerance)
        at = events.distance[group]
        hit[group] = ((at[:, None] >= spans[:, 0]) & (at[:, None] <= spans[:, 1])).any(axis=1)
        covered[group] = _covered(spans, float(events.reach[side, hour]))
    return HitRate(
        tolerance=tolerance,
        events=len(events),
        hit=float(hit.mean()),
        covered=float(covered.mean()),
        lift=mean_by_time(hit - covered, np.ones(hit.size), events.time),
    )


def _near(zones: Sequence[Zone], price: float, side: int, tolerance: float) -> Floats:
    """Return the distances from the price that are near zones, disjoint, shape (k, 2)."""
    ends = [sorted(-side * (end / price - 1.0) for end in (zone.low, zone.high)) for zone in zones]
    spans: list[list[float]] = []
    for low, high in sorted(ends):
        if spans and low - tolerance <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], high + tolerance)
        else:
            spans.append([low - tolerance, high + tolerance])
    return np.array(spans).reshape(-1, 2)


def _covered(spans: Floats, reach: float) -> float:
    """Return the share of distances 0 … ``reach`` that lie in disjoint spans. [-]"""
    if reach <= 0.0:
        return float(((spans[:, 0] <= 0.0) & (spans[:, 1] >= 0.0)).any())
    return float(np.diff(np.clip(spans, 0.0, reach), axis=1).sum() / reach)
