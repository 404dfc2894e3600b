"""The page that is shown where there is none."""

from dash import html

from components.dialogs import plain_help_dialog
from components.header import notice_bar, page_header


def unknown_page(links: html.Nav) -> html.Div:
    """Return a page that says so and links to those that there are."""
    return html.Div(
        [
            page_header(links),
            notice_bar(),
            html.Main(
                [
                    html.H2("There is no such page"),
                    html.P("The address may be misspelt. The links above lead to the pages."),
                ],
                className="no-page",
            ),
            plain_help_dialog(),
        ],
        className="page",
    )
