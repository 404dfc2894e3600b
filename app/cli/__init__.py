"""The command line: ``liqheat`` and its commands.

A command is one function, annotated as typer reads it, in a module of this package that imports
cheaply: what is slow to import (dash, numba, pandas, duckdb) it imports inside the function. It
is entered in `COMMANDS`; only the module of the command that runs is imported.

    def coverage(database: Database = None) -> None:
        \"\"\"Show what is stored per market, with gaps.\"\"\"
        settings = load_settings(database=database)
        ...

Its docstring's first line is the summary in `COMMANDS`, and the rest its help. Every command takes
``--database`` (`app.cli.options.Database`). An error is raised, not printed: `app.cli.errors` makes
it a sentence on stderr and an exit code. ``raise typer.Exit(1)`` ends a command that did what it
could but some input was bad. Results go to stdout, progress and messages to stderr.
"""

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from app import __version__
from app.cli.group import Command, LazyCommand, LazyGroup

COMMANDS = (
    Command("serve", "app.cli.serve", "Serve the pages in the browser."),
    Command("ingest", "app.cli.ingest", "Load files of market data into the database."),
    Command("fetch", "app.cli.fetch", "Download from Binance's archive into the database."),
    Command("backfill", "app.cli.backfill", "Ask exchanges for market data, into the database."),
    Command("collect", "app.cli.collect", "Collect live data of exchanges, into the database."),
    Command("coverage", "app.cli.ingest", "Show what is stored per market, with gaps."),
    Command("export", "app.cli.export", "Write a heatmap to a file, as CSV, Parquet or JSON."),
    Command(
        "lake", "app.cli.lake", "Write the database as Parquet files, and rebuild it from them."
    ),
    Command(
        "precompute",
        "app.cli.precompute",
        "Compute snapshots of maps and store them in the database.",
    ),
    Command(
        "score", "app.cli.score", "Measure what a map knows of stored liquidations and positions."
    ),
    Command(
        "validate",
        summary="Replaced by collect and score.",
        replaced_by='"liqheat collect" collects, and "liqheat score --symbol BTCUSDT" compares '
        "what is stored with the map as of before",
    ),
    Command("compare", "app.cli.compare", "Show how far maps of one market agree."),
    Command(
        "fit", "app.cli.fit", "Fit the two-speed model to the liquidations of a stored market."
    ),
    Command("simulate", "app.cli.simulate", "Make the simulated market with known truth."),
    Command("bench", "app.cli.bench", "Measure the speed of the engine and of ingestion."),
    Command(
        "doctor", "app.cli.doctor", "Show the settings in force and what is wrong, if anything."
    ),
)

EPILOG = (
    "Exit codes: 0 done, 1 some input was bad or there is nothing to show, 2 usage, settings or "
    "database can't be used, 3 a defect in the program, 130 interrupted."
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"liqheat {__version__}")
        raise typer.Exit


def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error comes from.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Liquidation heatmaps of crypto perpetual futures, from your own data."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that ``arguments`` (by default those of the process) name, and exit."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.callback(cls=LazyGroup, no_args_is_help=True, epilog=EPILOG)(_root)
    group = typer.main.get_group(app)
    for command in COMMANDS:
        group.add_command(LazyCommand(command))
    group(args=arguments, prog_name="liqheat")
    raise SystemExit(0)
