"""Which program computed a snapshot."""

from functools import cache
from pathlib import Path

from engine.version import sources_digest

_ROOT = Path(__file__).parents[2]

SOURCES = (
    "engine/*.py",
    "components/view.py",
    "ingest/bars.py",
    "ingest/changes.py",
    "ingest/columns.py",
    "ingest/coverage.py",
    "ingest/database.py",
    "ingest/intervals.py",
    "ingest/snapshots.py",
    "ingest/store.py",
    "ingest/sql/add_liquidation_snapshots.sql",
    "ingest/sql/add_position_events.sql",
    "ingest/sql/add_snapshot_totals.sql",
    "ingest/sql/bars.sql",
    "ingest/sql/input_*.sql",
    "ingest/sql/intervals.sql",
    "ingest/sql/leverage_tiers.sql",
    "ingest/sql/mark_intervals.sql",
    "ingest/sql/markets.sql",
    "ingest/sql/migrations/*.sql",
    "app/errors.py",
    "app/history.py",
    "app/markets.py",
    "app/precompute/*.py",
    "app/assumptions.py",
    "app/request.py",
    "app/stored_book.py",
    "app/stored_shapes.py",
    "app/views.py",
)
"""What decides what a snapshot holds: a change of anything else leaves stored ones standing."""


@cache
def program_version() -> str:
    """Return a digest of all sources that decide what a snapshot holds, from rows to rows."""
    return sources_digest(*{path for pattern in SOURCES for path in _ROOT.glob(pattern)})
