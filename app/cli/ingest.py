"""``liqheat ingest`` and ``liqheat coverage``: market data in, and what is there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import Database, load_settings
from ingest.files.kinds import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from ingest.coverage import Coverage, Span
    from ingest.errors import FileError
    from ingest.files.archives import Limits
    from ingest.files.ingestion import Found
    from ingest.files.loading import Loaded
    from ingest.files.summary import Summary
    from ingest.store import Store

WIDTH = 140
"""Columns of a table that goes to a file or a pipe."""


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with files in them.")],
    exchange: Annotated[
        str | None, typer.Option(help="Exchange of files that don't say, for example binance.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Symbol of files that don't say, for example BTCUSDT.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What files hold that don't say.")] = None,
    interval: Annotated[
        str | None, typer.Option(help="Interval of candles; by default their spacing.")
    ] = None,
    keep_trades: Annotated[
        bool, typer.Option("--keep-trades", help="Store trades beside the candles made of them.")
    ] = False,
    max_gigabytes: Annotated[
        float, typer.Option(min=0, help="Most that a packed file may unpack to.")
    ] = 64.0,
    max_ratio: Annotated[
        float, typer.Option(min=1, help="Most that a packed file may grow by when unpacked.")
    ] = 200.0,
    database: Database = None,
) -> None:
    """Load files of market data into the database.

    Zip files of the Binance archive, folders of them and copies of it as a
    whole are recognised by their names. Other CSV, CSV.gz and Parquet files
    need named columns, and --exchange, --symbol and --kind. Node fills of
    Hyperliquid (JSON lines, .lz4 or not) give their liquidations, of all
    markets or of --symbol. What was loaded before is not loaded again. A bad
    file is named and the others are loaded; the exit code is then 1.
    """
    from rich.console import Console

    from ingest.files.archives import Limits
    from ingest.files.ingestion import find
    from ingest.files.recognise import Told
    from ingest.intervals import parse_interval
    from ingest.store import Store

    settings = load_settings(database=database)
    seconds = int(parse_interval(interval).total_seconds()) if interval else None
    told = Told(exchange and exchange.lower(), symbol and symbol.upper(), kind, seconds)
    console, progress_console = output(), Console(stderr=True)
    found = find(paths, told)
    bad = list(found.bad)
    if found.sources:
        limits = Limits(bytes=int(max_gigabytes * 1e9), ratio=max_ratio)
        with Store.open(settings.database) as store:
            refuse_simulated(store)
            loaded, failed = _load(store, found, progress_console, limits, keep_trades=keep_trades)
            print_summary(console, loaded, store)
        bad += failed
    elif not bad:
        typer.echo(_nothing_found(paths, found), err=True)
    for error in bad:
        typer.echo(f"Not loaded: {error}.", err=True)
    if bad or not found.sources:
        raise typer.Exit(1)


def coverage(
    exchange: Annotated[str | None, typer.Option(help="Only this exchange.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    gaps: Annotated[int, typer.Option(min=0, help="Gaps to list for each row.")] = 5,
    database: Database = None,
) -> None:
    """Show what is stored per market, with gaps."""
    from ingest.store import Store

    settings = load_settings(database=database)
    with Store.open(settings.database, read_only=True) as store:
        rows = store.coverage(exchange and exchange.lower(), symbol and symbol.upper())
    if not rows:
        typer.echo('No such data are stored yet. Load some with "liqheat ingest PATH".', err=True)
        raise typer.Exit(1)
    _print_coverage(output(), rows, gaps)


def refuse_simulated(store: "Store", instead: str = "Choose another file with --database.") -> None:
    """Keep real data out of a database that holds the simulated market; say what to do instead."""
    from ingest.store import StoreError

    if store.is_simulated():
        raise StoreError(
            f"{store.path} holds the simulated market, which real data must not mix with. {instead}"
        )


def output() -> "Console":
    """Return where tables go: as wide as the terminal, or as tables are where there is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _load(
    store: "Store", found: "Found", console: "Console", limits: "Limits", *, keep_trades: bool
) -> "tuple[list[Loaded], list[FileError]]":
    """Load files under a progress bar that grows with their bytes."""
    from rich.progress import Progress

    from ingest.errors import FileError
    from ingest.files.ingestion import load_all

    loaded: list[Loaded] = []
    bad: list[FileError] = []
    sizes = [_size(source.path) for source in found.sources]
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Loading", total=sum(sizes))
            done = 0

            def read(size: int) -> None:
                progress.update(task, completed=done + size)

            outcomes = load_all(
                store, found.sources, keep_trades=keep_trades, limits=limits, progress=read
            )
            for source, size, outcome in zip(found.sources, sizes, outcomes, strict=True):
                done += size
                progress.update(task, completed=done, description=source.path.name)
                if isinstance(outcome, FileError):
                    bad.append(outcome)
                else:
                    loaded.append(outcome)
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped: {len(loaded)} of {len(found.sources)} files are stored, and the next run "
            "goes on with the others.",
            err=True,
        )
        raise
    return loaded, bad


def _size(path: Path) -> int:
    """Return a file's size, 0 if it can't be read: loading it reports that."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _nothing_found(paths: Sequence[Path], found: "Found") -> str:
    from ingest.files.recognise import SUFFIXES

    where = ", ".join(str(path) for path in paths)
    looked_for = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
    text = (
        f"No file to load in {where}: looked for {looked_for}, named like the Binance archive's "
        "(BTCUSDT-1m-2026-01.zip), or any with --exchange, --symbol and --kind."
    )
    if found.passed:
        text += f" Passed over {len(found.passed)}, for example {found.passed[0]}."
    return text


def print_summary(console: "Console", loaded: "Sequence[Loaded]", store: "Store") -> None:
    """Show what files brought."""
    from rich.table import Table

    from ingest.files.summary import summarise

    if all(one.known for one in loaded):
        if loaded:
            console.print(f"Nothing new: all {len(loaded)} files were loaded before.")
        return
    table = Table("Market", "Kind", title="Loaded")
    for header in ("Files", "Rows", "New"):
        table.add_column(header, justify="right")
    for header in ("First row", "Last row", "Gaps", "Remarks"):
        table.add_column(header)
    markets = {(one.source.exchange, one.source.symbol) for one in loaded}
    stored = [row for market in markets for row in store.coverage(*market)]
    for s in summarise(loaded, stored):
        table.add_row(
            f"{s.exchange} {s.symbol}",
            _kind(s.kind, s.interval),
            f"{s.files:,}",
            f"{s.rows:,}",
            f"{s.added + s.trades_added:,}",
            _time(s.first),
            _time(s.last),
            f"{len(s.gaps)}" if s.gaps else "none",
            _remarks(s),
        )
    console.print(table)


def _remarks(s: "Summary") -> str:
    told = (
        (s.known, "loaded before"),
        (s.missing, "without a value"),
        (s.repeated, "repeated"),
        (s.conflicting, "stamped alike (last taken)"),
        (s.trades_added, "trades kept"),
    )
    return ", ".join(f"{n:,} {what}" for n, what in told if n)


def _print_coverage(console: "Console", rows: "Sequence[Coverage]", most: int) -> None:
    from rich.table import Table

    table = Table("Market", "Kind", title="Stored")
    table.add_column("Rows", justify="right")
    for header in ("From", "To", "Gaps"):
        table.add_column(header)
    for row in rows:
        table.add_row(
            f"{row.exchange} {row.symbol}",
            _kind(row.kind, row.interval),
            f"{row.rows:,}",
            _time(row.first),
            _time(row.last),
            _gaps(row.gaps, most),
        )
    console.print(table)


def _gaps(gaps: "Sequence[Span]", most: int) -> str:
    lines = [f"{_time(gap.start)} to {_time(gap.stop)}" for gap in gaps[:most]]
    if rest := len(gaps) - len(lines):
        lines.append(f"{'and ' if lines else ''}{rest:,} {'more' if lines else 'gaps'}")
    return "\n".join(lines) or "none"


def _kind(kind: str, interval: timedelta | None) -> str:
    from ingest.intervals import interval_name

    return f"{kind} {interval_name(interval)}" if interval else kind


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else ""
