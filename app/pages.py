"""The pages: where each stands, and which layout is sent for it.

A further page is one more entry of `PAGES`, and its callbacks.
"""

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape

from dash import Dash, html
from dash.backends._fastapi import reset_current_request, set_current_request
from dash.development.base_component import Component
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from components.data_page import data_page
from components.header import page_links
from components.heatmap_page import heatmap_page
from components.unknown_page import unknown_page

TITLE = "Liquidation heatmap"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes
    ----------
    path : str
        Its address.
    name : str
        What links to it say.
    layout : callable
        Makes its content from the links to all pages.
    packages : frozenset of str
        Packages of `HEAVY` that it has components of.
    """

    path: str
    name: str
    layout: Callable[[html.Nav], Component]
    packages: frozenset[str] = frozenset()


HEAVY = frozenset({"dash_ag_grid"})
"""Packages of components whose scripts only those pages load that need them."""

PAGES = (
    Page("/", "Heatmap", heatmap_page),
    Page("/data", "Data", data_page, HEAVY),
)
"""The pages that there are, in the order of their links; the first is the heatmap's."""

_UNKNOWN = Page("/no-such-page", "No such page", unknown_page)
_BELOW = "/_dash-"
_PREFIX = r'"requests_pathname_prefix":"\u002f"'  # as Dash writes it into its first page

_asked: ContextVar[str] = ContextVar("page", default=PAGES[0].path)


def add_pages(server: FastAPI, dash_app: Dash, pages: Sequence[Page] = PAGES) -> None:
    """Register the pages' addresses, and the answer of 404 at those that are left.

    Every page is a page load of its own. Dash's scripts ask for a page's layout, and send its
    callbacks, below the page's own path.
    """
    every = {page.path: page for page in (*pages, _UNKNOWN)}
    names = {page.path: page.name for page in pages}

    def layout() -> Component:
        page = every[_asked.get()]
        return page.layout(page_links(names, page.path))

    dash_app.layout = layout
    # Before Dash, which answers at the root, too.
    server.router.routes[:0] = [
        _route(path, _Html(dash_app, page))
        for page in every.values()
        for path in dict.fromkeys((page.path, f"{page.path.rstrip('/')}/"))
    ]
    server.router.routes.append(_route("/{path:path}", _Html(dash_app, _UNKNOWN, status=404)))
    server.add_middleware(_BelowPages, paths=[path for path in every if path != "/"])


def _route(path: str, answer: "_Html") -> Route:
    return Route(path, answer, methods=["GET"], include_in_schema=False)


class _Html:
    """Answer with Dash's first page, made to ask below the page's path."""

    def __init__(self, dash_app: Dash, page: Page, status: int = 200) -> None:
        self._dash_app, self._page, self._status = dash_app, page, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Dash sets it for its own addresses only, and makes no page without.
        token = set_current_request(Request(scope))  # type: ignore[no-untyped-call]
        try:
            answer = HTMLResponse(self._html(), self._status)
        finally:
            reset_current_request(token)  # type: ignore[no-untyped-call]
        await answer(scope, receive, send)

    def _html(self) -> str:
        # Dash finds scripts and style sheets at the first request of an address of its own.
        self._dash_app._setup_server()  # type: ignore[no-untyped-call]
        text: str = self._dash_app.index()  # type: ignore[no-untyped-call]
        path, title = self._page.path.strip("/"), f"<title>{TITLE}</title>"
        if path:
            name = escape(f"{self._page.name} · {TITLE}")
            text = _replaced(text, _PREFIX, f'{_PREFIX[:-1]}{path}/"')
            text = _replaced(text, title, f"<title>{name}</title>")
        for package in HEAVY - self._page.packages:
            text = re.sub(rf'<script src="[^"]*/{package}/[^"]*"></script>\n?', "", text)
        return text


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise RuntimeError(f"Dash's first page must contain {old}, but does not")
    return text.replace(old, new, 1)


class _BelowPages:
    """Send what is asked below a page to Dash, and remember of which page that was."""

    def __init__(self, app: ASGIApp, paths: Sequence[str]) -> None:
        self._app, self._paths = app, tuple(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = next((path for path in self._paths if self._is_below(scope, path)), None)
        if path is None:
            await self._app(scope, receive, send)
            return
        below = scope["path"].removeprefix(path)
        token = _asked.set(path)
        try:
            await self._app({**scope, "path": below, "raw_path": below.encode()}, receive, send)
        finally:
            _asked.reset(token)

    @staticmethod
    def _is_below(scope: Scope, path: str) -> bool:
        return bool(scope["type"] == "http" and scope["path"].startswith(path + _BELOW))
