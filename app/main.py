"""The application: Dash pages on a FastAPI server."""

import logging
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dash import Dash, set_props
from fastapi import APIRouter, FastAPI
from starlette.staticfiles import StaticFiles

from app import __version__
from app.api import errors
from app.api.description import ABOUT, TAGS, describe, operation_id
from app.api.operations import health_router
from app.callbacks import register_callbacks
from app.exchange_states import States
from app.heatmaps import Heatmaps, StoredHeatmaps
from app.jobs import Jobs
from app.pages import TITLE, add_pages
from app.settings import Settings
from app.stored_data import StoredData
from app.web.docs import add_docs
from app.web.guard import guard
from app.web.metrics import count_requests
from app.web.unknown import answer_unknown_routes
from components import ids
from components.theme import THEMES

logger = logging.getLogger(__name__)

ASSETS = Path(__file__).resolve().parents[1] / "assets"

_INDEX = """<!DOCTYPE html>
<html lang="en" data-bs-theme="dark">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
    {%css%}
    <script src="/assets/theme.js"></script>
  </head>
  <body>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def create_app(
    settings: Settings,
    heatmaps: Heatmaps,
    routers: Sequence[APIRouter] = (),
    *,
    states: States | None = None,
    jobs: Jobs | None = None,
    collecting: bool = False,
) -> FastAPI:
    """Return the server of the pages and of the interface, as an ASGI application.

    Parameters
    ----------
    settings : Settings
        How many computations run at once, and who is answered.
    heatmaps : Heatmaps
        Where the pictures come from. The caller closes it.
    routers : sequence of APIRouter
        Routes for programs.
    states : callable, optional
        Tells the states of the exchanges; without it the pages don't show them.
    jobs : Jobs, optional
        Loads data for readers of the Data page; without it they can't. The caller stops it.
    collecting : bool
        Whether live data come in here.
    """
    # Most callbacks only look something up: they must not wait behind computations.
    pool = ThreadPoolExecutor(settings.threads + 8, thread_name_prefix="callback")
    server = FastAPI(
        title=TITLE,
        version=__version__,
        description=ABOUT,
        openapi_tags=[{"name": name, "description": about} for name, about in TAGS.items()],
        generate_unique_id_function=operation_id,
        lifespan=_closes(pool),
        docs_url=None,
        redoc_url=None,
    )
    describe(server, settings)
    add_docs(server)
    server.mount("/bootstrap", StaticFiles(directory=_bootstrap_folder()))
    errors.install(server)
    for router in (*routers, health_router()):
        server.include_router(router)
    # Before Dash, whose pages answer every other address with HTML.
    answer_unknown_routes(server)
    dash_app = Dash(
        "liqheat",
        server=server,  # type: ignore[arg-type]
        title=TITLE,
        update_title="",
        assets_folder=str(ASSETS),
        assets_ignore=r"theme\.js",
        external_stylesheets=["/bootstrap/bootstrap.min.css"],
        index_string=_INDEX,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "theme-color", "content": THEMES["dark"].paper},
        ],
        suppress_callback_exceptions=True,  # each page has the components of its own callbacks only
        on_error=_say_it_failed,
        add_log_handler=False,
        enable_mcp=False,
    )
    add_pages(server, dash_app)
    stored = StoredData(heatmaps.store if isinstance(heatmaps, StoredHeatmaps) else None)
    register_callbacks(
        dash_app, heatmaps, pool, stored=stored, states=states, jobs=jobs, collecting=collecting
    )
    guard(server, settings)
    count_requests(server)
    return server


def _closes(pool: ThreadPoolExecutor) -> Any:
    @asynccontextmanager
    async def lifespan(_server: FastAPI) -> AsyncIterator[None]:
        yield
        pool.shutdown(wait=False, cancel_futures=True)

    return lifespan


def _bootstrap_folder() -> Path:
    # The wheel is wanted for its style sheet only: importing it would import Flask's extension.
    spec = find_spec("flask_bootstrap")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("Bootstrap's style sheet is missing; install bootstrap-flask")
    return Path(spec.submodule_search_locations[0], "static", "bootstrap5", "css")


def _say_it_failed(error: Exception) -> None:
    logger.error("a callback failed", exc_info=error)
    set_props(
        ids.NOTICE,
        {"children": "Something went wrong; the server's log says what. Try again, or reload."},
    )
