"""``liqheat backfill``: what exchanges themselves keep, straight into the database."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.export import parse_time
from app.cli.fetch import logged_above
from app.cli.ingest import output, refuse_simulated
from app.cli.options import Database, load_settings
from app.http_client import make_client
from app.settings import Settings

if TYPE_CHECKING:
    from ingest.adapters.adapter import Adapter
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
    symbol: Annotated[str, typer.Option(help="For example BTCUSDT.")],
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
    from ingest.store import Store

    settings = load_settings(database=database)
    now = _now()
    wish = _wish(symbol, interval, start, stop, now)
    wanted, adapters = _kinds(kinds), _adapters(exchange, settings)
    with Store.open(settings.database) as store:
        refuse_simulated(store)
        works = _prepared(store, adapters, wish, wanted, now)
        outcomes = [job.outcome for work in works for job in work.jobs]
        _tell(outcomes)
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
    from ingest.backfill_plan import INTERVALS, Wish
    from ingest.intervals import SECONDS
    from ingest.symbols import split_symbol

    market = symbol.strip().upper()
    if split_symbol(market) is None:
        raise ValueError(f"--symbol must be like BTCUSDT, but is {symbol!r}")
    if interval not in INTERVALS:
        raise ValueError(f"--interval must be one of {', '.join(INTERVALS)}, but is {interval!r}")
    last = min(parse_time("--stop", stop), now) if stop else now
    first = parse_time("--start", start) if start else last - timedelta(days=_DAYS)
    if first >= last:
        raise ValueError(
            f"--start must be before --stop and now, but is {first:%Y-%m-%d %H:%M} and those are "
            f"{last:%Y-%m-%d %H:%M} (UTC)"
        )
    return Wish(market, timedelta(seconds=SECONDS[interval]), first, last)


def _kinds(text: str | None) -> list[str]:
    from ingest.backfill_plan import KINDS

    wanted = _parts(text) if text is not None else list(KINDS)
    if not wanted or not set(wanted) <= set(KINDS):
        raise ValueError(f"--kinds must be of {', '.join(KINDS)}, but is {text!r}")
    return wanted


def _adapters(text: str, settings: Settings) -> "list[Adapter]":
    from ingest.adapters import ADAPTERS, make_adapter

    wanted = _parts(text)
    if not wanted or not set(wanted) <= set(ADAPTERS):
        raise ValueError(f"--exchange must be of {', '.join(ADAPTERS)}, but is {text!r}")
    others = dict(one.split("=", 1) for one in settings.rest_urls)
    return [make_adapter(one, rest_url=others.get(one)) for one in wanted]


def _parts(text: str) -> list[str]:
    """Return what commas separate, each once."""
    return list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))


def _prepared(
    store: "Store",
    adapters: "Sequence[Adapter]",
    wish: "Wish",
    kinds: Sequence[str],
    now: datetime,
) -> "list[Work]":
    from ingest.backfill_jobs import prepare

    return [prepare(store, adapter, wish, kinds, now) for adapter in adapters]


def _tell(outcomes: "Sequence[Outcome]") -> None:
    """Say before anything is asked for what exchanges do not keep, or do not have."""
    for outcome in outcomes:
        if sentence := outcome.note or outcome.not_offered:
            typer.echo(f"{outcome.exchange}, {outcome.kind}: {sentence}", err=True)


def _run(store: "Store", settings: Settings, works: "Sequence[Work]") -> None:
    from ingest.backfill import backfill as ask_exchanges

    async def ask(progress: "Progress") -> None:
        async with make_client(settings) as client:
            await ask_exchanges(store, works, client, progress, _now)

    with _shown_progress() as progress:
        asyncio.run(ask(progress))


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

    table = Table("Exchange", "Kind", title="Stored")
    for header in ("Rows added", "From", "To"):
        table.add_column(header, justify="right")
    for one in outcomes:
        if not one.not_offered:
            times = (f"{time:%Y-%m-%d %H:%M}" if time else "" for time in (one.first, one.last))
            table.add_row(one.exchange, one.kind, f"{one.added:,}", *times)
    if table.row_count:
        output().print(table)
    for sentence in _failures(outcomes):
        typer.echo(sentence, err=True)


def _failures(outcomes: "Sequence[Outcome]") -> list[str]:
    """Return a sentence for each failure, with the kinds that it stands against."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for one in outcomes:
        if one.failed:
            kinds.setdefault((one.exchange, one.failed), []).append(one.kind)
    return [
        f"Failed: {exchange}, {', '.join(names)}: {why}."
        for (exchange, why), names in kinds.items()
    ]


def _exit(outcomes: "Sequence[Outcome]", *, asked_by_name: bool) -> None:
    """End with the code that says how much was done; what is not offered is no failure unasked."""
    done = [one for one in outcomes if not (one.not_offered or one.failed) or one.added]
    not_done = [one for one in outcomes if one.failed or (one.not_offered and asked_by_name)]
    if not done:
        raise typer.Exit(NOTHING_DONE)
    if not_done:
        raise typer.Exit(SOME_FAILED)
