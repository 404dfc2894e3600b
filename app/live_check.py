"""What the real exchanges send and answer, asked for a minute: ``scripts/live``.

Nothing is stored, and no database is needed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, cast

import typer

from app.adapters import make_adapters
from app.cli.errors import explain
from app.cli.options import load_settings
from app.http_client import make_client
from app.live_report import Answer, Checked, report
from app.settings import Settings
from ingest.adapters.adapter import Adapter, Context, PayloadError, Request
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.backfill_plan import sampling_interval
from ingest.following import all_pages
from ingest.http import HttpClient, HttpError, Unavailable
from ingest.http_reasons import printable
from ingest.live.connection import Proxy
from ingest.live.polling import ask
from ingest.live.stream import ExchangeStream
from ingest.records import Instrument, Liquidation, contract_sizes

NOT_ALL = 1
"""Exit status where an exchange did not do all that it offers."""

_BAR = timedelta(minutes=5)
_HOUR, _DAYS = timedelta(hours=1), timedelta(days=2)
_TIMEOUT = 10.0
_NEVER_EMPTY = frozenset({"candles", "mark_candles", "open_interest_now", "funding", "tiers"})


def main() -> None:
    """Run the check as a program."""
    logging.getLogger("ingest").setLevel(logging.ERROR)  # what fails is told once, at the end
    try:
        typer.run(live)
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise
        typer.echo(failure.message, err=True)
        raise SystemExit(failure.exit_code) from None


def live(
    seconds: Annotated[float, typer.Option(min=0, help="How long to listen.")] = 60,
    exchanges: Annotated[
        str, typer.Option(help="Of binance, bybit, okx and hyperliquid, separated by commas.")
    ] = "binance,bybit,okx,hyperliquid",
    symbols: Annotated[
        str, typer.Option(help="For example BTCUSDT, separated by commas; answers are of the first")
    ] = "BTCUSDT,ETHUSDT,SOLUSDT",
) -> None:
    """Listen and ask as "liqheat collect" does, store nothing, and print what came.

    Reads the same settings: LIQHEAT_STREAM_URLS, LIQHEAT_REST_URLS, LIQHEAT_PROXY,
    LIQHEAT_HYPERLIQUID_USERS. Ends with 1 if an exchange did not do all that it offers.
    """
    settings = load_settings(collect_exchanges=exchanges, collect_symbols=symbols)
    adapters = make_adapters(settings, settings.collect_exchanges)
    typer.echo(f"Listening for {seconds:g} s …", err=True)
    checked = asyncio.run(check_all(settings, adapters, settings.collect_symbols, seconds))
    for one in checked:
        for line in report(one) if one.came else ():
            typer.echo(line)
    for one in checked:
        if one.problem:
            typer.echo(f"{one.exchange}: {one.problem}.", err=True)
    if any(one.problem for one in checked):
        raise typer.Exit(NOT_ALL)


async def check_all(
    settings: Settings, adapters: Sequence[Adapter], symbols: Sequence[str], seconds: float
) -> list[Checked]:
    """Return what came of exchanges, all at the same time."""
    brief = settings.model_copy(update={"http_timeout": min(settings.http_timeout, _TIMEOUT)})
    async with make_client(brief, attempts=1) as client:
        return await asyncio.gather(
            *(check(client, adapter, symbols, seconds, _proxy(settings)) for adapter in adapters)
        )


async def check(
    client: HttpClient,
    adapter: Adapter,
    symbols: Sequence[str],
    seconds: float,
    proxy: Proxy = True,
) -> Checked:
    """Return what came of one exchange."""
    found = Checked(adapter.exchange)
    known = [symbol for symbol in symbols if adapter.native(symbol) is not None]
    sizes = Context(contract_sizes=contract_sizes(await _markets(client, adapter, found)))
    if not known:
        found.unreachable = f"it can have none of {', '.join(symbols)}"
        return found
    async with asyncio.TaskGroup() as group:
        group.create_task(_listen(adapter, known, sizes, seconds, proxy, found))
        group.create_task(_ask_all(client, adapter, known, sizes, found))
    return found


async def _listen(
    adapter: Adapter,
    symbols: Sequence[str],
    context: Context,
    seconds: float,
    proxy: Proxy,
    found: Checked,
) -> None:
    """Keep the stream for so long, unless the first try to connect fails."""
    if (why := adapter.unavailable.get("liquidations")) is not None:
        found.no_stream = why
        return
    # What topics for all markets bring of others is kept: it shows that something comes.
    stream = ExchangeStream(adapter, symbols, context, proxy=proxy)
    with _running(stream.run()), _running(_take(stream, found.liquidations)):
        await stream.tried.wait()
        if stream.connected:
            await asyncio.sleep(seconds)
        found.health = stream.health()


async def _take(stream: ExchangeStream, into: list[Liquidation]) -> None:
    async for liquidation in stream.records():
        into.append(liquidation)  # noqa: PERF401 - seen by others as it grows


@contextlib.contextmanager
def _running(work: Any) -> Iterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()


async def _markets(client: HttpClient, adapter: Adapter, found: Checked) -> list[Instrument]:
    answer = await _answer(
        "instruments", client, adapter, adapter.instruments, adapter.read_instruments, found
    )
    found.answers.append(answer)
    return [row for row in answer.rows if isinstance(row, Instrument)]


async def _ask_all(
    client: HttpClient,
    adapter: Adapter,
    symbols: Sequence[str],
    context: Context,
    found: Checked,
) -> None:
    unavailable = cast(Mapping[str, str], adapter.unavailable)
    for kind, requests, read in _questions(adapter, symbols, context):
        if found.unreachable:
            return
        if (sentence := unavailable.get(kind)) is not None:
            found.answers.append(Answer(kind, not_offered=sentence))
            continue
        answer = await _answer(kind, client, adapter, requests, read, found)
        if not answer.rows and not answer.failed and kind in _NEVER_EMPTY:
            answer = replace(answer, failed=f"an answer without rows of {symbols[0]}")
        found.answers.append(answer)


Question = tuple[str, Callable[[], list[Request]], Callable[[bytes], Sequence[object]]]


def _questions(adapter: Adapter, symbols: Sequence[str], context: Context) -> Iterator[Question]:
    """Yield what to ask for of the first symbol, and how to read it."""
    symbol, now = symbols[0], datetime.now(UTC)
    market: Any = adapter  # kinds that an exchange has not raise when they are asked for

    def of_symbol(rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if row.symbol == symbol]

    yield (
        "candles",
        lambda: market.candles(symbol, _BAR, now - _HOUR, now),
        lambda text: market.read_candles(text, symbol, _BAR),
    )
    yield (
        "mark_candles",
        lambda: market.mark_candles(symbol, _BAR, now - _HOUR, now),
        lambda text: market.read_mark_candles(text, symbol, _BAR),
    )
    yield (
        "open_interest_now",
        lambda: market.open_interest_now([symbol]),
        lambda text: of_symbol(market.read_open_interest_now(text, datetime.now(UTC))),
    )
    yield (
        "open_interest_history",
        lambda: market.open_interest_history(
            symbol, sampling_interval(adapter, symbol, _BAR), now - _HOUR, now
        ),
        lambda text: market.read_open_interest_history(text, symbol),
    )
    yield (
        "funding",
        lambda: market.funding(symbol, now - _DAYS, now),
        lambda text: market.read_funding(text, symbol),
    )
    yield (
        "tiers",
        lambda: market.tiers([symbol]),
        lambda text: of_symbol(market.read_tiers(text, datetime.now(UTC), context)),
    )
    for user in adapter.users if isinstance(adapter, Hyperliquid) else ():
        yield (
            f"positions of {user}",
            partial(market.positions, [user]),
            partial(market.read_positions, user=user),
        )


async def _answer(
    kind: str,
    client: HttpClient,
    adapter: Adapter,
    requests: Callable[[], list[Request]],
    read: Callable[[bytes], Sequence[object]],
    found: Checked,
) -> Answer:
    """Return what is answered; note if the exchange need not be asked for more."""
    try:
        pages = all_pages(requests(), lambda one: ask(client, adapter, one))
        rows = [row async for text in pages for row in read(text)]
    except Unavailable as e:
        found.unreachable = _words(e)
        return Answer(kind, failed=_words(e))
    except (HttpError, PayloadError, ValueError) as e:
        return Answer(kind, failed=_words(e))
    return Answer(kind, rows)


def _words(error: Exception) -> str:
    return printable(str(error).removesuffix(" (asked 1 times)").rstrip("."))


def _proxy(settings: Settings) -> Proxy:
    return settings.proxy.get_secret_value() if settings.proxy else True


if __name__ == "__main__":
    main()
