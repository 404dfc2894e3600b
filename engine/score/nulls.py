"""Maps that know little, which a model has to beat: of geometry, of fading, of volume."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

import numpy as np

from engine.book import LevelBook, build_book
from engine.kernels import Floats
from engine.market import Market
from engine.parameters import Parameters

Kind = Literal["geometry", "fading", "volume"]

_UNITS = 100.0  # opened in every bar by the map of geometry
_TURNOVERS = (0.1, 0.3, 1.0, 3.0)  # of fading maps, in multiples of the market's mean volume
_LAYERED_TURNOVERS = (0.3, 1.0)  # of fading maps whose higher leverages fade sooner
_HUGE = 1e7  # open interest over all volume: what closes out of it is nothing


@dataclass(frozen=True, slots=True)
class Null:
    """A market changed so that its map knows no more than one thing, and how to build that map.

    Attributes
    ----------
    kind : {"geometry", "fading", "volume"}
        What the map knows: where the price was, that and how long ago, or that and the volume.
    name : str
        For the reader.
    market : Market
        Same prices, changed volume and open interest.
    parameters : Parameters
        The model's tiers and entries.
    """

    kind: Kind
    name: str
    market: Market
    parameters: Parameters

    def build_book(self) -> LevelBook:
        """Return its level book."""
        return build_book(self.market, self.parameters)


Nulls = Callable[[Market, Parameters], Iterator[Null]]
"""Makes the nulls of a market and a model's parameters."""


def nulls_of(market: Market, parameters: Parameters) -> Iterator[Null]:
    """Yield the nulls with a model's own tiers and entries, geometry first.

    Parameters
    ----------
    market : Market
        As the model sees it.
    parameters : Parameters
        The model's; its leverages and entries are kept, whatever it assumes about flow isn't.

    Notes
    -----
    *Geometry* opens as much in every bar on both sides and closes nothing. *Volume* opens what is
    traded and closes nothing. *Fading* maps open and close alike at constant open interest, so
    that levels fade with one half-life. Constants are taken over all bars, later ones too, which
    can only help a null.
    """
    plain = replace(
        parameters,
        opening="flow",
        funding=False,
        turnover=1.0,
        side_rule="symmetric",
        closing="proportional",
        speeds="one",
    )
    layered = replace(plain, speeds="layered", layering=1.0)
    held = np.full(len(market), _HUGE * max(float(market.volume.sum()), _UNITS * len(market)))
    yield Null("geometry", "geometry", _changed(market, _even(market, _UNITS), held), plain)
    yield Null("volume", "volume map", _changed(market, market.volume, held), plain)
    mean, usual = float(market.volume.mean()), _usual_open_interest(market)
    for assumed, kind, turnovers in (
        (plain, "fading geometry", _TURNOVERS),
        (layered, "fading geometry by leverage", _LAYERED_TURNOVERS),
    ):
        for turnover in turnovers:
            name = f"{kind}, half-life {_half_life(turnover * mean / usual, market.interval)}"
            changed = _changed(market, _even(market, turnover * mean), _even(market, usual))
            yield Null("fading", name, changed, assumed)


def _even(market: Market, value: float) -> Floats:
    return np.full(len(market), value)


def _usual_open_interest(market: Market) -> float:
    known = market.open_interest[np.isfinite(market.open_interest)]
    usual = float(known.mean()) if known.size else 0.0
    # Without open interest, as much is taken to be held as is traded in a day.
    per_day = timedelta(days=1) / market.interval
    return usual if usual > 0.0 else max(float(market.volume.mean()) * per_day, _UNITS)


def _half_life(share: float, interval: timedelta) -> str:
    """Return how long half of a level lasts if ``share`` of open interest closes in a bar."""
    hours = np.log(2.0) / max(share, 1e-12) * (interval / timedelta(hours=1))
    return f"{hours:.3g} h"


def _changed(market: Market, volume: Floats, open_interest: Floats) -> Market:
    """Return a market of other volume and open interest, its prices and their means kept."""
    # A bar without volume has no mean price, which stays unknown.
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = volume / market.volume
        quote_volume, taker_buy_volume = (
            amount * scale for amount in (market.quote_volume, market.taker_buy_volume)
        )
    return replace(
        market,
        volume=volume,
        quote_volume=quote_volume,
        taker_buy_volume=taker_buy_volume,
        open_interest=open_interest,
        initial_open_interest=float(open_interest[0]) if len(market) else 0.0,
    )
