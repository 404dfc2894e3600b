"""How long to wait before the next try to connect."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

LONGEST_ASKED = 3600.0
"""Who asks to be left alone for longer is tried again after this all the same. [s]"""


def retry_after(text: str, now: datetime) -> float | None:
    """Return how long a server asks to be left alone [s], which a header says in two ways."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):  # not said, or in no way that is known
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


@dataclass(slots=True)
class Backoff:
    """Delays of 1, 2, 4 … s up to ``longest``, each lengthened by chance so that clients spread.

    Attributes
    ----------
    first, longest : float
        The shortest and the longest delay, before chance lengthens it. [s]
    spread : float
        By at most which share of itself a delay is lengthened. [-]
    failures : int
        Failures since the last success.
    """

    random: Random
    first: float = 1.0
    longest: float = 60.0
    spread: float = 0.5
    failures: int = field(default=0, init=False)

    def failed(self, asked: float = 0.0) -> float:
        """Count a failure and return how long to wait now, at least as long as asked. [s]"""
        # No power of a large number: an exchange may be away for months.
        delay = min(self.first * 2.0 ** min(self.failures, 30), self.longest)
        delay = max(delay, min(asked, LONGEST_ASKED))
        self.failures += 1
        return delay * (1.0 + self.spread * self.random.random())

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0
