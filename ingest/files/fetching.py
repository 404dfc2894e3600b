"""Fetch files of Binance's archive straight into the database."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from ingest.errors import FileError
from ingest.files.downloading import Downloads, Folder, Obtained, Progress
from ingest.files.ingestion import scratch_folder
from ingest.files.loading import Loaded, known, load
from ingest.files.vision import Archive
from ingest.http import HttpClient
from ingest.store import Store

_AHEAD = 16
"""Files that are begun before the oldest of them is handed over."""

_WAITING = 4
"""Lists of files that wait to be loaded; with more the downloads wait, lest they fill the disk."""

_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one file.

    Attributes
    ----------
    archive : Archive
        The file.
    loaded : Loaded or None
        What it brought; None where it is not in the archive or failed.
    failed : str
        Why it could not be had or loaded.
    size : int
        Bytes that were loaded.
    """

    archive: Archive
    loaded: Loaded | None = None
    failed: str = ""
    size: int = 0

    @property
    def missing(self) -> bool:
        """Whether the archive has no such file."""
        return not (self.loaded or self.failed)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where files come from.

    Attributes
    ----------
    url : str
        Of the archive.
    client : callable
        Makes who asks; called in the event loop that it is to be used in.
    """

    url: str
    client: Callable[[], HttpClient]


class Cancelled(Exception):
    """Somebody else has stopped it."""


class Cancellation:
    """Lets another thread stop a fetch, at once but for a file that is just being loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._stop: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Stop it, or keep it from beginning."""
        with self._lock:
            self._cancelled = True
            if self._stop:
                self._stop()

    def check(self) -> None:
        """Raise `Cancelled` if it is to stop."""
        if self._cancelled:
            raise Cancelled

    def stop_by(self, stop: Callable[[], None]) -> None:
        """Name what makes the fetch look."""
        with self._lock:
            self._stop = stop
            if self._cancelled:
                stop()


def fetch(
    store: Store,
    archives: Sequence[Archive],
    origin: Origin,
    folder: Folder,
    progress: Progress | None = None,
    cancellation: Cancellation | None = None,
) -> Generator[Fetched, None, None]:
    """Bring files and load them as they come, in their order; yield what came of each.

    Downloads go on in a thread of their own while files are loaded in the caller's, where Ctrl-C
    arrives. Close the iterator to stop them.

    Parameters
    ----------
    store : Store
        Where rows go.
    archives : sequence of Archive
        Which files. Days stand for a month that the archive has not as one.
    origin : Origin
        Where files come from.
    folder : Folder
        Where they lie meanwhile, or stay.
    progress : Progress, optional
        Where to note how far it is.
    cancellation : Cancellation, optional
        By which another thread may stop it.

    Raises
    ------
    Cancelled
        If another thread has stopped it.
    HttpError
        If the archive can't be asked for anything, at present or at all.
    OSError
        If files can't be written.
    StoreError
        If the database can't take them.
    """
    progress, cancellation = progress or Progress(), cancellation or Cancellation()
    progress.files = len(archives)

    def is_known(archive: Archive, digest: str) -> bool:
        with store.cursor() as cursor:
            return known(cursor, archive.source(folder.passing(archive)), digest)

    async def bring(hand_over: _HandOver) -> None:
        async with origin.client() as client:
            downloads = Downloads(client, origin.url, folder, is_known, progress)
            await _in_order(downloads, archives, hand_over)

    cancellation.check()
    with folder.held(), scratch_folder(store) as scratch, _background(bring) as background:
        cancellation.stop_by(lambda: background.end(Cancelled()))
        for obtained in background:
            for one in obtained:
                cancellation.check()
                yield _settle(store, one, scratch, folder)


def _settle(store: Store, one: Obtained, scratch: Path, folder: Folder) -> Fetched:
    """Load a file that was brought, and remove it unless it stays."""
    if one.known:
        source = one.archive.source(folder.passing(one.archive))
        return Fetched(one.archive, Loaded(source, known=True))
    if one.path is None:
        return Fetched(one.archive, failed=one.failed)
    size = one.path.stat().st_size
    try:
        loaded = load(store, one.archive.source(one.path), scratch)
        fetched = Fetched(one.archive, loaded, size=size)
    except FileError as e:
        fetched = Fetched(one.archive, failed=str(e))
    folder.discard(one.archive)
    return fetched


class _HandOver:
    """Takes lists of files from the downloads' thread to the caller's, a few at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._room = asyncio.Semaphore(_WAITING)
        self._lists: SimpleQueue[list[Obtained] | BaseException | None] = SimpleQueue()

    async def put(self, obtained: list[Obtained]) -> None:
        """Give a list when there is room, in the downloads' thread."""
        await self._room.acquire()
        self._lists.put(obtained)

    def end(self, error: BaseException | None) -> None:
        """Say that nothing more comes, and why."""
        self._lists.put(error)

    def __iter__(self) -> Iterator[list[Obtained]]:
        """Yield the lists, in the caller's thread; raise why nothing more comes."""
        while (given := self._lists.get()) is not None:
            if isinstance(given, BaseException):
                raise given
            yield given
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._room.release)


async def _in_order(
    downloads: Downloads, archives: Sequence[Archive], hand_over: _HandOver
) -> None:
    """Bring some files at once and hand them over in their order.

    So the database ends the same whichever comes first.
    """
    begun: deque[asyncio.Task[list[Obtained]]] = deque()
    try:
        for archive in archives:
            begun.append(asyncio.create_task(downloads.obtain(archive)))
            if len(begun) == _AHEAD:
                await hand_over.put(await begun[0])
                begun.popleft()
        while begun:
            await hand_over.put(await begun[0])
            begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


@contextmanager
def _background(
    bring: Callable[[_HandOver], Coroutine[None, None, None]],
) -> Iterator[_HandOver]:
    """Yield what hands over the files that are brought in a thread; stop that at the end."""
    loop = asyncio.new_event_loop()
    hand_over = _HandOver(loop)
    task = loop.create_task(bring(hand_over))
    thread = threading.Thread(
        target=_run, args=(loop, task, hand_over), name="downloads", daemon=True
    )
    thread.start()
    try:
        yield hand_over
    finally:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join(_END_SECONDS)


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], hand_over: _HandOver) -> None:
    error: BaseException | None = None
    try:
        loop.run_until_complete(task)
    except BaseException as e:  # raised again in the caller's thread
        error = e
    hand_over.end(error)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
