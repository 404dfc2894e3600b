"""Computed results: a few in memory, more on disk, each computed once.

The disk holds bytes only, and what is wrong with it costs a computation, never an answer.
"""

import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from time import perf_counter
from typing import Generic, TypeVar

import diskcache
import numpy as np

from app.bytes_disk import BytesCache, Damaged
from app.cache_stats import CacheStats, Tally

__all__ = ["CacheStats", "DiskCache", "Memory", "nbytes"]

log = logging.getLogger(__name__)

Value = TypeVar("Value")
_BROKEN = (
    OSError, sqlite3.Error, sqlite3.Warning, diskcache.Timeout, ValueError, TypeError, KeyError,
)  # fmt: skip


class DiskCache:
    """Bytes by key in a folder of bounded size. What can't be read is a miss, and logged.

    Parameters
    ----------
    folder : Path
        Made for its owner only. If it can't be used, the program goes on without and says so once.
    megabytes : int
        Size that it may grow to; the least recently used goes first.
    name : str
        What `stats` call it.
    """

    def __init__(self, folder: Path, megabytes: int, name: str = "disk") -> None:
        self._folder, self._name = folder, name
        self._capacity = megabytes * 2**20
        self._tally = Tally()
        self._problem = ""
        self._cache: BytesCache | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            self._cache = BytesCache(folder, self._capacity)
            self._cache.remove_strays()
        except _BROKEN as e:
            self._fail(f"The cache {folder} can't be used, so nothing is kept on disk", e)

    def get(self, key: str) -> bytes | None:
        """Return what is stored, None if there is nothing or it can't be read."""
        start = perf_counter()
        found = self._read(key)
        if found is None:
            self._tally.miss()
        else:
            self._tally.hit(perf_counter() - start)
        return found

    def set(self, key: str, value: bytes, expire: float | None = None) -> None:
        """Store bytes, for ``expire`` seconds if given; a full or broken disk is logged."""
        if self._cache is None:
            return
        if len(value) > self._capacity:
            self._tally.error()
            log.warning(
                "A result of %d MB is not kept, since the cache may hold %d MB",
                *(size // 2**20 for size in (len(value), self._capacity)),
            )
            return
        try:
            self._tally.evict(self._cache.write_bytes(key, value, expire))
            self._problem = ""
        except _BROKEN as e:
            self._tally.error()
            self._fail(f"The cache {self._folder} takes nothing more", e)

    def stats(self) -> CacheStats:
        """Return what it holds and what it did."""
        entries = size = 0
        try:
            if self._cache is not None:
                entries, size = self._cache.count_entries(), int(self._cache.volume())
        except _BROKEN as e:
            self._fail(f"The cache {self._folder} can't be read", e)
        return self._tally.stats(
            self._name,
            entries=entries,
            bytes=size,
            capacity=self._capacity,
            problem=self._problem,
        )

    def close(self) -> None:
        """Close the files."""
        if self._cache is not None:
            self._cache.close()

    def _read(self, key: str) -> bytes | None:
        if self._cache is None:
            return None
        try:
            return self._cache.read_bytes(key)
        except Damaged as e:
            log.warning("The cached result %s is damaged and is computed anew: %s", key, e)
        except _BROKEN as e:
            self._fail(f"The cache {self._folder} can't be read", e)
        self._tally.error()
        return None

    def _fail(self, what: str, error: BaseException) -> None:
        """Keep what is wrong, and log it if it was not so already."""
        if isinstance(error, diskcache.Timeout):
            problem = f"{what}: another program keeps it locked"
        else:
            problem = f'{what}: {error}. "liqheat doctor" tells what to do.'
        if not self._problem:
            log.warning("%s", problem)
        self._problem = problem


def nbytes(value: object) -> int:
    """Return the size of all arrays that a value of dataclasses and containers holds."""
    match value:
        case np.ndarray():
            return value.nbytes
        case Mapping():
            return sum(nbytes(part) for part in value.values())
        case tuple() | list():
            return sum(nbytes(part) for part in value)
        case _ if is_dataclass(value):
            return sum(nbytes(getattr(value, field.name)) for field in fields(value))
    return 0


@dataclass(slots=True)
class _Turn:
    """A computation's lock, and how many threads hold it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: int = 0


class Memory(Generic[Value]):
    """The most recently used values, each computed by one thread while others wait for it.

    Of each key one version is kept: what follows from data that change does not pile up.

    Parameters
    ----------
    capacity : int
        Bytes of values kept; the last one is kept whatever its size.
    weigh : callable
        From a value to its bytes.
    name : str
        What `stats` call it.
    """

    def __init__(self, capacity: int, weigh: Callable[[Value], int], name: str = "") -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._name = name
        self._tally = Tally()
        self._values: OrderedDict[Hashable, tuple[Hashable, Value]] = OrderedDict()
        self._weights: dict[Hashable, int] = {}
        self._total = 0
        self._lock = threading.Lock()
        self._turns: dict[Hashable, _Turn] = {}

    def get(self, key: Hashable, compute: Callable[[], Value], version: Hashable = None) -> Value:
        """Return the value of ``key``, computed if it is not there in this version.

        A computation that raises is not kept: whoever waited for it tries again.
        """
        if (value := self.peek(key, version)) is not None:
            return value
        with self._turn(key):
            with self._lock:
                kept = self._values.get(key)
            if kept is not None and kept[0] == version:
                self._tally.wait()
                return kept[1]
            value = self._compute(compute)
            self._keep(key, version, value)
        return value

    def peek(self, key: Hashable, version: Hashable = None) -> Value | None:
        """Return the value of ``key`` if it is there in this version, at once; only that counts."""
        start = perf_counter()
        with self._lock:
            kept = self._values.get(key)
            if kept is None or kept[0] != version:
                return None
            self._values.move_to_end(key)
        self._tally.hit(perf_counter() - start)
        return kept[1]

    def last(self, key: Hashable) -> Value | None:
        """Return the value of ``key`` in whatever version it is there; does not count."""
        with self._lock:
            kept = self._values.get(key)
        return kept[1] if kept is not None else None

    def __contains__(self, key: Hashable) -> bool:
        """Return whether a value of ``key`` is there, of any version; does not count."""
        with self._lock:
            return key in self._values

    def stats(self) -> CacheStats:
        """Return what it holds and what it did."""
        with self._lock:
            entries, total = len(self._values), self._total
        return self._tally.stats(self._name, entries=entries, bytes=total, capacity=self._capacity)

    def _compute(self, compute: Callable[[], Value]) -> Value:
        start = perf_counter()
        try:
            return compute()
        finally:
            self._tally.compute(perf_counter() - start)

    def _keep(self, key: Hashable, version: Hashable, value: Value) -> None:
        weight = self._weigh(value)
        left = []  # Given up outside the lock: it may take a while.
        with self._lock:
            self._total += weight - self._weights.get(key, 0)
            self._values[key] = version, value
            self._values.move_to_end(key)
            self._weights[key] = weight
            while len(self._values) > 1 and self._total > self._capacity:
                oldest, gone = self._values.popitem(last=False)
                self._total -= self._weights.pop(oldest)
                left.append(gone)
        if left:
            self._tally.evict(len(left))

    @contextmanager
    def _turn(self, key: Hashable) -> Iterator[None]:
        """Wait until no other thread computes the key."""
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.threads += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.threads -= 1
                # Not before: a newcomer would compute beside those who wait.
                if not turn.threads:
                    del self._turns[key]
