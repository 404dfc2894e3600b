"""How the connections to exchanges are."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.api.errors import json_response
from app.api.formats import iso
from app.exchange_states import ExchangeState, States
from app.stored_book import time64
from ingest.live.health import State

KEPT_SECONDS = 10.0


class ExchangeHealth(BaseModel):
    """One exchange's live connection."""

    exchange: str
    state: State = Field(
        description="connected: data or answers come; degraded: being connected, or something is "
        "amiss; down: three tries failed, and it is tried once a minute; off: it is not asked"
    )
    last_message: str | None = Field(description="when anything came")
    last_event: str | None = Field(description="when a liquidation came")
    messages_per_minute: int = Field(description="of the last 60 seconds")
    events_per_minute: int = Field(description="liquidations of the last 60 seconds")
    reconnects: int
    lag_seconds: float | None = Field(
        description="from events to their receipt, median; negative if the exchange's clock is "
        "ahead"
    )
    last_error: str | None
    last_error_time: str | None
    updated_at: str | None = Field(description="when this was so; null if it never was contacted")


class ExchangeHealthList(BaseModel):
    """Every exchange that is supported."""

    data: list[ExchangeHealth]


def exchange_health_router(states: States) -> APIRouter:
    """Return the route; ``states`` tells how connections are."""
    router = APIRouter(tags=["stored"])
    kept = _Kept(states)

    @router.get(
        "/exchanges/health",
        response_model=ExchangeHealthList,
        summary="How the live connection to each exchange is",
        response_description="Every exchange, as it was at most ten seconds ago.",
    )
    async def health() -> Response:
        """Tell what was measured; nothing is asked of the exchanges for it."""
        found, age = await kept.get()
        answer = json_response({"data": [exchange_health(state).model_dump() for state in found]})
        answer.headers["Cache-Control"] = f"private, max-age={KEPT_SECONDS:.0f}"
        answer.headers["Age"] = f"{age:.0f}"
        return answer

    return router


def exchange_health(state: ExchangeState) -> ExchangeHealth:
    """Return what `ExchangeHealth` describes."""
    return ExchangeHealth(
        exchange=state.exchange,
        state=state.state,
        last_message=_iso(state.last_message),
        last_event=_iso(state.last_event),
        messages_per_minute=state.messages_per_minute,
        events_per_minute=state.events_per_minute,
        reconnects=state.reconnects,
        lag_seconds=state.lag,
        last_error=state.last_error,
        last_error_time=_iso(state.last_error_time),
        updated_at=_iso(state.updated_at),
    )


class _Kept:
    """States that are looked at again after ten seconds, however often they are asked for."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._lock = asyncio.Lock()
        self._found: Sequence[ExchangeState] = ()
        self._time = -KEPT_SECONDS

    async def get(self) -> tuple[Sequence[ExchangeState], float]:
        """Return the states, and how old they are. [s]"""
        async with self._lock:
            age = time.monotonic() - self._time
            if not self._found or age >= KEPT_SECONDS:
                self._found = await asyncio.to_thread(self._states)
                self._time, age = time.monotonic(), 0.0
            return self._found, age


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(time64(moment))
