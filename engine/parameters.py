"""What a model assumes."""

from dataclasses import dataclass, field
from math import inf
from typing import Literal, get_args

from engine.profiles import PROFILES, Profile

SideRule = Literal["candle", "taker", "symmetric", "funding"]
Closing = Literal["proportional", "nearest", "none"]
Entry = Literal["close", "hlc3", "vwap", "spread", "auto"]
Speeds = Literal["one", "two", "layered"]
Opening = Literal["flow", "rises", "volume", "bursts"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Assumptions of all models (docs/model.md, "One bar" and "Models").

    Attributes
    ----------
    opening : {"flow", "rises", "volume", "bursts"}
        What opens levels: net flow and turnover, so that sides tie to open interest; rises of open
        interest alone, or of the bar's volume where it is unknown; the bar's volume alone; or the
        former only in bars where it stands out.
    turnover : float
        Share of a bar's volume that is positions changing hands, in [0, 1]; where volume opens
        levels, the share of it that does. [-]
    side_rule : {"candle", "taker", "symmetric", "funding"}
        Which share of a side's openings is levered: by the candle's direction, by the share of
        taker volume on that side, all of it, or all on the side that paid funding over the last
        day and less on the other.
    closing : {"proportional", "nearest", "none"}
        Which levels shrink when positions close: all alike, those nearest to liquidation first,
        or none, so that levels leave only by crossing.
    entry : {"close", "hlc3", "vwap", "spread", "auto"}
        Entry price of what a bar opens; ``vwap`` falls back to ``hlc3`` where quote volume is
        unknown, ``spread`` opens a third each at 1/6, 3/6 and 5/6 of the bar's range, ``auto`` is
        ``hlc3`` for bars of up to 10 minutes and ``spread`` for longer ones.
    profile : LeverageProfile or TurningLadder
        How levered openings spread over leverages.
    maintenance : bool
        Whether liquidation leaves the exchange's maintenance margin; else it comes when all margin
        is lost, a leverage's reciprocal away from the entry price.
    reference_notional : float
        Entry notional of a position, which chooses the leverage tier; 0 is the first. [quote]
    speeds : {"one", "two", "layered"}
        How fast holders close: all alike, a fast and a slow kind, or by their leverage.
    slow_of_net, slow_of_turnover : float
        With two speeds, the share of net openings and of turnover that slow holders open, in
        [0, 1]. [-]
    speed_ratio : float
        With two speeds, speed of slow holders over that of fast ones, in (0, 1]. [-]
    layering : float
        With speeds by leverage, the exponent γ of ``(leverage / 10) ** γ``, at least 0. [-]
    funding : bool
        Whether the funding that positions pay or receive moves their levels.
    members : str
        Models of which the mean is taken, with their weights, like ``two-speed:2,layered:1``; what
        else is assumed is then theirs. Empty for a model of its own.
    """

    opening: Opening = "flow"
    turnover: float = 0.0
    side_rule: SideRule = "candle"
    closing: Closing = "proportional"
    entry: Entry = "close"
    profile: Profile = field(default_factory=lambda: PROFILES["classic"])
    maintenance: bool = True
    reference_notional: float = 0.0
    speeds: Speeds = "one"
    slow_of_net: float = 0.5
    slow_of_turnover: float = 0.03
    speed_ratio: float = 0.01
    layering: float = 1.0
    funding: bool = False
    members: str = ""

    def __post_init__(self) -> None:
        """Reject values outside the model."""
        for name, share in (
            ("turnover", self.turnover),
            ("slow share of net openings", self.slow_of_net),
            ("slow share of turnover", self.slow_of_turnover),
        ):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} must be between 0 and 1, but is {share:g}")
        if not 0.0 < self.speed_ratio <= 1.0:
            raise ValueError(
                f"speed ratio must be above 0 and at most 1, but is {self.speed_ratio:g}"
            )
        if not 0.0 <= self.layering <= 5.0:
            raise ValueError(f"layering must be between 0 and 5, but is {self.layering:g}")
        if not 0.0 <= self.reference_notional < inf:
            raise ValueError(
                f"reference notional must not be negative, but is {self.reference_notional:g}"
            )
        for name, value, allowed in (
            ("opening rule", self.opening, Opening),
            ("side rule", self.side_rule, SideRule),
            ("closing policy", self.closing, Closing),
            ("entry rule", self.entry, Entry),
            ("speeds", self.speeds, Speeds),
        ):
            if value not in get_args(allowed):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(allowed))}, but is {value!r}"
                )
        if self.speeds != "one" and self.closing != "proportional":
            raise ValueError(
                f"closing policy {self.closing} needs a model of one speed, such as turnover: with "
                "several kinds of holders, each closes in proportion to what it holds"
            )
        if not self.follows_interest and (self.speeds != "one" or self.closing != "none"):
            raise ValueError(
                f"opening rule {self.opening} needs one speed and closing policy none: it does not "
                "follow open interest, so nothing says how much closes"
            )

    @property
    def follows_interest(self) -> bool:
        """Whether openings and closings come from open interest, which must then be known."""
        return self.opening == "flow"

    @property
    def needs_funding(self) -> bool:
        """Whether funding rates must be known."""
        return self.funding or self.side_rule == "funding"

    @property
    def ties(self) -> bool:
        """Whether levels and the rest of a side sum to the open interest."""
        return self.follows_interest and self.closing != "none"
