"""How live connections are, as the database holds it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.database import statement
from ingest.live.health import Health
from ingest.store import Store, naive


@dataclass(frozen=True, slots=True)
class StoredHealth:
    """How a live connection was, and when that was so. [UTC]"""

    health: Health
    updated_at: datetime


def set_exchange_health(store: Store, health: Iterable[Health], time: datetime) -> None:
    """Write how live connections are at ``time`` (aware), in place of how they were."""
    with store.transaction() as cursor:
        for one in health:
            parameters = {
                "exchange": one.exchange,
                "state": one.state,
                "last_contact": _stored(one.last_contact),
                "last_message": _stored(one.last_message),
                "last_event": _stored(one.last_event),
                "messages_per_minute": one.messages_per_minute,
                "events_per_minute": one.events_per_minute,
                "reconnects": one.reconnects,
                "lag": one.lag,
                "last_error": one.last_error,
                "last_error_time": _stored(one.last_error_time),
                "updated_at": naive(time),
            }
            cursor.execute(statement("set_exchange_health"), parameters)


def exchange_health(store: Store) -> dict[str, StoredHealth]:
    """Return how live connections were when they were last written, by exchange."""
    with store.cursor() as cursor:
        rows = cursor.execute(statement("exchange_health")).fetchall()
        names = [column[0] for column in cursor.description or ()]
    found = [_read(dict(zip(names, row, strict=True))) for row in rows]
    return {one.health.exchange: one for one in found}


def _read(row: dict[str, Any]) -> StoredHealth:
    values: dict[str, Any] = {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    updated_at = values.pop("updated_at")
    return StoredHealth(Health(**values), updated_at)


def _stored(time: datetime | None) -> datetime | None:
    return naive(time) if time is not None else None
