"""Stored snapshots as the answer to a question."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from app.precompute.inputs import digests, find_inputs
from app.precompute.jobs import model_text
from app.precompute.program import program_version
from engine.heatmap import Heatmap
from engine.kernels import Floats
from engine.market import Times
from engine.models import FlowModel
from engine.parameters import Parameters
from ingest import snapshots
from ingest.columns import Arrays
from ingest.coverage import MarketCoverage
from ingest.snapshots import DAY, Series
from ingest.store import Store

_SIDES = ("long", "short")
_ALIKE = 1e-6  # of a bucket: how far rounding may move an edge


@dataclass(frozen=True, slots=True)
class _Question:
    """A grid of columns and buckets of one width each."""

    start: datetime
    stop: datetime
    columns: int
    low: float
    width: float
    buckets: int

    @property
    def column(self) -> timedelta:
        return (self.stop - self.start) / self.columns


def find_snapshots(
    store: Store,
    market: MarketCoverage,
    begin: datetime,
    model: FlowModel,
    times: Times,
    edges: Floats,
) -> tuple[Series, Heatmap] | None:
    """Return stored snapshots as the heatmap that a book would be drawn as, if they fit.

    Parameters
    ----------
    store : Store
        Where they are.
    market : MarketCoverage
        The market.
    begin : datetime
        Where its book begins (`app.history.book_start`). [UTC]
    model : FlowModel
        What it is computed with.
    times : ndarray of datetime64, shape (columns + 1,)
        Edges of the columns. [UTC]
    edges : ndarray, shape (buckets + 1,)
        Edges of the buckets. [quote]

    Returns
    -------
    (Series, Heatmap) or None
        What they are, and their picture: in notional, with nothing in columns that begin before
        the data. None where no series of this program and model divides the grid, where not all of
        the range has been computed, or where what is stored has changed since.

    Notes
    -----
    A column of several snapshots holds the state of the last one, and the sums of what happened.
    Equal to a rasterisation of the book within 1e-9, but for dust below 1e-12 of the open interest.
    """
    question = _question(times, edges)
    if question is None:
        return None
    stored = snapshots.find_series(store, market.exchange, market.symbol, model_text(model))
    # The coarsest one that fits has the fewest rows.
    for series in sorted(stored, key=lambda s: (s.interval, s.width), reverse=True):
        # What moves with funding is drawn on the grid that is asked for, or it is not the same.
        if model.parameters.funding and not _is_alike(series, question):
            continue
        if _divides(series, question) and _is_current(
            store, series, market, begin, question, model.parameters
        ):
            ties = model.parameters.ties
            return series, _read(store, series, question, times, edges, ties)
    return None


def _question(times: Times, edges: Floats) -> _Question | None:
    """Return the grid in numbers, None if its columns or buckets are not all alike."""
    times = np.asarray(times, "datetime64[us]")
    columns, widths = np.diff(times), np.diff(edges)
    if not (columns == columns[0]).all() or np.ptp(widths) > _ALIKE * widths[0]:
        return None
    return _Question(
        start=times[0].item().replace(tzinfo=UTC),
        stop=times[-1].item().replace(tzinfo=UTC),
        columns=columns.size,
        low=float(edges[0]),
        width=float(edges[-1] - edges[0]) / widths.size,
        buckets=widths.size,
    )


def _divides(series: Series, question: _Question) -> bool:
    since_1970 = question.start - datetime.fromtimestamp(0, UTC)
    return (
        series.program == program_version()
        and not question.column % series.interval
        and not since_1970 % series.interval
        and question.width > (1.0 - _ALIKE) * series.width
        and _is_whole(question.width / series.width, question.buckets)
        and _is_whole(question.low / series.width, 1)
    )


def _is_alike(series: Series, question: _Question) -> bool:
    """Return whether columns and buckets of a series are as wide as those of a question."""
    return question.column == series.interval and bool(
        abs(question.width / series.width - 1.0) < _ALIKE
    )


def _is_whole(ratio: float, times: int) -> bool:
    """Return whether a ratio is a whole number, near enough to be repeated so many times."""
    return abs(ratio - round(ratio)) * times < _ALIKE


def _is_current(
    store: Store,
    series: Series,
    market: MarketCoverage,
    begin: datetime,
    question: _Question,
    assumed: Parameters,
) -> bool:
    """Return whether all days of a question have been computed from what is stored now."""
    first = max(question.start, begin)
    if first >= question.stop:
        return False
    computed = {piece.start: piece for piece in snapshots.pieces(store, series)}
    day = datetime.combine(first.date(), datetime.min.time(), UTC)
    needed = []
    while day < question.stop:
        piece = computed.get(day)
        if piece is None or piece.stop < min(piece.end, question.stop):
            return False
        needed.append(piece)
        day += DAY
    if (series.watermark, series.begin) == (
        store.watermark((market.exchange,), market.symbol),
        begin,
    ):
        return True
    inputs = find_inputs(store, market, begin, assumed)
    current = digests(store, inputs, {piece.stop for piece in needed})
    return all(piece.inputs == current[piece.stop] for piece in needed)


def _read(
    store: Store, series: Series, question: _Question, times: Times, edges: Floats, ties: bool
) -> Heatmap:
    merged = round(question.width / series.width)
    cells = snapshots.cells(
        store,
        series,
        question.start,
        question.stop,
        question.columns,
        question.low,
        question.buckets,
        merged,
    )
    totals = snapshots.totals(store, series, question.start, question.stop)
    grid = (cells["side"], cells["bucket"], cells["column_index"])
    shape = (2, question.buckets, question.columns)
    active, consumed = np.zeros(shape), np.zeros(shape)
    active[grid], consumed[grid] = cells["active"], cells["consumed"]
    times = np.asarray(times, "datetime64[us]")
    column = np.searchsorted(times, totals["timestamp"]) - 1
    at_end = times[column + 1] == totals["timestamp"]
    return Heatmap(
        times=times,
        edges=np.asarray(edges, np.float64),
        active=active,
        consumed=consumed,
        opened=_sums(totals, "opened", column, question.columns),
        closed=_sums(totals, "closed", column, question.columns),
        liquidated=_sums(totals, "liquidated", column, question.columns),
        tracked=np.stack(
            [
                _at(column[at_end], totals[f"tracked_{side}"][at_end], question.columns)
                for side in _SIDES
            ]
        ),
        open_interest=_at(column[at_end], totals["open_interest"][at_end], question.columns),
        ties=ties,
    )


def _sums(totals: Arrays, name: str, column: np.ndarray, columns: int) -> Floats:
    return np.stack(
        [np.bincount(column, totals[f"{name}_{side}"], minlength=columns) for side in _SIDES]
    )


def _at(column: np.ndarray, values: Floats, columns: int) -> Floats:
    state = np.zeros(columns)
    state[column] = values
    return state
