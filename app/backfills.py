"""Backfills, as the command line and the pages do them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from app.adapters import make_adapters
from app.fetches import ClientMaker
from app.http_client import make_client
from app.settings import Settings
from ingest.adapters import ADAPTERS
from ingest.adapters.adapter import Adapter, NotOffered
from ingest.backfill import Progress, backfill
from ingest.backfill_jobs import Outcome, Work, prepare
from ingest.backfill_plan import INTERVALS, KINDS, SERIES, Series, Wish, plan
from ingest.intervals import SECONDS
from ingest.store import Store
from ingest.symbols import split_symbol

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def backfill_wish(symbol: str, interval: str, start: datetime, stop: datetime) -> Wish:
    """Return what is wanted of each exchange.

    Raises
    ------
    ValueError
        If that can't be; the sentence names the option.
    """
    market = symbol.strip().upper()
    if split_symbol(market) is None:
        raise ValueError(f"--symbol must be like BTCUSDT, but is {symbol!r}")
    if interval not in INTERVALS:
        raise ValueError(f"--interval must be one of {', '.join(INTERVALS)}, but is {interval!r}")
    if start >= stop:
        raise ValueError(
            f"--start must be before --stop and now, but is {start:%Y-%m-%d %H:%M} and those are "
            f"{stop:%Y-%m-%d %H:%M} (UTC)"
        )
    return Wish(market, timedelta(seconds=SECONDS[interval]), start, stop)


def backfill_kinds(text: str | None) -> list[str]:
    """Return the kinds that names stand for, separated by commas; all if there is no text."""
    wanted = _parts(text) if text is not None else list(KINDS)
    if not wanted or not set(wanted) <= set(KINDS):
        raise ValueError(f"--kinds must be of {', '.join(KINDS)}, but is {text!r}")
    return wanted


def backfill_adapters(text: str, settings: Settings) -> list[Adapter]:
    """Return the exchanges that names stand for, separated by commas."""
    wanted = _parts(text)
    if not wanted or not set(wanted) <= set(ADAPTERS):
        raise ValueError(f"--exchange must be of {', '.join(ADAPTERS)}, but is {text!r}")
    return make_adapters(settings, wanted)


def backfill_works(
    store: Store, adapters: Sequence[Adapter], wish: Wish, kinds: Sequence[str], now: datetime
) -> list[Work]:
    """Return what to ask each exchange for; asks them nothing yet."""
    return [prepare(store, adapter, wish, kinds, now) for adapter in adapters]


def outcomes_of(works: Sequence[Work]) -> list[Outcome]:
    """Return what comes of each kind of each exchange."""
    return [job.outcome for work in works for job in work.jobs]


async def ask_exchanges(
    store: Store,
    settings: Settings,
    works: Sequence[Work],
    progress: Progress,
    client: ClientMaker = make_client,
    clock: Clock = now_utc,
) -> None:
    """Ask exchanges and store what they answer; what came is in the outcomes.

    Raises
    ------
    StoreError
        If the database can't take the rows.
    """
    async with client(settings) as asking:
        await backfill(store, works, asking, progress, clock)


def backfill_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return sentences on what exchanges do not keep, or do not have."""
    return [
        f"{outcome.exchange}, {outcome.kind}: {sentence}"
        for outcome in outcomes
        if (sentence := outcome.note or outcome.not_offered)
    ]


def backfill_failures(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a sentence for each failure, with the kinds that it stands against."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for one in outcomes:
        if one.failed:
            kinds.setdefault((one.exchange, one.failed), []).append(one.kind)
    return [
        f"Failed: {exchange}, {', '.join(names)}: {why}."
        for (exchange, why), names in kinds.items()
    ]


def history_limits(adapter: Adapter, wish: Wish, now: datetime) -> list[str]:
    """Return sentences on what an exchange does not keep, or does not have, of what is wanted."""
    return backfill_notes([_expected(adapter, one, wish, now) for one in SERIES])


def _expected(adapter: Adapter, series: Series, wish: Wish, now: datetime) -> Outcome:
    outcome = Outcome(adapter.exchange, series.name)
    try:
        outcome.note = plan(adapter, series, wish, now).note
    except NotOffered as e:
        outcome.not_offered = str(e)
    except ValueError as e:
        outcome.note = f"{e}."
    return outcome


def _parts(text: str) -> list[str]:
    """Return what commas separate, each once."""
    return list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
