"""What a screen reader is told."""

from typing import Any


def aria(**attributes: str) -> dict[str, Any]:
    """Return ``aria-…`` attributes for a component: ``html.Div(**aria(label="Layers"))``."""
    return {f"aria-{name}": text for name, text in attributes.items()}
