"""Ask servers politely: no oftener than they allow, again where it may help, never for ever."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import orjson
from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from ingest.backoff import retry_after
from ingest.http_reasons import is_unreachable, printable, reason

logger = logging.getLogger(__name__)

FORBIDDEN, NOT_FOUND = 403, 404
TURNED_AWAY = frozenset({FORBIDDEN, 418, 429})
"""Statuses of servers that want to be asked less, or not at all (Binance bans with 418)."""
_FORBIDDEN_FOR = 600.0  # Bybit answers so who asked too often, for ten minutes
_ELSEWHERE = 451  # not served to where the reader is
_PASSING = frozenset({408, 425})
_SERVER_ERROR = 500
_LONGEST_JSON = 64 << 20
_LONGEST_TEXT = 4096
_CONNECT_SECONDS = 10.0

Read = Callable[[httpx.Response], Awaitable[Any]]


class HttpError(Exception):
    """No usable answer; the message is a sentence.

    Attributes
    ----------
    again : bool
        Whether asking again may help.
    wait : float or None
        How long the server asks to be left alone, where it says. [s]
    status : int or None
        What it answered, if it did.
    host : str
        Who that was, or who could not be reached.
    """

    def __init__(
        self,
        message: str,
        *,
        again: bool = False,
        wait: float | None = None,
        status: int | None = None,
        host: str = "",
    ) -> None:
        super().__init__(message)
        self.again, self.wait, self.status, self.host = again, wait, status, host


class NotFound(HttpError):
    """There is no such thing on the server."""


class Unavailable(HttpError):
    """The host can't be asked for anything at present."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask a server.

    Attributes
    ----------
    url, method : str
        Whom, and how.
    parameters, headers : mapping
        Added to the address, and to what the client sends anyhow.
    body : object
        What to send as JSON.
    weight : float
        How much of the host's `Rate` it uses.
    """

    url: str
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: object = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a host may be asked for.

    Attributes
    ----------
    weight : float
        Of requests, in ``seconds``. All of it may be used at once after a rest, so that twice as
        much can fall into one such span: take half of what a host counts.
    seconds : float
        [s]
    """

    weight: float = 20.0
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How to ask.

    Attributes
    ----------
    user_agent : str
        Who we say that we are.
    proxy : str or None
        Address of the proxy; None: as the environment says (``HTTPS_PROXY``, ``NO_PROXY``, …).
    timeout : float
        Longest silence of a server. [s]
    slowest : float
        Least that an answer must bring on average once ``timeout`` has passed. [bytes/s]
    attempts : int
        How often to ask for one thing.
    longest_wait : float
        Who asks to be left alone for longer is not asked again. [s]
    rate, rates : Rate, mapping of str to Rate
        For all hosts, and for some by their names (``host`` or ``host:port``).
    again_logged_as : int
        How serious it is, for the log, that something must be asked for again: who waits for the
        answer wants to know, who collects for days does not.
    """

    user_agent: str = "liqheat"
    proxy: str | None = None
    timeout: float = 30.0
    slowest: float = 1000.0
    attempts: int = 5
    longest_wait: float = 300.0
    rate: Rate = Rate()
    rates: Mapping[str, Rate] = field(default_factory=dict)
    again_logged_as: int = logging.WARNING


class HttpClient:
    """Asks servers; belongs to one event loop.

    Parameters
    ----------
    manners : Manners
        How to ask.
    clock, sleep, now : callable
        Seconds that pass, how to wait some, and the time of day.
    transport : httpx.AsyncBaseTransport, optional
        What carries requests instead of the network.

    Raises
    ------
    HttpError
        If the proxy can't be used.
    """

    def __init__(
        self,
        manners: Manners = Manners(),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._manners, self._clock, self._sleep, self._now = manners, clock, sleep, now
        self._limiters: dict[str, AsyncLimiter] = {}
        self._closed_until: dict[str, float] = {}
        self._unreachable: set[str] = set()
        self._back_off = wait_exponential_jitter(initial=1, max=60, jitter=1)
        try:
            self._client = httpx.AsyncClient(
                proxy=manners.proxy,
                timeout=httpx.Timeout(
                    manners.timeout, connect=min(_CONNECT_SECONDS, manners.timeout), pool=None
                ),
                headers={"User-Agent": manners.user_agent},
                transport=transport,
            )
        except (ValueError, ImportError, httpx.InvalidURL) as e:
            # Without what httpx says: the address may hold a password.
            raise HttpError(
                "The proxy can't be used: expected an address like http://host:3128"
            ) from e

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get_json(self, request: Request) -> Any:
        """Return what a server answers as JSON.

        Raises
        ------
        NotFound, Unavailable, HttpError
            If there is no usable answer.
        """

        async def read(response: httpx.Response) -> Any:
            body = await self._body(response, _LONGEST_JSON)
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError as e:
                raise HttpError(
                    f"{request.url}: expected JSON, found {printable(_text(body[:999]))!r}",
                    again=True,
                ) from e

        return await self.ask(lambda: request, read)

    async def get_text(self, request: Request) -> str:
        """Return what a server answers as a short text; errors as `get_json`."""

        async def read(response: httpx.Response) -> str:
            return _text(await self._body(response, _LONGEST_TEXT))

        return str(await self.ask(lambda: request, read))

    async def ask(self, make: Callable[[], Request], read: Read) -> Any:
        """Return what ``read`` makes of an answer, asking several times if need be.

        Parameters
        ----------
        make : callable
            Returns what to ask; called anew each time.
        read : callable
            Coroutine that takes the answer, whose body is still to be read (by `chunks`).

        Raises
        ------
        NotFound, Unavailable, HttpError
            If there is no usable answer.
        """
        return await self.again(lambda: self._once(make(), read))

    async def again(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Return what ``work`` does, done again for as long as its `HttpError` says it may help."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, HttpError) and e.again),
            stop=stop_after_attempt(self._manners.attempts),
            wait=self._wait,
            sleep=self._sleep,
            before_sleep=self._tell,
            reraise=True,
        )

        async def attempt() -> Any:  # tenacity awaits only what is declared as a coroutine
            return await work()

        try:
            return await retrying(attempt)
        except HttpError as e:
            if not e.again:
                raise
            if e.status == FORBIDDEN and e.wait is None:
                self._close(e.host, _FORBIDDEN_FOR)
            kind = Unavailable if e.status in TURNED_AWAY else type(e)
            raise kind(f"{e} (asked {self._manners.attempts} times)", status=e.status) from e

    async def chunks(self, response: httpx.Response, *, raw: bool = True) -> AsyncIterator[bytes]:
        """Yield an answer's body as it comes, unless it comes too slowly.

        Raises
        ------
        HttpError
            If less than `Manners.slowest` arrived per second.
        """
        began, size = self._clock(), 0
        async for chunk in response.aiter_raw() if raw else response.aiter_bytes():
            size += len(chunk)
            took = self._clock() - began
            if took > self._manners.timeout and size < self._manners.slowest * took:
                raise HttpError(
                    f"{response.url}: {size:,} bytes took {took:.0f} s, which is too slow",
                    again=True,
                )
            yield chunk

    async def _body(self, response: httpx.Response, longest: int) -> bytes:
        body = b""
        async for chunk in self.chunks(response, raw=False):
            body += chunk
            if len(body) > longest:
                raise HttpError(
                    f"{response.url}: expected at most {longest:,} bytes, found more", again=True
                )
        return body

    async def _once(self, request: Request, read: Read) -> Any:
        try:
            url = httpx.URL(request.url)
            host = url.netloc.decode("ascii")
            await self._turn(host, request.weight)
            async with self._client.stream(
                request.method,
                url,
                params=dict(request.parameters) or None,
                headers=dict(request.headers),
                json=request.body,
            ) as response:
                await self._check(response, host)
                return await read(response)
        except httpx.InvalidURL as e:
            raise HttpError(f"{request.url} is no address: {e}") from e
        except httpx.UnsupportedProtocol as e:
            raise HttpError(f"{request.url} must begin with http:// or https://") from e
        except httpx.HTTPError as e:
            kind = Unavailable if is_unreachable(e) else HttpError
            why = reason(e, host, self._manners.timeout)
            raise kind(f"{request.url}: {why}", again=True, host=host) from e

    async def _turn(self, host: str, weight: float) -> None:
        """Wait until the host may be asked."""
        while (left := self._closed_until.get(host, 0.0) - self._clock()) > 0:
            if left > self._manners.longest_wait:
                raise Unavailable(f"{host} asks to be left alone for {_span(left)}")
            await self._sleep(left)
        if host not in self._limiters:
            rate = self._manners.rates.get(host, self._manners.rate)
            self._limiters[host] = AsyncLimiter(rate.weight, rate.seconds)
        await self._limiters[host].acquire(weight)

    async def _check(self, response: httpx.Response, host: str) -> None:
        """Raise what a status means unless it is a success."""
        status = response.status_code
        self._unreachable.discard(host)
        if response.is_success:
            return
        if status == NOT_FOUND:
            raise NotFound(f"{response.url}: not found", status=status)
        said = printable(_text(await self._first_bytes(response)))
        message = f"{response.url}: {host} answered {status} {response.reason_phrase}"
        message += f", {said!r}" if said and not said.startswith("<") else ""
        if status == _ELSEWHERE:
            raise Unavailable(message, status=status)
        wait = self._retry_after(response)
        if status in TURNED_AWAY or wait is not None:
            self._close(host, wait or 0.0)
        again = status in TURNED_AWAY | _PASSING or status >= _SERVER_ERROR
        if again and wait is not None and wait > self._manners.longest_wait:
            raise Unavailable(
                f"{message}, and asks to be left alone for {_span(wait)}", status=status
            )
        raise HttpError(message, again=again, wait=wait, status=status, host=host)

    def _close(self, host: str, wait: float) -> None:
        """Ask the host for nothing for a while."""
        until = self._clock() + wait
        self._closed_until[host] = max(self._closed_until.get(host, 0.0), until)

    def _retry_after(self, response: httpx.Response) -> float | None:
        """Return how long the server asks to be left alone. [s]"""
        return retry_after(response.headers.get("Retry-After", ""), self._now())

    async def _first_bytes(self, response: httpx.Response) -> bytes:
        async for chunk in response.aiter_bytes(_LONGEST_TEXT):
            return chunk
        return b""

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, HttpError) and error.wait is not None:
            return error.wait + random.random()  # not all at the same moment
        return self._back_off(state)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        level = self._manners.again_logged_as
        if isinstance(error, Unavailable):
            # One request tells as much of a host as all that wait for it.
            level = min(level, logging.INFO) if error.host in self._unreachable else level
            self._unreachable.add(error.host)
        logger.log(level, "Asking again in %.0f s. %s", state.upcoming_sleep, error)


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
