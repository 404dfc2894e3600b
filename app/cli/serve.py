"""``liqheat serve``: the pages, in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Database, load_settings
from app.settings import Settings, variable

DEMO = Path("data/demo.duckdb")
"""Where the simulated market is kept; it is built once."""


def serve(
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve a simulated market, built the first time.")
    ] = False,
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

    Runs until it is interrupted (Ctrl-C) or terminated. The database is open
    meanwhile, so that other commands that write to it have to wait.
    """
    if demo and database is None:
        database = DEMO
    settings = load_settings(host=host, port=port, database=database)
    if not insecure:
        _refuse_to_be_open(settings)
    if demo:
        _build_demo(settings.database)
    _serve(settings)


def _refuse_to_be_open(settings: Settings) -> None:
    from app.server import is_loopback

    if settings.api_token or settings.login or is_loopback(settings.host):
        return
    raise ValueError(
        f"others can reach {settings.host}, and nobody would be asked who they are; set "
        f"{variable('api_token')} or {variable('login')}, or give --insecure if that is meant"
    )


def _build_demo(path: Path) -> None:
    """Build the simulated market where there is none yet."""
    if path.exists():
        return
    from app.cli.simulate import build_with_progress

    build_with_progress(path)


def _serve(settings: Settings) -> None:
    from app.api.answers import Answers
    from app.api.routers import api_routers
    from app.heatmaps import StoredHeatmaps
    from app.main import create_app
    from app.server import address, listen, serve_until_stopped, warm_up
    from ingest.store import Store

    with listen(settings.host, settings.port) as bound, Store.open(settings.database) as store:
        store.lock_down()  # what a page asks for never reads another file
        heatmaps = StoredHeatmaps(store, settings)
        answers = Answers(heatmaps.disk, settings)
        server = create_app(settings, heatmaps, api_routers(heatmaps, answers))
        warming = warm_up(heatmaps)
        where = address(bound)
        try:
            serve_until_stopped(
                server, bound, lambda: typer.echo(f"Open {where} (Ctrl-C stops the server)")
            )
        finally:
            answers.close()
            heatmaps.close()
            warming.join(10.0)  # in the database when Python ends, it would make DuckDB complain
