"""Several markets: which there are, and one job after another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app import __version__
from app.errors import NoData
from app.precompute.jobs import Job
from app.precompute.run import Outcome, Plan, carry_out, make_plan
from ingest.lake import Lake
from ingest.lake_export import write_lake
from ingest.snapshots import Piece
from ingest.store import Store


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that can't be done, and why."""

    job: Job
    error: Exception


@dataclass(frozen=True, slots=True)
class Stored:
    """A market that is stored, and whether it has open interest to make a map of."""

    exchange: str
    symbol: str
    is_mapped: bool


def stored_markets(store: Store) -> list[Stored]:
    """Return the markets of a database."""
    return [Stored(market.exchange, market.symbol, market.is_mapped) for market in store.markets()]


def markets_of_lake(folder: Path) -> list[Stored]:
    """Return the markets of a lake; `FileError` if it is none."""
    return [
        Stored(
            exchange, symbol, all(market.rows.get(kind) for kind in ("candles", "open_interest"))
        )
        for (exchange, symbol), market in sorted(Lake.open(folder).markets.items())
    ]


def make_lake(store: Store, jobs: Sequence[Job], folder: Path) -> Path:
    """Write the markets of jobs as a lake into a folder, and return where it is."""
    symbols = {job.symbol for job in jobs}
    lake = folder / "lake"
    write_lake(
        store,
        lake,
        exchanges=sorted({job.exchange for job in jobs}),
        symbol=symbols.pop() if len(symbols) == 1 else None,
        program_version=__version__,
        now=datetime.now(UTC),
    )
    return lake


def unfinished_jobs(
    store: Store, jobs: Sequence[Job]
) -> tuple[list[Job], list[Outcome], list[Failure]]:
    """Return which jobs have something left to do, the outcomes of the others, and failures."""
    plans, failed = plan_all(store, jobs)
    done = [carry_out(store, plan) for plan in plans if not plan.missing]
    return [plan.job for plan in plans if plan.missing], done, failed


def plan_all(store: Store, jobs: Sequence[Job]) -> tuple[list[Plan], list[Failure]]:
    """Return what is to be done for each job, and which can't be done."""
    markets = {(market.exchange, market.symbol): market for market in store.markets()}
    plans: list[Plan] = []
    failed: list[Failure] = []
    for job in jobs:
        try:
            plans.append(make_plan(store, markets[job.exchange, job.symbol], job))
        except (NoData, ValueError) as error:
            failed.append(Failure(job, error))
    return plans, failed


def carry_out_all(
    store: Store,
    plans: Sequence[Plan],
    computed: Callable[[Piece], None],
    stopped: Callable[[], bool],
) -> Iterator[Outcome | Failure]:
    """Carry out plans one after the other; `app.precompute.run.carry_out` says with what."""
    for plan in plans:
        if stopped():
            raise KeyboardInterrupt
        try:
            yield carry_out(store, plan, computed, stopped)
        except (NoData, ValueError) as error:
            yield Failure(plan.job, error)
