"""One market's series: what of it is missing or out of date, computed and stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from app.errors import NoData
from app.history import book_start
from app.market_choice import no_interest
from app.precompute.books import Computed, grown_book, whole_book
from app.precompute.inputs import Inputs, digests, find_inputs
from app.precompute.jobs import Job, model_text
from app.precompute.pieces import compute_piece, days
from app.precompute.program import program_version
from engine.grid import round_up, shown_range
from ingest import snapshots
from ingest.coverage import MarketCoverage
from ingest.intervals import interval_name
from ingest.snapshots import DAY, Piece, PieceRows, Series
from ingest.store import Store

GROUP = 300_000
"""Rows to a transaction: few enough to lose, enough that committing costs little."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for a job.

    Attributes
    ----------
    job : Job
        What is wanted.
    inputs : Inputs
        What it is computed from.
    series : Series
        Where it goes; its number is 0 if it does not exist yet.
    outdated : tuple of Series
        Series of other programs, which it replaces.
    missing : tuple of Piece
        Pieces to compute, oldest first.
    present : int
        Pieces that are there already and current.
    others_current : bool
        Whether stored pieces outside the job are current too.
    watermark : str
        Of the market, from before anything else was read.
    """

    job: Job
    inputs: Inputs
    series: Series
    outdated: tuple[Series, ...]
    missing: tuple[Piece, ...]
    present: int
    others_current: bool
    watermark: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done for a job.

    Attributes
    ----------
    job : Job
        What was wanted.
    series : Series
        Where it is.
    computed : tuple of Piece
        Pieces that were computed.
    present : int
        Pieces that were there already.
    rows : int
        Rows that were stored.
    note : str
        Why all had to be computed anew, in a sentence; empty if it had not.
    """

    job: Job
    series: Series
    computed: tuple[Piece, ...]
    present: int
    rows: int
    note: str = ""


def make_plan(store: Store, market: MarketCoverage, job: Job) -> Plan:
    """Return what is missing or out of date.

    Raises
    ------
    NoData
        If the market can't be mapped, or has nothing in the job's range.
    ValueError
        If its bars do not fit the job's interval.
    """
    # Read first: what is stored meanwhile then makes the result look older than it is.
    watermark = store.watermark((job.exchange,), job.symbol)
    assumed = job.model.parameters
    if assumed.follows_interest and market.open_interest_first is None:
        raise no_interest(job.symbol, job.exchange)
    begin = book_start(market, job.start or market.first, job.warmup_days, assumed)
    inputs = find_inputs(store, market, begin, assumed)
    _check_interval(job, timedelta(seconds=inputs.intervals.seconds))
    series, outdated = stored_series(store, job)
    known = snapshots.pieces(store, series) if series else []
    planned = _planned(job, inputs, known)
    stops = [(piece.start, piece.stop) for piece in (*planned, *known)]
    current = digests(store, inputs, {stop for _, stop in stops})
    planned = [replace(piece, inputs=current[piece.stop]) for piece in planned]
    missing = tuple(piece for piece in planned if piece not in known)
    days_planned = {piece.start for piece in planned}
    return Plan(
        job=job,
        inputs=inputs,
        series=series or _new_series(job, inputs),
        outdated=outdated,
        missing=missing,
        present=len(planned) - len(missing),
        others_current=all(
            piece.inputs == current[piece.stop]
            for piece in known
            if piece.start not in days_planned
        ),
        watermark=watermark,
    )


def stored_series(store: Store, job: Job) -> tuple[Series | None, tuple[Series, ...]]:
    """Return the series of a job if it exists, and those of other programs if it does not."""
    found = snapshots.find_series(store, job.exchange, job.symbol, model_text(job.model))
    alike = [series for series in found if _is_of(series, job)]
    series = next((s for s in alike if s.program == program_version()), None)
    return series, () if series else tuple(alike)


def carry_out(
    store: Store,
    plan: Plan,
    computed: Callable[[Piece], None] = lambda piece: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Compute and store what a plan names.

    Parameters
    ----------
    store : Store
        Where the market is, and the series.
    plan : Plan
        From `make_plan`.
    computed : callable
        Told of each piece, before it is stored.
    stopped : callable
        Asked after each piece whether to stop there; what is computed is then stored.

    Raises
    ------
    KeyboardInterrupt
        If stopped.
    """
    series, note = plan.series, outdated_note(plan.job, plan.outdated)
    done: list[Piece] = []
    rows, drawn = 0, series
    if plan.missing:
        book, found = _book(store, plan, series)
        drawn = replace(
            series, crossing_price=book.crossing_price, assumed_margin=book.assumed_margin
        )
        note = note or found
        kept = book.checkpoint
        group: list[PieceRows] = []
        for piece in plan.missing:
            group.append(compute_piece(book.book, series, piece))
            done.append(group[-1].piece)
            computed(piece)
            halt = stopped()
            if halt or sum(each.rows for each in group) >= GROUP or piece == plan.missing[-1]:
                if not series.id:
                    series = snapshots.add_series(store, drawn, plan.outdated)
                snapshots.write(store, series, group, kept)
                rows += sum(each.rows for each in group)
                group, kept = [], None
            if halt:
                raise KeyboardInterrupt
    watermark = plan.watermark if plan.others_current else None
    known = replace(drawn, watermark=watermark, begin=plan.inputs.begin)
    series = snapshots.mark_current(store, series, known)
    return Outcome(plan.job, series, tuple(done), plan.present, rows, note)


def _book(store: Store, plan: Plan, series: Series) -> tuple[Computed, str]:
    """Return the market's book, and why it could not go on from a checkpoint."""
    model, inputs = plan.job.model, plan.inputs
    if not plan.job.incremental:
        return whole_book(store, inputs, model), ""
    kept = snapshots.checkpoint(store, series)
    if kept is None:
        return whole_book(store, inputs, model), ""
    if digests(store, inputs, [kept.stop])[kept.stop] != kept.inputs:
        why = f"what is stored up to {kept.stop:%Y-%m-%d %H:%M} UTC has changed since the last run"
    elif book := grown_book(store, inputs, model, kept):
        return book, ""
    else:
        why = "the stored checkpoint is damaged"
    return whole_book(store, inputs, model), f"{plan.job.market} is computed anew: {why}."


def outdated_note(job: Job, outdated: Sequence[Series]) -> str:
    """Return that other programs' series are replaced, if there are any."""
    if not outdated:
        return ""
    return f"{job.market} is computed anew: another version of the program computed it."


def _check_interval(job: Job, bars: timedelta) -> None:
    if job.interval % bars or DAY % job.interval:
        raise ValueError(
            f"{job.market} has bars of {interval_name(bars)}, so the interval must be a multiple "
            f"of that and divide the day, but is {interval_name(job.interval)}"
        )


def _is_of(series: Series, job: Job) -> bool:
    if series.interval != job.interval:
        return False
    return series.bins == job.bins if job.width is None else series.width == job.width


def _new_series(job: Job, inputs: Inputs) -> Series:
    low, high = shown_range(inputs.extent.low, inputs.extent.high)
    return Series(
        exchange=job.exchange,
        symbol=job.symbol,
        model=model_text(job.model),
        interval=job.interval,
        width=job.width or round_up((high - low) / job.bins),
        bins=None if job.width else job.bins,
        program=program_version(),
    )


def _planned(job: Job, inputs: Inputs, known: list[Piece]) -> list[Piece]:
    """Return the job's pieces, with no inputs named yet."""
    first = max(inputs.begin, job.start or inputs.begin)
    spans = list(days(first, inputs.extent.last, job.interval))
    if job.stop is not None:
        spans = [(start, stop) for start, stop in spans if start < job.stop]
    if not spans:
        raise NoData(
            f"Nothing is stored for {job.market} in that range; there are data from "
            f"{inputs.begin:%Y-%m-%d %H:%M} to {inputs.extent.last:%Y-%m-%d %H:%M} UTC."
        )
    # Events that are there stay there.
    with_events = {piece.start for piece in known if piece.has_events}
    return [Piece(start, stop, "", job.events or start in with_events) for start, stop in spans]
