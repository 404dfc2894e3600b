"""``liqheat precompute``: snapshots of maps, stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.assumptions import Assumptions
from app.cli.assuming import assuming
from app.cli.options import (
    Database,
    Exchanges,
    load_settings,
    open_existing,
    parse_interval,
    parse_names,
    parse_span,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from app.precompute.jobs import Job
    from app.precompute.run import Outcome
    from app.precompute.several import Failure
    from app.settings import Settings
    from ingest.store import Store


@assuming
def precompute(
    assumptions: Assumptions,
    symbol: Annotated[str, typer.Option(help="For example BTCUSDT; all that are stored.")] = "",
    exchanges: Exchanges = "",
    start: Annotated[
        str, typer.Option(help="First day, ISO 8601, UTC; where the data begin.")
    ] = "",
    stop: Annotated[str, typer.Option(help="End of the last day; where the data end.")] = "",
    interval: Annotated[
        str, typer.Option(help="Time between snapshots, dividing the day: 5m, 1h, 1d.")
    ] = "1h",
    bins: Annotated[
        int, typer.Option(min=1, max=20_000, help="Price buckets over the range of the candles.")
    ] = 400,
    bucket_width: Annotated[
        float | None, typer.Option(help="Width of the buckets in quote, instead of --bins.")
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Store every opening, closing and liquidation too.")
    ] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Go on from the last run's checkpoint.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, each computing one market at a time.")
    ] = None,
    lake: Annotated[
        Path | None,
        typer.Option(help="Lake to compute from; for workers one is made of the database."),
    ] = None,
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler whose workers compute: tcp://….")
    ] = "",
    results: Annotated[
        Path | None,
        typer.Option(help="Folder that all workers see; by default one beside the database."),
    ] = None,
    database: Database = None,
) -> None:
    """Compute snapshots of maps and store them in the database.

    A snapshot is the state of a map at the end of an interval: notional open
    and liquidated by price bucket and side. It is computed day by day. Days
    that are there already, from the same data, are not computed again, and a
    run that was stopped or killed goes on where it was. The snapshots are in
    the tables liquidation_snapshots and snapshot_totals.

    With --workers or --scheduler, other processes compute and this one stores
    what they leave in a folder. Workers on other machines need --lake and
    --results in folders that they share.
    """
    settings = load_settings(database=database)
    _check(bucket_width, workers, lake, scheduler, results)
    from app.market_choice import choose_markets
    from app.precompute.jobs import Job
    from app.precompute.several import markets_of_lake, stored_markets

    first, last = parse_span(start, stop)
    common: dict[str, Any] = {
        "model": assumptions.assumed(),
        "interval": parse_interval(interval),
        "bins": bins,
        "width": bucket_width,
        "start": first,
        "stop": last,
        "events": events,
        "incremental": incremental,
        "warmup_days": settings.warmup_days,
    }
    _check_span(common["start"], common["stop"], common["interval"])
    with _open(settings, lake) as store:
        stored = stored_markets(store) if lake is None else markets_of_lake(lake)
        where = str(lake or settings.database)
        assumed = common["model"].parameters
        chosen = choose_markets(stored, symbol.upper(), parse_names(exchanges), assumed, where)
        jobs = [Job(market.exchange, market.symbol, **common) for market in chosen]
        if workers is None and lake is None and not scheduler:
            outcomes, failures = _compute_here(store, jobs)
        else:
            folder = results or settings.database.with_name(f"{settings.database.name}.precomputed")
            outcomes, failures = _compute_apart(
                store, jobs, lake, folder, workers or 1, scheduler, keep=results is not None
            )
    _report(outcomes, failures)
    if failures:
        raise typer.Exit(1)


def _check(
    width: float | None,
    workers: int | None,
    lake: Path | None,
    scheduler: str,
    results: Path | None,
) -> None:
    """Refuse options that make no sense, alone or together."""
    from math import isfinite

    if width is not None and not (width > 0.0 and isfinite(width)):
        raise ValueError(f"--bucket-width must be a positive price, but is {width:g}")
    if scheduler and workers is not None:
        raise ValueError(
            "--workers is about processes of this machine, and --scheduler about a cluster's; "
            "choose one of them"
        )
    if results is not None and not (scheduler or workers or lake):
        raise ValueError("--results is for --workers and --scheduler; leave it out, or add one")


def _check_span(start: datetime | None, stop: datetime | None, interval: timedelta) -> None:
    """Refuse once what else each market would refuse."""
    if start and stop and not start < stop:
        raise ValueError(
            f"start must be before stop, but is {start.isoformat()} and stop is {stop.isoformat()}"
        )
    if timedelta(days=1) % interval:
        raise ValueError(f"interval must divide the day, but is {_length(interval)}; 1d is longest")


def _open(settings: "Settings", lake: Path | None) -> "Store":
    from ingest.store import Store

    return open_existing(settings.database) if lake is None else Store.open(settings.database)


def _compute_here(store: "Store", jobs: "Sequence[Job]") -> "tuple[list[Outcome], list[Failure]]":
    """Compute one job after another under a progress bar that grows with their days."""
    from rich.console import Console

    from app.precompute.several import Failure, carry_out_all, plan_all
    from app.precompute.stopping import stop_on_interrupt

    console = Console(stderr=True)
    outcomes: list[Outcome] = []
    plans, failures = plan_all(store, jobs)
    total = sum(len(plan.missing) for plan in plans)
    done = 0
    with stop_on_interrupt() as stopped, _progress(console, "days") as bar:
        task = bar.add_task("Computing", total=total)

        def advance(piece: object) -> None:
            nonlocal done
            done += 1
            bar.advance(task)

        try:
            for result in carry_out_all(store, plans, advance, stopped):
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    outcomes.append(result)
                    _say(console, result.note)
        except KeyboardInterrupt:
            bar.stop()
            _say_stopped(done, total, "days")
            raise
    return outcomes, failures


def _compute_apart(
    store: "Store",
    jobs: "Sequence[Job]",
    lake: Path | None,
    folder: Path,
    workers: int,
    scheduler: str,
    *,
    keep: bool,
) -> "tuple[list[Outcome], list[Failure]]":
    """Let workers compute jobs under a progress bar that grows with their markets."""
    from rich.console import Console

    from app.precompute.cluster import cluster_workers
    from app.precompute.results import results_folder
    from app.precompute.several import Failure, make_lake, unfinished_jobs
    from app.precompute.stopping import stop_on_interrupt
    from app.precompute.workers import carry_out_apart, local_workers, make_task

    console = Console(stderr=True)
    outcomes: list[Outcome] = []
    failures: list[Failure] = []
    if lake is None:
        jobs, outcomes, failures = unfinished_jobs(store, jobs)
        if not jobs:
            return outcomes, failures
    done = 0
    with (
        stop_on_interrupt() as stopped,
        results_folder(folder, keep=keep) as results,
        _progress(console, "markets") as bar,
    ):
        task = bar.add_task("Computing", total=len(jobs))
        source = lake or make_lake(store, jobs, results)
        tasks = [make_task(store, job, source, results) for job in jobs]
        try:
            with cluster_workers(scheduler) if scheduler else local_workers(workers) as processes:
                for result in carry_out_apart(store, tasks, processes, stopped):
                    bar.advance(task)
                    if isinstance(result, Failure):
                        failures.append(result)
                    else:
                        done += 1
                        outcomes.append(result)
                        _say(console, result.note)
        except KeyboardInterrupt:
            bar.stop()
            _say_stopped(done, len(jobs), "markets")
            raise
    return outcomes, failures


def _progress(console: "Console", what: str) -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _say_stopped(done: int, total: int, what: str) -> None:
    typer.echo(
        f"Stopped: {done} of {total} {what} are stored, and the next run goes on with the others.",
        err=True,
    )


def _say(console: "Console", note: str) -> None:
    if note:
        console.print(note, highlight=False, soft_wrap=True)


def _report(outcomes: "Sequence[Outcome]", failures: "Sequence[Failure]") -> None:
    """Print what was computed, and what could not be."""
    from rich.console import Console
    from rich.table import Table

    if len(failures) == 1 and not outcomes:
        raise failures[0].error
    for failure in failures:
        typer.echo(f"Not computed: {failure.job.market}: {failure.error}", err=True)
    present = sum(outcome.present for outcome in outcomes)
    if not any(outcome.computed for outcome in outcomes):
        if outcomes:
            typer.echo(f"Nothing new: all {present:,} days of {len(outcomes):,} markets are there.")
        return
    table = Table("Market", "Interval", title="Snapshots")
    for header in ("Bucket", "Days computed", "There before", "Rows"):
        table.add_column(header, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.job.market,
            _length(outcome.series.interval),
            f"{outcome.series.width:g}",
            f"{len(outcome.computed):,}",
            f"{outcome.present:,}",
            f"{outcome.rows:,}",
        )
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


def _length(interval: timedelta) -> str:
    from ingest.intervals import interval_name

    return interval_name(interval)
