"""``liqheat serve``: the pages, in the browser."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.ingest import refuse_simulated
from app.cli.options import Database, load_settings
from app.settings import Settings, variable

if TYPE_CHECKING:
    from ingest.store import Store

DEMO = Path("data/demo.duckdb")
"""Where the simulated market is kept; it is built once."""


def serve(
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve a simulated market, built the first time.")
    ] = False,
    collect: Annotated[
        bool | None,
        typer.Option(
            "--collect/--no-collect",
            help="Collect live data meanwhile, or not, instead of LIQHEAT_COLLECT.",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of LIQHEAT_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, 0 for a free one.", min=0, max=65535)
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Serve others without asking them for a token or a log-in."
        ),
    ] = False,
    database: Database = None,
) -> None:
    """Serve the pages in the browser.

    Runs until it is interrupted (Ctrl-C) or terminated, and stores first what
    has come. The database is open meanwhile, so that other commands that write
    to it have to wait.
    """
    if demo and collect:
        raise ValueError(
            "--demo shows a simulated market, which live data must not mix with; leave out "
            "--demo or --collect"
        )
    if demo:
        collect, database = False, database or DEMO
    settings = load_settings(collect=collect, host=host, port=port, database=database)
    if not insecure:
        _refuse_to_be_open(settings)
    if demo:
        _build_demo(settings.database)
    _serve(settings, demo=demo)


def _refuse_to_be_open(settings: Settings) -> None:
    from app.server import is_loopback

    if settings.api_token or settings.login or is_loopback(settings.host):
        return
    raise ValueError(
        f"{settings.host} is reachable from other machines and no token or login is set; set "
        f"{variable('api_token')} or {variable('login')}, or give --insecure to serve without"
    )


def _build_demo(path: Path) -> None:
    """Build the simulated market where there is none yet."""
    if path.exists():
        return
    from app.cli.simulate import build_with_progress

    build_with_progress(path)


def _serve(settings: Settings, *, demo: bool = False) -> None:
    from app.api.answers import Answers
    from app.api.routers import api_routers
    from app.exchange_states import ExchangeStates
    from app.heatmaps import StoredHeatmaps
    from app.jobs import Jobs
    from app.live.collecting import LiveCollection
    from app.live.feed import LiveFeed
    from app.live.routes import live_router
    from app.main import create_app
    from app.server import address, listen, serve_until_stopped, warm_up
    from app.web.origins import socket_origins
    from ingest.store import Store

    with (
        _ended_by_sigterm(),
        listen(settings.host, settings.port) as bound,
        Store.open(settings.database) as store,
        ExitStack() as ending,
    ):
        if demo:
            _refuse_real(store)
        if settings.collect:
            refuse_simulated(store, "Choose another file with --database, or give --no-collect.")
        store.lock_down()  # what a page asks for never reads another file
        heatmaps = StoredHeatmaps(store, settings)
        answers, jobs, feed = Answers(heatmaps.disk, settings), Jobs(store, settings), LiveFeed()
        store.listen(feed.publish_change)
        collection = LiveCollection(store, settings, feed) if settings.collect else None
        states = ExchangeStates(store, collection.health if collection else None).states
        server = create_app(
            settings,
            heatmaps,
            [
                *api_routers(heatmaps, answers, states, feed),
                live_router(feed, heatmaps, socket_origins(settings)),
            ],
            states=states,
            jobs=jobs,
            collecting=settings.collect,
        )
        warming = warm_up(heatmaps)
        # In the database when Python ends, it would make DuckDB complain.
        ending.callback(warming.join, 10.0)
        ending.callback(heatmaps.close)
        ending.callback(answers.close)
        ending.callback(jobs.stop)
        if collection:
            ending.callback(collection.stop)  # first, because that stores what has come
        where = address(bound)

        def started() -> None:
            typer.echo(f"Open {where} (Ctrl-C stops the server)")
            if collection:
                collection.start()

        serve_until_stopped(server, bound, started)


def _refuse_real(store: "Store") -> None:
    """Show nobody real data as the demo."""
    from ingest.store import StoreError

    if not store.is_simulated():
        raise StoreError(
            f"{store.path} does not hold the simulated market. Choose another file with "
            "--database, or leave out --demo."
        )


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block in order, as Ctrl-C does, and the process well."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what has come is being stored
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
