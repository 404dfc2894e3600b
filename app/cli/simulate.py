"""``liqheat simulate``: a market whose true liquidation prices are known."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Database, load_settings

SEED, DAYS = 13, 60  # as app.demo says, which is slow to import


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same market.")] = SEED,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = DAYS,
    database: Database = None,
) -> None:
    """Make the simulated market with known truth.

    Three exchanges and three symbols in five-minute bars that end on 2026-01-31, with open
    interest, funding rates and liquidations, and every trader's position. A database that holds a
    simulated market is replaced; one that holds other data is left alone.
    """
    path = load_settings(database=database).database
    build_with_progress(path, seed=seed, days=days)
    typer.echo(f"The simulated market is in {path}")


def build_with_progress(path: Path, *, seed: int = SEED, days: int = DAYS) -> None:
    """Build the simulated market into ``path`` with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from app.demo import build_demo
    from engine.simulate import EXCHANGES, SYMBOLS

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Simulating the market", total=len(EXCHANGES) * len(SYMBOLS))

        def advance(exchange: str, symbol: str) -> None:
            progress.update(task, advance=1, description=f"Simulated {symbol} on {exchange}")

        build_demo(path, seed=seed, days=days, report=advance)
