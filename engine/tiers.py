"""Leverage tiers as the exchanges publish them, and rules that stand in for unknown ones.

The figures are the exchanges' own: Binance's table of 2026-09-29 (as packaged with freqtrade
2026.9), Bybit's margin-parameters page for BTCUSDT, OKX's first tier and 0.05 % taker fee,
Hyperliquid's documentation of 2026-08-22. Tables change; dated rows in the database go first.
"""

from collections.abc import Sequence
from math import inf

from engine.margin import LeverageTier, MarginRules, deductions

EXCHANGES = ("binance", "bybit", "okx", "hyperliquid")
"""Exchanges whose margin rules are known."""

Row = tuple[float, float, float]
"""Cap [quote], highest leverage [-], maintenance rate [-]."""

_THOUSAND, _MILLION = 1e3, 1e6

_BINANCE_RATES = (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.10, 0.125, 0.15, 0.25, 0.50)
_BINANCE_LEVERAGES = (150, 100, 75, 50, 25, 20, 10, 5, 4, 3, 2, 1)
_BINANCE_CAPS = {  # millions
    "BTCUSDT": (0.3, 0.8, 3, 12, 70, 100, 230, 480, 600, 800, 1200, 1800),
    "ETHUSDT": (0.3, 0.8, 3, 12, 50, 65, 150, 320, 400, 530, 800, 1200),
}

_TABLES: dict[tuple[str, str], Sequence[Row]] = {
    ("binance", "SOLUSDT"): (
        (50 * _THOUSAND, 100, 0.005),
        (400 * _THOUSAND, 75, 0.0065),
        (1 * _MILLION, 50, 0.01),
        (4 * _MILLION, 25, 0.02),
        (8 * _MILLION, 20, 0.025),
        (40 * _MILLION, 10, 0.05),
        (80 * _MILLION, 5, 0.10),
        (100 * _MILLION, 4, 0.125),
        (200 * _MILLION, 2, 0.25),
        (400 * _MILLION, 1, 0.50),
    ),
    ("bybit", "BTCUSDT"): (
        (2 * _MILLION, 100, 0.005),
        (2.6 * _MILLION, 90, 0.0056),
        (3.2 * _MILLION, 80, 0.0063),
        (3.8 * _MILLION, 75, 0.0067),
        (4.4 * _MILLION, 70, 0.0071),
        (5 * _MILLION, 65, 0.0077),
        (5.6 * _MILLION, 55, 0.0091),
        (8.5 * _MILLION, 50, 0.010),
        (10 * _MILLION, 45, 0.013),
        (14 * _MILLION, 40, 0.015),
        (20 * _MILLION, 35, 0.016),
        (28 * _MILLION, 30, 0.020),
        (38 * _MILLION, 25, 0.025),
        (50 * _MILLION, 20, 0.029),
        (55 * _MILLION, 19, 0.030),
        (60 * _MILLION, 18, 0.035),
        (65 * _MILLION, 17, 0.036),
        (70 * _MILLION, 16, 0.038),
        (75 * _MILLION, 15, 0.040),
        (80 * _MILLION, 14, 0.045),
    ),
    # Only the first tier is published in a form that could be verified; 0.5 % more per tier.
    ("okx", "BTCUSDT"): ((inf, 100, 0.004),),
    ("okx", "ETHUSDT"): ((inf, 100, 0.004),),
}

_HYPERLIQUID = {  # notional where the second tier starts, leverage below and above it
    "BTCUSDT": (150 * _MILLION, 40, 20),
    "ETHUSDT": (100 * _MILLION, 25, 15),
    "SOLUSDT": (70 * _MILLION, 20, 10),
    "XRPUSDT": (40 * _MILLION, 20, 10),
}
_TABLES |= {
    ("binance", symbol): [
        (cap * _MILLION, leverage, rate)
        for cap, leverage, rate in zip(caps, _BINANCE_LEVERAGES, _BINANCE_RATES, strict=True)
    ]
    for symbol, caps in _BINANCE_CAPS.items()
} | {
    # Maintenance is half the initial margin at the tier's highest leverage.
    ("hyperliquid", symbol): ((start, low, 0.5 / low), (inf, high, 0.5 / high))
    for symbol, (start, low, high) in _HYPERLIQUID.items()
}

_CLOSING_FEE = {"okx": 0.0005}
_WITHOUT_DEDUCTION = {"okx"}  # OKX applies a tier's rate to the whole notional.
_ASSUMED: dict[str, Sequence[Row]] = {"hyperliquid": ((inf, 10, 0.05),)}
_ASSUMED_ELSEWHERE: Sequence[Row] = ((inf, 50, 0.01),)


def margin_rules(exchange: str, symbol: str) -> tuple[MarginRules, ...]:
    """Return the shipped margin rules of a market, dated, oldest first.

    Where no table is shipped the result is one tier of 50x and 1 % (Hyperliquid: 10x and 5 %),
    marked as ``assumed``.
    """
    table = _TABLES.get((exchange, symbol))
    rows = table or _ASSUMED.get(exchange, _ASSUMED_ELSEWHERE)
    return (
        MarginRules(
            tiers=_tiers(rows, with_deduction=exchange not in _WITHOUT_DEDUCTION),
            closing_fee=_CLOSING_FEE.get(exchange, 0.0),
            assumed=table is None,
        ),
    )


def _tiers(rows: Sequence[Row], *, with_deduction: bool) -> tuple[LeverageTier, ...]:
    floors = [0.0, *(cap for cap, _, _ in rows[:-1])]
    rates = [rate for _, _, rate in rows]
    taken_off = deductions(floors, rates) if with_deduction else [0.0] * len(rows)
    return tuple(
        LeverageTier(floor, cap, leverage, rate, deduction)
        for floor, (cap, leverage, rate), deduction in zip(floors, rows, taken_off, strict=True)
    )
