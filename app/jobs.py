"""Loading of data that readers of the Data page ask for, in the serving process."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Literal

from app.backfills import Clock, backfill_adapters, backfill_wish, now_utc
from app.fetches import ClientMaker, archive_folder, fetch_wish
from app.http_client import make_client
from app.job_work import BackfillWork, Failed, FetchWork, Place, Report, Work
from app.server import is_loopback
from app.settings import Settings
from ingest.files.fetching import Cancelled
from ingest.store import Store, StoreError

logger = logging.getLogger(__name__)

MOST_ACTIVE = 12
"""Jobs that may run or wait."""

MOST_KEPT = 40
"""Jobs that are remembered."""

MOST_FILES = 4000
MOST_DAYS = 400

FETCHED_KINDS = ("klines", "metrics", "fundingRate", "markPriceKlines")
"""Of the archive; trades are for the command line, for they take gigabytes."""

INTERVAL = "5m"
_STOP_SECONDS = 30.0
_SOON = 2.0

JobStateName = Literal["waiting", "running", "done", "failed", "cancelled"]

ENDED: frozenset[JobStateName] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """One job at one moment.

    Attributes
    ----------
    number : int
        By which it is cancelled.
    exchange, title : str
        Whose data, and what is loaded.
    state : str
        ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``.
    part : float
        How much is done, from 0 to 1.
    detail : str
        The same in words.
    rows : int
        Rows that are new to the database.
    seconds_left : float or None
        Time that it will take yet; None where that is not known. [s]
    error : str
        Why it failed, or a part of it; a sentence.
    notes : tuple of str
        Sentences on what there is not.
    """

    number: int
    exchange: str
    title: str
    state: JobStateName
    part: float
    detail: str
    rows: int
    seconds_left: float | None
    error: str
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Job:
    number: int
    make: Callable[[], Work]
    work: Work
    state: JobStateName = "waiting"
    report: Report = field(default_factory=Report)
    error: str = ""
    began: float = 0.0
    thread: threading.Thread | None = None


class Jobs:
    """Fetches and backfills: of each exchange one at a time, the others wait.

    A job goes on when the page is closed. What it loaded stays when it is cancelled, and the same
    job started again goes on with the rest. Safe to use from several threads.

    Parameters
    ----------
    store : Store
        Where rows go.
    settings : Settings
        Where archives and exchanges are asked.
    client : callable
        Makes who asks.
    now : callable
        Returns the time, aware.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        client: ClientMaker = make_client,
        now: Clock = now_utc,
    ) -> None:
        self._place, self._now = Place(store, settings, client), now
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._last = 0
        self.refusal = _refusal(store, settings)
        """Why no job may be started; empty if one may."""

    def add_fetch(self, symbol: str, kinds: str, start: str, stop: str | None) -> int:
        """Fetch files of Binance's archive; return the job's number.

        Raises
        ------
        ValueError
            If they can't be had, or there are too many jobs; a sentence that says so.
        """
        if not set(kinds.split(",")) <= set(FETCHED_KINDS):
            raise ValueError(f"kinds must be of {', '.join(FETCHED_KINDS)}, but are {kinds or '-'}")
        today = self._now().date()
        wish = fetch_wish(symbol, kinds, INTERVAL, start, stop or None, today)
        if not wish.archives:
            raise ValueError(" ".join(wish.notes))
        if len(wish.archives) > MOST_FILES:
            raise ValueError(
                f"at most {MOST_FILES:,} files are fetched at once, but these are "
                f"{len(wish.archives):,}; take a shorter range"
            )
        folder = archive_folder(self._place.settings)
        return self._add(lambda: FetchWork(wish, folder))

    def add_backfill(self, exchange: str, symbol: str, days: int) -> int:
        """Ask an exchange for the last days of a market; return the job's number.

        Raises
        ------
        ValueError
            If that can't be had, or there are too many jobs; a sentence that says so.
        """
        if not 1 <= days <= MOST_DAYS:
            raise ValueError(f"days must be from 1 to {MOST_DAYS}, but are {days}")
        (adapter,) = backfill_adapters(exchange, self._place.settings)

        def make() -> Work:
            now = self._now()  # when a job is started again, the last days are other ones
            wish = backfill_wish(symbol, INTERVAL, now - timedelta(days=days), now)
            return BackfillWork(adapter, wish)

        return self._add(make)

    def again(self, number: int) -> int:
        """Start a job that has ended once more; return the new one's number."""
        with self._lock:
            make = self._find(number).make
        return self._add(make)

    def cancel(self, number: int) -> None:
        """Stop a job that runs or waits."""
        with self._lock:
            self._cancel(self._find(number))

    def states(self) -> list[JobState]:
        """Return all jobs that are remembered, the newest first."""
        with self._lock:
            return [_state(job) for job in reversed(self._jobs)]

    def stop(self) -> None:
        """Cancel what is running and waiting, and wait until it has ended."""
        with self._lock:
            self.refusal = "The server is being stopped."
            for job in self._jobs:
                self._cancel(job)
            threads = [job.thread for job in self._jobs if job.thread]
        for thread in threads:
            thread.join(_STOP_SECONDS)

    def _add(self, make: Callable[[], Work]) -> int:
        work = make()
        with self._lock:
            if self.refusal:
                raise ValueError(self.refusal)
            active = [job for job in self._jobs if job.state not in ENDED]
            for job in active:
                if (job.work.exchange, job.work.title) == (work.exchange, work.title):
                    raise ValueError("that is being loaded already")
            if len(active) >= MOST_ACTIVE:
                raise ValueError(f"{MOST_ACTIVE} jobs run or wait, which is the most; wait for one")
            self._last += 1
            self._jobs.append(_Job(self._last, make, work))
            self._forget()
            self._start_next(work.exchange)
            return self._last

    def _find(self, number: int) -> _Job:
        for job in self._jobs:
            if job.number == number:
                return job
        raise ValueError(f"there is no job {number} any more")

    def _forget(self) -> None:
        """Forget the oldest jobs that have ended."""
        ended = [job for job in self._jobs if job.state in ENDED]
        for job in ended[: max(len(self._jobs) - MOST_KEPT, 0)]:
            self._jobs.remove(job)

    def _cancel(self, job: _Job) -> None:
        if job.state == "waiting":
            job.state = "cancelled"
        elif job.state == "running":
            job.work.cancel()

    def _start_next(self, exchange: str) -> None:
        of_exchange = [job for job in self._jobs if job.work.exchange == exchange]
        if any(job.state == "running" for job in of_exchange):
            return
        waiting = next((job for job in of_exchange if job.state == "waiting"), None)
        if waiting:
            waiting.state, waiting.began = "running", monotonic()
            waiting.thread = threading.Thread(
                target=self._run, args=(waiting,), name=f"job-{exchange}", daemon=True
            )
            waiting.thread.start()

    def _run(self, job: _Job) -> None:
        state, error = self._outcome(job)
        with self._lock:
            job.state, job.error = state, error
            self._start_next(job.work.exchange)

    def _outcome(self, job: _Job) -> tuple[JobStateName, str]:
        try:
            job.work.run(self._place, job.report, self._now())
        except Cancelled:
            return "cancelled", ""
        except (Failed, StoreError, ValueError) as e:
            return "failed", as_sentence(str(e))
        except Exception as e:
            logger.error("job %s failed", job.work.title, exc_info=e)
            return "failed", "Something went wrong; the server's log says what."
        return "done", job.report.failed


def as_sentence(text: str) -> str:
    """Return an error's words as a sentence for a page, which has no options."""
    text = text.replace("--", "")
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _refusal(store: Store, settings: Settings) -> str:
    if store.is_simulated():
        return "This is the simulated market, which real data must not mix with."
    if not (settings.api_token or settings.login or is_loopback(settings.host)):
        return (
            "This server answers anybody who reaches it, so data are loaded by its command line "
            "only; with a token or a log-in set they are loaded here, too."
        )
    return ""


def _state(job: _Job) -> JobState:
    report = job.report
    running = job.state == "running"
    return JobState(
        number=job.number,
        exchange=job.work.exchange,
        title=job.work.title,
        state=job.state,
        part=1.0 if job.state == "done" else report.part,
        detail=report.detail,
        rows=report.rows,
        seconds_left=_seconds_left(job) if running else None,
        error=job.error,
        notes=tuple(report.notes),
    )


def _seconds_left(job: _Job) -> float | None:
    spent, part = monotonic() - job.began, job.report.part
    if spent < _SOON or part <= 0.0:
        return None
    return spent * (1.0 - part) / part
