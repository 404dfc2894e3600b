"""Margin rules of an exchange, and the prices at which they close a position."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

LONG = 1
SHORT = -1
SIDES = (LONG, SHORT)
"""Sides in the order of every array's side axis: longs first."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LeverageTier:
    """One row of an exchange's leverage tiers.

    Attributes
    ----------
    floor, cap : float
        Notional range ``floor <= notional < cap`` in which the row holds. [quote]
    max_leverage : float
        Highest leverage allowed in it. [-]
    maintenance_rate : float
        Share of the notional that must remain as margin. [-]
    deduction : float
        What the exchange takes off the maintenance margin, so that it grows without steps
        over the rows ("cum", "maintenance amount"). [quote]
    """

    floor: float
    cap: float
    max_leverage: float
    maintenance_rate: float
    deduction: float = 0.0


@dataclass(frozen=True, slots=True)
class MarginRules:
    """How one exchange margins one symbol from ``valid_from`` on.

    ``closing_fee`` is charged against the margin at liquidation (OKX's taker fee), so it adds to
    the maintenance rate. [-] ``assumed`` marks rules that stand in for unknown ones.
    """

    tiers: tuple[LeverageTier, ...]
    valid_from: datetime = field(default=BEGINNING)
    closing_fee: float = 0.0
    assumed: bool = False

    def __post_init__(self) -> None:
        """Reject tables with holes or overlaps."""
        if not self.tiers or self.tiers[0].floor != 0.0:
            raise ValueError("leverage tiers must start at a notional of 0")
        for below, above in zip(self.tiers, self.tiers[1:], strict=False):
            if below.cap != above.floor:
                raise ValueError(
                    f"leverage tiers must join, but one ends at {below.cap:g} and the next starts "
                    f"at {above.floor:g}"
                )

    @property
    def max_leverage(self) -> float:
        """Highest leverage that any tier allows. [-]"""
        return max(tier.max_leverage for tier in self.tiers)

    def tier_at(self, notional: float) -> LeverageTier:
        """Return the tier that holds at ``notional`` [quote], the last one beyond its cap."""
        return next((tier for tier in self.tiers if notional < tier.cap), self.tiers[-1])


def deductions(floors: Sequence[float], rates: Sequence[float]) -> list[float]:
    """Return each tier's deduction [quote] from the tiers' floors [quote] and rates [-].

    Notes
    -----
    The maintenance margin must not jump where one tier becomes the next:

    .. math:: cum_n = floor_n (m_n - m_{n-1}) + cum_{n-1}
    """
    result = [0.0]
    for n in range(1, len(floors)):
        result.append(floors[n] * (rates[n] - rates[n - 1]) + result[-1])
    return result


def liquidation_ratio(
    leverage: float, side: int, rules: MarginRules, notional: float = 0.0
) -> float:
    """Return liquidation price over entry price of an isolated position.

    Parameters
    ----------
    leverage : float
        Entry notional divided by margin. [-]
    side : int
        ``LONG`` (+1) or ``SHORT`` (-1).
    rules : MarginRules
        The exchange's tiers and fee.
    notional : float
        Entry notional that chooses the tier; 0 means the first. [quote]

    Returns
    -------
    float
        Liquidation price / entry price. [-]

    Raises
    ------
    ValueError
        If the leverage is below 1, above what the tier allows, or so high that its margin does
        not exceed the maintenance margin.

    Notes
    -----
    With quantity :math:`q = N / E`, equity meets the maintenance margin of the tier that holds
    *at the liquidation notional* (Binance, "How to calculate liquidation price of USDⓈ-M
    futures contracts"), fee included:

    .. math:: N/L + s q (P - E) = q P (m + fee) - cum

    so :math:`P / E = (1/L - s + cum/N) / (m + fee - s)`. The ratio depends on the entry price
    only through N. The tier is found by fixed point from the entry notional. The leverage is
    bounded by the tier of the entry notional.
    """
    check_leverage(leverage, rules, notional)
    tier = liquidation_tier(leverage, side, rules, notional)
    return _ratio_in_tier(leverage, side, rules.closing_fee, notional, tier)


def without_maintenance(rules: MarginRules) -> MarginRules:
    """Return rules by which a position lasts until all its margin is lost."""
    tiers = tuple(replace(tier, maintenance_rate=0.0, deduction=0.0) for tier in rules.tiers)
    return replace(rules, tiers=tiers, closing_fee=0.0)


def check_leverage(leverage: float, rules: MarginRules, notional: float) -> None:
    """Raise ``ValueError`` if a position of that notional [quote] may not have that leverage."""
    tier = rules.tier_at(notional)
    if leverage < 1.0:
        raise ValueError(f"leverage must be at least 1, but is {leverage:g}")
    if leverage > tier.max_leverage:
        raise ValueError(
            f"leverage {leverage:g}x is above the tier's maximum of {tier.max_leverage:g}x "
            f"(notional from {tier.floor:,.0f})"
        )


def liquidation_tier(
    leverage: float, side: int, rules: MarginRules, notional: float
) -> LeverageTier:
    """Return the tier that holds at a position's liquidation notional, by fixed point."""
    tier = rules.tier_at(notional)
    for _ in rules.tiers:
        ratio = _ratio_in_tier(leverage, side, rules.closing_fee, notional, tier)
        at_liquidation = rules.tier_at(notional * ratio)
        if at_liquidation is tier:
            break
        tier = at_liquidation
    return tier


def ratio_by_margin(
    tier: LeverageTier, side: int, closing_fee: float, notional: float
) -> tuple[float, float]:
    """Return (base, slope) of the price ratio in a tier, ``base + slope / leverage``. [-]"""
    rate = tier.maintenance_rate + closing_fee
    deduction = tier.deduction / notional if notional else 0.0
    return (deduction - side) / (rate - side), 1.0 / (rate - side)


def liquidation_price(
    entry_price: float, leverage: float, side: int, rules: MarginRules, notional: float = 0.0
) -> float:
    """Return the mark price [quote] at which a position is liquidated; see `liquidation_ratio`."""
    return entry_price * liquidation_ratio(leverage, side, rules, notional)


def _ratio_in_tier(
    leverage: float, side: int, closing_fee: float, notional: float, tier: LeverageTier
) -> float:
    rate = tier.maintenance_rate + closing_fee
    deduction = tier.deduction / notional if notional else 0.0
    if 1.0 / leverage + deduction <= rate:
        raise ValueError(
            f"leverage {leverage:g}x leaves a margin of {1.0 / leverage:.4%}, not more than the "
            f"maintenance rate of {rate:.4%}"
        )
    return (1.0 / leverage - side + deduction) / (rate - side)
