"""Markets computed by other processes: each reads a lake and leaves files, one process stores them.

A worker knows neither the database nor the others. It computes one market in a database of its own
in memory, with the same code that runs without workers, and its files appear in the folder of
results whole or not at all. So a worker that is lost costs the market that it was at.
"""

import atexit
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from app.errors import NoData
from app.precompute.jobs import Job
from app.precompute.program import program_version
from app.precompute.run import GROUP, Outcome, carry_out, make_plan, outdated_note, stored_series
from app.precompute.several import Failure
from ingest import snapshots
from ingest.errors import FileError
from ingest.lake import read_market
from ingest.snapshot_files import seed, take_files, write_files
from ingest.snapshots import Checkpoint, Piece, Series
from ingest.store import Store

_ASKED = 0.2  # seconds between two looks at whether to stop


@dataclass(frozen=True, slots=True)
class Task:
    """A job for a worker, with what the database knows of its series.

    Attributes
    ----------
    job : Job
        What is wanted.
    lake, results : Path
        Folders that the worker reads and writes.
    name : str
        Of its result in the folder.
    program : str
        Digest of the sources that gave it.
    series : Series or None
        What has been computed so far, None if nothing has.
    pieces : tuple of Piece
        Pieces of the series.
    checkpoint : tuple or None
        End (UTC), digest and file of the series' checkpoint, if it is to go on from one.
    """

    job: Job
    lake: Path
    results: Path
    name: str
    program: str
    series: Series | None
    pieces: tuple[Piece, ...]
    checkpoint: tuple[datetime, str, Path] | None


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker did: the outcome in its own database, and where its rows lie.

    ``checkpoint`` is where its new checkpoint stands (end of the last bar, digest), if it has one.
    """

    outcome: Outcome
    folder: Path | None
    checkpoint: tuple[datetime, str] | None


def make_task(store: Store, job: Job, lake: Path, results: Path) -> Task:
    """Return a job as a task for a worker, its checkpoint as a file in the folder of results."""
    name = uuid4().hex
    series, _ = stored_series(store, job)
    kept = snapshots.checkpoint(store, series) if series and job.incremental else None
    if kept:
        (results / f"{name}.npz").write_bytes(kept.content)
    return Task(
        job=job,
        lake=lake.resolve(),
        results=results.resolve(),
        name=name,
        program=program_version(),
        series=series,
        pieces=tuple(snapshots.pieces(store, series)) if series else (),
        checkpoint=(kept.stop, kept.inputs, results.resolve() / f"{name}.npz") if kept else None,
    )


def compute_market(task: Task) -> Result | Failure:
    """Compute one market of a lake and leave its rows in the folder of results.

    What is wrong with the market or the job is returned, so that it reaches the one who asked
    whatever becomes of exceptions on the way.
    """
    if task.program != program_version():
        versions = f"{program_version()}, and the one that asks is {task.program}"
        return Failure(
            task.job, ValueError(f"a worker runs another version of the program: it is {versions}")
        )
    try:
        with read_market(task.lake, task.job.exchange, task.job.symbol) as store:
            return _computed(store, task)
    except (NoData, FileError) as error:
        return Failure(task.job, NoData(str(error)))
    except (ValueError, OSError) as error:
        return Failure(task.job, ValueError(str(error)))


def _computed(store: Store, task: Task) -> Result:
    markets = store.markets()
    if not markets:
        raise NoData(f"No candles of {task.job.market} are in {task.lake}.")
    if task.series:
        known = snapshots.add_series(store, task.series)
        seed(store, known, task.pieces, _kept(task))
    outcome = carry_out(store, make_plan(store, markets[0], task.job))
    if not outcome.computed:
        return Result(outcome, None, None)
    new = snapshots.checkpoint(store, outcome.series)
    if new and task.checkpoint and (new.stop, new.inputs) == task.checkpoint[:2]:
        new = None
    folder = _appear(task, lambda unfinished: write_files(store, unfinished, new))
    return Result(outcome, folder, (new.stop, new.inputs) if new else None)


def _kept(task: Task) -> Checkpoint | None:
    if task.checkpoint is None:
        return None
    stop, inputs, file = task.checkpoint
    return Checkpoint(stop, inputs, file.read_bytes())


def _appear(task: Task, write: Callable[[Path], None]) -> Path:
    """Fill a folder that appears when it is complete, and return it."""
    unfinished = task.results / f".{task.name}.{uuid4().hex}"
    unfinished.mkdir()
    folder = task.results / task.name
    try:
        write(unfinished)
        unfinished.rename(folder)
    except OSError:
        # Somebody may have been given the same task, and been quicker: what he left is the same.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def store_result(store: Store, result: Result) -> Outcome:
    """Take a worker's rows into the database; return the outcome as it is there."""
    outcome = result.outcome
    series, outdated = stored_series(store, outcome.job)
    if series is None:
        new = replace(outcome.series, watermark=None, begin=None)
        series = snapshots.add_series(store, new, outdated)
    if result.folder is not None:
        kept = Checkpoint(*result.checkpoint, b"") if result.checkpoint else None
        take_files(store, series, result.folder, outcome.computed, kept, GROUP)
        shutil.rmtree(result.folder, ignore_errors=True)
    series = snapshots.mark_current(store, series, outcome.series)
    note = outcome.note or outdated_note(outcome.job, outdated)
    return replace(outcome, series=series, note=note)


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes that compute markets, and the errors by which they say that some were lost."""

    executor: Executor
    lost: tuple[type[Exception], ...]


def carry_out_apart(
    store: Store, tasks: Sequence[Task], workers: Workers, stopped: Callable[[], bool]
) -> Iterator[Outcome | Failure]:
    """Let workers compute tasks; store and yield each outcome when it is there.

    Raises
    ------
    KeyboardInterrupt
        If stopped.
    ChildProcessError
        If workers can't go on; what was finished is stored.
    """
    jobs = {workers.executor.submit(compute_market, task): task.job for task in tasks}
    waiting: set[Future[Result | Failure]] = set(jobs)
    try:
        while waiting:
            done, waiting = wait(waiting, timeout=_ASKED, return_when=FIRST_COMPLETED)
            for future in done:
                yield _stored(store, future, jobs[future], workers.lost)
            if stopped():
                raise KeyboardInterrupt
    finally:
        for future in waiting:
            future.cancel()


def _stored(
    store: Store,
    future: Future[Result | Failure],
    job: Job,
    lost: tuple[type[Exception], ...],
) -> Outcome | Failure:
    try:
        result = future.result()
    except lost as error:
        raise ChildProcessError(
            f"A worker ended while it computed {job.market} or another market: the system may have "
            "been out of memory. What was finished is stored, and the next run goes on; try fewer "
            "workers."
        ) from error
    return result if isinstance(result, Failure) else store_result(store, result)


@contextmanager
def local_workers(count: int) -> Iterator[Workers]:
    """Yield so many processes of this machine; those still at work in the end are ended."""
    # Never forked: rows that were committed in a forked process vanish (decision 0002).
    executor = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
    )
    try:
        yield Workers(executor, (BrokenProcessPool,))
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    executor.shutdown()


def _prepare() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # All has been handed over by then; taking the interpreter down makes DuckDB complain.
    atexit.register(os._exit, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
