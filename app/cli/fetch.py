"""``liqheat fetch``: files of an exchange's archive, straight into the database."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.ingest import output, print_summary, refuse_simulated
from app.cli.options import Database, Symbol, load_settings
from app.http_client import make_client
from app.settings import Settings

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from ingest.files.downloading import Folder, Progress
    from ingest.files.fetching import Fetched
    from ingest.files.vision import Archive
    from ingest.store import Store

NOTHING_DONE = 2
SOME_FAILED = 1


def fetch(
    symbol: Symbol,
    start: Annotated[str, typer.Option(help="First day (UTC), for example 2024-01-01.")],
    stop: Annotated[
        str | None, typer.Option(help="Day after the last one; today unless given.")
    ] = None,
    exchange: Annotated[str, typer.Option(help="Whose archive.")] = "binance",
    kinds: Annotated[
        str, typer.Option(help="The archive's names of what to fetch, separated by commas.")
    ] = "klines,metrics,fundingRate",
    interval: Annotated[str, typer.Option(help="Of candles.")] = "5m",
    folder: Annotated[Path, typer.Option(help="Where files lie until they are loaded.")] = Path(
        "data/archives"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Let the files stay in the folder.")] = False,
    database: Database = None,
) -> None:
    """Download from Binance's archive into the database.

    Kinds are klines, markPriceKlines, metrics (open interest), fundingRate,
    aggTrades and liquidationSnapshot. A map needs klines and metrics. Months
    come as one file where there are such. Checksums are verified, and what was
    loaded before is not downloaded again; a run that was stopped is simply
    started again. Binance's archive is under CC BY-NC-SA 4.0: not for
    commercial use.
    """
    from app.fetches import fetch_wish
    from ingest.files import vision

    settings = load_settings(database=database)
    if exchange.strip().lower() != vision.EXCHANGE:
        raise ValueError(f"--exchange must be {vision.EXCHANGE}, but is {exchange!r}")
    today = datetime.now(UTC).date()
    wish = fetch_wish(symbol, kinds, interval, start, stop, today)
    for note in wish.notes:
        typer.echo(note, err=True)
    if not wish.archives:
        raise typer.Exit(SOME_FAILED)
    typer.echo(f"{vision.LICENCE} Its terms: {vision.TERMS}", err=True)
    _fetch(settings, wish.archives, folder.expanduser(), today, keep=keep)


def _fetch(
    settings: Settings, archives: "Sequence[Archive]", path: Path, today: "date", *, keep: bool
) -> None:
    from app.fetches import FetchStopped
    from ingest.files.downloading import Folder
    from ingest.store import Store

    folder, fetched = Folder(path, keep), list["Fetched"]()
    stopped = ""
    with Store.open(settings.database) as store:
        refuse_simulated(store)
        try:
            _collect(settings, store, archives, folder, fetched)
        except FetchStopped as e:
            hint = (
                " Choose another folder with --folder." if isinstance(e.__cause__, OSError) else ""
            )
            stopped = f"{e}{hint}"
        _report(store, fetched, folder, today)
    if stopped:
        typer.echo(
            f"{stopped}\nStopped: {len(fetched)} files are done; the next run continues with the "
            "others.",
            err=True,
        )
    _exit(fetched, stopped)


def _collect(
    settings: Settings,
    store: "Store",
    archives: "Sequence[Archive]",
    folder: "Folder",
    fetched: "list[Fetched]",
) -> None:
    """Fetch files under a progress bar; ``fetched`` grows by what came of each."""
    from app.fetches import fetch_files

    try:
        with (
            _shown_progress() as progress,
            closing(fetch_files(store, settings, archives, folder, progress, make_client)) as found,
        ):
            fetched.extend(found)  # one by one, so that what is settled stays when it stops
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped: {len(fetched)} files are done, and the next run continues with the others.",
            err=True,
        )
        raise


@contextmanager
def _shown_progress() -> "Iterator[Progress]":
    """Yield a progress that is shown as bytes and time left."""
    from rich.console import Console
    from rich.filesize import decimal
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from ingest.files.downloading import Progress

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        # Of 1, for the time left is reckoned anew when the total changes, as expected bytes do.
        task = bar.add_task("Fetching", total=1.0)
        progress = Progress()

        def show() -> None:
            sizes = f"{decimal(progress.bytes)} of {decimal(progress.expected)}"
            told = f"{progress.done:,} of {progress.files:,} files, {sizes}"
            bar.update(task, description=told, completed=progress.part_done)

        progress.changed = show
        with logged_above():
            yield progress


@contextmanager
def logged_above() -> Iterator[None]:
    """Let what is logged go above the progress bar, which has taken over stderr."""
    moved = [
        (handler, handler.setStream(sys.stderr))
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler and handler.stream is sys.__stderr__
    ]
    try:
        yield
    finally:
        for handler, stream in moved:
            if stream is not None:
                handler.setStream(stream)


def _report(store: "Store", fetched: "Sequence[Fetched]", folder: "Folder", today: "date") -> None:
    """Show what came, what is not in the archive, and what failed."""
    from app.fetches import LISTED, missing_files, nothing_there

    console = output()
    loaded = [one.loaded for one in fetched if one.loaded]
    if fetched:
        _print_files(console, fetched)
    print_summary(console, loaded, store)
    for line in filter(None, (*missing_files(fetched, today), nothing_there(fetched, today))):
        typer.echo(line, err=True)
    failed = [one for one in fetched if one.failed]
    for one in failed[:LISTED]:
        typer.echo(f"Failed: {one.failed}.", err=True)
    if len(failed) > LISTED:
        typer.echo(f"Failed: {len(failed) - LISTED:,} more.", err=True)
    if folder.keep and loaded:
        typer.echo(f"The files are in {folder.path}.", err=True)


def _print_files(console: "Console", fetched: "Sequence[Fetched]") -> None:
    from rich.table import Table

    from app.fetches import by_series

    table = Table("Kind", title="Files")
    for header in ("Wanted", "Loaded", "MB", "Known", "Not there", "Failed"):
        table.add_column(header, justify="right")
    for series, ones in by_series(fetched):
        new = [one for one in ones if one.loaded and not one.loaded.known]
        known = sum(1 for one in ones if one.loaded and one.loaded.known)
        missing = sum(1 for one in ones if one.missing)
        failed = sum(1 for one in ones if one.failed)
        megabytes = sum(one.size for one in new) / 1e6
        counts = (f"{n:,}" for n in (known, missing, failed))
        table.add_row(series.name, f"{len(ones):,}", f"{len(new):,}", f"{megabytes:,.1f}", *counts)
    console.print(table)


def _exit(fetched: "Sequence[Fetched]", stopped: str) -> None:
    """End with the code that says how much was done."""
    has_failed = bool(stopped) or any(one.failed for one in fetched)
    has_loaded = any(one.loaded for one in fetched)
    if has_failed:
        raise typer.Exit(SOME_FAILED if has_loaded else NOTHING_DONE)
    if not has_loaded:
        raise typer.Exit(SOME_FAILED)
