"""Serve an application until it is told to stop."""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.heatmaps import Heatmaps
from app.page_state import PageState
from app.picture import heatmap_request
from engine.memory import keep_freed_memory

logger = logging.getLogger(__name__)

# A hundred pages that open at once make six connections each, in one burst.
_BACKLOG = 2048

# More would use up the 1,024 files that a process may have open by default, the database's among
# them: better to tell some to come back than to fail for all.
_MOST_CONNECTIONS = 900


# A program that asks every few seconds must not find its connection closed as it asks. [s]
_KEPT_ALIVE = 75


# What was sent to a socket whose client does not read is not waited for longer. [s]
_LONGEST_GOODBYE = 1.0

# A connection whose client takes nothing of what was sent is ended by the system (Linux) after so
# long: closed by us, it would wait for its client forever, and count among the most. [s]
_LONGEST_UNREAD = 60.0


class Server(uvicorn.Server):
    """A server that says when it answers, and ends though clients of sockets don't read."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        await super().startup(sockets)
        if self.started:
            self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections; answers that are under way are waited for."""
        asyncio.get_running_loop().call_later(_LONGEST_GOODBYE, self._abort_sockets)
        await super().shutdown(sockets)

    def _abort_sockets(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, WebSocketsSansIOProtocol):
                connection.transport.abort()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens on a host.

    Raises
    ------
    OSError
        If there is no such host; the message says so.
    """
    # A zone may follow the address of a link: fe80::1%eth0.
    places = [str(place[4][0]).partition("%")[0] for place in _resolve(host, 0)]
    return all(ip_address(place).is_loopback for place in places)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free one.

    Raises
    ------
    OSError
        If nothing can listen there; the message says what to do.
    """
    family, kind, _, _, address = _resolve(host, port)[0]
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # what is accepted on it inherits it
        milliseconds = int(1000 * _LONGEST_UNREAD)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    try:
        bound.bind(address)
        # Another program must find the port taken now, not only when it connects.
        bound.listen(_BACKLOG)
    except OSError as e:
        bound.close()
        raise OSError(_why_not(e, host, port)) from e
    return bound


def address(bound: socket.socket) -> str:
    """Return the address to open in a browser."""
    host, port = bound.getsockname()[:2]
    # From this machine, a server on all interfaces is reached by the loopback one.
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def serve_until_stopped(server: FastAPI, bound: socket.socket, started: Callable[[], None]) -> None:
    """Answer requests on a socket until the process is interrupted or terminated."""
    # At debug, it writes what sockets send: a token would stand in the log.
    logging.getLogger("uvicorn.error").setLevel(max(logging.root.level, logging.INFO))
    keep_freed_memory()
    config = uvicorn.Config(
        server,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEPT_ALIVE,
    )
    Server(config, started).run(sockets=[bound])


def warm_up(heatmaps: Heatmaps) -> threading.Thread:
    """Compute the first picture in the background: kernels compile, books are kept."""
    thread = threading.Thread(target=_draw_first, args=(heatmaps,), name="warm-up", daemon=True)
    thread.start()
    return thread


def _draw_first(heatmaps: Heatmaps) -> None:
    try:
        for symbol in heatmaps.symbols()[:1]:
            heatmaps.view(heatmap_request(heatmaps, PageState(symbol=symbol)))
    except (LookupError, ValueError) as e:
        # The page will say the same when it is asked for.
        logger.info("nothing to warm up with: %s", e)


def _resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except socket.gaierror as e:
        raise OSError(f"the address {host!r} can't be listened on: {e.strerror}") from e


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken by another program; "
            "stop that one, or choose another port with --port (0 takes a free one)"
        )
    return f"{host} port {port} can't be listened on: {error.strerror}"
