"""Serve an application until it is told to stop."""

import errno
import logging
import socket
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from app.heatmaps import Heatmaps
from app.page_state import PageState
from app.picture import heatmap_request

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        await super().startup(sockets)
        if self.started:
            self._started()


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free one.

    Raises
    ------
    OSError
        If nothing can listen there; the message says what to do.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as e:
        raise OSError(f"the address {host!r} can't be listened on: {e.strerror}") from e
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        # Another program must find the port taken now, not only when it connects.
        bound.listen(128)
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
    config = uvicorn.Config(server, log_config=None, access_log=False, server_header=False)
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


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken by another program; "
            "stop that one, or choose another port with --port (0 takes a free one)"
        )
    return f"{host} port {port} can't be listened on: {error.strerror}"
