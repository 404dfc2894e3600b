"""What exchanges have no stream for here, asked for again and again."""

import asyncio
from collections.abc import Sequence

from ingest.adapters.adapter import Adapter
from ingest.http import HttpClient
from ingest.live.asking import ask, instruments
from ingest.live.clock import Clock, SystemClock
from ingest.live.exchange_polling import ExchangePoller
from ingest.live.health import Health
from ingest.store import Store

__all__ = ["Poller", "ask", "instruments"]


class Poller:
    """Keeps what exchanges answer up to date: candles, open interest, funding, tiers, positions.

    Each exchange is asked by itself. Writes as it goes, so it must run on an event loop that
    nobody needs for anything else.
    """

    def __init__(
        self,
        store: Store,
        adapters: Sequence[Adapter],
        symbols: Sequence[str],
        client: HttpClient,
        *,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._pollers = [ExchangePoller(store, one, symbols, client, clock) for one in adapters]

    def health(self) -> dict[str, Health]:
        """Return how each exchange answers; any thread may ask."""
        return {one.exchange: one.health() for one in self._pollers}

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            for poller in self._pollers:
                group.create_task(poller.run())
