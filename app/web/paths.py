"""Which addresses belong to the interface for programs; all others are pages."""

API_PREFIXES = (
    "/api",
    "/liquidations",
    "/exchanges",
    "/symbols",
    "/coverage",
    "/cache",
    "/health",
    "/metrics",
    "/ws",
)


def is_api(path: str) -> bool:
    """Return whether programs, not browsers, are answered at a path."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in API_PREFIXES)
