"""Which program computed a result."""

from functools import cache
from pathlib import Path

from engine.version import sources_digest

_ROOT = Path(__file__).parents[1]


@cache
def program_version() -> str:
    """Return a digest of all sources that decide what a book holds, from rows to levels."""
    return sources_digest(
        *_ROOT.glob("engine/*.py"),
        *_ROOT.glob("ingest/**/*.py"),
        *_ROOT.glob("ingest/sql/*.sql"),
        *_ROOT.glob("app/*.py"),
        *_ROOT.glob("app/precompute/*.py"),
    )
