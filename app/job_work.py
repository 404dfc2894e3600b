"""What a job does: fetch files of an archive, or ask an exchange."""

import asyncio
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from app.backfills import (
    ask_exchanges,
    backfill_failures,
    backfill_notes,
    backfill_works,
    outcomes_of,
)
from app.fetches import (
    ClientMaker,
    FetchStopped,
    FetchWish,
    fetch_files,
    missing_files,
    nothing_there,
)
from app.settings import Settings
from ingest.adapters.adapter import Adapter
from ingest.backfill import Progress as Requests
from ingest.backfill_jobs import Outcome
from ingest.backfill_plan import KINDS, Wish
from ingest.files.downloading import Folder
from ingest.files.downloading import Progress as Downloads
from ingest.files.fetching import Cancellation, Cancelled, Fetched
from ingest.files.vision import EXCHANGE, Archive
from ingest.store import Store


class Failed(Exception):
    """It ended early, or nothing could be loaded; the message is a sentence that says why."""


@dataclass(slots=True)
class Report:
    """How far a job is; its thread writes, others read.

    Attributes
    ----------
    part : float
        How much is done, from 0 to 1.
    detail : str
        The same in words.
    rows : int
        Rows that are new to the database.
    notes : list of str
        Sentences on what there is not.
    failed : str
        Why a part could not be had.
    """

    part: float = 0.0
    detail: str = ""
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job puts what it loads, and who asks for that."""

    store: Store
    settings: Settings
    client: ClientMaker


class Work(Protocol):
    """What a job does; done once."""

    @property
    def exchange(self) -> str:
        """Whose data."""

    @property
    def title(self) -> str:
        """What is loaded, for readers."""

    def run(self, place: Place, report: Report, now: datetime) -> None:
        """Load it; raises `Cancelled`, or `Failed` where it ended early or nothing came."""

    def cancel(self) -> None:
        """Stop it, from another thread."""


class FetchWork:
    """Files of Binance's archive."""

    exchange = EXCHANGE

    def __init__(self, wish: FetchWish, folder: Path) -> None:
        self._wish, self._folder = wish, folder
        self._cancellation = Cancellation()

    @property
    def title(self) -> str:
        """What is loaded."""
        archives = self._wish.archives
        kinds = ", ".join(dict.fromkeys(archive.series.name for archive in archives))
        first, stop = _ends(archives)
        return f"Archive: {archives[0].symbol}, {kinds}, {first} up to {stop}"

    def run(self, place: Place, report: Report, now: datetime) -> None:
        """Fetch and load the files."""
        progress, fetched, stopped = Downloads(), list[Fetched](), ""

        def show() -> None:
            report.part = progress.part_done
            report.detail = f"{progress.done:,} of {progress.files:,} files"

        progress.changed = show
        files = fetch_files(
            place.store,
            place.settings,
            self._wish.archives,
            Folder(self._folder),
            progress,
            place.client,
            self._cancellation,
        )
        with closing(files) as found:
            try:
                for one in found:
                    fetched.append(one)
                    report.rows += one.loaded.added if one.loaded else 0
            except FetchStopped as e:
                stopped = str(e)
        today = now.date()
        report.notes = [*self._wish.notes, *missing_files(fetched, today)]
        report.failed = _first_failure(fetched)
        in_vain = "" if any(one.loaded for one in fetched) else report.failed
        if failed := stopped or in_vain or nothing_there(fetched, today):
            raise Failed(failed)

    def cancel(self) -> None:
        """Stop the downloads."""
        self._cancellation.cancel()


class BackfillWork:
    """What an exchange itself keeps of a market."""

    def __init__(self, adapter: Adapter, wish: Wish) -> None:
        self._adapter, self._wish = adapter, wish
        self._lock = threading.Lock()
        self._cancelled = False
        self._asking: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None

    @property
    def exchange(self) -> str:
        """Whom to ask."""
        return self._adapter.exchange

    @property
    def title(self) -> str:
        """What is loaded."""
        days = (self._wish.stop - self._wish.start).days
        return f"History: {self._wish.symbol}, the last {days:,} {'day' if days == 1 else 'days'}"

    def run(self, place: Place, report: Report, now: datetime) -> None:
        """Ask for all that is not stored yet."""
        works = backfill_works(place.store, [self._adapter], self._wish, list(KINDS), now)
        outcomes, progress = outcomes_of(works), Requests()
        report.notes = backfill_notes(outcomes)

        def answered() -> int:
            return progress.done - progress.dropped

        def show() -> None:
            report.part = progress.done / progress.total if progress.total else 0.0
            report.detail = f"{answered():,} of {progress.total:,} requests"
            report.rows = sum(one.added for one in outcomes)

        async def ask() -> None:
            task = asyncio.current_task()
            if task and self._may_begin(task):
                await ask_exchanges(place.store, place.settings, works, progress, place.client)

        progress.changed = show
        try:
            asyncio.run(ask())
        except asyncio.CancelledError:
            raise Cancelled from None
        finally:
            self._asking = None
            show()
            report.part = answered() / progress.total if progress.total else 0.0
        if self._cancelled:
            raise Cancelled
        report.failed = " ".join(backfill_failures(outcomes))
        if report.failed and not any(_has_come(one) for one in outcomes):
            raise Failed(report.failed)

    def cancel(self) -> None:
        """Stop asking."""
        with self._lock:
            self._cancelled = True
            if self._asking:
                loop, task = self._asking
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(task.cancel)

    def _may_begin(self, task: asyncio.Task[None]) -> bool:
        with self._lock:
            self._asking = (asyncio.get_running_loop(), task)
            return not self._cancelled


def _ends(archives: tuple[Archive, ...]) -> tuple[date, date]:
    return min(a.first for a in archives), max(a.stop for a in archives)


def _first_failure(fetched: list[Fetched]) -> str:
    failed = [one.failed for one in fetched if one.failed]
    if not failed:
        return ""
    more = f" So did {len(failed) - 1:,} more." if len(failed) > 1 else ""
    return f"Failed: {failed[0]}.{more}"


def _has_come(outcome: Outcome) -> bool:
    return bool(outcome.added) or not (outcome.failed or outcome.not_offered)
