"""How live connections to exchanges are, as small signs beside the exchanges' names."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

from dash import html

from components.theme import exchange_name

State = Literal["connected", "degraded", "down", "off"]

_MEANINGS: Mapping[State, str] = {
    "connected": "live data come",
    "degraded": "something is wrong, but it may still deliver",
    "down": "no connection; it is tried again",
    "off": "no live data are being collected",
}


class Connection(Protocol):
    """What is told of a live connection; times are UTC."""

    @property
    def exchange(self) -> str:
        """Which."""

    @property
    def state(self) -> State:
        """How it is."""

    @property
    def last_message(self) -> datetime | None:
        """When anything came last."""

    @property
    def last_event(self) -> datetime | None:
        """When a liquidation came last."""

    @property
    def lag(self) -> float | None:
        """Receive time − exchange time. [s]"""

    @property
    def last_error(self) -> str | None:
        """What went wrong last."""

    @property
    def last_error_time(self) -> datetime | None:
        """When that was."""


def was_contacted(connection: Connection) -> bool:
    """Return whether a connection is, or ever was, tried."""
    traces = (connection.last_message, connection.last_event, connection.last_error)
    return connection.state != "off" or any(trace is not None for trace in traces)


def connection_sign(connection: Connection) -> html.Span:
    """Return the state as a shape and a word; the word of a sound one is only read aloud."""
    state = connection.state
    word = "visually-hidden" if state == "connected" else "connection-word"
    return html.Span(
        [html.I(className="connection-shape"), html.Span(state, className=word)],
        className=f"connection is-{state}",
        title=connection_title(connection),
    )


def connection_title(connection: Connection) -> str:
    """Return all that is known of a connection, a statement per line."""
    name, state = exchange_name(connection.exchange), connection.state
    lines = [
        f"{name} {state}: {_MEANINGS[state]}",
        f"Last liquidation: {_moment(connection.last_event)}",
    ]
    if connection.lag is not None:
        lines.append(f"Lag: {connection.lag:.2f} s".replace("-", "−"))
    if connection.last_error:
        lines.append(f"Last error: {connection.last_error} ({_moment(connection.last_error_time)})")
    return "\n".join(lines)


def _moment(time: datetime | None) -> str:
    return "none yet" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"
