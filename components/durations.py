"""Spans of time as people read them."""

from datetime import datetime, timedelta

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def duration(seconds: float) -> str:
    """Return a span in its two largest units: ``3 d 4 h``, ``5 min``, ``12 s``."""
    left = max(round(seconds), 0)
    if left < 60:
        return f"{left} s"
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count:,} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def age(time: datetime | None, now: datetime) -> str:
    """Return how long ago something was: ``12 s ago``, ``now``, ``never``."""
    if time is None:
        return "never"
    seconds = (now - time).total_seconds()
    return "now" if seconds < 1 else f"{duration(seconds)} ago"


def total(spans: list[timedelta]) -> float:
    """Return the sum of spans in seconds."""
    return sum(span.total_seconds() for span in spans)
