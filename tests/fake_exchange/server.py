"""What the fake exchanges have in common: connections, and all that can go wrong with them."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from tests.fake_exchange.clock import ManualClock, until


@dataclass(frozen=True, slots=True)
class Happened:
    """A liquidation as the exchange knows it."""

    symbol: str
    long: bool
    quantity: Decimal
    price: Decimal
    time: datetime

    @property
    def millis(self) -> int:
        return round(self.time.timestamp() * 1000)

    @property
    def identity(self) -> tuple[str, int, float, datetime]:
        """What a record made of it must say."""
        return (self.symbol, 1 if self.long else -1, float(self.quantity), self.time)


@dataclass(slots=True)
class Script:
    """How the exchange behaves from now on.

    Attributes
    ----------
    status : int
        HTTP status that connections are answered with: 101 accepts.
    retry_after : str
        What a refusal says of when to come back, empty for nothing.
    shake_hands : bool
        Whether the handshake is answered at all.
    acknowledge, answer, deliver : bool
        Whether subscriptions are acknowledged, pings and questions answered, data sent.
    listing : bool
        Whether a question lists what is subscribed, or nothing.
    rejected : set of str
        Symbols that can't be subscribed to; ``"*"`` refuses everything.
    max_age : float or None
        After how long a connection is closed. [s]
    throw_out : bool
        Whether a connection is closed as soon as it has subscribed.
    """

    status: int = 101
    retry_after: str = ""
    shake_hands: bool = True
    acknowledge: bool = True
    answer: bool = True
    deliver: bool = True
    listing: bool = True
    rejected: set[str] = field(default_factory=set)
    max_age: float | None = None
    throw_out: bool = False


class FakeExchange:
    """A WebSocket server on a free port of loopback; see ``Script`` for what it can do wrong.

    Attributes
    ----------
    delivered : list of Happened
        What was sent whole, over at least one connection that was subscribed to it.
    accepted : int
        Connections made so far.
    heard : list of str
        Every message of a client.
    idle_limit : float or None
        A connection is closed if its client says nothing for so long. [s]
    """

    name = ""
    path = "/"
    idle_limit: float | None = None

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.script = Script()
        self.delivered: list[Happened] = []
        self._known: dict[Happened, None] = {}
        self.accepted = 0
        self.tries = 0
        self.heard: list[str] = []
        self.topics: dict[ServerConnection, set[str]] = {}
        self._heard_at: dict[ServerConnection, float] = {}
        self._server: Server | None = None
        self._leaving = asyncio.Event()
        self._port = 0
        self._reserved: socket.socket | None = None

    async def __aenter__(self) -> "FakeExchange":
        # Kept bound, without listening: nobody else gets the port while the server is away.
        self._reserved = _bound(0)
        self._port = self._reserved.getsockname()[1]
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()
        assert self._reserved is not None
        self._reserved.close()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}{self.path}"

    @property
    def open(self) -> list[ServerConnection]:
        return [c for c in self.topics if c.state is State.OPEN]

    async def listen(self) -> None:
        self._leaving.clear()
        self._server = await serve(
            self._serve,
            sock=_bound(self._port),
            process_request=self._admit,
            ping_interval=None,
            close_timeout=1,
            open_timeout=None,
            max_size=None,
        )

    async def vanish(self) -> None:
        """Drop every connection and refuse the next ones."""
        self._leaving.set()
        if self._server is not None:
            for connection in self._server.connections:
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def subscribed(self, connections: int = 1) -> None:
        """Wait until so many connections are open and subscribed to something."""
        await until(
            lambda: sum(bool(self.topics[c]) for c in self.open) >= connections,
            f"{connections} subscribed to {self.name}",
            self.clock,
        )

    async def publish(self, *events: Happened, copies: int = 1) -> None:
        """Send events, in as few messages as the exchange would, to all that want them."""
        for connection in self.open:
            wanted = [e for e in events if self.wants(connection, e.symbol)]
            if wanted and self.script.deliver:
                for text in self.messages(wanted) * copies:
                    if not await _send(connection, text):
                        break
                else:
                    self._count(wanted)

    async def say(self, message: str | bytes) -> None:
        """Send anything to all."""
        for connection in self.open:
            await _send(connection, message)

    async def say_raw(self, data: bytes) -> None:
        """Write bytes, frames or not, to the connections' sockets."""
        for connection in self.open:
            connection.transport.write(data)

    async def drop(self, *, after: bytes = b"") -> None:
        """Break all connections without a goodbye, after a few last bytes."""
        victims = self.open
        for connection in victims:
            connection.transport.write(after)
            connection.transport.close()
        await self.gone(victims)

    async def close(self, code: int = 1001, reason: str = "") -> None:
        """Close all connections properly."""
        for connection in self.open:
            await connection.close(code, reason)

    async def gone(self, victims: list[ServerConnection] | None = None) -> None:
        """Wait until none of some connections is open: by default of those that are now."""
        watched = self.open if victims is None else victims
        await until(
            lambda: not any(connection in self.topics for connection in watched),
            f"the end of {self.name}'s connections",
            self.clock,
        )

    def wants(self, connection: ServerConnection, symbol: str) -> bool:
        """Return whether a connection is subscribed to a symbol."""
        raise NotImplementedError

    def messages(self, events: list[Happened]) -> list[str]:
        """Return events as the exchange would send them."""
        raise NotImplementedError

    def answers(self, connection: ServerConnection, text: str) -> Iterable[str]:
        """Return the answers to a client's message, and note what it subscribes to."""
        raise NotImplementedError

    def _count(self, events: list[Happened]) -> None:
        for event in events:
            if event not in self._known:
                self.delivered.append(event)
                self._known[event] = None
        while len(self._known) > 10_000:
            del self._known[next(iter(self._known))]

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.tries += 1
        if not self.script.shake_hands:
            await self._leaving.wait()
        if self.script.status != 101:
            response = connection.respond(HTTPStatus(self.script.status), "not now\n")
            if self.script.retry_after:
                response.headers["Retry-After"] = self.script.retry_after
            return response
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        self.accepted += 1
        self.topics[connection] = set()
        self._heard_at[connection] = self.clock.monotonic()
        keepers = [asyncio.create_task(self._age(connection))]
        if self.idle_limit is not None:
            keepers.append(asyncio.create_task(self._cut_idle(connection, self.idle_limit)))
        try:
            async for text in connection:
                await self._hear(connection, str(text))
        except ConnectionClosed:
            pass
        finally:
            for task in keepers:
                task.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            del self.topics[connection], self._heard_at[connection]

    async def _hear(self, connection: ServerConnection, text: str) -> None:
        self.heard.append(text)
        self._heard_at[connection] = self.clock.monotonic()
        for answer in list(self.answers(connection, text)):
            await connection.send(answer)
        if self.script.throw_out:
            await connection.close(1013, "try again later")

    async def _age(self, connection: ServerConnection) -> None:
        if self.script.max_age is not None:
            await self.clock.sleep(self.script.max_age)
            await connection.close(1008, "too old")

    async def _cut_idle(self, connection: ServerConnection, limit: float) -> None:
        while (left := self._heard_at[connection] + limit - self.clock.monotonic()) > 0:
            await self.clock.sleep(left)
        await connection.close(4004, "no data received")


def _bound(port: int) -> socket.socket:
    # Only with its protocol named does asyncio send small messages at once.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


async def _send(connection: ServerConnection, message: str | bytes) -> bool:
    with contextlib.suppress(ConnectionClosed):
        await connection.send(message)
        return True
    return False


def dumps(message: Any) -> str:
    """Return a message as the exchanges write it."""
    return json.dumps(message, separators=(",", ":"))
