"""How live connections to exchanges are, for pages and interface."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.adapters import ADAPTERS
from ingest.live.exchange_health import StoredHealth, exchange_health
from ingest.live.health import Health, State
from ingest.store import Store

STALE = timedelta(seconds=30)
"""What is stored of a connection and older than this belongs to a program that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeState:
    """One exchange's connection, as a page or an answer tells it; times are UTC.

    ``lag`` is the time from an event to its receipt [s]. ``events`` and ``overflows`` are
    liquidations kept and dropped since the program began, None where it does not collect itself.
    """

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
    events: int | None = None
    overflows: int | None = None


States = Callable[[], Sequence[ExchangeState]]
"""Tells the state of every supported exchange."""


class ExchangeStates:
    """How each supported exchange's connection is.

    Parameters
    ----------
    store : Store
        What `liqheat collect` has written into, or this program before it was started anew.
    live : callable, optional
        Tells how connections of this process are; what it does not tell is taken from the store.
    now : callable
        Returns the time, aware.
    """

    def __init__(
        self,
        store: Store,
        live: Callable[[], Mapping[str, Health]] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._live, self._now = store, live, now

    def states(self) -> list[ExchangeState]:
        """Return the state of every supported exchange, in the order of the registry."""
        live = self._live() if self._live is not None else {}
        stored = exchange_health(self._store) if live.keys() < ADAPTERS.keys() else {}
        now = self._now()
        return [
            _state(live[exchange], now, is_here=True)
            if exchange in live
            else _stored_state(exchange, stored.get(exchange), now)
            for exchange in ADAPTERS
        ]


def _stored_state(exchange: str, stored: StoredHealth | None, now: datetime) -> ExchangeState:
    if stored is None:
        return _state(Health(exchange=exchange, state="off"), None)
    is_stale = now - stored.updated_at > STALE
    return _state(stored.health, stored.updated_at, is_over=is_stale)


def _state(
    health: Health, updated_at: datetime | None, *, is_here: bool = False, is_over: bool = False
) -> ExchangeState:
    return ExchangeState(
        exchange=health.exchange,
        state="off" if is_over else health.state,
        last_message=health.last_message,
        last_event=health.last_event,
        messages_per_minute=0 if is_over else health.messages_per_minute,
        events_per_minute=0 if is_over else health.events_per_minute,
        reconnects=health.reconnects,
        lag=health.lag,
        last_error=health.last_error,
        last_error_time=health.last_error_time,
        updated_at=updated_at,
        events=health.events if is_here else None,
        overflows=health.overflows if is_here else None,
    )
