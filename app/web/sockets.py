"""Refusal of a WebSocket."""

from starlette.types import Receive, Send

_POLICY_VIOLATION = 1008


async def refuse_socket(receive: Receive, send: Send) -> None:
    """Close a socket before it is accepted, which the server sends as status 403."""
    await receive()  # that it wants to be connected
    await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
