"""Whose pages may open a socket here: browsers let any page try, and send a log-in along."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.settings import Settings


def socket_origins(settings: Settings) -> tuple[str, ...]:
    """Return the origins besides this server's own whose pages may open a socket.

    Where credentials are asked for, a browser sends those of its reader along, whichever page asks;
    so only pages that are named may, and not all.
    """
    asks = bool(settings.api_token or settings.login)
    return tuple(origin for origin in settings.cors_origins if not (asks and origin == "*"))


def is_own_origin(headers: Headers, others: Collection[str] = ()) -> bool:
    """Return whether who asks is no page, a page of this server, or of one of some origins.

    Parameters
    ----------
    headers : Headers
        Of the request.
    others : collection of str
        Origins that are let in, too, ``https://example.org``; ``"*"`` stands for all.
    """
    origins = headers.getlist("origin")
    if not origins or "*" in others:
        return True
    # Behind a proxy that speaks TLS, the page's scheme is not the one that is spoken here.
    hosts = {host.lower() for host in headers.getlist("host")}
    return all(origin in others or _host(origin) in hosts for origin in origins)


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
