"""The page that describes the interface, from files of this installation only."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_FILES = "/docs-files"
_ICON = "/assets/icon.svg"


def add_docs(server: FastAPI) -> None:
    """Serve ``/docs``; the server must have none of FastAPI's own."""
    server.mount(_FILES, StaticFiles(directory=_folder()))
    description = server.openapi_url or ""

    @server.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=description,
            title=server.title,
            swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{_FILES}/swagger-ui.css",
            swagger_favicon_url=_ICON,
            # Else it sends the description elsewhere to be checked.
            swagger_ui_parameters={"validatorUrl": None},
        )


def _folder() -> Path:
    # The wheel is wanted for its files only; its own class of server is of no use here.
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("The files of /docs are missing; install fastapi-offline")
    return Path(spec.submodule_search_locations[0], "static")
