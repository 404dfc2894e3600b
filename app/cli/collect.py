"""``liqheat collect``: what exchanges send and answer, live, without pages."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.fetch import logged_above
from app.cli.ingest import refuse_simulated
from app.cli.options import Database, load_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from ingest.collector import Collector
    from ingest.health import Health

_SHOW_EVERY = 1.0


def collect(
    exchanges: Annotated[
        str | None,
        typer.Option(
            help="Of binance, bybit, okx and hyperliquid, separated by commas, instead of "
            "LIQHEAT_COLLECT_EXCHANGES."
        ),
    ] = None,
    symbols: Annotated[
        str | None,
        typer.Option(
            help="For example BTCUSDT, separated by commas, instead of LIQHEAT_COLLECT_SYMBOLS."
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Collect live data of exchanges, into the database.

    Liquidations as they happen; open interest every 30 seconds; candles of
    five minutes, of the mark price too, and funding rates. Runs until stopped
    by Ctrl-C or SIGTERM, which stores what has come. What happened while it
    did not run is not sent later: for all but liquidations, use "liqheat
    backfill". The database can't be served meanwhile: "liqheat serve
    --collect" does both.
    """
    from ingest.store import Store

    settings = load_settings(
        database=database, collect_exchanges=exchanges, collect_symbols=symbols
    )
    with Store.open(settings.database) as store:
        refuse_simulated(store)
        from app.live.collecting import make_collector

        collector = make_collector(store, settings)
        stopped_by = asyncio.run(_run(collector))
    typer.echo(f"Stopped: {collector.stored:,} liquidations were stored.", err=True)
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


async def _run(collector: "Collector") -> int | None:
    """Collect until a signal comes, and return which one."""
    stop = asyncio.Event()
    with _stopped_by_signals(stop) as caught, _shown(collector) as status:
        showing = asyncio.create_task(_show(collector, status))
        try:
            await collector.run(stop)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
    return caught[0] if caught else None


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[list[int]]:
    """Yield the signals that came; the first sets ``stop``, Ctrl-C once more interrupts."""
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    def catch(number: int, frame: FrameType | None) -> None:
        if caught and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        caught.append(number)
        loop.call_soon_threadsafe(stop.set)

    before = {one: signal.signal(one, catch) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(collector: "Collector") -> "Iterator[Status]":
    """Yield a status line, with a line above it for each change of an exchange's state."""
    from rich.console import Console

    console = Console(stderr=True)
    collector.changed = lambda health: _tell(console, health)
    with console.status("Connecting") as status, logged_above():
        yield status


def _tell(console: "Console", health: "Health") -> None:
    from ingest.http_reasons import printable

    why = f" ({printable(health.last_error)})" if health.last_error else ""
    console.print(
        f"{datetime.now(UTC):%H:%M:%S} {health.exchange}: {health.state}"
        + (why if health.state != "connected" else ""),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


async def _show(collector: "Collector", status: "Status") -> None:
    while True:
        health = collector.health().values()
        connected = sum(one.state == "connected" for one in health)
        streams = sum(one.state != "off" for one in health)
        a_minute = sum(one.events_per_minute for one in health)
        status.update(
            f"{connected} of {streams} streams connected; liquidations: {a_minute:,} in the last "
            f"minute, {collector.stored:,} stored"
        )
        await asyncio.sleep(_SHOW_EVERY)
