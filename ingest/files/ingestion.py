"""Load many files: find them, load each, go on after a bad one."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import FileError, NotRead
from ingest.files.archives import DEFAULT_LIMITS, Limits
from ingest.files.loading import Loaded, load
from ingest.files.recognise import NOTHING_TOLD, SUFFIXES, Source, Told, recognise
from ingest.store import Store


@dataclass(frozen=True, slots=True)
class Found:
    """Files to load, and those that were passed over or can't be loaded.

    Attributes
    ----------
    sources : tuple of Source
        Files and what they hold, in the order of their names.
    passed : tuple of FileError
        Files in folders that are none of those that are read.
    bad : tuple of FileError
        What was asked for by name and is not there or not readable.
    """

    sources: tuple[Source, ...]
    passed: tuple[FileError, ...]
    bad: tuple[FileError, ...]


def find(paths: Iterable[Path], told: Told = NOTHING_TOLD) -> Found:
    """Recognise the files at these paths, and in the folders among them."""
    sources: dict[Path, Source] = {}
    passed: list[FileError] = []
    bad: list[FileError] = []
    for given in paths:
        if not given.exists():
            bad.append(FileError(given, "a file or a folder", "nothing there"))
        for path in _files(given):
            try:
                sources.setdefault(path.resolve(), recognise(path, told))
            except NotRead as e:
                (bad if path == given else passed).append(e)
            except FileError as e:
                bad.append(e)
    return Found(tuple(sources.values()), tuple(passed), tuple(bad))


def load_all(
    store: Store,
    sources: Sequence[Source],
    *,
    keep_trades: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Loaded | FileError]:
    """Load files one after the other; yield what came of each, good or bad.

    ``progress`` is told how many bytes of a long file have been read.
    """
    with scratch_folder(store) as scratch:
        for source in sources:
            try:
                yield load(
                    store,
                    source,
                    scratch,
                    keep_trades=keep_trades,
                    limits=limits,
                    progress=progress,
                )
            except FileError as e:
                yield e


@contextmanager
def scratch_folder(store: Store) -> Iterator[Path]:
    """Yield a folder to unpack in, beside the database where there is one.

    A killed run leaves its folder behind, and the next one takes it over.
    """
    scratch = store.unpack_folder
    if scratch is None:
        with tempfile.TemporaryDirectory(prefix="liqheat-") as folder:
            yield Path(folder)
        return
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _files(given: Path) -> list[Path]:
    """Return the path itself, or the files below it that could be read."""
    if not given.is_dir():
        # Beside each archive lies its checksum, and ``*.zip*`` takes in both.
        return [given] if given.exists() and given.suffix != ".CHECKSUM" else []
    return sorted(
        path
        for path in given.rglob("*")
        if path.name.lower().endswith(SUFFIXES)
        and not path.name.startswith(".")
        and not path.is_dir()
    )
