"""All that a backfill asks each exchange for, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.adapters.adapter import Adapter, NotOffered, Request
from ingest.backfill_plan import SERIES, TIERS, Plan, Series, Wish, missing, plan
from ingest.coverage import Span
from ingest.records import Instrument
from ingest.store import Store


@dataclass(slots=True)
class Outcome:
    """What came of one kind of data of one exchange.

    Attributes
    ----------
    exchange, kind : str
        Whose, and what.
    added : int
        Rows that are new.
    first, last : datetime or None
        First and last time of the pages that had new rows.
    failed : str
        Why it could not be had, or not all of it.
    not_offered : str
        That the exchange has none, and what to do instead.
    note : str
        What the exchange keeps, where that is less than wanted.
    """

    exchange: str
    kind: str
    added: int = 0
    first: datetime | None = None
    last: datetime | None = None
    failed: str = ""
    not_offered: str = ""
    note: str = ""

    def count(self, added: int, first: datetime, last: datetime) -> None:
        """Note rows that are new, and when the rows that came are from."""
        self.added += added
        if added:
            self.first, self.last = min(self.first or first, first), max(self.last or last, last)


@dataclass(frozen=True, slots=True)
class Job:
    """What to ask one exchange for: ``plan`` is None for leverage tiers.

    Each request comes with the span that its rows must be of.
    """

    outcome: Outcome
    plan: Plan | None = None
    pages: tuple[tuple[Request, Span], ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """All that one exchange is asked for; ``market`` is None where it must tell that first."""

    adapter: Adapter
    wish: Wish
    jobs: tuple[Job, ...]
    market: Instrument | None = None

    @property
    def requests(self) -> int:
        """How many requests it takes, with that for the list of markets."""
        pages = sum(len(job.pages) for job in self.jobs)
        return pages + (self.market is None) if pages else 0


def prepare(
    store: Store,
    adapter: Adapter,
    wish: Wish,
    kinds: Sequence[str],
    now: datetime,
    *,
    market: Instrument | None = None,
    eager: bool = False,
) -> Work:
    """Return what to ask an exchange for; asks it nothing yet.

    Parameters
    ----------
    store : Store
        What it holds is not asked for again.
    adapter : Adapter
        The exchange.
    wish : Wish
        Which market and range.
    kinds : sequence of str
        Of `KINDS`.
    now : datetime
        The time, aware.
    market : Instrument, optional
        The market as the exchange lists it; else it is asked for the list.
    eager : bool
        Take candles as soon as they can be seen to have closed.
    """
    jobs = [
        _series_job(store, adapter, wish, one, now, eager=eager)
        for one in SERIES
        if one.name in kinds
    ]
    if TIERS in kinds:
        jobs.append(_tiers_job(adapter, wish))
    return Work(adapter, wish, tuple(jobs), market)


def _series_job(
    store: Store, adapter: Adapter, wish: Wish, series: Series, now: datetime, *, eager: bool
) -> Job:
    outcome = Outcome(adapter.exchange, series.name)
    try:
        planned = plan(adapter, series, wish, now, eager=eager)
    except NotOffered as e:
        outcome.not_offered = str(e)
        return Job(outcome)
    except ValueError as e:
        outcome.failed = str(e)
        return Job(outcome)
    outcome.note = planned.note
    stored = store.stored_times(
        series.table, adapter.exchange, wish.symbol, *planned.span, planned.interval
    )
    # The one after shows that a candle has closed.
    beyond = planned.interval if planned.eager else timedelta(0)
    pages = tuple(
        (request, span)
        for span in missing(planned, stored)
        for request in series.requests(
            adapter, wish.symbol, planned.interval, span.start, span.stop + beyond
        )
    )
    return Job(outcome, planned, pages)


def _tiers_job(adapter: Adapter, wish: Wish) -> Job:
    outcome = Outcome(adapter.exchange, TIERS)
    span = Span(wish.start, wish.stop)
    try:
        return Job(outcome, None, tuple((one, span) for one in adapter.tiers([wish.symbol])))
    except NotOffered as e:
        outcome.not_offered = str(e)
    except ValueError as e:
        outcome.failed = str(e)
    return Job(outcome)
