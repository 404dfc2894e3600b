"""What a comparison comes to: shares, how sure they are, and what may be said of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.validate.statistics import effective_count, paired_difference, rank_correlation, wilson
from engine.kernels import Floats

if TYPE_CHECKING:
    from datetime import datetime

    from app.validate.lines import Line, LiquidationLine, MapLine, PositionLine

LEAST = 30
"""Observations for which a verdict is given."""

Verdict = Literal["no verdict", "no skill measured", "more", "less"]

_ORDER = ("compared", "outside", "no price", "no map")


class Score(BaseModel):
    """How many lay in the hottest zones, beside what a blind guess hits."""

    model_config = ConfigDict(frozen=True)

    count: int
    effective_count: float = Field(description="equal observations that would tell as much")
    share: float = Field(description="that lay in hot zones [-]")
    low: float = Field(description="Wilson's interval, 95 % [-]")
    high: float
    covered: float = Field(description="share of the range that the zones cover [-]")

    @property
    def verdict(self) -> Verdict:
        """What may be said."""
        if self.effective_count < LEAST:
            return "no verdict"
        if self.low <= self.covered <= self.high:
            return "no skill measured"
        return "more" if self.low > self.covered else "less"


class Gain(BaseModel):
    """How many more lay in the map's zones than in as many of the geometry map."""

    model_config = ConfigDict(frozen=True)

    count: int
    geometry_share: float = Field(description="that lay in the geometry map's zones [-]")
    gain: float = Field(description="of the map's share over that one [-]")
    low: float = Field(description="interval of matched pairs, 95 % [-]")
    high: float

    @property
    def verdict(self) -> Verdict:
        """What may be said."""
        if self.count < LEAST:
            return "no verdict"
        if self.low <= 0.0 <= self.high:
            return "no skill measured"
        return "more" if self.low > 0.0 else "less"


class Positions(BaseModel):
    """Observed positions, each user's on each side counted once."""

    model_config = ConfigDict(frozen=True)

    compared: int
    outside: int = Field(
        description="liquidated further away than the zones reach, or on the price's other side"
    )
    without_price: int = Field(description="never liquidated")
    without_map: int
    by_count: Score | None
    by_notional: Score | None
    over_geometry: Gain | None
    rank_correlation: float | None = Field(description="of notional by bucket, with the map's [-]")
    observations: int = Field(description="compared, those of the same position again included")
    observations_share: float | None = Field(description="of these in hot zones [-]")
    coverage: float | None = Field(description="mean of the maps' [-]")


class Liquidations(BaseModel):
    """Liquidations; those of one side in one bar and bucket count once."""

    model_config = ConfigDict(frozen=True)

    happened: int
    compared: int
    without_map: int = 0
    without_candle: int = Field(0, description="whose candle had not come by the run's end")
    score: Score | None


class Summary(BaseModel):
    """What came of a run, or of several."""

    model_config = ConfigDict(frozen=True)

    positions: Positions
    liquidations: Liquidations


def summarise(lines: "Sequence[Line]") -> Summary:
    """Return what lines come to: of one run, or of several on the same terms."""
    maps: dict[datetime, MapLine] = {line.as_of: line for line in lines if line.kind == "map"}
    return Summary(
        positions=_positions([line for line in lines if line.kind == "position"], maps),
        liquidations=_liquidations([line for line in lines if line.kind == "liquidation"]),
    )


def score(hot: Sequence[bool], covered: Sequence[float], weight: Floats) -> Score | None:
    """Return the score of observations with their weights; None where there are none."""
    if not len(hot):
        return None
    share = float(np.average(np.asarray(hot, np.float64), weights=weight))
    effective = effective_count(weight)
    low, high = wilson(share, effective)
    return Score(
        count=len(hot),
        effective_count=effective,
        share=share,
        low=low,
        high=high,
        covered=float(np.average(covered, weights=weight)),
    )


def gain(hot: Sequence[bool], geometry_hot: Sequence[bool]) -> Gain | None:
    """Return the gain over the geometry map on the same observations; None where there are none."""
    if not hot:
        return None
    pairs = list(zip(hot, geometry_hot, strict=True))
    only_map, only_geometry = pairs.count((True, False)), pairs.count((False, True))
    low, high = paired_difference(only_map, only_geometry, len(pairs))
    return Gain(
        count=len(pairs),
        geometry_share=sum(geometry_hot) / len(pairs),
        gain=(only_map - only_geometry) / len(pairs),
        low=low,
        high=high,
    )


def _positions(lines: "list[PositionLine]", maps: "dict[datetime, MapLine]") -> Positions:
    # Seen again it is the same decision of the same user: no second piece of evidence.
    first: dict[tuple[str, int], PositionLine] = {}
    for line in sorted(lines, key=lambda one: (_ORDER.index(one.result), one.time)):
        first.setdefault((line.user, line.side), line)
    counts = {result: sum(one.result == result for one in first.values()) for result in _ORDER}
    compared = [one for one in first.values() if one.result == "compared"]
    hot = [bool(one.hot) for one in compared]
    covered = [one.covered or 0.0 for one in compared]
    again = [one for one in lines if one.result == "compared"]
    notional = np.array([one.notional for one in compared])
    return Positions(
        compared=len(compared),
        outside=counts["outside"],
        without_price=counts["no price"],
        without_map=counts["no map"],
        by_count=score(hot, covered, np.ones(len(hot))),
        by_notional=score(hot, covered, notional),
        over_geometry=gain(hot, [bool(one.geometry_hot) for one in compared]),
        rank_correlation=_correlation(compared, maps),
        observations=len(again),
        observations_share=float(np.mean([bool(one.hot) for one in again])) if again else None,
        coverage=float(np.mean([one.coverage for one in maps.values()])) if maps else None,
    )


def _correlation(compared: "list[PositionLine]", maps: "dict[datetime, MapLine]") -> float | None:
    """Return the rank correlation over the buckets of both sides, by distance from the price."""
    known = [(one, maps[one.as_of]) for one in compared if one.as_of in maps]
    if not known:
        return None
    mapped = np.mean([line.notional for _, line in known], axis=0)
    observed = np.zeros(mapped.size)
    for one, _ in known:
        observed[one.bucket or 0] += one.notional
    return rank_correlation(observed, mapped)


def _liquidations(lines: "list[LiquidationLine]") -> Liquidations:
    # They come in cascades: what falls together counts once.
    once = {
        (one.exchange, one.as_of, one.side, one.bucket): one
        for one in reversed(lines)
        if one.result == "compared"
    }
    compared = list(once.values())
    hot = [bool(one.hot) for one in compared]
    return Liquidations(
        happened=len(lines),
        compared=len(compared),
        without_map=sum(one.result == "no map" for one in lines),
        without_candle=sum(one.result == "no candle" for one in lines),
        score=score(hot, [one.covered or 0.0 for one in compared], np.ones(len(hot))),
    )
