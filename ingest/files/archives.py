"""Files as they lie on disk: their hash, their checksum, and what is packed in them."""

import gzip
import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from ingest.errors import FileError

_CHUNK = 1 << 20
_SMALL = 64 << 20
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_ENCRYPTED = 0x1
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a packed file may hold.

    Attributes
    ----------
    bytes : int
        Unpacked size.
    ratio : float
        Unpacked over packed size, of files that unpack to more than 64 MB. Market data pack by
        about 4 to 30.
    """

    bytes: int = 64 << 30
    ratio: float = 200.0


DEFAULT_LIMITS = Limits()


def sha256(path: Path) -> str:
    """Return the hash of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_checksum(path: Path, digest: str) -> None:
    """Compare a file's hash with the ``.CHECKSUM`` file beside it, if there is one.

    Raises
    ------
    FileError
        If they differ, or the checksum file holds no hash.
    """
    beside = path.with_name(f"{path.name}.CHECKSUM")
    if not beside.exists():
        return
    text = beside.read_text(encoding="utf-8", errors="replace").strip()
    expected, _, name = text.partition(" ")
    if not _HASH.fullmatch(expected):
        raise FileError(beside, "a SHA-256 hash and a file name", f"{text[:80]!r}", where="line 1")
    if (name := name.strip().lstrip("*")) and name != path.name:
        raise FileError(beside, f"the hash of {path.name}", f"that of {name}", where="line 1")
    if expected.lower() != digest:
        raise FileError(path, f"SHA-256 {expected.lower()} as in {beside.name}", digest)


@contextmanager
def at_rest(path: Path) -> Iterator[None]:
    """Raise a `FileError` if a file changes meanwhile."""
    before = path.stat()
    yield
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileError(path, "a file at rest", "one that changed while it was read")


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def unpacked(path: Path, folder: Path, limits: Limits) -> Iterator[Path]:
    """Yield the file that is to be read: what is in a zip or gz, or the file itself.

    Parameters
    ----------
    path : Path
        A file as it lies on disk.
    folder : Path
        Where to unpack; nothing stays there.
    limits : Limits
        How much it may hold.

    Raises
    ------
    FileError
        If it is broken, encrypted, too large, or holds anything but one CSV file.
    """
    packing = path.suffix.lower()
    if packing not in (".zip", ".gz"):
        yield path
        return
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "unpacked.csv"  # never a name from the archive
    try:
        try:
            if packing == ".zip":
                _unzip(path, target, limits)
            else:
                _gunzip(path, target, limits)
        except _BROKEN as e:
            raise FileError(path, f"a whole {packing[1:]} file", f"a broken one: {e}") from e
        yield target
    finally:
        target.unlink(missing_ok=True)


def _unzip(path: Path, target: Path, limits: Limits) -> None:
    with zipfile.ZipFile(path) as archive:
        member = _only_member(path, archive)
        check_size(path, member.file_size, path.stat().st_size, limits)
        with archive.open(member) as packed:
            _copy(path, packed, target, limits)


def _gunzip(path: Path, target: Path, limits: Limits) -> None:
    with gzip.open(path) as packed:
        _copy(path, packed, target, limits)


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one CSV file in a zip."""
    members = archive.infolist()
    if len(members) != 1:
        raise FileError(path, "one CSV file in the zip", f"{len(members)} files")
    (member,) = members
    # The name as it stands in the archive: the other one has been cleaned already.
    name = member.orig_filename
    if {PurePosixPath(name).name, PureWindowsPath(name).name} != {name}:
        raise FileError(path, "a plain file name in the zip", repr(name))
    if not name.lower().endswith(".csv"):
        raise FileError(path, "a CSV file in the zip", repr(name))
    if member.flag_bits & _ENCRYPTED:
        raise FileError(path, "a zip without a password", "an encrypted one")
    return member


def _copy(path: Path, packed: _Stream, target: Path, limits: Limits) -> None:
    """Unpack as a stream, and stop as soon as it is too much, whatever the archive declares."""
    packed_size, size = path.stat().st_size, 0
    with target.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            check_size(path, size, packed_size, limits)
            file.write(chunk)


def check_size(path: Path, size: int, packed_size: int, limits: Limits) -> None:
    """Raise a `FileError` if a packed file has grown by more than it may."""
    if size > limits.bytes:
        raise FileError(path, f"at most {limits.bytes:,} bytes unpacked", f"{size:,} or more")
    if size > _SMALL and size > limits.ratio * packed_size:
        raise FileError(
            path,
            f"at most {limits.ratio:g} times its size unpacked",
            f"{size / packed_size:.0f} times or more",
        )
