"""How many requests of one client are answered."""

import math
from collections.abc import Callable

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.sockets import refuse_socket


class RateLimit:
    """Refuse the requests of a client that asks too often; to open a socket is one, too.

    The window slides by two counters a client: they are gone two windows after its last request.
    The storage's exact kind would keep an entry of every client that ever asked.

    Parameters
    ----------
    app : ASGIApp
        Who answers the others.
    rate : str
        Requests in a time, ``"1200/minute"``.
    counted : callable
        From a request's scope to whether it counts.
    """

    def __init__(self, app: ASGIApp, rate: str, counted: Callable[[Scope], bool]) -> None:
        self._app, self._counted = app, counted
        self._rate = parse(rate)
        self._storage = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or not self._counted(scope):
            await self._app(scope, receive, send)
            return
        client = (scope.get("client") or ("unknown",))[0]
        is_let_in = self._limiter.hit(self._rate, client)
        if scope["type"] == "websocket":
            await (self._app(scope, receive, send) if is_let_in else refuse_socket(receive, send))
            return
        if not is_let_in:
            await self._refusal(client)(scope, receive, send)
            return
        headers = self._headers(client)

        async def send_with_rate(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_rate)

    def _refusal(self, client: str) -> JSONResponse:
        seconds = self._seconds_to_wait(client)
        detail = (
            f"Only {self._rate.amount} requests in {self._period()} are answered; "
            f"ask again in {seconds} s."
        )
        headers = self._headers(client) | {"retry-after": str(seconds)}
        return JSONResponse({"detail": detail}, 429, headers)

    def _headers(self, client: str) -> dict[str, str]:
        previous, previous_left, current, current_left = self._counts(client)
        window = self._rate.get_expiry()
        used = math.floor(previous * previous_left / window + current)
        return {
            "ratelimit-limit": str(self._rate.amount),
            "ratelimit-remaining": str(max(0, self._rate.amount - used)),
            "ratelimit-reset": str(math.ceil(current_left - window)),
        }

    def _seconds_to_wait(self, client: str) -> int:
        """Return after how long the next request would be answered, at least a second."""
        previous, previous_left, current, current_left = self._counts(client)
        window, amount = self._rate.get_expiry(), self._rate.amount
        if current < amount and previous:
            # The previous window's requests count by the share of it that is still in sight.
            wait = previous_left - (amount - current) * window / previous
        else:
            wait = current_left - window
        return max(1, math.ceil(wait))

    def _counts(self, client: str) -> tuple[int, float, int, float]:
        return self._storage.get_sliding_window(self._rate.key_for(client), self._rate.get_expiry())

    def _period(self) -> str:
        return f"{self._rate.get_expiry()} s"
