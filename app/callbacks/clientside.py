"""Callbacks that the reader's browser runs itself."""

from typing import Any

from dash import ClientsideFunction, Dash


def in_browser(app: Dash, function: str, *dependencies: Any, **options: Any) -> None:
    """Have the browser call ``namespace.name``, a function that ``assets/*.js`` defines."""
    namespace, name = function.split(".")
    called = ClientsideFunction(namespace, name)
    app.clientside_callback(called, *dependencies, **options)  # type: ignore[no-untyped-call]
