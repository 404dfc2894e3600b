"""Intervals of candles: their names, and which stored one to read."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

MONTH_SECONDS = 2_592_000
"""How the database writes a calendar month; no exchange has candles of 30 days."""

SECONDS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
    "3d": 259_200,
    "1w": 604_800,
    "1mo": MONTH_SECONDS,
}
"""Length of each interval by its name in file names. [s]"""

ENOUGH = 0.9
"""A finer interval is read when it covers at least this part of what the best one covers."""


class BarIntervals(NamedTuple):
    """Intervals of the candles and mark-price candles that bars are read from, 0 if none. [s]"""

    seconds: int
    mark_seconds: int


_NAMES = {seconds: name for name, seconds in SECONDS.items()}


def interval_name(interval: timedelta) -> str:
    """Return ``"5m"`` for 5 minutes; seconds where the interval has no name."""
    seconds = int(interval.total_seconds())
    return _NAMES.get(seconds, f"{seconds}s")


def parse_interval(name: str) -> timedelta:
    """Return 5 minutes for ``"5m"``.

    Raises
    ------
    ValueError
        If there is no interval of this name.
    """
    if name not in SECONDS:
        raise ValueError(f"an interval must be one of {', '.join(SECONDS)}, but is {name!r}")
    return timedelta(seconds=SECONDS[name])


def interval_from_spacing(seconds: float) -> int | None:
    """Return the interval whose candles start this far apart [s], None if there is none."""
    if 28 * 86_400 <= seconds <= 31 * 86_400:
        return MONTH_SECONDS
    return int(seconds) if seconds in _NAMES else None


def finest_interval(rows: Mapping[int, int]) -> int | None:
    """Return the finest interval [s] that covers nearly as much as the best covered one.

    Parameters
    ----------
    rows : mapping of int to int
        Number of stored bars in the range by interval [s].

    Returns
    -------
    int or None
        None where nothing is stored.
    """
    if not rows:
        return None
    best = max(seconds * n for seconds, n in rows.items())
    return min(seconds for seconds, n in rows.items() if seconds * n >= ENOUGH * best)
