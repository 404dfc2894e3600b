"""Which pages of other origins may read the interface; none, unless some are named."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.paths import is_api


class ApiCors:
    """Let pages of some origins read the interface; never our pages."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET"],
            allow_headers=["Authorization"],
            expose_headers=[
                "ETag",
                "Link",
                "Retry-After",
                "RateLimit-Remaining",
                "RateLimit-Reset",
            ],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        readable = scope["type"] == "http" and is_api(scope["path"])
        await (self._open if readable else self._app)(scope, receive, send)
