"""How long to wait before the next try to connect."""

from dataclasses import dataclass, field
from random import Random


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

    def failed(self) -> float:
        """Count a failure and return how long to wait now. [s]"""
        # No power of a large number: an exchange may be away for months.
        delay = min(self.first * 2.0 ** min(self.failures, 30), self.longest)
        self.failures += 1
        return delay * (1.0 + self.spread * self.random.random())

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0
