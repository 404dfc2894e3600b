"""How live connections to exchanges are, for pages and interface."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.health import Health, State


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeState:
    """One exchange's connection, as a page or an answer tells it; times are UTC."""

    exchange: str
    state: State
    last_message: datetime | None
    last_event: datetime | None
    messages_per_minute: int
    events_per_minute: int
    reconnects: int
    lag: float | None
    last_error: str | None
    last_error_time: datetime | None
    updated_at: datetime | None
