"""The Data page: exchanges, what is stored, jobs, recent liquidations."""

from dash import html

from components.dialogs import plain_help_dialog
from components.header import notice_bar, page_header


def data_page(links: html.Nav) -> html.Div:
    """Return the page without values: callbacks fill them in."""
    return html.Div(
        [page_header(links), notice_bar(), html.Main(className="data"), plain_help_dialog()],
        className="page",
    )
