"""How live connections to exchanges are: a card for each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from dash import html
from dash.development.base_component import Component

from components.attributes import data
from components.connections import Connection, connection_sign
from components.durations import age, duration
from components.theme import exchange_colour, exchange_name


class MeasuredConnection(Connection, Protocol):
    """What is told of a live connection, with what was counted; times are UTC."""

    @property
    def events_per_minute(self) -> int:
        """Liquidations of the last minute."""

    @property
    def reconnects(self) -> int:
        """Connections made again after a loss."""


def exchange_cards(
    connections: Sequence[MeasuredConnection],
    now: datetime,
    *,
    collecting: bool,
    simulated: bool = False,
) -> list[Component]:
    """Return a card for each exchange, with a sentence where nothing is collected."""
    cards: list[Component] = [_card(connection, now) for connection in connections]
    if simulated:
        said = "The simulated market has no live data; other databases do with "
        cards.append(html.P([said, html.Code("--collect"), "."], className="card-note"))
    elif not collecting:
        said = "Not collecting live data: start the server with "
        cards.append(html.P([said, html.Code("--collect"), "."], className="card-note"))
    return cards


def _card(connection: MeasuredConnection, now: datetime) -> html.Article:
    return html.Article(
        [
            html.H3(
                [
                    html.I(
                        className="dot",
                        style={"background": exchange_colour(connection.exchange)},
                    ),
                    exchange_name(connection.exchange),
                    _sign(connection),
                ]
            ),
            html.Dl([_figure(name, value) for name, value in _figures(connection, now)]),
            *_error(connection, now),
        ],
        className=f"exchange-card is-{connection.state}",
        **data(exchange=connection.exchange, state=connection.state),
    )


def _sign(connection: MeasuredConnection) -> html.Span:
    """Return shape and word; the heatmap's page leaves the word out where all is well."""
    sign = connection_sign(connection)
    if connection.state == "connected":
        shape, _ = sign.children
        sign.children = [shape, html.Span(connection.state, className="connection-word")]
    return sign


def _figures(connection: MeasuredConnection, now: datetime) -> list[tuple[str, str]]:
    lag = connection.lag
    return [
        ("Last event", age(connection.last_event, now)),
        ("Events/min", f"{connection.events_per_minute:,}"),
        ("Lag", "–" if lag is None else f"{lag:.2f} s".replace("-", "−")),
        ("Reconnects", f"{connection.reconnects:,}"),
    ]


def _figure(name: str, value: str) -> html.Div:
    return html.Div([html.Dt(name), html.Dd(value)])


def _error(connection: MeasuredConnection, now: datetime) -> list[Component]:
    error, time = connection.last_error, connection.last_error_time
    if not error:
        return []
    ago = f", {duration((now - time).total_seconds())} ago" if time else ""
    return [html.P(f"Last error{ago}: {error}", className="card-error", title=error, tabIndex="0")]
