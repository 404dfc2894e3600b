"""How a socket is served: who is let in, what is told, and when it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

import orjson
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from app.errors import UnknownExchange
from app.validation import sentence
from app.web.origins import is_own_origin

MOST_SOCKETS = 200

_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013
_LONGEST_SEND = 60.0

Texts = AsyncIterator[str]
Listen = Callable[[Mapping[str, str]], AbstractContextManager[Texts]]


class Sockets:
    """Serves sockets that only tell; what clients say is not heard.

    Parameters
    ----------
    origins : collection of str
        Origins besides this server's own whose pages may listen.
    most : int
        How many may be open at once.
    """

    def __init__(self, origins: Collection[str] = (), most: int = MOST_SOCKETS) -> None:
        self._origins, self._most = origins, most
        self._open = 0

    async def serve(self, websocket: WebSocket, listen: Listen) -> None:
        """Tell a client what there is to tell, until it leaves or does not read for a minute.

        Parameters
        ----------
        websocket : WebSocket
            Not accepted yet.
        listen : callable
            From the parameters to what is told while in its block; ``ValueError`` if they can't be.
        """
        if not is_own_origin(websocket.headers, self._origins):
            await websocket.close(_POLICY_VIOLATION)  # not accepted, so it is answered with 403
        elif self._open >= self._most:
            detail = f"{self._most} clients listen already, which is the most; try again later"
            await _refuse(websocket, _TRY_AGAIN_LATER, {"detail": detail})
        else:
            self._open += 1
            try:
                await self._serve(websocket, listen)
            finally:
                self._open -= 1

    async def _serve(self, websocket: WebSocket, listen: Listen) -> None:
        try:
            listening = listen(dict(websocket.query_params))
        except ValueError as e:
            await _refuse(websocket, _POLICY_VIOLATION, _problem(e))
            return
        # Before it is accepted: who is connected misses nothing.
        with listening as texts, suppress(WebSocketDisconnect, TimeoutError):
            await websocket.accept()
            await _relay(websocket, texts)


async def _relay(websocket: WebSocket, texts: Texts) -> None:
    sending = asyncio.create_task(_send(websocket, texts))
    leaving = asyncio.create_task(_left(websocket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
    if not sending.cancelled():
        sending.result()


async def _send(websocket: WebSocket, texts: Texts) -> None:
    async for text in texts:
        async with asyncio.timeout(_LONGEST_SEND):
            await websocket.send_text(text)
        await asyncio.sleep(0)  # a client that has much to catch up with does not hold up others


async def _left(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _refuse(websocket: WebSocket, code: int, problem: dict[str, Any]) -> None:
    """Say why, which a client could not read of a socket that was never accepted."""
    with suppress(WebSocketDisconnect):
        await websocket.accept()
        await websocket.send_text(orjson.dumps(problem).decode())
        await websocket.close(code)


def _problem(error: ValueError) -> dict[str, Any]:
    match error:
        case UnknownExchange():
            return {"detail": str(error), "supported": list(error.supported)}
        case ValidationError():
            unknown = [str(e["loc"][0]) for e in error.errors() if e["type"] == "extra_forbidden"]
            told = f"there is no parameter {unknown[0]}" if unknown else sentence(error)
            return {"detail": told}
    return {"detail": str(error)}
