"""Options that several commands share, what they are read as, and the settings they go into."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.settings import Settings

if TYPE_CHECKING:
    from ingest.store import Store

Database = Annotated[
    Path | None,
    typer.Option(
        "--database", metavar="PATH", help="The database's file, instead of LIQHEAT_DATABASE."
    ),
]
Symbol = Annotated[str, typer.Option(help="For example BTCUSDT.")]
Exchanges = Annotated[str, typer.Option(help="Comma-separated; all that are stored.")]
ScoredStart = Annotated[
    str, typer.Option(help="ISO 8601, UTC unless it says so; 90 days before the end if empty.")
]
ScoredStop = Annotated[str, typer.Option(help="Nothing later is used; end of the data if empty.")]


def load_settings(**options: Any) -> Settings:
    """Return the settings in force with ``options`` (None: not given), and log as they say."""
    settings = Settings.load(**options)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    return settings


def open_existing(path: Path) -> "Store":
    """Return a database open for writing; one that is missing is reported, not created."""
    from ingest.store import Store

    if not path.exists():
        return Store.open(path, read_only=True)  # raises: nothing can be read
    return Store.open(path)


def parse_names(text: str) -> tuple[str, ...]:
    """Return the comma-separated names of a text in lower case, each trimmed."""
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def parse_span(start: str, stop: str) -> tuple[datetime | None, datetime | None]:
    """Return the times of ``--start`` and ``--stop``, None where one is empty."""
    first = parse_time("--start", start) if start else None
    return first, parse_time("--stop", stop) if stop else None


def parse_time(name: str, text: str) -> datetime:
    """Return an ISO 8601 time, UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{name} must be a time like 2026-01-15 or 2026-01-15T12:00, but is {text!r}"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def parse_interval(text: str) -> timedelta:
    """Return the length of an interval's name: ``5m``, ``1h``, ``1d``."""
    from ingest.intervals import MONTH_SECONDS, SECONDS

    lengths = {name: length for name, length in SECONDS.items() if length != MONTH_SECONDS}
    if text not in lengths:
        raise ValueError(f"interval must be one of {', '.join(lengths)}, but is {text!r}")
    return timedelta(seconds=lengths[text])
