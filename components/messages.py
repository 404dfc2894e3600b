"""What stands where the picture would be when there is none."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

DATA_PAGE = "/data"

LOAD_COMMANDS = (
    ("Look around in a simulated market", "liqheat serve --demo"),
    ("Load files, or a folder of them", "liqheat ingest PATH"),
    (
        "Ask the exchanges for what they keep",
        "liqheat backfill --exchange binance --symbol BTCUSDT",
    ),
    ("Collect live data from now on", "liqheat serve --collect"),
    ("See what is stored", "liqheat coverage"),
)


def message(title: str, sentence: str, commands: Sequence[tuple[str, str]] = ()) -> list[Component]:
    """Return a title, a sentence that says what to do, and commands for it."""
    parts: list[Component] = [html.H2(title), html.P(sentence)]
    if commands:
        parts.append(
            html.Dl(
                [html.Div([html.Dt(what), html.Dd(html.Code(how))]) for what, how in commands],
                className="commands",
            )
        )
    return parts


def no_data_message(sentence: str, *, collecting: bool = False) -> list[Component]:
    """Return what to do when nothing is stored for the choice.

    ``collecting`` says whether the server itself collects live data.
    """
    if collecting:
        return [
            *message("Nothing to draw", sentence),
            _note("Live data are being collected, and drawn as they come. ", "What is stored"),
        ]
    return [
        *message("Nothing to draw", sentence, LOAD_COMMANDS),
        _note("", "What is stored, and loading more"),
    ]


def empty_store_message(*, collecting: bool = False) -> list[Component]:
    """Return what to do when nothing is stored at all; ``collecting`` is as above."""
    if collecting:
        return [
            *message(
                "No market data yet",
                "Live data are being collected. The map appears here by itself with the first "
                "bars: candles and open interest of one market. How each exchange is connected "
                "stands beside its name above.",
            ),
            _note("", "How collecting goes, and loading older data"),
        ]
    return [
        *message(
            "No market data yet",
            "The database is empty. Load some data on the Data page; or stop this server, load "
            "some by a command, and start it again:",
            LOAD_COMMANDS,
        ),
        _note("", "To the Data page"),
    ]


def _note(sentence: str, link: str) -> html.P:
    return html.P([sentence, html.A(link, href=DATA_PAGE)], className="message-note")


def bad_request_message(sentence: str) -> list[Component]:
    """Return what is wrong with the choice."""
    return message("This can't be drawn", sentence.rstrip(".") + ". Choose something else above.")


def failure_message() -> list[Component]:
    """Return an apology; the details are in the log."""
    return message(
        "Something went wrong",
        "The picture could not be computed. The server's log says why. "
        "Choose something else above, or reload the page to try again.",
    )
