"""Computed results: a few in memory, more on disk, each computed once.

The disk holds bytes only. diskcache would unpickle what it reads, and so run whatever somebody put
there; the `Disk` below neither writes nor reads pickles (decision 0006).
"""

import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import diskcache
import numpy as np
from diskcache.core import MODE_PICKLE, UNKNOWN

log = logging.getLogger(__name__)

Value = TypeVar("Value")
_BROKEN = (OSError, sqlite3.Error, diskcache.Timeout, ValueError, TypeError, KeyError)


class BytesDisk(diskcache.Disk):  # type: ignore[misc]
    """Stores bytes under string keys and refuses everything else, reading a foreign row too."""

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> Any:
        """Return how diskcache stores ``value``."""
        if not isinstance(value, bytes):
            raise TypeError(f"only bytes may be cached, not {type(value).__name__}")
        return super().store(value, read, key=key)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Return the stored bytes."""
        if mode == MODE_PICKLE:
            raise ValueError("a pickled value in the cache was refused")
        return super().fetch(mode, filename, value, read)

    def put(self, key: Any) -> Any:
        """Return how diskcache stores ``key``."""
        if not isinstance(key, str):
            raise TypeError(f"cache keys are strings, not {type(key).__name__}")
        return super().put(key)

    def get(self, key: Any, raw: bool) -> Any:
        """Return the key of a stored row."""
        if not raw:
            raise ValueError("a pickled key in the cache was refused")
        return super().get(key, raw)


class DiskCache:
    """Bytes by key in a folder of bounded size. What can't be read is a miss, and logged.

    Parameters
    ----------
    folder : Path
        Made for its owner only. If it can't be used, the program goes on without and says so once.
    megabytes : int
        Size that it may grow to; the least recently used goes first.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._cache: diskcache.Cache | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            self._cache = diskcache.Cache(
                str(folder),
                disk=BytesDisk,
                size_limit=megabytes * 2**20,
                eviction_policy="least-recently-used",
            )
        except _BROKEN as e:
            log.warning("The cache %s can't be used, so nothing is kept on disk: %s", folder, e)

    def get(self, key: str) -> bytes | None:
        """Return what is stored, None if there is nothing or it can't be read."""
        if self._cache is None:
            return None
        try:
            found = self._cache.get(key)
        except _BROKEN as e:
            log.warning("The cached result %s can't be read and is computed anew: %s", key, e)
            return None
        return found if isinstance(found, bytes) else None

    def set(self, key: str, value: bytes) -> None:
        """Store bytes; a full or broken disk is logged."""
        if self._cache is None:
            return
        try:
            self._cache.set(key, value)
        except _BROKEN as e:
            log.warning("A result could not be cached: %s", e)

    def close(self) -> None:
        """Close the files."""
        if self._cache is not None:
            self._cache.close()


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


class Memory(Generic[Value]):
    """The most recently used values, each computed by one thread while others wait for it.

    Parameters
    ----------
    capacity : int
        Bytes of values kept; the last one is kept whatever its size.
    weigh : callable
        From a value to its bytes.
    """

    def __init__(self, capacity: int, weigh: Callable[[Value], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._weights: dict[Hashable, int] = {}
        self._lock = threading.Lock()
        self._computing: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of ``key``, computed if it is not there.

        A computation that raises is not kept: whoever waited for it tries again.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        with self._alone(key):
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = compute()
            with self._lock:
                self._values[key] = value
                self._weights[key] = self._weigh(value)
                while len(self._values) > 1 and sum(self._weights.values()) > self._capacity:
                    oldest, _ = self._values.popitem(last=False)
                    del self._weights[oldest]
        return value

    @contextmanager
    def _alone(self, key: Hashable) -> Iterator[None]:
        with self._lock:
            lock = self._computing.setdefault(key, threading.Lock())
        with lock:
            try:
                yield
            finally:
                with self._lock:
                    # After a failure somebody else may already compute under a lock of his own.
                    if self._computing.get(key) is lock:
                        del self._computing[key]
