"""``liqheat compare``: how far maps of one market agree."""

from contextlib import closing
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import Database, Exchanges, Symbol, load_settings, parse_names, parse_span

if TYPE_CHECKING:
    from app.comparison import Comparison


def compare(
    symbol: Symbol,
    models: Annotated[
        str,
        typer.Option(help="Comma-separated; all unless given, or the default with --coinglass."),
    ] = "",
    exchanges: Exchanges = "",
    start: Annotated[
        str, typer.Option(help="ISO 8601, UTC unless it says so; 7 days before the end if empty.")
    ] = "",
    stop: Annotated[str, typer.Option(help="End of the data if empty.")] = "",
    coinglass: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with a saved heatmap answer of CoinGlass (v4)."),
    ] = None,
    database: Database = None,
) -> None:
    """Show how far maps of one market agree.

    Rank correlation of price rows within 10 % of the price, overlap of the
    fullest tenth (10 % is chance), and modelled USD within 1, 2 and 5 %, with
    the last stored scores beside them. That maps agree makes none of them
    right: "liqheat score" measures that.
    """
    first, last = parse_span(start, stop)
    settings = load_settings(database=database)

    from rich.console import Console

    from app.comparison import compare_coinglass, compare_models, known_models, read_coinglass
    from app.heatmaps import StoredHeatmaps
    from app.request import HeatmapRequest
    from engine.models import DEFAULT_MODEL
    from ingest.store import Store

    theirs = None if coinglass is None else read_coinglass(coinglass.expanduser())
    chosen = known_models(models if models or theirs is None else DEFAULT_MODEL)
    named, symbol = parse_names(exchanges), symbol.strip().upper()
    with (
        Store.open(settings.database, read_only=True) as store,
        closing(StoredHeatmaps(store, settings)) as heatmaps,
        Console(stderr=True).status("Comparing") as status,
    ):

        def progress(model: str) -> None:
            status.update(f"Computing {model}")

        if theirs is not None:
            found = compare_coinglass(heatmaps, theirs, symbol, named, chosen, progress)
        else:
            end = last or heatmaps.extent(symbol, named)[1]
            begin = first or end - timedelta(days=7)
            request = HeatmapRequest(symbol=symbol, exchanges=named, start=begin, stop=end)
            found = compare_models(heatmaps, request, chosen, progress)
    _show(found)


def _show(found: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table

    from components.formats import usd

    first, last = (str(time)[:16].replace("T", " ") for time in (found.start, found.stop))
    title = f"{found.symbol} on {', '.join(found.exchanges)}, {first} to {last} UTC"
    table = Table(title=title, title_justify="left")
    for header in ("maps", "rank correlation", "top overlap", "modelled below and above the price"):
        table.add_column(header)
    for pair in found.pairs:
        agreement = pair.agreement
        known = isfinite(agreement.rank_correlation)
        unknown = "a map is even" if agreement.moments else "too few rows near the price"
        lines = [
            f"±{100 * w.distance:g}%: {usd(w.below[0])} + {usd(w.above[0])} | "
            f"{usd(w.below[1])} + {usd(w.above[1])}"
            for w in agreement.within
        ]
        table.add_row(
            f"{pair.first} | {pair.second}",
            f"{agreement.rank_correlation:+.2f}" if known else unknown,
            f"{100 * agreement.top_overlap:.0f} %" if known else "–",
            "\n".join(lines),
        )
    Console().print(table)
    for model, said in found.scores.items():
        typer.echo(f"Score of {model}: {said}")
