"""JSON for routes of the interface that there are not.

Without them Dash, whose pages answer every other address, would answer a misspelt one with HTML.
"""

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from app.web.paths import API_PREFIXES

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def answer_unknown_routes(server: FastAPI) -> None:
    """Register the answers, after the routes that there are and before Dash."""
    answer = _Unknown(tuple(server.routes))
    for prefix in API_PREFIXES:
        for path in (prefix, f"{prefix}/{{path:path}}"):
            server.router.routes.append(Route(path, answer, include_in_schema=False))


class _Unknown:
    """Answer that there is no such route, or none for that method."""

    def __init__(self, known: Sequence[BaseRoute]) -> None:
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope)
        await answer(scope, receive, send)

    def _answer(self, scope: Scope) -> JSONResponse:
        method, path = scope["method"], scope["path"]
        allowed = ", ".join(m for m in _METHODS if self._is_known({**scope, "method": m}))
        if allowed:
            detail = f"{path} answers {allowed}, not {method}. See /docs for what there is."
            return JSONResponse({"detail": detail}, 405, {"allow": allowed})
        detail = f"There is no {method} {path}. See /docs for what there is."
        return JSONResponse({"detail": detail}, 404)

    def _is_known(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._known)
