"""How one exchange's stream is, as measured from what really happened."""

import statistics
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ingest.live.clock import Clock
from ingest.records import Liquidation

State = Literal["connected", "degraded", "down", "off"]
"""Data or answers come; something is wrong, but it may still deliver; it was given up for now and
is tried seldom; it is not asked at all."""

MINUTE = 60
_LAGS = 99
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One exchange's stream at one moment.

    Attributes
    ----------
    state : str
        ``connected``, ``degraded``, ``down`` or ``off``.
    last_contact, last_message, last_event : datetime or None
        When a connection was last tried; when anything came; when a liquidation came that was
        not a repetition. [UTC]
    messages_per_minute, events_per_minute : int
        Of the last 60 seconds.
    events : int
        Liquidations kept since the start.
    connects, reconnects, renewals, failures : int
        Subscriptions that were confirmed; those of them after a loss, and in place of a connection
        that had become old or quiet; connections lost or never made.
    lag : float or None
        Receive time − exchange time, median of the last 99 liquidations; negative if the
        exchange's clock is ahead of ours. [s]
    bad_payloads, rejections, overflows, duplicates : int
        Messages that couldn't be read; subscriptions refused; liquidations dropped because too
        many waited, and left out because they had come before.
    last_error : str or None
        What went wrong last, and ``last_error_time`` when. [UTC]
    """

    exchange: str
    state: State
    last_contact: datetime | None = None
    last_message: datetime | None = None
    last_event: datetime | None = None
    messages_per_minute: int = 0
    events_per_minute: int = 0
    events: int = 0
    connects: int = 0
    reconnects: int = 0
    renewals: int = 0
    failures: int = 0
    lag: float | None = None
    bad_payloads: int = 0
    rejections: int = 0
    overflows: int = 0
    duplicates: int = 0
    last_error: str | None = None
    last_error_time: datetime | None = None


class PerMinute:
    """How often something happened in the last 60 seconds, in a second's steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seconds = [-1] * MINUTE
        self._counts = [0] * MINUTE

    def count(self) -> None:
        """Count one."""
        second = int(self._clock.monotonic())
        slot = second % MINUTE
        if self._seconds[slot] != second:
            self._seconds[slot], self._counts[slot] = second, 0
        self._counts[slot] += 1

    def total(self) -> int:
        """Return how many there were."""
        oldest = int(self._clock.monotonic()) - MINUTE
        slots = zip(self._seconds, self._counts, strict=True)
        return sum(count for second, count in slots if second > oldest)


class Meter:
    """Counts what a stream does and suffers. Any thread may ask for ``health``; one writes."""

    def __init__(self, exchange: str, clock: Clock, patience: int = 3) -> None:
        self._exchange, self._clock, self._patience = exchange, clock, patience
        self._running = False
        self._open = 0
        self._in_a_row = 0
        self._doubtful = False
        self._messages, self._events = PerMinute(clock), PerMinute(clock)
        self._faults = PerMinute(clock)
        self._lags: list[float] = []
        self._last_contact: datetime | None = None
        self._last_message: datetime | None = None
        self._last_event: datetime | None = None
        self._last_error: tuple[str, datetime] | None = None
        self._counts = dict.fromkeys(
            (
                "events",
                "connects",
                "reconnects",
                "renewals",
                "failures",
                "bad_payloads",
                "rejections",
                "overflows",
                "duplicates",
            ),
            0,
        )

    def started(self) -> None:
        """Note that the stream runs."""
        self._running = True

    def stopped(self) -> None:
        """Note that it does not."""
        self._running, self._open, self._in_a_row, self._doubtful = False, 0, 0, False

    def contacting(self) -> None:
        """Note that a connection is tried."""
        self._last_contact = self._clock.now()

    def opened(self, *, renewal: bool) -> None:
        """Count a connection that was subscribed and confirmed."""
        if renewal:
            self._counts["renewals"] += 1
        elif self._counts["connects"]:
            self._counts["reconnects"] += 1
        self._counts["connects"] += 1
        self._open += 1
        self._in_a_row = 0

    def closed(self) -> None:
        """Note that a connection which was confirmed is no more."""
        self._open -= 1

    def failed(self, reason: str, in_a_row: int) -> None:
        """Count a connection that was lost or never came about, the n-th in a row."""
        self._counts["failures"] += 1
        self._in_a_row = in_a_row
        self._error(reason)

    def answered(self) -> None:
        """Note an answer over HTTP, where a connection is one that answers."""
        self.message()
        if not self._open:
            self.opened(renewal=False)
        self._in_a_row = 0

    def unanswered(self, reason: str) -> None:
        """Count a question over HTTP without a usable answer; after some it counts as lost."""
        self.failed(reason, self._in_a_row + 1)
        if self._open and self._in_a_row >= self._patience:
            self.closed()

    def doubted(self) -> None:
        """Note that there is reason to think that no data will come, until some comes."""
        self._doubtful = True

    def message(self) -> None:
        """Count a message of any kind."""
        self._last_message = self._clock.now()
        self._messages.count()

    def data(self) -> None:
        """Note that a message carried data, wanted or not."""
        self._doubtful = False

    def event(self, liquidation: Liquidation, *, timely: bool = True) -> None:
        """Count a liquidation that is kept, and measure its lag if it was sent as it happened."""
        self._last_event = self._clock.now()
        self._events.count()
        if timely:
            self._lags.append((liquidation.received - liquidation.time).total_seconds())
            del self._lags[:-_LAGS]
        self._counts["events"] += 1

    def duplicate(self) -> None:
        """Count a liquidation that had come before."""
        self._counts["duplicates"] += 1

    def overflow(self) -> None:
        """Count a liquidation that had to be dropped because too many waited."""
        self._counts["overflows"] += 1
        self._faults.count()

    def bad_payload(self, problem: str) -> None:
        """Count a message that couldn't be read."""
        self._counts["bad_payloads"] += 1
        self._faults.count()
        self._error(problem)

    def rejected(self, reason: str) -> None:
        """Count a refusal; the state is degraded until something is confirmed anew."""
        self._counts["rejections"] += 1
        self._error(reason)

    def health(self, *, impaired: bool = False) -> Health:
        """Return how it is now; ``impaired`` if the caller knows of something amiss."""
        error, error_time = self._last_error or (None, None)
        lags = list(self._lags)
        return Health(
            exchange=self._exchange,
            state=self._state(impaired),
            last_contact=self._last_contact,
            last_message=self._last_message,
            last_event=self._last_event,
            messages_per_minute=self._messages.total(),
            events_per_minute=self._events.total(),
            lag=statistics.median(lags) if lags else None,
            last_error=error,
            last_error_time=error_time,
            **self._counts,
        )

    def _state(self, impaired: bool) -> State:
        if not self._running:
            return "off"
        if not self._open:
            return "down" if self._in_a_row >= self._patience else "degraded"
        # With a connection that works, a failure is one to replace it.
        failing = self._in_a_row > 0
        doubtful = impaired or failing or self._doubtful or self._faults.total() > 0
        return "degraded" if doubtful else "connected"

    def _error(self, text: str) -> None:
        # What an exchange said may be of any length.
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        self._last_error = (text, self._clock.now())
