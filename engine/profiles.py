"""How levered openings are assumed to spread over leverages."""

from dataclasses import dataclass, replace
from math import isclose, isfinite

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0.6180339887498949
_TOP_OFFERED = 125.0
"""Exchanges that offer this much leverage are taken to reach the top of a turning ladder."""


@dataclass(frozen=True, slots=True)
class LeverageProfile:
    """Shares of levered openings by leverage, ascending; they sum to 1."""

    name: str
    leverage: tuple[float, ...]
    weight: tuple[float, ...]

    def __post_init__(self) -> None:
        """Reject what is not a distribution over leverages."""
        if not self.leverage or len(self.leverage) != len(self.weight):
            raise ValueError("a leverage profile needs one weight for each leverage")
        if list(self.leverage) != sorted(set(self.leverage)):
            raise ValueError(f"leverages must ascend, each once, but are {self.leverage}")
        if self.leverage[0] < 1.0 or not isfinite(self.leverage[-1]):
            raise ValueError(
                f"leverage must be at least 1, but the smallest is {self.leverage[0]:g}"
            )
        if not all(w >= 0.0 for w in self.weight) or not isclose(
            sum(self.weight), 1.0, abs_tol=1e-9
        ):
            raise ValueError(f"weights must be positive and sum to 1, but are {self.weight}")

    @property
    def reach(self) -> float:
        """Ratio over which a leverage stands for those around it: 1, for itself alone. [-]"""
        return 1.0

    def up_to(self, max_leverage: float) -> "LeverageProfile":
        """Return the profile without leverages above ``max_leverage``, the rest rescaled to 1."""
        kept = [
            (leverage, weight)
            for leverage, weight in zip(self.leverage, self.weight, strict=True)
            if leverage <= max_leverage
        ]
        total = sum(weight for _, weight in kept)
        if total == 0.0:
            raise ValueError(
                f"profile {self.name} has nothing at or below the exchange's {max_leverage:g}x"
            )
        return LeverageProfile(
            self.name, tuple(lev for lev, _ in kept), tuple(w / total for _, w in kept)
        )

    def __str__(self) -> str:
        """Return the form that `parse_profile` reads: ``5:0.15,10:0.3``."""
        return ",".join(
            f"{lev:g}:{w:.6g}" for lev, w in zip(self.leverage, self.weight, strict=True)
        )


@dataclass(frozen=True, slots=True)
class TurningLadder:
    """Equal shares on leverages that turn from bar to bar, which together fill a range evenly.

    Fixed leverages draw copies of the price path at fixed distances; these don't.

    Attributes
    ----------
    highest, lowest : float
        Ends of the range. [-]
    count : int
        Leverages of each bar.

    Notes
    -----
    Rung k of bar number n since 1970 is at :math:`lo (hi / lo)^{(k + u) / K}` with
    :math:`u = frac(n g)`, g being the golden ratio's fraction: later bars fall into the widest
    gaps that earlier ones left. The number is absolute, so that no bar depends on where a history
    begins.
    """

    highest: float = 150.0
    lowest: float = 2.0
    count: int = 28

    def __post_init__(self) -> None:
        """Reject ladders without a range."""
        if not 1.0 <= self.lowest < self.highest or not isfinite(self.highest):
            raise ValueError(
                f"a turning ladder must reach above {self.lowest:g}x, but ends at {self.highest:g}x"
            )

    @property
    def name(self) -> str:
        """Its name among the profiles, the top included if it is not the usual one."""
        return str(self)

    @property
    def leverage(self) -> tuple[float, ...]:
        """Leverage in the middle of each rung's range. [-]"""
        return tuple(self.rungs(0.5).tolist())

    @property
    def weight(self) -> tuple[float, ...]:
        """Share of levered openings of each rung. [-]"""
        return (1.0 / self.count,) * self.count

    @property
    def step(self) -> float:
        """Ratio of neighbouring leverages. [-]"""
        return float((self.highest / self.lowest) ** (1.0 / self.count))

    @property
    def reach(self) -> float:
        """Ratio over which a leverage stands for those around it: half-way to the next. [-]"""
        return float(self.step**0.5)

    def rungs(self, turn: float) -> NDArray[np.float64]:
        """Return the leverages at a turn in [0, 1), shape (count,)."""
        return np.asarray(self.lowest * self.step ** (np.arange(self.count) + turn))

    @staticmethod
    def turns(number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the turn of bars, from their numbers since 1970, in [0, 1)."""
        return np.asarray(number * _GOLDEN % 1.0)

    def up_to(self, max_leverage: float) -> "TurningLadder":
        """Return the ladder on an exchange that offers ``max_leverage``."""
        if max_leverage >= _TOP_OFFERED:
            return self
        return replace(self, highest=min(self.highest, max_leverage))

    def __str__(self) -> str:
        """Return the form that `parse_profile` reads: ``turning``, or ``turning:100``."""
        plain = TurningLadder()
        return "turning" if self.highest == plain.highest else f"turning:{self.highest:g}"


Profile = LeverageProfile | TurningLadder


def _profile(name: str, weights: dict[float, float]) -> LeverageProfile:
    total = sum(weights.values())
    ordered = sorted((lev, w / total) for lev, w in weights.items() if w > 0.0)
    return LeverageProfile(name, tuple(lev for lev, _ in ordered), tuple(w for _, w in ordered))


MOST_LEVERAGES = 150
"""Of a custom profile: each is a level a bar, so that an endless list would fill the memory."""
_LONGEST = 30 * MOST_LEVERAGES  # characters

_WIDE = (2, 3, 4, 5, 7, 10, 15, 20, 25, 33, 50, 75, 100, 125)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        _profile("classic", {5: 0.15, 10: 0.30, 25: 0.25, 50: 0.20, 100: 0.10}),
        # Hyperliquid's open interest by leverage, December 2025.
        _profile("oi-weighted", {3: 25, 5: 25, 10: 25, 20: 12, 25: 5, 50: 5, 100: 3}),
        # What CoinGlass's Model 1 paints: 1 : 2 : 4.
        _profile("hot", {25: 1, 50: 2, 100: 4}),
        _profile("wide", dict.fromkeys(_WIDE, 1.0)),
        _profile("rooted", {leverage: leverage**0.5 for leverage in _WIDE}),
        TurningLadder(),
    )
}
"""The named profiles."""


def parse_profile(text: str) -> Profile:
    """Return a named profile, or a custom one from ``leverage:weight,…``.

    Weights are scaled to sum to 1, so ``10:1,50:1`` is half and half. ``turning:100`` is the
    turning ladder that ends at 100x.

    Raises
    ------
    ValueError
        If the text is neither a known name nor such a list of at most 150 leverages.
    """
    if text in PROFILES:
        return PROFILES[text]
    if text.startswith("turning:"):
        return _parse_ladder(text)
    if text.count(",") >= MOST_LEVERAGES or len(text) > _LONGEST:
        raise ValueError(
            f"a leverage profile has at most {MOST_LEVERAGES} leverages, but has "
            f"{text.count(',') + 1:,} in {len(text):,} characters"
        )
    weights: dict[float, float] = {}
    try:
        for part in text.replace("x", "").split(","):
            leverage, weight = (float(number) for number in part.split(":"))
            weights[leverage] = weights.get(leverage, 0.0) + weight
    except ValueError:
        raise ValueError(
            f"a leverage profile is one of {', '.join(PROFILES)} or a list like 5:0.4,20:0.6, "
            f"but is {text!r}"
        ) from None
    if (
        any(not (isfinite(w) and w >= 0.0) for w in weights.values())
        or sum(weights.values()) <= 0.0
    ):
        raise ValueError(f"weights must be positive, but are {text!r}")
    return _profile("custom", weights)


def _parse_ladder(text: str) -> TurningLadder:
    try:
        highest = float(text.removeprefix("turning:").removesuffix("x"))
    except ValueError:
        raise ValueError(
            f"a turning ladder is written like turning:100, with its highest leverage, but is "
            f"{text!r}"
        ) from None
    return TurningLadder(highest)
