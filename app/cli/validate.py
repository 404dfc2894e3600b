"""``liqheat validate``: the map against positions and liquidations that were really observed."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.assumptions import Assumptions
from app.cli.assuming import assuming
from app.cli.ingest import refuse_simulated
from app.cli.options import Database, load_settings
from app.cli.running import shown_states, stopped_by_signals

if TYPE_CHECKING:
    from rich.status import Status

    from app.settings import Settings
    from app.validate.lines import Line, LinesFile, RunLine
    from app.validate.maps import Terms
    from app.validate.run import Comparison
    from ingest.live.collector import Collector
    from ingest.store import Store

validate = typer.Typer(
    help="Compare the map with positions and liquidations that were observed.\n\n"
    'The commands say more with --help; "hyperliquid" takes --database PATH.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_DAY = 1440
_ENOUGH = timedelta(days=7)
_LOOK_EVERY = 5.0
_FOLDER = Path("data/validation")


@validate.command("hyperliquid")
@assuming
def hyperliquid(
    assumptions: Assumptions,
    symbol: Annotated[str, typer.Option(help="For example BTCUSDT.")] = "BTCUSDT",
    minutes: Annotated[float, typer.Option(min=0, help="How long; a day unless given.")] = _DAY,
    exchanges: Annotated[
        str,
        typer.Option(
            help="Whose map, separated by commas; Hyperliquid's and of what is stored besides."
        ),
    ] = "",
    within: Annotated[
        float, typer.Option(min=0.5, max=90, help="Per cent of the price, up and down.")
    ] = 20,
    share: Annotated[
        float, typer.Option(min=1, max=50, help="Per cent of the buckets that are called hot.")
    ] = 10,
    folder: Annotated[Path, typer.Option(help="Where results are written.")] = _FOLDER,
    database: Database = None,
) -> None:
    """Compare the map with positions that are really open on Hyperliquid.

    Follows the users of LIQHEAT_HYPERLIQUID_USERS, whose liquidation prices
    Hyperliquid tells, and collects what maps are made of, as "liqheat collect"
    does. Each position is compared with the map as of the bar before it was
    seen: does its liquidation price lie in the hottest zones more often than
    a blind guess would? Ctrl-C ends it with what there is. Each run writes
    all that it compared into a file of its own.
    """
    from ingest.store import Store
    from ingest.symbols import split_symbol

    if split_symbol(symbol.strip().upper()) is None:
        raise ValueError(f"--symbol must be one, like BTCUSDT, but is {symbol!r}")
    settings = load_settings(database=database, collect_symbols=symbol)
    if not settings.hyperliquid_users:
        raise ValueError(
            "LIQHEAT_HYPERLIQUID_USERS must name users to follow, by their addresses, but is empty"
        )
    with Store.open(settings.database) as store:
        refuse_simulated(store)
        from app.validate.maps import Terms
        from app.validate.zones import Reach

        chosen = _exchanges(exchanges, store, settings.collect_symbols[0])
        terms = Terms(
            symbol=settings.collect_symbols[0],
            exchanges=tuple(chosen),
            assumptions=assumptions,
            reach=Reach(within / 100.0, share / 100.0),
            users=len(settings.hyperliquid_users),
        )
        _tell_history(store, terms)
        _validate(store, settings, terms, minutes, folder.expanduser())


@validate.command("show")
def show(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Of runs, .jsonl.")],
) -> None:
    """Say what runs came to, together, computed anew from their lines.

    For runs that were killed, and for several on the same terms: a user's
    position that was seen in more than one counts once.
    """
    from app.validate.lines import read_lines

    _print([line for path in files for line in read_lines(path)])


def _exchanges(text: str, store: "Store", symbol: str) -> list[str]:
    """Return whose map it is."""
    from app.validate.run import EXCHANGE
    from ingest.adapters import ADAPTERS

    named = list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if not set(named) <= set(ADAPTERS):
        raise ValueError(f"--exchanges must be of {', '.join(ADAPTERS)}, but is {text!r}")
    stored = {market.exchange for market in store.markets() if market.symbol == symbol}
    return named or [one for one in ADAPTERS if one == EXCHANGE or one in stored]


def _tell_history(store: "Store", terms: "Terms") -> None:
    """Say where maps will know little, because open interest is known for a short time only."""
    firsts = {
        market.exchange: market.open_interest_first
        for market in store.markets()
        if market.symbol == terms.symbol and market.open_interest_first is not None
    }
    since = datetime.now(UTC) - _ENOUGH
    if short := [one for one in terms.exchanges if one not in firsts or firsts[one] > since]:
        typer.echo(
            f"Less than {_ENOUGH.days} days of open interest are stored for {terms.symbol} on "
            f'{", ".join(short)}: maps of it know few levels. "liqheat collect" and "liqheat '
            'backfill" bring more.',
            err=True,
        )


def _validate(
    store: "Store", settings: "Settings", terms: "Terms", minutes: float, folder: Path
) -> None:
    from app.heatmaps import StoredHeatmaps
    from app.live.collecting import make_collector
    from app.validate.run import EXCHANGE, Comparison

    collected = dict.fromkeys((*terms.exchanges, EXCHANGE))
    settings = settings.model_copy(update={"collect_exchanges": tuple(collected)})
    start = datetime.now(UTC)
    with (
        closing(StoredHeatmaps(store, settings)) as heatmaps,
        _new_file(folder, terms.symbol, start) as file,
    ):
        comparison = Comparison(store, heatmaps, terms, start, file)
        comparison.begin()
        collector = make_collector(store, settings)
        stopped_by = asyncio.run(_run(collector, comparison, minutes * 60.0))
        comparison.look(datetime.now(UTC), last=True)
        comparison.end(datetime.now(UTC))
    _print(comparison.lines)
    typer.echo(f"All that was compared is in {file.path}.", err=True)
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def _new_file(folder: Path, symbol: str, start: datetime) -> "LinesFile":
    from app.validate.lines import LinesFile

    try:
        return LinesFile(folder, symbol, start)
    except OSError as e:
        raise ValueError(f"{e.filename}: {e.strerror}. Choose another folder with --folder.") from e


async def _run(collector: "Collector", comparison: "Comparison", seconds: float) -> int | None:
    """Collect and compare until the time is over or a signal comes, and return which one."""
    stop = asyncio.Event()
    with stopped_by_signals(stop) as caught, shown_states(collector) as status:
        looking = asyncio.create_task(_look(comparison, status, stop))
        looking.add_done_callback(lambda _: stop.set())  # it ends by itself only if it fails
        ending = asyncio.get_running_loop().call_later(seconds, stop.set)
        try:
            await collector.run(stop)
        finally:
            stop.set()
            ending.cancel()
            await looking
    return caught[0] if caught else None


async def _look(comparison: "Comparison", status: "Status", stop: asyncio.Event) -> None:
    """Compare what has come, again and again."""
    while not stop.is_set():
        await asyncio.to_thread(comparison.look, datetime.now(UTC))
        status.update(f"Compared: {comparison.told}")
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_EVERY)
        except TimeoutError:
            continue


def _print(lines: "Sequence[Line]") -> None:
    from app.validate.summary import summarise
    from app.validate.words import told

    runs = [line for line in lines if line.kind == "run"]
    _check_same(runs)
    for line in told(runs[0], summarise(lines)):
        typer.echo(line)


def _check_same(runs: "Sequence[RunLine]") -> None:
    """Refuse runs on different terms."""
    if not runs:
        raise ValueError("the files must begin with the terms of a run, but none does")
    for name in ("symbol", "exchanges", "model", "within", "share", "step", "engine"):
        found = {_in_words(getattr(run, name)) for run in runs}
        if len(found) > 1:
            listed = " and ".join(sorted(found))
            raise ValueError(
                f"the runs must agree in {name} to be told together, but have {listed}. Name files "
                "that agree."
            )


def _in_words(term: object) -> str:
    return ", ".join(sorted(term)) if isinstance(term, tuple) else str(term)
