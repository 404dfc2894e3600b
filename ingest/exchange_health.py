"""How live connections are, as the database holds it."""

from collections.abc import Iterable
from datetime import datetime

from ingest.database import statement
from ingest.health import Health
from ingest.store import Store, naive


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


def _stored(time: datetime | None) -> datetime | None:
    return naive(time) if time is not None else None
