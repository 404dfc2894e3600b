"""What a model assumes."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from engine.profiles import PROFILES, LeverageProfile

SideRule = Literal["candle", "taker", "symmetric"]
Closing = Literal["proportional", "nearest", "none"]
Entry = Literal["close", "hlc3", "vwap"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Assumptions of the time-evolving models (MODEL: one bar).

    Attributes
    ----------
    turnover : float
        Share of a bar's volume that is positions changing hands, in [0, 1]. [-]
    side_rule : {"candle", "taker", "symmetric"}
        Which share of a side's openings is levered: by the candle's direction, by the share of
        taker volume on that side, or all of it.
    closing : {"proportional", "nearest", "none"}
        Which levels shrink when positions close: all alike, those nearest to liquidation first,
        or none, so that levels leave only by crossing.
    entry : {"close", "hlc3", "vwap"}
        Entry price of what a bar opens; ``vwap`` falls back to ``hlc3`` where quote volume is
        unknown.
    profile : LeverageProfile
        How levered openings spread over leverages.
    reference_notional : float
        Entry notional of a position, which chooses the leverage tier; 0 is the first. [quote]
    """

    turnover: float = 0.0
    side_rule: SideRule = "candle"
    closing: Closing = "proportional"
    entry: Entry = "close"
    profile: LeverageProfile = field(default_factory=lambda: PROFILES["classic"])
    reference_notional: float = 0.0

    def __post_init__(self) -> None:
        """Reject values outside the model."""
        if not 0.0 <= self.turnover <= 1.0:
            raise ValueError(f"turnover must be between 0 and 1, but is {self.turnover:g}")
        if self.reference_notional < 0.0:
            raise ValueError(
                f"reference notional must not be negative, but is {self.reference_notional:g}"
            )
        for name, value, allowed in (
            ("side rule", self.side_rule, SideRule),
            ("closing policy", self.closing, Closing),
            ("entry rule", self.entry, Entry),
        ):
            if value not in get_args(allowed):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(allowed))}, but is {value!r}"
                )
