"""``liqheat collect``: what exchanges send and answer, live, without pages."""

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.ingest import refuse_simulated
from app.cli.options import Database, load_settings
from app.cli.running import shown_states, stopped_by_signals

if TYPE_CHECKING:
    from rich.status import Status

    from ingest.live.collector import Collector

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

    Liquidations as they happen; open interest every 30 seconds; candles as
    they close, of the interval that is stored, else of five minutes, and of
    the mark price too; funding rates and leverage tiers. Runs until stopped
    by Ctrl-C or SIGTERM, which stores what has come. After a time off it asks
    for up to seven days of all but liquidations, which are not sent later;
    "liqheat backfill" asks for more. The database can't be served meanwhile:
    "liqheat serve --collect" does both.
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
    with stopped_by_signals(stop) as caught, shown_states(collector) as status:
        showing = asyncio.create_task(_show(collector, status))
        try:
            await collector.run(stop)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
    return caught[0] if caught else None


async def _show(collector: "Collector", status: "Status") -> None:
    while True:
        health = collector.health().values()
        connected = sum(one.state == "connected" for one in health)
        asked = sum(one.state != "off" for one in health)
        a_minute = sum(one.events_per_minute for one in health)
        status.update(
            f"{connected} of {asked} exchanges connected; liquidations: {a_minute:,} in the last "
            f"minute, {collector.stored:,} stored"
        )
        await asyncio.sleep(_SHOW_EVERY)
