"""Attributes by which scripts and tests know parts of a page."""

from typing import Any


def data(**attributes: object) -> dict[str, Any]:
    """Return ``data-…`` attributes for a component: ``html.Div(**data(state="off"))``."""
    return {f"data-{name}": f"{value}" for name, value in attributes.items()}
