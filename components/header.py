"""What stands at the top of every page: title, links to the pages, theme, help, notices."""

from collections.abc import Mapping, Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from components import ids
from components.accessibility import aria


def page_links(names: Mapping[str, str], current: str) -> html.Nav:
    """Return links to pages, named by their paths; the one of ``current`` is marked."""
    return html.Nav(
        [_link(path, name, is_current=path == current) for path, name in names.items()],
        className="page-links",
        **aria(label="Pages"),
    )


def _link(path: str, name: str, *, is_current: bool) -> html.A:
    marked = aria(current="page") if is_current else {}
    return html.A(name, href=path, id=f"to-{name.lower()}", className="to-page", **marked)


def page_header(
    links: html.Nav, *controls: Component, actions: Sequence[Component] = ()
) -> html.Header:
    """Return a page's header.

    Parameters
    ----------
    links : Nav
        From `page_links`.
    *controls : Component
        The page's own, after the links.
    actions : sequence of Component
        The page's own, before the theme's and the help's buttons.
    """
    return html.Header(
        [
            html.H1([html.Span(className="mark"), "Liquidation heatmap"]),
            links,
            *controls,
            html.Div(
                [
                    *actions,
                    icon_button(ids.THEME_TOGGLE, "theme", "Dark or light"),
                    icon_button(ids.HELP, "help", "Help", "?"),
                ],
                className="header-actions",
            ),
            dcc.Store(id=ids.THEME),
        ],
        className="header",
    )


def icon_button(name: str, icon: str, label: str, key: str = "") -> html.Button:
    """Return a button that is a picture, and says what it does and by which key."""
    return html.Button(
        html.Span(className=f"icon icon-{icon}"),
        id=name,
        className="icon-button",
        title=f"{label} ({key})" if key else label,
        **aria(label=label),
    )


def notice_bar() -> html.Div:
    """Return the bar that says what went wrong; every page has one."""
    closing: Any = dbc.Button(class_name="btn-close btn-sm", id=ids.NOTICE_CLOSE, title="Close")
    return html.Div(
        [html.Span(id=ids.NOTICE), closing],
        id=ids.NOTICE_BAR,
        className="notice",
        role="status",
        hidden=True,
    )
