"""Who is let in, where a token or a log-in is set."""

import base64
import binascii
from hmac import compare_digest

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.settings import Settings
from app.web.paths import is_api
from app.web.sockets import refuse_socket

OPEN = "/health"
"""Answered to all, so that a machine that watches the server needs no secret."""


class Credentials:
    """What a request must show one of; without any set, all are let in."""

    def __init__(self, settings: Settings) -> None:
        self._token = _bytes(settings.api_token)
        self._login = _bytes(settings.login)

    def admit(self, scope: Scope) -> bool:
        """Return whether a request may be answered."""
        if self._token is None and self._login is None:
            return True
        scheme, _, value = _authorization(scope).partition(b" ")
        match scheme.lower():
            case b"bearer":
                return _same(value.strip(), self._token)
            case b"basic":
                return self._admit_basic(_decoded(value))
        return False

    def _admit_basic(self, user_and_password: bytes) -> bool:
        password = user_and_password.partition(b":")[2]
        # Programs that know only Basic, and browsers, show the token as a password.
        return _same(user_and_password, self._login) | _same(password, self._token)


class Access:
    """Refuse requests that show none of the credentials."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self._app, self._credentials = app, credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or self._is_let_in(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse_socket(receive, send)
        else:
            await _refusal(scope["path"])(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        is_open = scope["type"] == "http" and scope["path"] == OPEN
        return is_open or self._credentials.admit(scope)


def _refusal(path: str) -> Response:
    if is_api(path):
        detail = 'A token is needed here: send the header "Authorization: Bearer TOKEN".'
        return JSONResponse({"detail": detail}, 401, {"www-authenticate": 'Bearer realm="liqheat"'})
    # A browser that is told so asks its reader, and shows the text if that is cancelled.
    return PlainTextResponse(
        "Log in to see this page.",
        401,
        {"www-authenticate": 'Basic realm="liqheat", charset="UTF-8"'},
    )


def _bytes(secret: SecretStr | None) -> bytes | None:
    return None if secret is None else secret.get_secret_value().encode()


def _authorization(scope: Scope) -> bytes:
    return Headers(scope=scope).get("authorization", "").encode("latin-1")


def _decoded(value: bytes) -> bytes:
    try:
        return base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        return b""


def _same(given: bytes, secret: bytes | None) -> bool:
    """Compare in a time that does not tell how much of the secret was right."""
    return secret is not None and compare_digest(given, secret)
