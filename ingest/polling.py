"""What exchanges have no stream for here, asked for again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

import httpx

from ingest import http
from ingest.adapters.adapter import Adapter, PayloadError, Request
from ingest.backfill import Progress, backfill
from ingest.backfill_jobs import prepare
from ingest.backfill_plan import SERIES, SETTLED, Wish, columns
from ingest.following import all_pages
from ingest.http import HttpClient, HttpError
from ingest.records import Instrument
from ingest.store import Store

logger = logging.getLogger(__name__)

INTERVAL = timedelta(minutes=5)
"""Of candles, and so between refills."""

REACH = timedelta(hours=1)
"""How far back a refill looks for what is not stored."""

INTEREST_EVERY = 30.0
"""Time between samples of open interest. [s]"""

_AFTER = SETTLED + timedelta(seconds=2)
_LONGEST = 64 << 20


class Poller:
    """Keeps candles, open interest and funding rates of exchanges up to date.

    Each exchange is asked by itself; an error is logged once, until there is another one, and does
    not stop what follows. Writes as it goes, so it must run on an event loop that nobody needs
    for anything else.
    """

    def __init__(
        self,
        store: Store,
        adapters: Sequence[Adapter],
        symbols: Sequence[str],
        client: HttpClient,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._adapters, self._symbols = store, adapters, symbols
        self._client, self._now = client, now
        self._said: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            for adapter in self._adapters:
                group.create_task(self._keep(adapter, self._interest, lambda: INTEREST_EVERY))
                group.create_task(self._keep(adapter, self._refill, self._next_bar))

    async def _keep(
        self,
        adapter: Adapter,
        ask: Callable[[Adapter, list[str]], Awaitable[None]],
        pause: Callable[[], float],
    ) -> None:
        """Ask again and again, whatever becomes of it."""
        while True:
            try:
                symbols = [one for one in self._symbols if adapter.native(one) is not None]
                if symbols:
                    await ask(adapter, symbols)
            except Exception:
                logger.exception("%s: what was asked for could not be stored", adapter.exchange)
            await asyncio.sleep(pause())

    def _next_bar(self) -> float:
        """Return the time until the next candle has closed. [s]"""
        step = INTERVAL.total_seconds()
        return step - (self._now() - _AFTER).timestamp() % step

    async def _interest(self, adapter: Adapter, symbols: list[str]) -> None:
        """Store the open interest of this moment."""
        if "open_interest_now" in adapter.unavailable:
            return
        try:
            for request in adapter.open_interest_now(symbols):
                text = await ask(self._client, adapter, request)
                found = adapter.read_open_interest_now(text, self._now())
                wanted = sorted(
                    (row for row in found if row.symbol in symbols), key=lambda row: row.symbol
                )
                for _, rows in groupby(wanted, key=lambda row: row.symbol):
                    self._store.add_open_interest(columns(list(rows)))
        except (HttpError, PayloadError) as e:
            self._say(adapter.exchange, "open interest", str(e))
        else:
            self._say(adapter.exchange, "open interest", "")

    async def _refill(self, adapter: Adapter, symbols: list[str]) -> None:
        """Ask for what is not stored of the last hour."""
        kinds = [series.name for series in SERIES]
        for symbol in symbols:
            now = self._now()
            wish = Wish(symbol, INTERVAL, now - REACH, now)
            work = prepare(self._store, adapter, wish, kinds, now)
            await backfill(self._store, [work], self._client, Progress(), self._now)
            for job in work.jobs:
                self._say(adapter.exchange, f"{symbol}, {job.outcome.kind}", job.outcome.failed)

    def _say(self, exchange: str, what: str, failed: str) -> None:
        """Log a failure, but not the same one every time."""
        if failed and self._said.get((exchange, what)) != failed:
            logger.warning("%s, %s: %s", exchange, what, failed)
        self._said[exchange, what] = failed


async def instruments(client: HttpClient, adapter: Adapter) -> list[Instrument]:
    """Return an exchange's list of markets.

    Raises
    ------
    HttpError, PayloadError
        If it can't be had or read.
    """
    found: list[Instrument] = []
    async for text in all_pages(adapter.instruments(), lambda one: ask(client, adapter, one)):
        found += adapter.read_instruments(text)
    return found


async def ask(client: HttpClient, adapter: Adapter, request: Request) -> bytes:
    """Return an exchange's answer to a request."""
    asked = http.Request(
        url=adapter.rest_url + request.path,
        parameters=request.params,
        method=request.method,
        body=request.json,
    )

    async def read(response: httpx.Response) -> bytes:
        body = b""
        async for chunk in client.chunks(response, raw=False):
            body += chunk
            if len(body) > _LONGEST:
                raise HttpError(f"{response.url}: expected at most {_LONGEST:,} bytes, found more")
        return body

    return bytes(await client.ask(lambda: asked, read))
