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
from app.cli.options import Database, load_settings
from app.http_client import make_client
from app.settings import Settings

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from ingest.downloading import Folder, Progress
    from ingest.fetching import Fetched
    from ingest.store import Store
    from ingest.vision import Archive, Series

NOTHING_DONE = 2
SOME_FAILED = 1
_LISTED = 20


def fetch(
    symbol: Annotated[str, typer.Option(help="For example BTCUSDT.")],
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
    from ingest import vision

    settings = load_settings(database=database)
    if exchange.strip().lower() != vision.EXCHANGE:
        raise ValueError(f"--exchange must be {vision.EXCHANGE}, but is {exchange!r}")
    today = datetime.now(UTC).date()
    first, after = vision.parse_range(start, stop, today)
    series = vision.parse_series(kinds)
    market, spacing = vision.parse_symbol(symbol), vision.check_interval(interval)
    archives = [
        archive for one in series for archive in vision.archives(one, market, spacing, first, after)
    ]
    for note in filter(None, (vision.outside(one, first, after) for one in series)):
        typer.echo(note, err=True)
    if not archives:
        raise typer.Exit(SOME_FAILED)
    typer.echo(f"{vision.LICENCE} Its terms: {vision.TERMS}", err=True)
    _fetch(settings, archives, folder.expanduser(), today, keep=keep)


def _fetch(
    settings: Settings, archives: "Sequence[Archive]", path: Path, today: "date", *, keep: bool
) -> None:
    from ingest.downloading import Folder
    from ingest.http import HttpError
    from ingest.store import Store

    folder, fetched = Folder(path, keep), list["Fetched"]()
    stopped = ""
    with Store.open(settings.database) as store:
        refuse_simulated(store)
        try:
            _collect(settings, store, archives, folder, fetched)
        except HttpError as e:
            stopped = f"{e}."
        except OSError as e:
            stopped = (
                f"{e.filename or path}: {e.strerror or e}. Choose another folder with --folder."
            )
        _report(store, fetched, folder, today)
    if stopped:
        typer.echo(
            f"{stopped}\nStopped: {len(fetched)} files are settled; the next run goes on with the "
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
    from ingest.fetching import Origin, fetch

    origin = Origin(settings.vision_url, lambda: make_client(settings))
    try:
        with (
            _shown_progress() as progress,
            closing(fetch(store, archives, origin, folder, progress)) as found,
        ):
            fetched.extend(found)  # one by one, so that what is settled stays when it stops
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped: {len(fetched)} files are settled, and the next run goes on with the others.",
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

    from ingest.downloading import Progress

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
    console = output()
    loaded = [one.loaded for one in fetched if one.loaded]
    if fetched:
        _print_files(console, fetched)
    print_summary(console, loaded, store)
    for line in _missing(fetched, today):
        typer.echo(line, err=True)
    failed = [one for one in fetched if one.failed]
    for one in failed[:_LISTED]:
        typer.echo(f"Failed: {one.failed}.", err=True)
    if len(failed) > _LISTED:
        typer.echo(f"Failed: {len(failed) - _LISTED:,} more.", err=True)
    if folder.keep and loaded:
        typer.echo(f"The files are in {folder.path}.", err=True)


def _print_files(console: "Console", fetched: "Sequence[Fetched]") -> None:
    from rich.table import Table

    table = Table("Kind", title="Files")
    for header in ("Wanted", "Loaded", "MB", "Known", "Not there", "Failed"):
        table.add_column(header, justify="right")
    for series, ones in _by_series(fetched):
        new = [one for one in ones if one.loaded and not one.loaded.known]
        known = sum(1 for one in ones if one.loaded and one.loaded.known)
        missing = sum(1 for one in ones if one.missing)
        failed = sum(1 for one in ones if one.failed)
        megabytes = sum(one.size for one in new) / 1e6
        counts = (f"{n:,}" for n in (known, missing, failed))
        table.add_row(series.name, f"{len(ones):,}", f"{len(new):,}", f"{megabytes:,.1f}", *counts)
    console.print(table)


def _by_series(fetched: "Sequence[Fetched]") -> "list[tuple[Series, list[Fetched]]]":
    found: dict[Series, list[Fetched]] = {}
    for one in fetched:
        found.setdefault(one.archive.series, []).append(one)
    return list(found.items())


def _missing(fetched: "Sequence[Fetched]", today: "date") -> Iterator[str]:
    """Yield a sentence for each span of files that the archive has not, and why that is likely."""
    from ingest.vision import spans, why_missing

    for series, ones in _by_series(fetched):
        reasons: dict[str, list[Archive]] = {}
        for one in ones:
            if one.missing:
                reasons.setdefault(why_missing(one.archive, today), []).append(one.archive)
        for why, missing in reasons.items():
            days = [
                f"{first}"
                if (last := stop.toordinal() - 1) == first.toordinal()
                else f"{first} to {first.fromordinal(last)}"
                for first, stop in spans(missing)
            ]
            more = f" and {len(days) - _LISTED:,} more" if len(days) > _LISTED else ""
            listed = ", ".join(days[:_LISTED])
            yield f"Not in the archive: {series.name} of {listed}{more} ({why})."
    if fetched and all(one.missing for one in fetched):
        symbol = fetched[0].archive.symbol
        yield f"Nothing of {symbol} is there for these days: check how the symbol is spelled."


def _exit(fetched: "Sequence[Fetched]", stopped: str) -> None:
    """End with the code that says how much was done."""
    has_failed = bool(stopped) or any(one.failed for one in fetched)
    has_loaded = any(one.loaded for one in fetched)
    if has_failed:
        raise typer.Exit(SOME_FAILED if has_loaded else NOTHING_DONE)
    if not has_loaded:
        raise typer.Exit(SOME_FAILED)
