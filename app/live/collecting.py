"""Live collection as the settings say, in a thread beside the server."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from app.adapters import make_adapters
from app.http_client import make_client
from app.live.feed import LiveFeed
from app.settings import Settings
from ingest.http_reasons import printable
from ingest.live.collector import Collector
from ingest.live.health import Health
from ingest.store import Store, StoreError

logger = logging.getLogger(__name__)

RETRY_AFTER = 10.0
"""Pause after collecting has failed as a whole, which no exchange can bring about. [s]"""


class LiveCollection:
    """Collects live data until stopped, whatever becomes of it; the pages go on without it.

    Parameters
    ----------
    store : Store
        Where all goes; to be closed after `stop` only.
    settings : Settings
        What is collected, and how exchanges are reached.
    feed : LiveFeed
        Is told of liquidations when they have been stored.
    retry_after : float
        Pause before collecting is begun again that failed. [s]
    """

    def __init__(
        self, store: Store, settings: Settings, feed: LiveFeed, *, retry_after: float = RETRY_AFTER
    ) -> None:
        self._store, self._settings, self._feed = store, settings, feed
        self._retry_after = retry_after
        self._collector: Collector | None = None
        self._failed: tuple[str, datetime] | None = None
        self._lost = ""
        self._stop = asyncio.Event()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def start(self) -> None:
        """Begin; what goes wrong is logged and seen in `health`, and tried again."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._run, args=(loop,), name="collection", daemon=True)
        self._running = loop, thread
        thread.start()

    def stop(self) -> None:
        """Close the streams, store all that came, and return when that is done.

        Raises
        ------
        StoreError
            If not all could be stored.
        """
        if self._running is None:
            return
        loop, thread = self._running
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        if self._lost:
            raise StoreError(self._lost)

    def health(self) -> Mapping[str, Health]:
        """Return how each exchange is; all are down while collecting fails as a whole."""
        if self._failed is not None:
            error, time = self._failed
            return {
                exchange: Health(
                    exchange=exchange, state="down", last_error=error, last_error_time=time
                )
                for exchange in self._settings.collect_exchanges
            }
        return self._collector.health() if self._collector is not None else {}

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_until_complete(self._keep())
        finally:
            loop.close()

    async def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                await self._collect()
            except Exception as e:
                await self._wait_after(e)

    async def _collect(self) -> None:
        self._collector = make_collector(
            self._store, self._settings, tell=self._feed.publish_liquidations
        )
        self._failed = None
        await self._collector.run(self._stop)
        if not self._stop.is_set():
            raise RuntimeError("collecting ended though nobody stopped it")

    async def _wait_after(self, error: Exception) -> None:
        reason = printable(str(error)) or type(error).__name__
        self._failed = f"collecting failed: {reason}", datetime.now(UTC)
        if self._stop.is_set():
            self._lost = f"Live collection did not end well: {reason}"
            return
        logger.error(
            "Live collection failed and is begun again in %g s: %s",
            self._retry_after,
            reason,
            exc_info=error,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(self._retry_after):
                await self._stop.wait()


def make_collector(store: Store, settings: Settings, **options: Any) -> Collector:
    """Return what collects into a database what the settings name.

    Parameters
    ----------
    store : Store
        Where all goes.
    settings : Settings
        Exchanges, symbols, addresses and proxy.
    **options
        Of `Collector`.
    """
    return Collector(
        store,
        make_adapters(settings, settings.collect_exchanges),
        settings.collect_symbols,
        lambda: make_client(settings, again_logged_as=logging.INFO),
        proxy=settings.proxy.get_secret_value() if settings.proxy else True,
        **options,
    )
