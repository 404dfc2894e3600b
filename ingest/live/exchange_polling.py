"""One exchange, asked again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

import duckdb
from aiolimiter import AsyncLimiter

from ingest.adapters.adapter import Adapter, PayloadError, Request, ShowsPositions
from ingest.backfill import Progress, backfill
from ingest.backfill_jobs import Work, prepare
from ingest.backfill_plan import EAGER, INTERVALS, SERIES, TIERS, Wish, columns, floor
from ingest.database_errors import in_one_line
from ingest.following import all_pages
from ingest.http import HttpClient, HttpError, Unavailable
from ingest.intervals import SECONDS
from ingest.live.asking import ask
from ingest.live.clock import Clock
from ingest.live.health import Health, Meter
from ingest.positions import add_observed_positions
from ingest.records import Instrument, ObservedPosition
from ingest.store import Store

logger = logging.getLogger(__name__)

INTERVAL = timedelta(minutes=5)
"""Of candles where none are stored."""

REACH = timedelta(hours=1)
"""How far back a refill looks for what is not stored."""

LONGEST_REACH = timedelta(days=7)
"""How far it does after a start, and after a failure."""

INTEREST_EVERY = 30.0
"""Time between samples of open interest, beside that at each candle's end. [s]"""

POSITIONS_EVERY = 60.0
"""Time between two looks at everybody's positions. [s]"""

DAY = 86_400.0
AGAIN = 60.0
"""After a failure, and where a candle does not come. [s]"""

_BARS = {"candles", "mark-candles"}
_TIERS_AGAIN = 600.0
_SOON, _SOON_FOR = 1.0, timedelta(seconds=15)
_AT_THE_END = 0.2  # so that a sample is later than the candle's end, and there before the candle
_SHARE, _REFILL_SHARE = 0.25, 0.5  # of each limit
_EVER = datetime(2009, 1, 3, tzinfo=UTC)


class ExchangePoller:
    """Asks one exchange for what it has no stream of here, and stores what it answers.

    An error is logged once, until there is another one, and does not stop what follows.
    """

    def __init__(
        self,
        store: Store,
        adapter: Adapter,
        symbols: Sequence[str],
        client: HttpClient,
        clock: Clock,
    ) -> None:
        self.exchange = adapter.exchange
        self._store, self._adapter, self._client, self._clock = store, adapter, client, clock
        self._wanted = tuple(symbols)
        self._meter = Meter(adapter.exchange, clock)
        self._markets: dict[str, Instrument] | None = None  # what is listed of what is wanted
        self._tried = asyncio.Event()
        self._intervals: dict[str, timedelta] = {}
        self._due: dict[str, datetime] = {}
        self._complete: dict[str, datetime] = {}  # until when nothing is missing
        self._limiters: dict[tuple[str, float], AsyncLimiter] = {}
        self._said: dict[str, str] = {}
        self._stopping = False

    def health(self) -> Health:
        """Return how it answers; any thread may ask."""
        return self._meter.health()

    async def run(self) -> None:
        """Ask until cancelled."""
        works = [self._tiers, self._interest, self._refill]
        if isinstance(self._adapter, ShowsPositions) and self._adapter.users:
            works.append(self._positions)
        self._stopping = False
        tasks = [asyncio.create_task(self._keep(work)) for work in works]
        try:
            await asyncio.wait(tasks)
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._meter.stopped()

    async def _keep(self, work: Callable[[], Awaitable[float]]) -> None:
        """Do some work again and again, whatever becomes of it; it returns when next. [s]"""
        name = work.__name__.lstrip("_")
        if work != self._tiers:
            await self._tried.wait()
        # What fails just when it is cancelled raises its failure instead, and would go on.
        while not self._stopping:
            try:
                pause = await work()
            except duckdb.Error as e:
                # Mostly a full disk, which the others say, too, and again and again.
                self._say_unless_said(
                    name, f"what was asked for can't be stored now: {in_one_line(e)}"
                )
                pause = AGAIN
            except Exception:
                logger.exception("%s: what was asked for could not be stored", self.exchange)
                pause = AGAIN
            else:
                self._said.pop(name, None)
            self._tried.set()
            if not self._stopping:
                await self._clock.sleep(pause)

    def _symbols(self) -> list[str]:
        """Return what is wanted and can be had, as far as is known."""
        if self._markets is not None:
            return [one for one in self._wanted if one in self._markets]
        return [one for one in self._wanted if self._adapter.native(one) is not None]

    # Markets and their leverage tiers

    async def _tiers(self) -> float:
        """Learn what the exchange lists, and store its leverage tiers if they are others."""
        learned = await self._learn()
        self._tried.set()  # the rest need not wait for the tiers
        if TIERS in self._adapter.unavailable:
            return DAY if learned else _TIERS_AGAIN
        done = [await self._ask_all(self._tiers_of(symbol)) for symbol in self._symbols()]
        return DAY if learned and not any(done) else _TIERS_AGAIN

    def _tiers_of(self, symbol: str) -> Work:
        now = self._clock.now()
        wish = Wish(symbol, INTERVAL, now - INTERVAL, now)
        market = self._market(symbol)
        return prepare(self._store, self._adapter, wish, [TIERS], now, market=market)

    def _market(self, symbol: str) -> Instrument | None:
        return self._markets.get(symbol) if self._markets is not None else None

    async def _learn(self) -> bool:
        """Ask for the list of markets, and return whether it came."""
        if "instruments" in self._adapter.unavailable:
            return True
        try:
            found = [
                one
                async for text in all_pages(self._adapter.instruments(), self._ask)
                for one in self._adapter.read_instruments(text)
            ]
        except (HttpError, PayloadError) as e:
            self._failed("list of markets", e)
            return False
        self._say("list of markets", "")
        self._markets = {one.symbol: one for one in found if one.symbol in self._wanted}
        for symbol in self._wanted:
            self._say(symbol, "" if symbol in self._markets else "it lists no such market")
        return True

    # Open interest

    async def _interest(self) -> float:
        """Store the open interest of this moment."""
        symbols = self._symbols()
        if "open_interest_now" in self._adapter.unavailable or not symbols:
            return AGAIN
        for request in self._adapter.open_interest_now(symbols):
            what = " ".join(["open interest", *map(str, request.params.values())])
            try:
                text = await self._ask(request)
                found = self._adapter.read_open_interest_now(text, self._clock.now())
            except (HttpError, PayloadError) as e:
                self._failed(what, e)
                continue
            self._say(what, "")
            wanted = sorted((r for r in found if r.symbol in symbols), key=lambda r: r.symbol)
            for _, rows in groupby(wanted, key=lambda row: row.symbol):
                self._store.add_open_interest(columns(list(rows)))
        return self._until_sample()

    def _until_sample(self) -> float:
        """Return the time until the next sample: at a candle's end, or before. [s]"""
        now, intervals = self._clock.now(), set(self._intervals.values()) or {INTERVAL}
        ends = [floor(now, one) + one - now for one in intervals]
        return min(INTEREST_EVERY, min(ends).total_seconds() + _AT_THE_END)

    # Candles, and what else has a history

    async def _refill(self) -> float:
        """Ask for what is not stored where it is time to; return when it is next. [s]"""
        for symbol in self._symbols():
            if self._due.get(symbol, _EVER) <= self._clock.now():
                self._due[symbol] = await self._refill_market(symbol)
        due = [self._due[symbol] for symbol in self._symbols() if symbol in self._due]
        if not due:
            return AGAIN
        return max((min(due) - self._clock.now()).total_seconds(), 0.01)

    async def _refill_market(self, symbol: str) -> datetime:
        """Ask for what is not stored of a market; return when to ask again."""
        now = self._clock.now()
        interval = self._intervals[symbol] = self._interval(symbol, now)
        work = prepare(
            self._store,
            self._adapter,
            Wish(symbol, interval, self._start(symbol, interval, now), now),
            [series.name for series in SERIES],
            now,
            market=self._market(symbol),
            eager=True,
        )
        failed = await self._ask_all(work)
        if failed:
            self._complete.pop(symbol, None)
        else:
            self._complete[symbol] = now
        end = floor(now - EAGER, interval)
        following = end + interval + EAGER
        if self._has_candles(symbol, interval, end):
            return following
        now = self._clock.now()
        soon = now - end < _SOON_FOR and not failed & _BARS
        return min(now + timedelta(seconds=_SOON if soon else AGAIN), following)

    def _has_candles(self, symbol: str, interval: timedelta, end: datetime) -> bool:
        """Return whether the candles that ended then are stored, of the mark price, too."""
        return all(
            self._store.stored_times(
                series.table, self.exchange, symbol, end - interval, end, interval
            ).size
            for series in SERIES
            if series.name in _BARS and series.kind not in self._adapter.unavailable
        )

    def _interval(self, symbol: str, now: datetime) -> timedelta:
        """Return the interval of the stored candles, if the exchange has it, else `INTERVAL`.

        A map is made of one interval, chosen by all that is stored: candles of another would
        never move it.
        """
        stored = self._store.bar_intervals(self.exchange, symbol, _EVER, now).seconds
        if stored not in {SECONDS[name] for name in INTERVALS}:
            return INTERVAL
        interval = timedelta(seconds=stored)
        try:
            self._adapter.candles(symbol, interval, now - interval, now)
        except ValueError:
            return INTERVAL
        return interval

    def _start(self, symbol: str, interval: timedelta, now: datetime) -> datetime:
        """Return how far back to look: to the last stored candle where some may be missing."""
        start = now - max(REACH, 3 * interval)
        # Not so after a time without questions: the computer slept, or the market was not listed.
        if self._complete.get(symbol, _EVER) - interval >= start:
            return start
        longest = now - LONGEST_REACH
        stored = self._store.stored_times("candles", self.exchange, symbol, longest, now, interval)
        if stored.size:
            last: datetime = stored.max().astype("datetime64[us]").item()
            return min(start, last.replace(tzinfo=UTC))
        any_stored = self._store.bar_intervals(self.exchange, symbol, _EVER, now).seconds
        return min(start, longest) if any_stored else start

    # Positions

    async def _positions(self) -> float:
        """Store which positions are open; failures of one user do not stop the others."""
        adapter = self._adapter
        assert isinstance(adapter, ShowsPositions)
        self._say("users", adapter.users_note)
        began, symbols = self._clock.monotonic(), self._symbols()
        seen: list[ObservedPosition] = []
        for user, request in zip(adapter.users, adapter.positions(adapter.users), strict=True):
            try:
                text = await self._ask(request)
                seen += [p for p in adapter.read_positions(text, user) if p.symbol in symbols]
            except (HttpError, PayloadError) as e:
                self._failed(f"positions of {user}", e)
                if isinstance(e, Unavailable):
                    break
            else:
                self._say(f"positions of {user}", "")
        add_observed_positions(self._store, seen)
        return max(POSITIONS_EVERY - (self._clock.monotonic() - began), 1.0)

    # Asking

    async def _ask(self, request: Request) -> bytes:
        """Return the answer to one request, within the exchange's limits."""
        await self._limiter(request.limit, _SHARE).acquire(request.weight)
        self._contact()
        try:
            text = await ask(self._client, self._adapter, request)
        except HttpError as e:
            self._meter.unanswered(str(e))
            raise
        self._meter.answered()
        return text

    async def _ask_all(self, work: Work) -> set[str]:
        """Ask for and store what is not stored; return the kinds that did not come."""
        # `backfill` keeps to the limits of one market at a time, here are many of one exchange.
        for request in (request for job in work.jobs for request, _ in job.pages):
            await self._limiter(request.limit, _REFILL_SHARE).acquire(request.weight)
        if work.requests:
            self._contact()
        await backfill(self._store, [work], self._client, Progress(), self._clock.now, self._heard)
        for job in work.jobs:
            self._say_unless_said(f"{work.wish.symbol}, {job.outcome.kind}", job.outcome.failed)
        return {job.outcome.kind for job in work.jobs if job.outcome.failed}

    def _contact(self) -> None:
        self._meter.started()
        self._meter.contacting()

    def _heard(self, exchange: str, failure: str) -> None:
        if failure:
            self._meter.unanswered(failure)
        else:
            self._meter.answered()

    def _limiter(self, name: str, share: float) -> AsyncLimiter:
        """Return what keeps to a share of one of the exchange's limits."""
        if (name, share) not in self._limiters:
            limit = self._adapter.rate_limits[name]
            self._limiters[name, share] = AsyncLimiter(share * limit.weight, limit.seconds)
        return self._limiters[name, share]

    def _failed(self, what: str, error: Exception) -> None:
        """Log a failure; an answer that can't be read is no good answer."""
        if isinstance(error, PayloadError):
            self._meter.unanswered(str(error))
        self._say_unless_said(what, str(error))

    def _say_unless_said(self, what: str, failed: str) -> None:
        """Log a failure, unless the same is known of something else: one host, one fault."""
        if failed in self._said.values():
            self._said[what] = failed
        self._say(what, failed)

    def _say(self, what: str, failed: str) -> None:
        """Log a failure, but not the same one every time."""
        if failed and self._said.get(what) != failed:
            logger.warning("%s, %s: %s", self.exchange, what, failed)
        self._said[what] = failed
