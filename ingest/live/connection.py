"""One connection to an exchange's stream, from its opening to its end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    WebSocketException,
)

from ingest.adapters.adapter import (
    Adapter,
    ControlAnswer,
    Ignored,
    Liquidations,
    Message,
    Ping,
    Rejection,
    Text,
)
from ingest.backoff import retry_after
from ingest.http_reasons import why_no_connection
from ingest.live.clock import Clock, within

logger = logging.getLogger(__name__)

Proxy = str | Literal[True] | None
"""A proxy's address, True for that of the environment, None for none."""

LARGEST = 8 * 2**20
"""Longest message that is read; a longer one ends the connection. [bytes]"""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long things may take before a connection is given up. [s]"""

    opening: float = 10.0
    confirming: float = 15.0
    closing: float = 5.0


class Connection:
    """Connects, subscribes, asks, watches for silence, and hands on what comes.

    ``take`` makes a message of a text and keeps what is in it; None of a text it can't read.

    Attributes
    ----------
    confirmed : bool
        All subscriptions were answered, not all of them refused; and where the exchange can be
        asked what it sends, it listed every topic.
    confirmed_at : float or None
        When, by the monotonic clock. [s]
    had_data : bool
        Something other than answers came.
    data_at : float
        When that was last, by the monotonic clock; before the first, when it was confirmed. [s]
    rejections : int
        How many subscriptions were refused.
    problem : str
        Why it ended, or is about to.
    asked : float
        For how long the exchange asked to be left alone when it refused. [s]
    starved : bool
        It ended because it answered but sent no data.
    """

    def __init__(
        self,
        adapter: Adapter,
        symbols: Sequence[str],
        take: Callable[[Text], Message | None],
        clock: Clock,
        waits: Waits,
        proxy: Proxy = True,
    ) -> None:
        self._adapter, self._symbols, self._take = adapter, symbols, take
        self._clock, self._waits, self._proxy = clock, waits, proxy
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed, self._settled = asyncio.Event(), asyncio.Event()
        self._answers = 0
        self._topics: frozenset[str] = frozenset()
        self._asked_at: float | None = None
        self._alive_at = self.data_at = clock.monotonic()
        self._listed = False
        self._closing = False
        self.confirmed = self.had_data = self.starved = False
        self.confirmed_at: float | None = None
        self.rejections = 0
        self.problem = ""
        self.asked = 0.0
        self._run = asyncio.create_task(self._live())

    @property
    def ended(self) -> bool:
        """Whether it is over, everything that had come is handed on, and the socket is closed."""
        return self._run.done()

    async def settled(self) -> bool:
        """Wait until it is confirmed or over, and return whether it is the former."""
        await self._settled.wait()
        return self.confirmed and not self.ended

    async def over(self) -> None:
        """Wait until it is over."""
        await asyncio.wait({self._run})

    async def close(self) -> None:
        """Say goodbye, hand on what still comes, and wait until it is over."""
        self._end("closed by us")
        await self.over()

    async def abort(self) -> None:
        """End it whatever it is doing, and wait until it is over."""
        self._run.cancel()
        await self.over()

    async def _live(self) -> None:
        try:
            await within(self._clock, self._waits.opening, self._open())
            assert self._socket is not None
            self._keep(self._confirm)
            if (ping := self._adapter.ping) is not None:
                self._keep(partial(self._ping, ping))
            async for text in self._socket:
                self._read(text)
            self._note("the exchange closed the connection")
        except asyncio.CancelledError:
            self._note("stopped")
            raise
        except ConnectionClosed as e:
            self._note(f"connection lost: {e}")
        except TimeoutError:
            self._note(f"no connection within {self._waits.opening:g} s")
        except InvalidHandshake as e:
            self._note(f"the exchange refused the connection: {e}")
            if isinstance(e, InvalidStatus):
                said = e.response.headers.get("Retry-After", "")
                self.asked = retry_after(said, self._clock.now()) or 0.0
        except OSError as e:
            self._note(f"no connection: {why_no_connection(e)}")
        except WebSocketException as e:
            self._note(f"no connection: {e}")
        except Exception as e:
            # An adapter's bug, say in its subscriptions: this exchange's trouble, nobody else's.
            logger.exception("%s: the connection failed in our own code", self._adapter.exchange)
            self._note(f"failed in our own code: {e!r}")
        finally:
            await self._tidy()
            self._settled.set()

    async def _open(self) -> None:
        # Kept as soon as it is there, so that it is closed even if we are cancelled just then.
        self._socket = await connect(
            self._adapter.stream_url,
            proxy=self._proxy,
            open_timeout=None,
            close_timeout=None,  # deadlines are kept by our own clock
            ping_interval=None,  # an answer to a ping does not show that data will come
            max_size=LARGEST,
        )

    async def _confirm(self) -> None:
        """Subscribe, and go on to watch once that is confirmed."""
        try:
            await within(self._clock, self._waits.confirming, self._subscribe())
        except TimeoutError:
            self._end(f"the subscription was not confirmed within {self._waits.confirming:g} s")
            return
        if self._closing:
            return
        self.confirmed, self.confirmed_at = True, self._clock.monotonic()
        self._alive_at = self.data_at = self.confirmed_at
        self._settled.set()
        if self._adapter.liveness is not None:
            self._keep(partial(self._ask, self._adapter.liveness))
        await self._watch()

    async def _subscribe(self) -> None:
        assert self._socket is not None
        self._topics = frozenset(self._adapter.topics(self._symbols))
        frames = self._adapter.subscriptions(self._symbols)
        for frame in frames:
            await self._socket.send(frame)
        while self._answers + self.rejections < len(frames):
            await self._changed.wait()
            self._changed.clear()
        if frames and not self._answers:
            self._end("the exchange refused every subscription")
        elif (question := self._adapter.liveness) is not None:
            await self._send(question)
            while not self._listed and not self._closing:
                await self._changed.wait()
                self._changed.clear()

    async def _ping(self, ping: Ping) -> None:
        while True:
            await self._clock.sleep(ping.every)
            # Read anew for each: it may hold the time.
            await self._send(self._adapter.ping or ping)

    async def _ask(self, question: Ping) -> None:
        while True:
            await self._clock.sleep(question.every)
            if self._asked_at is None:
                self._asked_at = self._clock.monotonic()
            await self._send(self._adapter.liveness or question)

    async def _send(self, ping: Ping) -> None:
        assert self._socket is not None
        if ping.frame is not None:
            await self._socket.send(ping.frame)
            return
        await (await self._socket.ping())
        # Whoever keeps the socket open may answer this for an exchange that is not there any
        # more, so it counts only where there is nothing better to ask.
        if self._adapter.liveness is None or self._adapter.liveness.frame is None:
            self._answered()

    async def _watch(self) -> None:
        """End the connection when it is silent, whatever the socket says."""
        silence, data_silence = self._adapter.silence, self._adapter.data_silence
        while not self._closing:
            now = self._clock.monotonic()
            waits = [silence - (now - self._alive_at)]
            if data_silence is not None:
                waits.append(data_silence - (now - self.data_at))
            if self._asked_at is not None:
                waits.append(silence - (now - self._asked_at))
            if min(waits) > 0:
                await self._clock.sleep(min(waits))
            elif waits[0] <= 0:
                self._end(f"neither data nor an answer for {silence:g} s")
            elif data_silence is not None and waits[1] <= 0:
                self.starved = True
                self._end(f"answers, but no data for {data_silence:g} s")
            else:
                self._end(f"a question was not answered for {silence:g} s")

    def _read(self, text: Text) -> None:
        message = self._take(text)
        match message:
            case Liquidations():
                self.had_data = True
                self._alive_at = self.data_at = self._clock.monotonic()
            case ControlAnswer():
                self._control(message)
            case Rejection():
                self.rejections += 1
                self._changed.set()
            case Ignored() | None:
                pass  # that something comes is no sign of life

    def _control(self, answer: ControlAnswer) -> None:
        self._alive_at = self._clock.monotonic()
        if answer.kind == "acknowledgement":
            self._answers += 1
        elif answer.kind == "liveness":
            self._answered()
            self._check(answer.topics)
        self._changed.set()

    def _answered(self) -> None:
        self._alive_at = self._clock.monotonic()
        self._asked_at = None
        self._changed.set()

    def _check(self, topics: tuple[str, ...] | None) -> None:
        missing = self._topics.difference(topics) if topics is not None else frozenset()
        if missing:
            shown = ", ".join(sorted(missing)[:3])
            self._end(f"the exchange does not list {len(missing)} of our topics, such as {shown}")
        self._listed = True

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem

    def _end(self, problem: str) -> None:
        """Close the socket; what is still under way is read until the exchange has closed, too."""
        self._note(problem)
        if self._closing:
            return
        self._closing = True
        self._changed.set()
        if self._socket is None:
            self._run.cancel()
        else:
            self._keep(partial(self._hang_up, self._socket))

    async def _hang_up(self, socket: ClientConnection) -> None:
        try:
            await within(self._clock, self._waits.closing, socket.close())
        except TimeoutError:
            socket.transport.abort()

    def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something beside reading; if it fails, so does the connection."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ConnectionClosed:
            pass  # the reader sees it, too, and has more to say
        except Exception as e:
            logger.exception("%s: the connection failed in our own code", self._adapter.exchange)
            self._end(f"failed in our own code: {e!r}")

    async def _tidy(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._socket is not None:
            self._socket.transport.abort()
            await asyncio.gather(*self._tasks, self._socket.wait_closed(), return_exceptions=True)
