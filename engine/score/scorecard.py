"""The scorecard: what a model's map of a market knows, in four lines."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from engine.book import LevelBook
from engine.ensemble import Book
from engine.heatmap import rasterise
from engine.kernels import Floats
from engine.market import Market, Times
from engine.models import LiquidationModel
from engine.score.amount import Amount, score_amount
from engine.score.calibration import Calibration, calibrate
from engine.score.events import WARM_UP, Liquidations, Periods, periods_of
from engine.score.evidence import Verdict
from engine.score.nulls import Null, Nulls, nulls_of
from engine.score.positions import ObservedPositions, OpenPositions, score_positions
from engine.score.sampling import held_by, hours_of
from engine.score.when import When, score_when
from engine.score.where import HitRate, Touched, Where, hit_rate, score_where, touched

LASTING = timedelta(hours=24)
"""How long what zones are found in should still be open, as on the page."""

Progress = Callable[[str], None]
"""Called with what is about to be computed; it may raise to stop."""


@dataclass(frozen=True, slots=True)
class Zones:
    """How often liquidations happen near prominent zones: the map's, and the geometry map's."""

    map: HitRate
    geometry: HitRate


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What a model's map of a market knows.

    Each part is a `Verdict` where the data allow none, and None where it was not asked for.

    Attributes
    ----------
    exchange, symbol, model : str
        What was scored.
    start, stop : datetime64[us]
        First and last moment at which there was a map to score. [UTC]
    mapped_share : float
        Mean share of open interest whose liquidation price the map knows. [-]
    when : When or Verdict or None
        Line 1: in which periods much is liquidated.
    amount : Amount or Verdict or None
        Line 2: how much.
    where : Where or Verdict or None
        Line 3: at which prices of the touched range.
    positions : OpenPositions or Verdict or None
        Line 4: where open positions lie.
    zones : Zones or Verdict or None
        How often liquidations happen near zones, beside a blind guess.
    calibration : Calibration or Verdict or None
        Reported over modelled notional.
    """

    exchange: str
    symbol: str
    model: str
    start: np.datetime64
    stop: np.datetime64
    mapped_share: float
    when: When | Verdict | None = None
    amount: Amount | Verdict | None = None
    where: Where | Verdict | None = None
    positions: OpenPositions | Verdict | None = None
    zones: Zones | Verdict | None = None
    calibration: Calibration | Verdict | None = None


def score(
    market: Market,
    model: LiquidationModel,
    liquidations: Liquidations | None = None,
    positions: ObservedPositions | None = None,
    *,
    against: Sequence[LiquidationModel] = (),
    length: timedelta | None = None,
    warm_up: timedelta = WARM_UP,
    nulls: Nulls = nulls_of,
    progress: Progress = lambda doing: None,
) -> Scorecard:
    """Return the scorecard of a model on a market.

    Parameters
    ----------
    market : Market
        Bars and open interest, from before the events on: the map of its first ``warm_up`` isn't
        scored.
    model : LiquidationModel
        What is scored.
    liquidations : Liquidations, optional
        Realised ones, for the first three lines, the zones and the calibration.
    positions : ObservedPositions, optional
        Open ones, for the fourth line.
    against : sequence of LiquidationModel
        Models that the second line compares with.
    length : timedelta, optional
        Of the periods of the first two lines; an hour or four by the data if left out.
    warm_up : timedelta
        Left out at the start.
    nulls : callable
        Makes the maps that the model has to beat; with its own tiers and entries if left out.
    progress : callable
        Called with what is about to be computed; what it raises ends the run.

    Notes
    -----
    Nothing here knows the future: a map is taken at the start of an hour or at its last bar's end,
    and what a bar crosses are levels that were born before it.
    """
    progress("map")
    book = model.build_book(market)
    hours = hours_of(market, warm_up)
    card = Scorecard(
        exchange=market.exchange,
        symbol=market.symbol,
        model=model.name,
        start=hours.time[0] if len(hours) else np.datetime64("NaT", "us"),
        stop=hours.time[-1] if len(hours) else np.datetime64("NaT", "us"),
        mapped_share=_mapped_share(book, hours.time),
    )
    geometry = _geometry(nulls(market, model.parameters))
    if liquidations is not None:
        crossed = book.crossed()
        periods = periods_of(market, liquidations, length, warm_up)
        progress("other maps")
        own, others = periods.total(crossed), _null_maps(nulls(market, model.parameters), periods)
        models = {one.name: periods.total(one.build_book(market).crossed()) for one in against}
        progress("when and how much")
        card = replace(
            card,
            when=score_when(own, periods, others),
            amount=score_amount(own, periods, others["fading"], models),
            calibration=calibrate(crossed, market, liquidations, warm_up),
        )
        progress("where")
        events = touched(market, liquidations, warm_up)
        card = replace(
            card,
            where=score_where(held_by(book), held_by(geometry), events),
            zones=_zones(book, geometry, events),
        )
    if positions is not None:
        progress("open positions")
        placed = score_positions(held_by(book), held_by(geometry), positions, hours)
        card = replace(card, positions=placed)
    return card


def _geometry(nulls: Iterable[Null]) -> LevelBook:
    return next(null for null in nulls if null.kind == "geometry").build_book()


def _null_maps(nulls: Iterable[Null], periods: Periods) -> dict[str, list[tuple[str, Floats]]]:
    """Return names and crossed notional of the nulls by kind. [quote]"""
    maps: dict[str, list[tuple[str, Floats]]] = {}
    for null in nulls:
        crossed = periods.total(null.build_book().crossed())
        maps.setdefault(null.kind, []).append((null.name, crossed))
    return maps


def _zones(book: Book, geometry: LevelBook, events: Touched) -> Zones | Verdict:
    """Return how often zones are hit: of what should last, as on the page."""
    found = hit_rate(held_by(book, LASTING), events)
    known = hit_rate(held_by(geometry), events)
    if isinstance(found, Verdict):
        return found
    return Zones(found, known) if isinstance(known, HitRate) else known


def _mapped_share(book: Book, hours: Times) -> float:
    """Return the mean mapped share of both sides over the hours. [-]"""
    if not hours.size:
        return float("nan")
    times = np.concatenate((hours[:1] - np.timedelta64(1, "us"), hours))
    shown = rasterise(book, times, np.array([0.0, 1.0]))
    return float(shown.coverage.mean())
