"""``liqheat bench``: how fast the engine is here."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Database, load_settings


def bench(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
    npz: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Measure on arrays open, high, low, close, volume, open_interest of this file.",
        ),
    ] = None,
    only: Annotated[str, typer.Option(help="Names that begin with this.")] = "",
    database: Database = None,
) -> None:
    """Measure the speed of the engine and of ingestion.

    Medians of 7 warm runs, each measurement in a process of its own: building a year's level book
    and drawing it, appending a bar, reading aggregated trades compared with DuckDB alone.
    """
    load_settings(database=database)

    import json

    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from app.bench import growth, jobs, measure

    listed = jobs(npz)
    chosen = [job for job in listed if job["name"].startswith(only)]
    if not chosen:
        raise ValueError(
            f"--only must begin one of {', '.join(job['name'] for job in listed)}, but is {only!r}"
        )
    console = Console(stderr=True)
    results = [
        measure(job, npz) for job in track(chosen, "Measuring", console=console, transient=True)
    ]
    results += growth(results)
    if as_json:
        typer.echo(json.dumps(results, indent=2))
        return
    table = Table()
    for header in ("name", "median", "peak memory", "bars, rows", "tiers", "grid"):
        table.add_column(header, no_wrap=header in ("name", "median"))
    for result in results:
        table.add_row(
            result["name"],
            _value(result),
            f"{result['peak_rss_mb']:,.0f} MB" if result.get("peak_rss_mb") else "",
            f"{size:,}" if (size := result.get("bars") or result.get("rows")) else "",
            str(result.get("tiers", "")),
            " × ".join(str(size) for size in result.get("grid", ())),
        )
    Console().print(table)


def _value(result: dict[str, float]) -> str:
    """Return a result's figure: an exponent, a ratio to DuckDB's time, or milliseconds."""
    if "exponent" in result:
        return f"exponent {result['exponent']:.2f}"
    if "ratio" in result:
        return f"{result['ratio']:.2f} × read_csv"
    return f"{result['seconds'] * 1e3:,.2f} ms"
