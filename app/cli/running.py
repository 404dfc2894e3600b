"""What commands have in common that collect until they are stopped."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

from app.cli.fetch import logged_above

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from ingest.live.collector import Collector
    from ingest.live.health import Health


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[list[int]]:
    """Yield the signals that came; the first sets ``stop``, Ctrl-C once more interrupts."""
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    def catch(number: int, frame: FrameType | None) -> None:
        if caught and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        caught.append(number)
        loop.call_soon_threadsafe(stop.set)

    before = {one: signal.signal(one, catch) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shown_states(collector: "Collector") -> "Iterator[Status]":
    """Yield a status line, with a line above it for each change of an exchange's state."""
    from rich.console import Console

    console = Console(stderr=True)
    collector.changed = lambda health: _tell(console, health)
    with console.status("Connecting") as status, logged_above():
        yield status


def _tell(console: "Console", health: "Health") -> None:
    from ingest.http_reasons import printable

    why = f" ({printable(health.last_error)})" if health.last_error else ""
    console.print(
        f"{datetime.now(UTC):%H:%M:%S} {health.exchange}: {health.state}"
        + (why if health.state != "connected" else ""),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
