"""diskcache for bytes only (decision 0006): it runs nothing, and touches no files but its own.

diskcache unpickles what it reads, follows any path that a row names, leaves files behind when a
write fails, and evicts ten entries where one would do. What is here does none of that.
"""

import contextlib
import os
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import DEFAULT_SETTINGS, ENOVAL, METADATA, MODE_BINARY, MODE_RAW, UNKNOWN

_CHECKSUM = 4
_FILE = re.compile(r"([0-9a-f]{2}[/\\]){2}[0-9a-f]{28}\.val")
_STRAY_SECONDS = 3600.0
_LOCK_SECONDS = 5.0

_SETTINGS = DEFAULT_SETTINGS | {
    "eviction_policy": "least-recently-used",
    "cull_limit": 0,  # `BytesCache.make_room` does it
    # A mapped file that somebody cuts short kills the process that reads it.
    "sqlite_mmap_size": 0,
}

_FIND = """
    SELECT rowid, mode, filename, value FROM Cache
    WHERE key = ? AND raw = 1 AND (expire_time IS NULL OR expire_time > ?)
"""
_OLDEST = """
    SELECT rowid, filename FROM Cache WHERE NOT (key = ? AND raw = 1) ORDER BY access_time LIMIT 1
"""


class Damaged(ValueError):
    """An entry is not what was stored; the message says in what."""


class BytesDisk(diskcache.Disk):  # type: ignore[misc]
    """Stores bytes under string keys with a checksum, and refuses everything else."""

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> Any:
        """Return the columns that diskcache stores for ``value``."""
        if not isinstance(value, bytes):
            raise TypeError(f"only bytes may be cached, not {type(value).__name__}")
        checksum = _checksum(value)
        if len(value) < self.min_file_size:
            return 0, MODE_RAW, None, sqlite3.Binary(checksum + value)
        filename, path = self.filename()
        try:
            size = self._write(path, iter((checksum, value)), "xb")
        except OSError:
            self.remove(filename)
            raise
        return size, MODE_BINARY, filename, None

    def fetch(self, mode: int, filename: Any, value: Any, read: bool = False) -> bytes:
        """Return the stored bytes; raise `Damaged` if they are not those that were stored."""
        if mode == MODE_RAW and isinstance(value, bytes):
            return _checked(value[:_CHECKSUM], value[_CHECKSUM:])
        if mode != MODE_BINARY or not _is_own(filename):
            raise Damaged("it is no entry that this program writes, and was refused")
        try:
            with open(Path(self._directory, filename), "rb", buffering=0) as file:
                return _checked(file.read(_CHECKSUM), file.read())
        except OSError as e:
            raise Damaged(f"its file can't be read: {e.strerror}") from e

    def put(self, key: Any) -> Any:
        """Return how diskcache stores ``key``."""
        if not isinstance(key, str):
            raise TypeError(f"cache keys are strings, not {type(key).__name__}")
        return super().put(key)

    def get(self, key: Any, raw: bool) -> Any:
        """Return the key of a stored row."""
        if not raw:
            raise Damaged("a pickled key was refused")
        return super().get(key, raw)

    def remove(self, file_path: Any) -> None:
        """Remove a file of the cache's own, whatever else a row may name."""
        if _is_own(file_path):
            super().remove(file_path)


class BytesCache(diskcache.Cache):  # type: ignore[misc]
    """diskcache's tables and files, read without its locks and kept below a size.

    Parameters
    ----------
    folder : Path
        Where it is; must exist.
    capacity : int
        Bytes that it may hold.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        # All settings are given, so that none that the file brings along counts.
        settings = _SETTINGS | {"size_limit": capacity}
        super().__init__(str(folder), timeout=_LOCK_SECONDS, disk=BytesDisk, **settings)

    def reset(self, key: str, value: Any = ENOVAL, update: bool = True) -> Any:
        """Set what diskcache makes attributes and pragmas of, refusing names it does not know."""
        if key not in DEFAULT_SETTINGS and key not in METADATA:
            raise Damaged(f"it has a setting {key!r} that this program does not write")
        return super().reset(key, value, update)

    def read_bytes(self, key: str) -> bytes | None:
        """Return what is stored and not expired, None if nothing is.

        Needs no lock and no space, so that neither a writer nor a full disk stands in the way.
        """
        row = self._find(key)
        while row is not None:
            rowid, *stored = row
            try:
                found = self.disk.fetch(*stored)
            except Damaged:
                # Unless it was replaced or deleted between looking and reading.
                before, row = row, self._find(key)
                if row == before:
                    raise
            else:
                self._touch(rowid)
                return bytes(found)
        return None

    def write_bytes(self, key: str, value: bytes, expire: float | None) -> int:
        """Store bytes; return how many entries had to leave for it."""
        self.expire()
        left = self.make_room(key, len(value))
        self.set(key, value, expire=expire)
        # Another process may have used the same room.
        return left + self.make_room(key)

    def make_room(self, key: str, needed: int = 0) -> int:
        """Delete what was used least recently, but not ``key``; return how many."""
        count = 0
        while self.volume() + needed > self.size_limit:
            with self._transact() as (sql, cleanup):
                row = sql(_OLDEST, (key,)).fetchone()
                if row is None:
                    break
                sql("DELETE FROM Cache WHERE rowid = ?", row[:1])
                cleanup(row[1])
            count += 1
        return count

    def count_entries(self) -> int:
        """Return how many entries there are."""
        (count,) = self._sql("SELECT count(*) FROM Cache").fetchone()
        return int(count)

    def remove_strays(self) -> None:
        """Remove files that no row names, left by processes that were killed."""
        known = {filename for (filename,) in self._sql("SELECT filename FROM Cache")}
        # Younger ones may be about to get their row.
        latest = time.time() - _STRAY_SECONDS
        # Not by glob, which fails if another process removes a folder meanwhile.
        for folder, _, names in os.walk(self.directory):
            for path in (Path(folder, name) for name in names):
                filename = str(path.relative_to(self.directory))
                with contextlib.suppress(OSError):
                    if filename not in known and path.lstat().st_mtime < latest:
                        self.disk.remove(filename)

    def _find(self, key: str) -> Any:
        return self._sql(_FIND, (key, time.time())).fetchone()

    def _touch(self, rowid: int) -> None:
        """Note that an entry was used, unless that would have to wait."""
        sql = self._sql
        sql("PRAGMA busy_timeout = 0")
        # Where it is locked or full, the entry leaves earlier than it should.
        with contextlib.suppress(sqlite3.Error):
            sql("UPDATE Cache SET access_time = ? WHERE rowid = ?", (time.time(), rowid))
        sql(f"PRAGMA busy_timeout = {1000 * self.timeout:.0f}")

    @contextlib.contextmanager
    def _transact(self, retry: bool = False, filename: str | None = None) -> Iterator[Any]:
        """Leave neither a file nor an open transaction behind where diskcache would."""
        try:
            with super()._transact(retry, filename) as parts:
                yield parts
        except BaseException:
            if self._con.in_transaction and self._txn_id != threading.get_ident():
                self._con.rollback()
            if filename is not None:
                self.disk.remove(filename)
            raise


def _is_own(filename: Any) -> bool:
    return isinstance(filename, str) and _FILE.fullmatch(filename) is not None


def _checksum(value: bytes) -> bytes:
    return zlib.crc32(value).to_bytes(_CHECKSUM, "little")


def _checked(checksum: bytes, value: bytes) -> bytes:
    if checksum != _checksum(value):
        raise Damaged("its bytes are not those that were stored")
    return value
