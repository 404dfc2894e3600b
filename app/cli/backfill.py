"""``liqheat backfill``: what exchanges themselves keep, straight into the database."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.fetch import logged_above
from app.cli.ingest import output, refuse_simulated
from app.cli.options import Database, Symbol, load_settings, parse_time
from app.http_client import make_client
from app.settings import Settings

if TYPE_CHECKING:
    from ingest.backfill import Progress
    from ingest.backfill_jobs import Outcome, Work
    from ingest.backfill_plan import Wish
    from ingest.store import Store

NOTHING_DONE = 2
SOME_FAILED = 1
_DAYS = 30


def backfill(
    exchange: Annotated[
        str, typer.Option(help="Of binance, bybit, okx and hyperliquid, separated by commas.")
    ],
    symbol: Symbol,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Of candles, mark-candles, open-interest, funding and tiers, separated by commas; "
            "all that an exchange offers unless given."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="ISO 8601, UTC unless it says so; 30 days before the stop unless given."),
    ] = None,
    stop: Annotated[str | None, typer.Option(help="Likewise; now unless given.")] = None,
    interval: Annotated[str, typer.Option(help="Of candles, 1m to 1d.")] = "5m",
    database: Database = None,
) -> None:
    """Ask exchanges for market data, into the database.

    Candles, candles of the mark price, open interest, funding rates and the
    leverage tiers in force. What is stored already is not asked for, so a run
    that was stopped is simply started again. Exchanges keep some kinds for a
    few days only, and say so first. For years of Binance, use "liqheat fetch".
    """
    from app.backfills import (
        backfill_adapters,
        backfill_kinds,
        backfill_notes,
        backfill_works,
        outcomes_of,
    )
    from ingest.store import Store

    settings = load_settings(database=database)
    now = _now()
    wish = _wish(symbol, interval, start, stop, now)
    wanted, adapters = backfill_kinds(kinds), backfill_adapters(exchange, settings)
    with Store.open(settings.database) as store:
        refuse_simulated(store)
        works = backfill_works(store, adapters, wish, wanted, now)
        outcomes = outcomes_of(works)
        for sentence in backfill_notes(outcomes):  # before anything is asked for
            typer.echo(sentence, err=True)
        try:
            _run(store, settings, works)
        except KeyboardInterrupt:
            typer.echo(
                "Stopped: what has come is stored, and the next run asks for the rest.", err=True
            )
            raise
    _print(outcomes)
    _exit(outcomes, asked_by_name=kinds is not None)


def _now() -> datetime:
    return datetime.now(UTC)


def _wish(symbol: str, interval: str, start: str | None, stop: str | None, now: datetime) -> "Wish":
    from app.backfills import backfill_wish

    last = min(parse_time("--stop", stop), now) if stop else now
    first = parse_time("--start", start) if start else last - timedelta(days=_DAYS)
    return backfill_wish(symbol, interval, first, last)


def _run(store: "Store", settings: Settings, works: "Sequence[Work]") -> None:
    from app.backfills import ask_exchanges

    with _shown_progress() as progress:
        asyncio.run(ask_exchanges(store, settings, works, progress, make_client, _now))


@contextmanager
def _shown_progress() -> "Iterator[Progress]":
    """Yield a progress that is shown as requests and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from ingest.backfill import Progress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Asking", total=None)
        progress = Progress()
        progress.changed = lambda: bar.update(
            task, completed=progress.done, total=progress.total or None
        )
        with logged_above():
            yield progress


def _print(outcomes: "Sequence[Outcome]") -> None:
    """Show what came, and what failed."""
    from rich.table import Table

    from app.backfills import backfill_failures

    table = Table("Exchange", "Kind", title="Stored")
    for header in ("Rows added", "From", "To"):
        table.add_column(header, justify="right")
    for one in outcomes:
        if not one.not_offered:
            times = (f"{time:%Y-%m-%d %H:%M}" if time else "" for time in (one.first, one.last))
            table.add_row(one.exchange, one.kind, f"{one.added:,}", *times)
    if table.row_count:
        output().print(table)
    for sentence in backfill_failures(outcomes):
        typer.echo(sentence, err=True)


def _exit(outcomes: "Sequence[Outcome]", *, asked_by_name: bool) -> None:
    """End with the code that says how much was done; what is not offered is no failure unasked."""
    done = [one for one in outcomes if not (one.not_offered or one.failed) or one.added]
    not_done = [one for one in outcomes if one.failed or (one.not_offered and asked_by_name)]
    if not done:
        raise typer.Exit(NOTHING_DONE)
    if not_done:
        raise typer.Exit(SOME_FAILED)
