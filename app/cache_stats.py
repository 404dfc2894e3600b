"""What caches have done, counted."""

import threading
from dataclasses import dataclass

_COUNTED = ("hits", "misses", "waits", "errors", "evictions", "computations")


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache holds, and what it did since the program began.

    Attributes
    ----------
    name : str
        Which cache it is.
    hits, misses : int
        Found at once; not found, so that it had to be computed.
    waits : int
        Neither: another thread was computing the same, and its value was waited for.
    errors : int
        Entries that could not be read, were refused, or could not be stored.
    evictions : int
        Entries that left to make room.
    entries, bytes, capacity : int
        What it holds now, and how many bytes it may.
    usable : bool
        Whether it can keep anything.
    problem : str
        Why not, as a sentence.
    computations : int
        Of the misses, those that this cache computed itself.
    hit_seconds, compute_seconds : float
        Time that all hits, and all computations, took together. [s]
    longest_hit, longest_compute : float
        Time of the longest of them. [s]
    """

    name: str
    hits: int = 0
    misses: int = 0
    waits: int = 0
    errors: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0
    capacity: int = 0
    usable: bool = True
    problem: str = ""
    computations: int = 0
    hit_seconds: float = 0.0
    compute_seconds: float = 0.0
    longest_hit: float = 0.0
    longest_compute: float = 0.0

    @property
    def hit_ratio(self) -> float | None:
        """Share of requests that needed no computation, None before the first. [-]"""
        answered = self.hits + self.waits
        return answered / (answered + self.misses) if answered + self.misses else None


class Tally:
    """Counts what one cache does. Thread-safe, and cheap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._hit_seconds = self._longest_hit = 0.0
        self._compute_seconds = self._longest_compute = 0.0

    def hit(self, seconds: float) -> None:
        """Count what was found in ``seconds``."""
        with self._lock:
            self._counts["hits"] += 1
            self._hit_seconds += seconds
            self._longest_hit = max(self._longest_hit, seconds)

    def miss(self) -> None:
        """Count what was not found and is computed elsewhere."""
        self._add("misses")

    def compute(self, seconds: float) -> None:
        """Count what was not found, and took ``seconds`` to compute."""
        with self._lock:
            self._counts["misses"] += 1
            self._counts["computations"] += 1
            self._compute_seconds += seconds
            self._longest_compute = max(self._longest_compute, seconds)

    def wait(self) -> None:
        """Count a value that another thread was computing."""
        self._add("waits")

    def error(self) -> None:
        """Count an entry that could not be used."""
        self._add("errors")

    def evict(self, count: int) -> None:
        """Count entries that left to make room."""
        self._add("evictions", count)

    def stats(
        self, name: str, *, entries: int, bytes: int, capacity: int, problem: str = ""
    ) -> CacheStats:
        """Return the counts together with what the cache holds."""
        with self._lock:
            return CacheStats(
                name=name,
                **self._counts,
                entries=entries,
                bytes=bytes,
                capacity=capacity,
                usable=not problem,
                problem=problem,
                hit_seconds=self._hit_seconds,
                compute_seconds=self._compute_seconds,
                longest_hit=self._longest_hit,
                longest_compute=self._longest_compute,
            )

    def _add(self, what: str, count: int = 1) -> None:
        with self._lock:
            self._counts[what] += count
