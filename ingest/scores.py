"""The last score of each market under each set of assumptions."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from ingest.database import statement
from ingest.store import Store, naive


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as it is stored.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    assumptions : str
        Model and all its parameters, JSON with sorted keys.
    start, stop : datetime
        Period that was asked for. [UTC]
    watermark : str
        State of the symbol's data at the time.
    program_version : str
        Which program scored it.
    scored_at : datetime
        When. [UTC]
    result : str
        The score, JSON.
    """

    exchange: str
    symbol: str
    assumptions: str
    start: datetime
    stop: datetime
    watermark: str
    program_version: str
    scored_at: datetime
    result: str


def set_score(store: Store, score: StoredScore) -> None:
    """Keep a score in place of the last one of its market and assumptions.

    No watermark changes by it: nothing else is computed from scores.
    """
    columns = {field.name: getattr(score, field.name) for field in fields(score)}
    times = {name: naive(columns[name]) for name in ("start", "stop", "scored_at")}
    with store.transaction() as cursor:
        cursor.execute(statement("set_score"), columns | times)


def stored_scores(store: Store, symbol: str, assumptions: str) -> list[StoredScore]:
    """Return the last score of each exchange that has one, by exchange."""
    with store.cursor() as cursor:
        rows = cursor.execute(
            statement("scores"), {"symbol": symbol, "assumptions": assumptions}
        ).fetchall()
    names = [field.name for field in fields(StoredScore)]
    return [_from_row(dict(zip(names, row, strict=True))) for row in rows]


def last_scored(store: Store, symbol: str) -> datetime | None:
    """Return when the symbol's newest score was made, None if it has none. [UTC]"""
    with store.cursor() as cursor:
        (found,) = cursor.execute(
            "SELECT max(scored_at) FROM scores WHERE symbol = $symbol", {"symbol": symbol}
        ).fetchone() or (None,)
    return found.replace(tzinfo=UTC) if found is not None else None


def _from_row(row: dict[str, Any]) -> StoredScore:
    times = {name: row[name].replace(tzinfo=UTC) for name in ("start", "stop", "scored_at")}
    return StoredScore(**row | times)
