"""Live collection: streams and polls of several exchanges into one database."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb

from ingest.adapters.adapter import Adapter, Context, PayloadError
from ingest.batches import EVERY, BatchWriter
from ingest.database_errors import in_one_line
from ingest.http import HttpClient, HttpError
from ingest.live.aggregator import ExchangeAggregator
from ingest.live.clock import Clock, SystemClock
from ingest.live.connection import Proxy
from ingest.live.exchange_health import set_exchange_health
from ingest.live.health import Health
from ingest.live.maintenance_rates import MaintenanceRates
from ingest.live.polling import Poller, instruments
from ingest.live.stream import Patience
from ingest.records import Liquidation, contract_sizes
from ingest.store import Store

logger = logging.getLogger(__name__)

HEALTH_EVERY = 5.0
"""Longest time between two writes of the exchanges' health; a change is written at once. [s]"""

_LOOK_EVERY = 0.2
_SIZES_WITHIN = 5.0
_SIZES_AGAIN = 60.0  # after a failure
_SIZES_EVERY = 86_400.0
_RATES_EVERY = 10.0


class Collector:
    """Collects what exchanges send and answer, until told to stop.

    Liquidations come over streams and are written by one thread, in batches; an event loop in
    another thread asks for candles, open interest and funding, so that neither waits for the
    database. An exchange that fails takes nothing from the others.

    Parameters
    ----------
    store : Store
        Where all goes.
    adapters : iterable of Adapter
        The exchanges.
    symbols : sequence of str
        In our spelling; an exchange leaves out what it can't have.
    client : callable, optional
        Makes who asks over HTTP, for the event loop that it is called on; without it only the
        streams are collected.
    contexts : mapping of str to Context
        By exchange, what is known beside its messages. Others' contract sizes are asked for, and
        maintenance rates are those of the stored leverage tiers.
    proxy, patience : Proxy, Patience
        Of the streams.
    every : float
        Pause between batches. [s]
    changed : callable
        Called with an exchange's health whenever its state is another.
    tell : callable
        Called with liquidations that have just been stored, in the thread that writes.
    clock : Clock, optional
        Of the streams; for tests.
    """

    def __init__(
        self,
        store: Store,
        adapters: Iterable[Adapter],
        symbols: Sequence[str],
        client: Callable[[], HttpClient] | None = None,
        contexts: Mapping[str, Context] | None = None,
        *,
        proxy: Proxy = True,
        patience: Patience | None = None,
        every: float = EVERY,
        changed: Callable[[Health], None] = lambda _: None,
        tell: Callable[[Sequence[Liquidation]], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self._store, self._adapters, self._symbols = store, list(adapters), list(symbols)
        self._make_client, self._every, self.changed = client, every, changed
        self._known = frozenset(contexts or {})
        exchanges = [one.exchange for one in self._adapters if one.exchange not in self._known]
        self._rates = MaintenanceRates(store)
        self._clock = clock or SystemClock()
        self._executor = ThreadPoolExecutor(1, "store")
        self._writer = BatchWriter(store, self._executor, every=every, tell=tell)
        self._states: dict[str, str] = {}
        self._poller: Poller | None = None
        self._starting = False
        self._streamless = {
            one.exchange for one in self._adapters if "liquidations" in one.unavailable
        }
        self._aggregator = ExchangeAggregator(
            self._adapters,
            self._symbols,
            {one: self._context(one) for one in exchanges} | dict(contexts or {}),
            clock=self._clock,
            patience=patience,
            proxy=proxy,
        )

    @property
    def stored(self) -> int:
        """How many liquidations were stored that had not been."""
        return self._writer.stored

    @property
    def waiting(self) -> int:
        """How many liquidations wait to be stored."""
        return self._writer.waiting

    def health(self) -> dict[str, Health]:
        """Return how each exchange is, by its stream or else its answers; any thread may ask."""
        health = self._aggregator.health_check_all()
        if self._starting:
            health = {name: _about_to_start(one) for name, one in health.items()}
        poller = self._poller
        polled = poller.health() if poller is not None else {}
        # Its answers tell more than that there is no stream, but don't make that untrue.
        return health | {
            name: replace(polled[name], last_error=polled[name].last_error or one.last_error)
            for name, one in health.items()
            if name in self._streamless and name in polled
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until ``stop`` is set, and store what has come by then.

        Raises
        ------
        StoreError
            If what came last can't be stored.
        """
        self._starting = True
        try:
            await self._read_rates()
            async with self._polling(), self._sizes(stop):
                self._starting = False
                await self._collect(stop)
        finally:
            self._starting = False
            await self._write_health(list(self.health().values()))
            self._executor.shutdown()

    async def _collect(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        connecting = asyncio.create_task(self._aggregator.connect_all())
        writing = asyncio.create_task(self._writer.run(self._aggregator.stream_aggregated()))
        watching = asyncio.create_task(self._watch())
        reading = asyncio.create_task(self._keep_rates())
        try:
            # These two end by themselves only when something is wrong with them.
            await asyncio.wait({stopping, writing, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (connecting, reading, watching, stopping):
                task.cancel()
            await asyncio.gather(connecting, reading, stopping, return_exceptions=True)
            await self._aggregator.disconnect_all()
            self._writer.end()
            await writing
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        """Tell of changes of state, and write the health."""
        written = 0.0
        while True:
            now, health = self._clock.monotonic(), self.health()
            new = [one for one in health.values() if self._is_new(one)]
            if new or now - written >= HEALTH_EVERY:
                await self._write_health(list(health.values()))
                written = now
            for one in new:
                self.changed(one)
            await asyncio.sleep(_LOOK_EVERY)

    def _is_new(self, health: Health) -> bool:
        untried = not (health.connects or health.failures or health.last_error)
        if untried or self._states.get(health.exchange) == health.state:
            return False
        self._states[health.exchange] = health.state
        return True

    async def _write_health(self, health: list[Health]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(
                self._executor, set_exchange_health, self._store, health, self._clock.now()
            )
        except duckdb.Error as e:
            logger.warning("The exchanges' health can't be stored now: %s", in_one_line(e))

    @contextlib.asynccontextmanager
    async def _sizes(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Ask for the contract sizes, which liquidations of some exchanges can't be read without.

        They get a moment's start, but nobody waits for an exchange that does not answer.
        """
        if self._make_client is None:
            yield
            return
        async with self._make_client() as client:
            learned = {
                one: asyncio.Event()
                for one in self._adapters
                if one.exchange not in self._known
                and not {"liquidations", "instruments"} & one.unavailable.keys()
            }
            tasks = [
                asyncio.create_task(self._learn(adapter, client, event))
                for adapter, event in learned.items()
            ]
            try:
                await _first(asyncio.create_task(_all(learned.values())), stop, _SIZES_WITHIN)
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _learn(self, adapter: Adapter, client: HttpClient, learned: asyncio.Event) -> None:
        """Ask for an exchange's contract sizes, and once a day anew: markets come and change."""
        sizes: dict[str, Decimal] = {}
        while True:
            try:
                # A market that is closed for a while is not listed, but is of the same size after.
                sizes = sizes | contract_sizes(await instruments(client, adapter))
                context = replace(self._context(adapter.exchange), contract_sizes=sizes)
                self._aggregator.set_context(adapter.exchange, context)
                learned.set()
                pause = _SIZES_EVERY
            except Exception as e:
                self._not_learned(adapter.exchange, e)
                pause = _SIZES_AGAIN
            await asyncio.sleep(pause)

    def _not_learned(self, exchange: str, error: Exception) -> None:
        if isinstance(error, HttpError | PayloadError):
            logger.warning("%s: contract sizes are not known: %s", exchange, error)
        else:
            logger.error("%s: the adapter failed", exchange, exc_info=error)

    def _context(self, exchange: str) -> Context:
        return Context(maintenance_rate=self._rates.of(exchange))

    async def _keep_rates(self) -> None:
        """Follow the stored leverage tiers."""
        while True:
            await asyncio.sleep(_RATES_EVERY)
            await self._read_rates()

    async def _read_rates(self) -> None:
        # What can't be read now is as it was; that the database fails is said by who writes.
        with contextlib.suppress(duckdb.Error):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._rates.read)

    @contextlib.asynccontextmanager
    async def _polling(self) -> AsyncIterator[None]:
        """Poll in a thread of its own."""
        make_client = self._make_client
        if make_client is None:
            yield
            return

        async def poll() -> None:
            async with make_client() as client:
                self._poller = Poller(self._store, self._adapters, self._symbols, client)
                await self._poller.run()

        background = Background(poll)
        try:
            yield
        finally:
            await background.stop()


class Background:
    """Work on an event loop and in a thread of its own, from now until stopped."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(work())
        self._thread = threading.Thread(target=self._run, name="polling", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Cancel the work, and wait until it has ended."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except Exception:
            logger.exception("Polling has stopped; liquidations are collected on")
        finally:
            self._loop.close()


def _about_to_start(health: Health) -> Health:
    """Return the health of a stream that waits for contract sizes, if there is one."""
    return health if health.last_error else replace(health, state="degraded")


async def _all(events: Iterable[asyncio.Event]) -> None:
    await asyncio.gather(*(event.wait() for event in events))


async def _first(task: asyncio.Task[None], stop: asyncio.Event, seconds: float) -> None:
    """Wait until a task is done, all shall stop, or the time is over."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in (task, stopping):
        one.cancel()
    await asyncio.gather(task, stopping, return_exceptions=True)
