"""Which names this server answers under.

A page elsewhere can point its own name at 127.0.0.1, and is then of one origin with this server in
the eyes of a browser (DNS rebinding). So only names are answered that are known to be ours. An
address in digits can't be pointed anywhere.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.sockets import refuse_socket


class KnownHosts:
    """Refuse requests that are addressed to another name.

    Parameters
    ----------
    app : ASGIApp
        Who answers the others.
    names : iterable of str
        Names besides ``localhost``; ``"*"`` stands for all.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = {name.lower() for name in names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or self._is_known(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse_socket(receive, send)
        else:
            detail = (
                "This server does not answer under that name. Ask for it by its address, or "
                "start it with the name among those in LIQHEAT_ALLOWED_HOSTS."
            )
            await JSONResponse({"detail": detail}, 400)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        if "*" in self._names:
            return True
        given = Headers(scope=scope).getlist("host")
        # Of two that differ, another program could have looked at the other one.
        return len(given) == 1 and self._is_ours(host_name(given[0]))

    def _is_ours(self, name: str) -> bool:
        return name in self._names or is_address(name)


def host_name(host: str) -> str:
    """Return the name or address in a ``Host`` header, without port."""
    if host.startswith("["):
        address, _, port = host[1:].partition("]")
        # What else follows belongs to a name that only looks like an address.
        return address if not port or port.startswith(":") else host
    return host.partition(":")[0].lower().removesuffix(".")


def is_address(name: str) -> bool:
    """Return whether a name is an IP address in digits."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
