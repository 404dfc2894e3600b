"""Numbers and times as people read them."""

from math import floor, isfinite, log10

import numpy as np

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def usd(amount: float) -> str:
    """Return an amount of dollars in three or four characters: ``$1.2M``, ``$340k``, ``$0``."""
    if not isfinite(amount):
        return "–"
    sign, amount = ("−" if amount < 0 else ""), abs(amount)
    for size, unit in _UNITS:
        # 999,950 would round to "1000k".
        if amount >= size * 0.9995:
            scaled = amount / size
            return f"{sign}${scaled:.{0 if scaled >= 99.95 else 1}f}{unit}"
    return f"{sign}${amount:.0f}"


def price_digits(price: float) -> int:
    """Return the decimals that a price of this order is quoted with."""
    if not isfinite(price) or price <= 0.0:
        return 2
    if price >= 10_000.0:
        return 1
    if price >= 10.0:
        return 2
    return 4 - floor(log10(price)) if price < 1.0 else 4


def price_text(price: float, digits: int | None = None) -> str:
    """Return a price with thousands apart and the decimals that suit it."""
    if not isfinite(price):
        return "–"
    return f"{price:,.{price_digits(price) if digits is None else digits}f}"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as an unsigned percentage: ``62.5%``."""
    return f"{100.0 * share:.{digits}f}%" if isfinite(share) else "–"


def signed_percent(share: float, digits: int = 2) -> str:
    """Return a share as a percentage with its sign: ``+1.25%``, ``−0.40%``, ``0.00%``."""
    if not isfinite(share):
        return "–"
    text = f"{abs(100.0 * share):.{digits}f}%"
    if float(text[:-1]) == 0.0:
        return text
    return ("+" if share > 0 else "−") + text


def time_text(time: np.datetime64) -> str:
    """Return a time to the minute: ``2026-02-05 14:35``. The reader is told elsewhere it is UTC."""
    return str(time.astype("datetime64[m]")).replace("T", " ")
