"""Bring one file of Binance's archive into a folder: the part that is missing, verified."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx

from ingest.files.archives import sha256
from ingest.files.vision import Archive
from ingest.http import HttpClient, HttpError, NotFound, Request, Unavailable
from ingest.http_reasons import printable

AT_ONCE = 4
"""Downloads at a time."""

MOST_IN_A_ROW = 2 * AT_ONCE
"""Files one after the other that the host fails to give before it is asked for no more."""

_CHECKSUM = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) +\*?(?P<name>\S+)\s*")
_PART_OF = re.compile(r"bytes (\d+)-")
_PARTIAL = 206
_RANGE_NOT_SATISFIABLE = 416
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Obtained:
    """What came of one file.

    Attributes
    ----------
    archive : Archive
        The file.
    path : Path or None
        Where it lies, verified.
    known : bool
        Whether its content is stored already, so that it was not brought.
    failed : str
        Why it could not be had. It is not in the archive if there is neither this nor a path.
    """

    archive: Archive
    path: Path | None = None
    known: bool = False
    failed: str = ""

    @property
    def missing(self) -> bool:
        """Whether the archive has no such file."""
        return not (self.path or self.known or self.failed)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where files go.

    What is being brought lies in ``incoming`` of this folder, all of which is ours; everything else
    is the reader's, and never removed. Both have the archive's own folders.
    """

    path: Path
    keep: bool = False

    @property
    def incoming(self) -> Path:
        """Where files lie until they are verified, and loaded unless they are kept."""
        return self.path / "incoming"

    def kept(self, archive: Archive) -> Path:
        """Return where a file lies that stays."""
        return self.path / archive.path

    def passing(self, archive: Archive) -> Path:
        """Return where a file lies that does not stay."""
        return self.incoming / archive.path

    def part(self, archive: Archive) -> Path:
        """Return where a file grows."""
        return self.passing(archive).with_name(f"{archive.name}.part")

    def discard(self, archive: Archive) -> None:
        """Remove what was brought of a file and is not to be kept."""
        self.passing(archive).unlink(missing_ok=True)
        self.part(archive).unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out of ``incoming``; at the end remove what of it is empty.

        Raises
        ------
        OSError
            If nothing can be written there.
        ValueError
            If another run is at it.
        """
        self.incoming.mkdir(parents=True, exist_ok=True)
        with _locked(self.incoming) as alone:
            if not alone:
                raise ValueError(
                    f"Another run is downloading into {self.path}; wait until it has ended, or "
                    "choose another folder"
                )
            try:
                yield
            finally:
                _remove_empty(self.incoming)


class Unverified(HttpError):
    """A file is not what its checksum says, or has none."""


@dataclass(slots=True)
class Progress:
    """How far downloads are; may be read at any time.

    Attributes
    ----------
    files, done, spared : int
        Files that are wanted, how many of them are settled, and how many of those without bringing
        anything.
    received, announced : dict of str to int
        Bytes that are there, and that there will be, by file.
    changed : callable
        Called, in the downloads' thread, whenever something changed.
    """

    files: int = 0
    done: int = 0
    spared: int = 0
    received: dict[str, int] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None

    @property
    def bytes(self) -> int:
        """Bytes that are there."""
        return sum(self.received.values())

    @property
    def expected(self) -> int:
        """Bytes that there will be; files that were not begun count as the others' mean."""
        left = max(self.files - self.spared - len(self.announced), 0)
        return round(sum(self.announced.values()) + left * self._mean)

    @property
    def part_done(self) -> float:
        """How much is done, from 0 to 1: of bytes where there are any, else of files."""
        if not self.announced:
            return self.done / self.files if self.files else 0.0
        # Else what was stored by an earlier run would begin the count anew.
        spared = self.spared * self._mean
        of = self.expected + spared
        return min((self.bytes + spared) / of, 1.0) if of else 0.0

    @property
    def _mean(self) -> float:
        return sum(self.announced.values()) / len(self.announced) if self.announced else 0.0

    def received_of(self, name: str, there: int, announced: int) -> None:
        """Note how many bytes of a file are there, of how many."""
        self.received[name], self.announced[name] = there, announced
        self.changed()

    def settled(self, name: str) -> None:
        """Note that nothing more comes of a file."""
        self.done += 1
        if name in self.announced:
            self.announced[name] = self.received[name]
        else:
            self.spared += 1
        self.changed()


class Downloads:
    """Brings files of the archive into a folder.

    Parameters
    ----------
    client : HttpClient
        Who asks.
    url : str
        Of the archive.
    folder : Folder
        Where files go.
    is_known : callable
        From a file and the hash of its content to whether that is stored already.
    progress : Progress
        Where to note how far it is.
    """

    def __init__(
        self,
        client: HttpClient,
        url: str,
        folder: Folder,
        is_known: Callable[[Archive, str], bool],
        progress: Progress,
    ) -> None:
        self._client, self._url, self._folder = client, url.rstrip("/"), folder
        self._is_known, self._progress = is_known, progress
        self._few = asyncio.Semaphore(AT_ONCE)
        self._failed_in_a_row = 0
        self._given_up: Unavailable | None = None

    async def obtain(self, archive: Archive) -> list[Obtained]:
        """Bring a file, or the days of a month that the archive has not as one.

        Raises
        ------
        Unavailable
            If the archive can't be asked for anything, or gives nothing of what it is asked for.
        OSError
            If files can't be written.
        """
        try:
            async with self._few:
                one = await self._ask_for(archive)
            self._failed_in_a_row = 0
        except NotFound:
            self._failed_in_a_row = 0
            if days := archive.days():
                self._progress.files += len(days) - 1
                return await self._all_of(days)
            one = Obtained(archive)
        except Unavailable as e:
            self._given_up = e
            raise
        except HttpError as e:
            self._count(e)
            one = Obtained(archive, failed=str(e))
        self._progress.settled(archive.path)
        return [one]

    async def _ask_for(self, archive: Archive) -> Obtained:
        """Bring a file, again where that may help; raise `Unavailable` if all is given up.

        Those that wait their turn would else be asked for until whoever loads them hears of it.
        """
        if self._given_up:
            raise self._given_up
        one: Obtained = await self._client.again(lambda: self._verified(archive))
        return one

    async def _all_of(self, days: Sequence[Archive]) -> list[Obtained]:
        begun = [asyncio.create_task(self.obtain(day)) for day in days]
        try:
            return [one for ones in await asyncio.gather(*begun) for one in ones]
        finally:
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    def _count(self, error: HttpError) -> None:
        """Note that a file failed; raise `Unavailable` where the next would fail, too."""
        of_host = error.status is None or error.status >= _SERVER_ERROR
        if isinstance(error, Unverified) or not of_host:
            self._failed_in_a_row = 0
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= MOST_IN_A_ROW:
            self._given_up = Unavailable(
                f"{MOST_IN_A_ROW} files in a row could not be had, so no more were asked for; the "
                f"last one: {error}"
            )
            raise self._given_up from error

    async def _verified(self, archive: Archive) -> Obtained:
        """Bring a file whose hash is that of the archive, once."""
        folder, digest = self._folder, await self._digest(archive)
        kept, passing, part = folder.kept(archive), folder.passing(archive), folder.part(archive)
        if await _has_hash(kept, digest):
            folder.discard(archive)
            return Obtained(archive, kept)
        if not folder.keep and self._is_known(archive, digest):
            folder.discard(archive)
            return Obtained(archive, known=True)
        if not await _has_hash(passing, digest):
            passing.parent.mkdir(parents=True, exist_ok=True)
            await self._bring(archive, part, digest)
            part.replace(passing)
        if not folder.keep:
            return Obtained(archive, passing)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.with_name(f"{kept.name}.CHECKSUM").write_text(f"{digest}  {kept.name}\n")
        passing.replace(kept)
        return Obtained(archive, kept)

    async def _digest(self, archive: Archive) -> str:
        """Return the hash that the archive says."""
        address = f"{self._url}/{archive.path}"
        try:
            text = await self._client.get_text(Request(f"{address}.CHECKSUM"))
        except NotFound:
            await self._client.ask(lambda: Request(address, method="HEAD"), _nothing)
            raise Unverified(
                f"{address}: expected a .CHECKSUM beside it, found none", again=True
            ) from None
        match = _CHECKSUM.fullmatch(text)
        if not match or match["name"] != archive.name:
            raise Unverified(
                f"{address}.CHECKSUM: expected a SHA-256 hash and {archive.name}, "
                f"found {printable(text)!r}",
                again=True,
            )
        return match["digest"].lower()

    async def _bring(self, archive: Archive, part: Path, digest: str) -> None:
        """Download what is missing of a file, and verify it."""
        if await _has_hash(part, digest):
            return
        address = f"{self._url}/{archive.path}"
        try:
            await self._client.ask(
                lambda: _rest_of(address, part), lambda answer: self._save(archive, part, answer)
            )
        except HttpError as e:
            if e.status != _RANGE_NOT_SATISFIABLE:
                raise
        found = await asyncio.to_thread(sha256, part)
        if found != digest:
            part.unlink()  # nobody knows which part of it is wrong
            raise Unverified(f"{address}: expected SHA-256 {digest}, found {found}", again=True)

    async def _save(self, archive: Archive, part: Path, answer: httpx.Response) -> None:
        """Write an answer to the part: at its end if it is the rest, else anew."""
        there = _begin(answer)
        if there and there != _size(part):
            part.unlink(missing_ok=True)
            raise HttpError(f"{answer.url}: expected the rest, found another part", again=True)
        announced = there + int(answer.headers.get("Content-Length", 0))
        # Unbuffered, so that what has come is there for the next run, however this one ends.
        with part.open("ab" if there else "wb", buffering=0) as file:
            async for size in _written(self._client.chunks(answer), file):
                there += size
                self._progress.received_of(archive.path, there, max(announced, there))


async def _written(chunks: AsyncIterator[bytes], file: BinaryIO) -> AsyncIterator[int]:
    """Write chunks as they come; yield their sizes."""
    async for chunk in chunks:
        view = memoryview(chunk)
        while view:  # an unbuffered file may take less than all
            view = view[file.write(view) :]
        yield len(chunk)


async def _nothing(_: httpx.Response) -> None:
    """Read nothing of an answer."""


async def _has_hash(path: Path, digest: str) -> bool:
    """Return whether there is a file with this content."""
    return path.is_file() and await asyncio.to_thread(sha256, path) == digest


def _rest_of(address: str, part: Path) -> Request:
    """Return what asks for what is missing; as it lies in the archive, not packed for the way."""
    headers = {"Accept-Encoding": "identity"}
    if size := _size(part):
        headers["Range"] = f"bytes={size}-"
    return Request(address, headers=headers)


def _begin(answer: httpx.Response) -> int:
    """Return where in the file an answer begins."""
    if answer.status_code != _PARTIAL:
        return 0
    match = _PART_OF.match(answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder for this process; yield whether no other one has it."""
    if sys.platform == "win32":
        yield True  # nothing can be said of a folder there
        return
    import fcntl

    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(opened)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it, but for such that hold something."""
    below = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    for path in (*below, folder):
        with suppress(OSError):
            path.rmdir()
