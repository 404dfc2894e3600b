"""``liqheat export``: a map as a file."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.assumptions import Assumptions
from app.cli.assuming import assuming
from app.cli.options import (
    Database,
    Exchanges,
    Symbol,
    load_settings,
    parse_interval,
    parse_names,
    parse_time,
)


@assuming
def export(
    assumptions: Assumptions,
    out: Annotated[Path, typer.Argument(help="File to write; replaced if it exists.")],
    symbol: Symbol,
    start: Annotated[
        str, typer.Option(help="Moment before the first stamp, ISO 8601; UTC unless it says so.")
    ],
    stop: Annotated[str, typer.Option(help="Moment of the last stamp.")],
    exchanges: Exchanges = "",
    interval: Annotated[str, typer.Option(help="Time between states: 5m, 1h, 1d.")] = "1h",
    bins: Annotated[int, typer.Option(min=1, max=2000, help="Price buckets.")] = 400,
    file_format: Annotated[
        Literal["csv", "parquet", "json"] | None,
        typer.Option("--format", help="By default that of the file's name."),
    ] = None,
    price_low: Annotated[float | None, typer.Option(help="Lowest price; all if left out.")] = None,
    price_high: Annotated[float | None, typer.Option(help="Highest price.")] = None,
    database: Database = None,
) -> None:
    """Write a heatmap to a file, as CSV, Parquet or JSON.

    One row for each stamp, exchange, price bucket and side that holds anything: size (base) and
    notional (quote) that is open, and that was liquidated within the interval. The stamps (UTC) are
    the ends of the intervals, start < stamp <= stop; a start or stop within an interval stands for
    that interval's own start or end. Rows without prices hold open interest whose liquidation
    price is not known. A Parquet file says in its metadata what was assumed.
    """
    settings = load_settings(database=database)
    written_as = file_format or _format_of(out)
    if not out.resolve().parent.is_dir():
        raise ValueError(f"the folder of {out} does not exist; make it, or choose another")
    if _is_part_of(settings.database, out):
        raise ValueError(f"{out} is the database that the map comes from; choose another file")

    from rich.console import Console
    from rich.progress import track

    from app.export import about_map, export_chunks
    from app.heatmaps import StoredHeatmaps
    from app.request import HeatmapRequest
    from ingest.map_file import write_map
    from ingest.store import Store

    step = parse_interval(interval)
    request = HeatmapRequest(
        symbol=symbol.upper(),
        exchanges=parse_names(exchanges),
        start=parse_time("start", start),
        stop=parse_time("stop", stop),
        buckets=bins,
        price_low=price_low,
        price_high=price_high,
        **assumptions.changes(),
    )
    console = Console(stderr=True)
    with (
        Store.open(settings.database, read_only=True) as store,
        closing(StoredHeatmaps(store, settings)) as heatmaps,
    ):
        chunks = export_chunks(heatmaps, request, step)
        shown = track(chunks, "Exporting", console=console, transient=True, total=None)
        about = about_map(request, heatmaps.calibrations(request))
        rows = write_map(out, written_as, shown, about)
    console.print(f"Wrote {rows:,} rows to {out}; amounts are modelled.", highlight=False)


def _is_part_of(database: Path, path: Path) -> bool:
    """Return whether a path, however spelt, is the database's file or the one that it logs to."""
    log = database.resolve()
    log = log.with_name(f"{log.name}.wal")
    return any(
        path.resolve() == part or (path.exists() and part.exists() and path.samefile(part))
        for part in (database.resolve(), log)
    )


def _format_of(path: Path) -> Literal["csv", "parquet", "json"]:
    match path.suffix.lower():
        case ".csv":
            return "csv"
        case ".parquet":
            return "parquet"
        case ".json":
            return "json"
    raise ValueError(
        f"the name must end in .csv, .parquet or .json, or --format must say which, but is {path}"
    )
