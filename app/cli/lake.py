"""``liqheat lake export`` and ``liqheat lake import``: the database as files, and back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Database, Exchanges, load_settings, parse_names

lake = typer.Typer(
    help="Write the database as Parquet files, and rebuild it from them.\n\n"
    "Both commands take --database PATH, and say more with --help.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The lake's folder.")]


@lake.command("export")
def export_lake(
    folder: Folder,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    exchanges: Exchanges = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the lake that is in the folder.")
    ] = False,
    database: Database = None,
) -> None:
    """Write the database as a folder of Parquet files.

    One file for each kind of data, exchange, symbol and month, all the columns
    of the tables, and lake.json, which says what there is. The folder appears
    when it is complete; one that is not a lake is left alone.
    """
    settings = load_settings(database=database)

    from rich.console import Console
    from rich.progress import Progress

    from app import __version__
    from app.errors import NoData
    from ingest.lake_export import NothingStored, Planned, check_target, write_lake
    from ingest.store import Store

    check_target(folder, replace=replace)
    console = Console(stderr=True)
    with (
        Store.open(settings.database, read_only=True) as store,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("Exporting", total=None)

        def report(part: Planned, total: int) -> None:
            said = f"Wrote {part.kind.name} of {part.symbol} on {part.exchange}"
            progress.update(task, advance=part.rows, total=total, description=said)

        try:
            contents = write_lake(
                store,
                folder,
                exchanges=parse_names(exchanges),
                symbol=symbol and symbol.upper(),
                replace=replace,
                program_version=__version__,
                now=datetime.now(UTC),
                report=report,
            )
        except NothingStored as e:
            raise NoData(str(e)) from e
    rows = sum(contents.rows.values())
    console.print(
        f"Wrote {rows:,} rows of {_markets(len(contents.markets))} to {folder}.", highlight=False
    )


@lake.command("import")
def import_lake(folder: Folder, database: Database = None) -> None:
    """Add to the database what a lake holds and the database does not.

    A market is stored as a whole or not at all; a run that was stopped is
    simply started again. Simulated and real data do not mix.
    """
    settings = load_settings(database=database)

    from rich.console import Console
    from rich.progress import Progress

    from ingest.lake import Part
    from ingest.lake_import import check_lake
    from ingest.lake_import import import_lake as add_lake
    from ingest.store import Store

    checked = check_lake(folder)  # first, so that a broken lake makes no database
    console = Console(stderr=True)
    with (
        Store.open(settings.database) as store,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("Importing", total=sum(part.bytes for part in checked.parts))

        def report(part: Part) -> None:
            said = f"Read {part.kind.name} of {part.symbol} on {part.exchange}"
            progress.update(task, advance=part.bytes, description=said)

        added = sum(add_lake(store, checked, report).values())
    contents = checked.lake.contents
    rows, markets = sum(contents.rows.values()), _markets(len(contents.markets))
    console.print(
        f"Added {added:,} of {rows:,} rows of {markets} to {settings.database}."
        if added
        else f"Nothing new: all {rows:,} rows of {markets} were stored before.",
        highlight=False,
    )


def _markets(number: int) -> str:
    return f"{number:,} market{'' if number == 1 else 's'}"
