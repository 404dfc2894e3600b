"""Numbers as the interface writes them."""

from collections.abc import Iterable

import numpy as np


def number_texts(numbers: Iterable[float]) -> list[str]:
    """Return numbers as text, without exponents and needless zeros."""
    return [np.format_float_positional(number, trim="-") for number in numbers]


def plain(number: float) -> float:
    """Return a whole number as one, 25 for 25.0: JSON writes them differently."""
    return int(number) if float(number).is_integer() else number
