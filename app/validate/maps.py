"""The map as of a moment before: its zones, and those of mere geometry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.assumptions import Assumptions
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from app.request import HeatmapRequest
from app.validate.lines import MapLine
from app.validate.zones import Reach, Zones, geometry_of, zones_of
from engine.models import DEFAULT_MODEL
from engine.snapshots import moment
from ingest.coverage import MarketCoverage

BAR = timedelta(minutes=5)
"""Length of the bars that are collected where no others are, so that maps change as often."""

SETTLED = timedelta(seconds=15)
"""So long after a bar's end all is known that is in it: what is seen sooner is compared with the
map of the bar before."""

PATIENCE = timedelta(minutes=1)
"""So long after a bar's end it is waited for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is compared with what.

    Attributes
    ----------
    symbol : str
        Of the map and of the positions.
    exchanges : tuple of str
        Whose map.
    assumptions : Assumptions
        What it assumes.
    reach : Reach
        How far around the price, and how much of it is hot.
    users : int
        How many are followed.
    """

    symbol: str
    exchanges: tuple[str, ...]
    assumptions: Assumptions = field(default_factory=Assumptions)
    reach: Reach = field(default_factory=Reach)
    users: int = 0

    @property
    def assumed(self) -> str:
        """Model, profile and whatever else is not the model's own, in words."""
        changes = self.assumptions.changes()
        named = [str(changes.pop(name)) for name in ("model", "profile") if name in changes]
        return ", ".join((*named, *(f"{name} {value}" for name, value in changes.items())))


@dataclass(frozen=True, slots=True)
class Known:
    """A map as of a moment, as far as it is compared.

    Attributes
    ----------
    as_of : datetime
        No bar in it ended later.
    zones, geometry : Zones
        Its own, and those of a map that knows only where the price has been.
    watermark : str
        Names the state of the data.
    """

    as_of: datetime
    zones: Zones
    geometry: Zones
    watermark: str


class EarlierMaps:
    """The maps that observations are compared with; once computed, each stays as it was.

    Parameters
    ----------
    heatmaps : StoredHeatmaps
        Where they come from.
    terms : Terms
        Which they are.
    write : callable
        Called with each before it is used.
    """

    def __init__(
        self, heatmaps: StoredHeatmaps, terms: Terms, write: Callable[[MapLine], None]
    ) -> None:
        self._heatmaps, self._terms, self._write = heatmaps, terms, write
        self._known: dict[datetime, Known | None] = {}

    def is_ready(self, as_of: datetime, now: datetime) -> bool:
        """Return whether the last bar of a map has come, or is not to be waited for any longer."""
        if now >= as_of + PATIENCE:
            return True
        ends = [market.last for market in self._markets()]
        return bool(ends) and min(ends) >= as_of

    def at(self, as_of: datetime) -> Known | None:
        """Return the map as of a bar's end, written down before it is used; None if none is."""
        if as_of not in self._known:
            self._known[as_of] = self._computed(as_of)
        return self._known[as_of]

    def _computed(self, as_of: datetime) -> Known | None:
        try:
            found = self._heatmaps.moment(self._request(as_of, self._terms.assumptions), as_of)
        except NoData:
            return None
        zones = zones_of(found.levels.values(), found.last_price, self._terms.reach)
        if not zones.notional.any():
            return None
        geometry = self._geometry(as_of, found, zones)
        self._write(
            MapLine(
                as_of=as_of,
                price=zones.price,
                notional=tuple(int(one) for one in zones.notional),
                geometry=tuple(int(one) for one in geometry.notional),
                coverage=(float(found.coverage[0]), float(found.coverage[1])),
                data_end=moment(found.data_stop),
                watermark=found.watermark,
            )
        )
        return Known(as_of, zones, geometry, found.watermark)

    def _geometry(self, as_of: datetime, found: MomentMap, zones: Zones) -> Zones:
        """Return the zones of a map that knows only where the price has been."""
        assumed = self._terms.assumptions
        profile = assumed.assumed().parameters.profile
        if assumed.changes().keys() - {"model", "profile"} or assumed.model != DEFAULT_MODEL:
            # That model opens levels in every bar, so it knows all that there could be.
            found = self._heatmaps.moment(
                self._request(as_of, Assumptions(profile=str(profile))), as_of
            )
        return geometry_of(found.levels, profile.weight, zones)

    def _request(self, as_of: datetime, assumptions: Assumptions) -> HeatmapRequest:
        stored = tuple(market.exchange for market in self._markets())
        if not stored:
            raise NoData(f"Nothing is stored for {self._terms.symbol} yet.")
        return HeatmapRequest(
            symbol=self._terms.symbol,
            start=as_of - BAR,
            stop=as_of + BAR,
            # Levels come at any price. Were the range that of the candles, there had to be some.
            price_low=1.0,
            price_high=2.0,
            buckets=1,
            exchanges=stored,
            **assumptions.changes(),
        )

    def _markets(self) -> list[MarketCoverage]:
        """Return what is stored of the markets whose map it is."""
        return [
            market
            for market in self._heatmaps.markets()
            if market.symbol == self._terms.symbol and market.exchange in self._terms.exchanges
        ]


def before(time: datetime) -> datetime:
    """Return the end of the last bar of which all is known at a moment."""
    return floor(time - SETTLED)


def moments(first: datetime, until: datetime) -> Iterator[datetime]:
    """Yield a moment, and then each at which another bar is known, up to the last."""
    time = first
    while time <= until:
        yield time
        time = before(time) + BAR + SETTLED


def floor(time: datetime) -> datetime:
    """Return the start of the bar that holds a moment."""
    return time - (time - datetime(1970, 1, 1, tzinfo=UTC)) % BAR
