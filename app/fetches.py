"""Fetching of archives, as the command line and the pages do it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from app.http_client import make_client
from app.settings import Settings
from ingest.files import vision
from ingest.files.downloading import Folder, Progress
from ingest.files.fetching import Cancellation, Fetched, Origin, fetch
from ingest.files.vision import Archive, Series
from ingest.http import HttpClient, HttpError
from ingest.store import Store

LISTED = 20
"""Spans of missing files that are listed."""

ClientMaker = Callable[[Settings], HttpClient]


class FetchStopped(Exception):
    """Files can't be had, or not be written; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class FetchWish:
    """Which files are wanted.

    Attributes
    ----------
    archives : tuple of Archive
        The files.
    notes : tuple of str
        Sentences about what of the range lies outside the archive.
    """

    archives: tuple[Archive, ...]
    notes: tuple[str, ...]


def fetch_wish(
    symbol: str, kinds: str, interval: str, start: str, stop: str | None, today: date
) -> FetchWish:
    """Return the files that what a reader wrote stands for.

    Raises
    ------
    ValueError
        If something of it can't be; the sentence names the option.
    """
    first, after = vision.parse_range(start, stop, today)
    series = vision.parse_series(kinds)
    market, spacing = vision.parse_symbol(symbol), vision.check_interval(interval)
    archives = [
        archive for one in series for archive in vision.archives(one, market, spacing, first, after)
    ]
    notes = filter(None, (vision.outside(one, first, after) for one in series))
    return FetchWish(tuple(archives), tuple(notes))


def fetch_files(
    store: Store,
    settings: Settings,
    archives: Sequence[Archive],
    folder: Folder,
    progress: Progress,
    client: ClientMaker = make_client,
    cancellation: Cancellation | None = None,
) -> Generator[Fetched, None, None]:
    """Bring files and load them; yield what came of each.

    Close the iterator to stop it, or use ``cancellation`` from another thread; what is settled
    stays.

    Raises
    ------
    Cancelled
        If another thread has stopped it.
    FetchStopped
        If the archive can't be asked for anything, or files can't be written.
    ValueError
        If another run is at the folder.
    StoreError
        If the database can't take the rows.
    """
    origin = Origin(settings.vision_url, lambda: client(settings))
    try:
        with closing(fetch(store, archives, origin, folder, progress, cancellation)) as found:
            yield from found
    except HttpError as e:
        raise FetchStopped(f"{e}.") from e
    except OSError as e:
        raise FetchStopped(f"{e.filename or folder.path}: {e.strerror or e}.") from e


def by_series(fetched: Sequence[Fetched]) -> list[tuple[Series, list[Fetched]]]:
    """Return what came, by series in their order."""
    found: dict[Series, list[Fetched]] = {}
    for one in fetched:
        found.setdefault(one.archive.series, []).append(one)
    return list(found.items())


def missing_files(fetched: Sequence[Fetched], today: date) -> Iterator[str]:
    """Yield a sentence for each span of files that the archive has not, and why that is likely."""
    for series, ones in by_series(fetched):
        reasons: dict[str, list[Archive]] = {}
        for one in ones:
            if one.missing:
                reasons.setdefault(vision.why_missing(one.archive, today), []).append(one.archive)
        for why, missing in reasons.items():
            yield f"Not in the archive: {series.name} of {_listed(missing)} ({why})."


def nothing_there(fetched: Sequence[Fetched], today: date) -> str:
    """Return a sentence if the archive has none of the files, empty if it has some."""
    if not fetched or not all(one.missing for one in fetched):
        return ""
    said = f"Nothing of {fetched[0].archive.symbol} is there for these days"
    reasons = {vision.why_missing(one.archive, today) for one in fetched}
    spelled = ": check how the symbol is spelled" if vision.NEVER_THERE in reasons else ""
    return f"{said}{spelled}."


def _listed(missing: Sequence[Archive]) -> str:
    days = [
        f"{first}"
        if (last := stop.toordinal() - 1) == first.toordinal()
        else f"{first} to {first.fromordinal(last)}"
        for first, stop in vision.spans(missing)
    ]
    more = f" and {len(days) - LISTED:,} more" if len(days) > LISTED else ""
    return ", ".join(days[:LISTED]) + more


def archive_folder(settings: Settings) -> Path:
    """Return where files lie until they are loaded when nobody said where."""
    return settings.database.parent / "archives"
