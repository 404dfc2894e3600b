"""Ask exchanges for what they keep, page by page, straight into the database."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiolimiter import AsyncLimiter

from ingest import http
from ingest.adapters.adapter import Adapter, Context, PayloadError, Refused, Request
from ingest.backfill_jobs import Job, Work
from ingest.backfill_plan import SETTLED, Plan, Row, can_be, closed, columns, time_of, within
from ingest.backfill_tiers import is_stored, tier_columns
from ingest.coverage import Span
from ingest.following import all_pages
from ingest.http import HttpClient, HttpError, Unavailable
from ingest.records import Instrument, contract_sizes
from ingest.store import Arrays, Store

_SHARE = 0.5
"""Part of a limit that is used: another program here may be asking too, and all of it may fall
together with all of the next span's (see `http.Rate`)."""

_LONGEST = 64 << 20
_LONGEST_ERROR = 4096
_CLOSE = timedelta(minutes=1)
_LEEWAY = 0.25
"""So far may the price have moved since tiers in base asset were stored. [-]"""


@dataclass(slots=True)
class Progress:
    """How far it is: requests done, and how many there are; ``changed`` is called then.

    Those that are not to be made any more count as done; they are ``dropped``.
    """

    done: int = 0
    total: int = 0
    dropped: int = 0
    changed: Callable[[], None] = lambda: None

    def step(self, count: int = 1) -> None:
        """Note that requests were answered."""
        self.done += count
        self.changed()

    def drop(self, count: int) -> None:
        """Note that requests are not to be made any more."""
        self.dropped += count
        self.step(count)


async def backfill(
    store: Store,
    works: Sequence[Work],
    client: HttpClient,
    progress: Progress,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    heard: Callable[[str, str], None] = lambda exchange, failure: None,
) -> None:
    """Ask exchanges side by side and store each page as it comes.

    What came of each job is in its `Outcome`; errors of one exchange do not stop the others.

    Parameters
    ----------
    store : Store
        Where rows go, each page in one transaction.
    works : sequence of Work
        From `prepare`.
    client : HttpClient
        Who asks; of the running event loop.
    progress : Progress
        Where to note how far it is.
    clock : callable
        The time of day, aware.
    heard : callable
        Told of each answer: the exchange, and what was wrong with it, empty if nothing was.

    Raises
    ------
    StoreError
        If the database can't take the rows.
    """
    progress.total = sum(work.requests for work in works)
    progress.changed()
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(_Asking(store, work, client, progress, clock, heard).run())
    except ExceptionGroup as e:  # the database's, whose sentence is for the reader
        raise e.exceptions[0] from None


class _Asking:
    """Asks one exchange, one request after the other."""

    def __init__(
        self,
        store: Store,
        work: Work,
        client: HttpClient,
        progress: Progress,
        clock: Callable[[], datetime],
        heard: Callable[[str, str], None],
    ) -> None:
        self._store, self._client, self._progress, self._clock = store, client, progress, clock
        self._heard = heard
        self._work, self._adapter, self._wish = work, work.adapter, work.wish
        self._limiters: dict[str, AsyncLimiter] = {}
        self._left = work.requests

    async def run(self) -> None:
        """Do all jobs, or say in their outcomes why not."""
        jobs = [job for job in self._work.jobs if job.pages]
        if not jobs:
            return
        done = 0
        try:
            market = await self._market()
            for job in jobs:
                await self._do(job, market)
                done += 1
        except (HttpError, PayloadError, _NoMarket) as e:
            self._note(e)
            for job in jobs[done:]:
                job.outcome.failed = job.outcome.failed or _words(e)
            self._drop(self._left)

    def _step(self) -> None:
        self._left -= 1
        self._progress.step()

    def _drop(self, count: int) -> None:
        self._left -= count
        self._progress.drop(count)

    async def _do(self, job: Job, market: Instrument) -> None:
        """Ask for the pages of one kind; raise only what stands against the other kinds too."""
        left = len(job.pages)
        try:
            for request, span in job.pages:
                text = await self._ask(request)
                if job.plan:
                    self._store_rows(job, job.plan, text, span)
                else:
                    await self._store_tiers(job, text, market)
                left -= 1
                self._step()
        except Unavailable:
            raise
        except (HttpError, PayloadError) as e:
            self._note(e)
            job.outcome.failed = _words(e)
            self._drop(left)

    async def _market(self) -> Instrument:
        """Return the market as the exchange lists it."""
        if self._work.market is not None:
            return self._work.market
        adapter, symbol = self._adapter, self._wish.symbol
        async for text in all_pages(adapter.instruments(), self._ask):
            for instrument in adapter.read_instruments(text):
                if instrument.symbol == symbol:
                    self._step()
                    return instrument
        raise _NoMarket(
            f"{adapter.exchange} lists no open market {symbol}: check how the symbol is spelled"
        )

    def _store_rows(self, job: Job, planned: Plan, text: bytes, span: Span) -> None:
        found = planned.series.read(self._adapter, text, self._wish.symbol, planned.interval)
        if planned.eager and not self._adapter.only_closed:
            found = closed(found, planned.interval, self._clock())
        rows = within(found, span)
        usable = [row for row in rows if can_be(row, planned.interval)]
        if len(usable) < len(rows):
            job.outcome.failed = _left_out(next(row for row in rows if row not in usable))
            self._heard(self._adapter.exchange, job.outcome.failed)
        if usable:
            added = _ADD[planned.series.table](self._store, columns(usable))
            job.outcome.count(added, time_of(usable[0]), time_of(usable[-1]))

    async def _store_tiers(self, job: Job, text: bytes, market: Instrument) -> None:
        """Store leverage tiers unless they are in force already as far as is known."""
        context = Context(contract_sizes=contract_sizes([market]))
        received = self._clock().replace(microsecond=0)
        # An answer may hold every market; those of contracts whose size is not known are not read.
        for tiers in self._adapter.read_tiers(text, received, context):
            if tiers.symbol != self._wish.symbol:
                continue
            in_base = tiers.unit == "base"
            if in_base:
                tiers = tiers.in_quote(await self._price())
            if not is_stored(self._stored_tiers(), tiers, _LEEWAY if in_base else 0.0):
                added = self._store.add_leverage_tiers(tier_columns(tiers))
                job.outcome.count(added, received, received)
            return
        raise PayloadError(
            self._adapter.exchange, f"expected tiers of {self._wish.symbol}, found none", text
        )

    def _stored_tiers(self) -> Arrays:
        return self._store.leverage_tiers(self._adapter.exchange, self._wish.symbol)

    async def _price(self) -> float:
        """Return the close of the last minute that has closed, which tiers in base asset need."""
        now = (self._clock() - SETTLED).replace(second=0, microsecond=0)
        requests = self._adapter.candles(self._wish.symbol, _CLOSE, now - 10 * _CLOSE, now)
        for request in requests:
            text = await self._ask(request)
            if candles := self._adapter.read_candles(text, self._wish.symbol, _CLOSE):
                return candles[-1].close
        raise _NoMarket(
            f"{self._adapter.exchange} has no candle of the last ten minutes, whose price the "
            "leverage tiers need"
        )

    async def _ask(self, request: Request) -> bytes:
        """Return an answer; again, and later, where the exchange wants to be asked less."""
        await self._limiter(request.limit).acquire(request.weight)
        asked = http.Request(
            url=self._adapter.rest_url + request.path,
            parameters=request.params,
            method=request.method,
            body=request.json,
        )
        found = await self._client.ask(lambda: asked, self._read)
        self._heard(self._adapter.exchange, "")
        return bytes(found)

    def _note(self, error: Exception) -> None:
        if not isinstance(error, _NoMarket):
            self._heard(self._adapter.exchange, _words(error))

    def _limiter(self, name: str) -> AsyncLimiter:
        if name not in self._limiters:
            limit = self._adapter.rate_limits[name]
            self._limiters[name] = AsyncLimiter(_SHARE * limit.weight, limit.seconds)
        return self._limiters[name]

    async def _read(self, response: httpx.Response) -> bytes:
        body = b""
        async for chunk in self._client.chunks(response, raw=False):
            body += chunk
            if len(body) > _LONGEST:
                raise HttpError(f"{response.url}: expected at most {_LONGEST:,} bytes, found more")
        if (busy := _busy(self._adapter, body)) is not None:
            raise HttpError(str(busy), again=True)
        return body


class _NoMarket(Exception):
    """The exchange has no such market, or it does not trade."""


def _busy(adapter: Adapter, body: bytes) -> Refused | None:
    """Return that an exchange was asked too often, if that is what a success says.

    Every answer of an exchange wears the same envelope, so any reader finds its error.
    """
    if len(body) > _LONGEST_ERROR:
        return None
    try:
        adapter.read_instruments(body)
    except Refused as e:
        return e if e.busy else None
    except PayloadError:
        return None
    return None


def _left_out(row: Row) -> str:
    return (
        f"the candle of {time_of(row):%Y-%m-%d %H:%M} is left out: expected one of the interval, "
        f"with open and close between low and high, found {row}"
    )


def _words(error: Exception) -> str:
    return str(error).rstrip(".")


_ADD: Mapping[str, Callable[[Store, Any], int]] = {
    "candles": Store.add_candles,
    "mark_candles": Store.add_mark_candles,
    "open_interest": Store.add_open_interest,
    "funding_rates": Store.add_funding_rates,
}
