"""All exchanges' streams as one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import ClassVar

from ingest.adapters import ADAPTERS
from ingest.adapters.adapter import Adapter, Context
from ingest.live.clock import Clock, SystemClock
from ingest.live.connection import Proxy
from ingest.live.health import Health
from ingest.live.stream import ExchangeStream, Patience
from ingest.records import Liquidation

logger = logging.getLogger(__name__)


class ExchangeAggregator:
    """Liquidations of several exchanges, each of which may fail without the others noticing.

    Parameters
    ----------
    adapters : iterable of Adapter
        The exchanges; those without a stream of liquidations stay off.
    symbols : sequence of str
        Wanted of each exchange, in our spelling; what an exchange can't have is left out there.
    contexts : mapping of str to Context
        By exchange, what must be known beside its messages; see ``set_context``.
    clock, random : Clock, Random
        For tests.
    queue_size : int
        How many records of each exchange may wait to be taken before its oldest are dropped.
    """

    SUPPORTED_EXCHANGES: ClassVar[tuple[str, ...]] = tuple(ADAPTERS)

    def __init__(
        self,
        adapters: Iterable[Adapter],
        symbols: Sequence[str],
        contexts: Mapping[str, Context] | None = None,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        patience: Patience | None = None,
        queue_size: int = 50_000,
        proxy: Proxy = True,
    ) -> None:
        self._clock, self._patience = clock or SystemClock(), patience
        self._random, self._proxy = random, proxy
        self._queue_size = queue_size
        self._wake = asyncio.Event()
        self._closed = False
        self._off: dict[str, Health] = {}
        self._streams: dict[str, ExchangeStream] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        for adapter in adapters:
            self._add(adapter, symbols, (contexts or {}).get(adapter.exchange))

    async def connect_all(self) -> dict[str, Health]:
        """Start what does not run yet, and return once each was tried, with how each is.

        An exchange that can't be reached now is tried on in the background.
        """
        self._closed = False
        started = [e for e in self._streams if e not in self._tasks or self._tasks[e].done()]
        for exchange in started:
            self._streams[exchange].tried.clear()
            self._tasks[exchange] = asyncio.create_task(self._streams[exchange].run())
        await asyncio.gather(*(self._streams[exchange].tried.wait() for exchange in started))
        return self.health_check_all()

    async def disconnect_all(self) -> None:
        """Close all connections; what had come can still be taken from ``stream_aggregated``."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self._closed = True
        self._wake.set()

    async def stream_aggregated(self) -> AsyncIterator[Liquidation]:
        """Yield every exchange's liquidations, by turns, until all are disconnected.

        One task may iterate at a time.
        """
        while True:
            idle = True
            for stream in self._streams.values():
                if (record := stream.queue.take()) is not None:
                    idle = False
                    yield record
            if idle and self._closed:
                return
            if idle:
                await self._wake.wait()
                self._wake.clear()

    def health_check_all(self) -> dict[str, Health]:
        """Return how each exchange is, as measured; nothing is asked. Any thread may call it."""
        running = {exchange: stream.health() for exchange, stream in self._streams.items()}
        return running | self._off

    def get_active_exchanges(self) -> list[str]:
        """Return the exchanges that have confirmed our subscriptions and are connected now."""
        return [exchange for exchange, stream in self._streams.items() if stream.connected]

    def set_context(self, exchange: str, context: Context) -> None:
        """Replace what is known beside an exchange's messages, say new contract sizes."""
        if (stream := self._streams.get(exchange)) is not None:
            stream.context = _wanting(stream.symbols, context)

    def _add(self, adapter: Adapter, symbols: Sequence[str], context: Context | None) -> None:
        exchange = adapter.exchange
        try:
            why = adapter.unavailable.get("liquidations")
            known = [symbol for symbol in symbols if adapter.native(symbol) is not None]
        except Exception as e:
            logger.exception("%s: the adapter failed and is left out", exchange)
            why, known = f"failed in our own code: {e!r}", []
        if why is None and not known:
            why = f"{exchange} has none of the symbols wanted: {', '.join(symbols) or 'no symbol'}"
        if why is not None:
            self._off[exchange] = Health(exchange=exchange, state="off", last_error=why)
            return
        self._streams[exchange] = ExchangeStream(
            adapter,
            known,
            _wanting(known, context or Context()),
            clock=self._clock,
            random=self._random,
            patience=self._patience,
            queue_size=self._queue_size,
            proxy=self._proxy,
            wake=self._wake,
        )


def _wanting(symbols: Sequence[str], context: Context) -> Context:
    # Topics for all markets bring much that nobody asked for.
    return context if context.symbols is not None else replace(context, symbols=frozenset(symbols))
