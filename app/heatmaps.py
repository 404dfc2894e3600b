"""Validate → load → book → rasterise: the one path from a request to a heatmap."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from app.books import Books
from app.cache import CacheStats, DiskCache, Memory, nbytes
from app.calibrations import Calibrator
from app.errors import NoData
from app.fits import fitted_presets
from app.history import mapped_from
from app.market_choice import choose_markets
from app.moment import MomentMap, known_at, moment_of
from app.observed import load_positions
from app.request import HeatmapRequest
from app.score_record import assumptions_key
from app.scores import skill_badge
from app.settings import Settings
from app.stored_book import StoredBook, time64
from app.stored_maps import plain_grid, read_maps
from app.views import (
    LARGEST,
    Grid,
    Maps,
    draw,
    draw_maps,
    figures_of,
    grid_of,
    told_span,
)
from components.view import HeatmapView
from engine.models import FlowModel
from engine.parameters import Parameters
from engine.score import Calibration, Calibrations, Verdict
from engine.summary import KeyFigures
from ingest.coverage import MarketCoverage
from ingest.liquidations import largest_liquidations
from ingest.scores import last_scored
from ingest.store import Store

_VIEWS_BYTES = 300_000_000
_FIGURES = 1000


class Heatmaps(Protocol):
    """Source of heatmap views; thread-safe."""

    def view(self, request: HeatmapRequest) -> HeatmapView:
        """Return the computed view; raise ``NoData``, or ``ValueError`` for a bad request."""
        ...

    def symbols(self) -> list[str]:
        """Return the stored symbols, the one with most exchanges first."""
        ...

    def exchanges(self, symbol: str) -> list[str]:
        """Return the exchanges that have the symbol."""
        ...

    def extent(
        self, symbol: str, exchanges: Sequence[str] = (), assumed: Parameters | None = None
    ) -> tuple[datetime, datetime]:
        """Return start of the first and end of the last stored bar; raise ``NoData``."""
        ...

    def fitted(self, symbol: str, exchanges: Sequence[str]) -> dict[str, Any] | None:
        """Return the assumptions of the newest fit to one of the exchanges, None without one."""
        ...


class StoredHeatmaps:
    """Heatmaps of what a database holds.

    Everything is kept with the watermark of the data that it was made of, so that nothing has to
    be invalidated. A book begins with the data, whatever the window, so that windows and zooms of
    one map agree.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self.disk = DiskCache(settings.cache_dir, settings.cache_megabytes)
        """Results as bytes, kept over restarts."""
        self._books = Books(store, self.disk, settings.warmup_days)
        self._maps: Memory[Maps] = Memory(_VIEWS_BYTES, nbytes, "maps")
        self._moments: Memory[MomentMap] = Memory(_VIEWS_BYTES, nbytes, "moments")
        self._views: Memory[HeatmapView] = Memory(_VIEWS_BYTES, nbytes, "views")
        self._figures: Memory[KeyFigures] = Memory(_FIGURES, lambda _: 1, "figures")
        self._calibrator = Calibrator(store)
        self._calibrations: Memory[Calibrations] = Memory(_FIGURES, lambda _: 1, "calibrations")
        self._lists: Memory[list[MarketCoverage]] = Memory(0, len, "markets")
        self._simulated = store.is_simulated()

    @property
    def store(self) -> Store:
        """What they are made of, for what is told as it is stored."""
        return self._store

    @property
    def warmup_days(self) -> int:
        """Days computed before what is asked for, in histories too long to compute whole."""
        return self._settings.warmup_days

    def close(self) -> None:
        """Close the cache; the store belongs to the caller."""
        self.disk.close()

    def caches(self) -> list[CacheStats]:
        """Return what each cache holds and did."""
        kept = (self.disk, self._books, self._maps, self._moments, self._views)
        return [cache.stats() for cache in kept]

    def state(self) -> dict[str, object]:
        """Return the state of the stored data, for those who watch the server."""
        markets = self.markets()
        return {
            "markets": len(markets),
            "candles": sum(market.rows for market in markets),
            "data_end": max((market.last.timestamp() for market in markets), default=None),
            "watermark": self.watermark(),
            "simulated": self._simulated,
        }

    def symbols(self) -> list[str]:
        """Return the stored symbols, the one with most exchanges first."""
        counts: dict[str, int] = {}
        for market in self.markets():
            counts[market.symbol] = counts.get(market.symbol, 0) + 1
        return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))

    def exchanges(self, symbol: str) -> list[str]:
        """Return the exchanges that have the symbol."""
        return sorted(m.exchange for m in self.markets() if m.symbol == symbol)

    def extent(
        self, symbol: str, exchanges: Sequence[str] = (), assumed: Parameters | None = None
    ) -> tuple[datetime, datetime]:
        """Return start of the first and end of the last bar that a model can map.

        No exchanges means all that have the symbol, no model's assumptions all stored bars.

        Raises
        ------
        NoData
            If there is none.
        """
        found = choose_markets(self.markets(), symbol, exchanges, assumed)
        return min(mapped_from(market, assumed) for market in found), max(m.last for m in found)

    def view(self, request: HeatmapRequest) -> HeatmapView:
        """Return the computed view.

        Raises
        ------
        NoData
            If nothing is stored for it; the message says how to load some.
        ValueError
            If the request can't be: an unknown model, an unusable profile.
        """
        watermark = self._store.watermark(request.exchanges, request.symbol)
        view = self._views.get(request, lambda: self._draw_view(request), watermark)
        # A score may be measured while the data stay as they are.
        skill = skill_badge(self._store, view.symbol, view.exchanges, request)
        return replace(view, skill=skill)

    def fitted(self, symbol: str, exchanges: Sequence[str]) -> dict[str, Any] | None:
        """Return the assumptions of the newest fit to one of the exchanges, None without one.

        No exchanges are all of them. A map of several has one set of assumptions for all.
        """
        for fit in fitted_presets(self._store, symbol):
            if not exchanges or fit.exchange in exchanges:
                return dict(fit.assumptions)
        return None

    def last_scored(self, symbol: str) -> datetime | None:
        """Return when the symbol's newest score was made, None if it has none. [UTC]"""
        return last_scored(self._store, symbol)

    def price_range(self, request: HeatmapRequest) -> tuple[float, float]:
        """Return lowest and highest price of any level that a request's books hold. [quote]"""
        ranges = [stored.book.price_range() for stored in self._stored(request)]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def watermark(self, symbol: str | None = None) -> str:
        """Return a short text that changes whenever rows of the symbol, or any, change."""
        return self._store.watermark((), symbol)

    def maps(self, request: HeatmapRequest) -> Maps:
        """Return the maps alone, cheaper than the view; raises as `view` does."""
        watermark = self._store.map_watermark(request.exchanges, request.symbol)
        maps = self._maps.get(request, lambda: self._draw_maps(request, watermark), watermark)
        # Stored snapshots answer without a book, and none is built for their calibration.
        return replace(maps, calibrations=self.calibrations(request, build=False))

    def moment(
        self, request: HeatmapRequest, time: datetime, since: datetime | None = None
    ) -> MomentMap:
        """Return the map at one moment of the request's range; raises as `view` does.

        Parameters
        ----------
        request : HeatmapRequest
            As for `view`; the price buckets are the same.
        time : datetime
            The moment, aware.
        since : datetime, optional
            Count only levels born after it.
        """
        watermark = self._store.map_watermark(request.exchanges, request.symbol)
        moment = self._moments.get(
            (request, time, since),
            lambda: self._find_moment(request, time, since, watermark),
            watermark,
        )
        return replace(moment, calibrations=self.calibrations(request))

    def calibrations(self, request: HeatmapRequest, *, build: bool = True) -> Calibrations:
        """Return what turns a request's modelled amounts into reported ones; raises as `view`.

        Without ``build``, a market whose book is not in memory has its last calibration, if any.
        """
        watermark = self._store.watermark(request.exchanges, request.symbol)
        model = request.assumed()
        markets = self._markets(request, model)
        at_hand = [build or self._books.at_hand(market, request, model) for market in markets]
        return self._calibrations.get(
            (request.symbol, request.exchanges, assumptions_key(request.in_force())),
            lambda: Calibrations(
                {
                    market.exchange: self._calibration(market, request, build=build)
                    for market in markets
                }
            ),
            (watermark, *at_hand),
        )

    def grid(self, request: HeatmapRequest) -> Grid:
        """Return the grid on which a request is answered; raises as `view` does."""
        markets = self._markets(request, request.assumed())
        return plain_grid(request, markets) or grid_of(request, self._shown(request))

    def markets(self) -> list[MarketCoverage]:
        """Return what is stored of each market."""
        # Counting the rows of a large database takes a while, asking whether they changed does not.
        return self._lists.get("markets", self._store.markets, self._store.map_watermark())

    def _draw_maps(self, request: HeatmapRequest, watermark: str) -> Maps:
        kept = self._read_maps(request, watermark)
        if kept is not None:
            return kept
        shown = self._shown(request)
        return draw_maps(request, shown, simulated=self._simulated, watermark=watermark)

    def _read_maps(self, request: HeatmapRequest, watermark: str) -> Maps | None:
        """Return maps from stored snapshots where these hold them and are quicker than books."""
        model = request.assumed()
        markets = self._markets(request, model)
        # Drawing from a book at hand is quicker than reading, and that quicker than a book at rest.
        if all(self._books.at_hand(market, request, model) for market in markets):
            return None
        return read_maps(
            self._store,
            request,
            markets,
            self._settings.warmup_days,
            simulated=self._simulated,
            watermark=watermark,
        )

    def _draw_view(self, request: HeatmapRequest) -> HeatmapView:
        # Read first: what the figures are made of is then at least as new.
        watermark = self._store.map_watermark(request.exchanges, request.symbol)
        shown, maps = self._shown(request), self.maps(request)
        start, stop = told_span(maps)
        liquidations = {
            stored.book.exchange: largest_liquidations(
                self._store, stored.book.exchange, request.symbol, start, stop, limit=LARGEST
            )
            for stored in shown
        }
        positions = load_positions(self._store, list(liquidations), request)
        # Liquidations come far more often than bars, and change none of them.
        figures = self._figures.get(request, lambda: figures_of(maps, shown), watermark)
        return draw(maps, shown, liquidations, positions, figures)

    def _calibration(
        self, market: MarketCoverage, request: HeatmapRequest, *, build: bool
    ) -> Calibration | Verdict:
        verdict = self._calibrator.too_few(market.exchange, market.symbol)
        if verdict is not None:
            return verdict
        model = request.assumed()
        if not self._books.at_hand(market, request, model):
            kept = self._calibrator.last(market.exchange, market.symbol, request)
            if kept is not None:
                return kept
            if not build:
                return Verdict("no verdict", "Not calibrated yet: the book is not in memory.")
        try:
            stored = self._books.get(market, request, model)
        except NoData as e:
            return Verdict("no verdict", f"Not calibrated: {e}")
        return self._calibrator.of(stored, request)

    def _find_moment(
        self, request: HeatmapRequest, time: datetime, since: datetime | None, watermark: str
    ) -> MomentMap:
        shown = self._shown(request)
        if not known_at(shown, time):
            raise self._nothing(request, f"at {_minute(time)} UTC")
        return moment_of(
            request, shown, time, since, simulated=self._simulated, watermark=watermark
        )

    def _shown(self, request: HeatmapRequest) -> list[StoredBook]:
        """Return the books that are known in the request's range; ``NoData`` if none is."""
        start, stop = time64(request.start), time64(request.stop)
        shown = [stored for stored in self._stored(request) if stored.is_known(start, stop)]
        if not shown:
            when = f"from {_minute(request.start)} to {_minute(request.stop)} UTC"
            raise self._nothing(request, when)
        return shown

    def _nothing(self, request: HeatmapRequest, when: str) -> NoData:
        assumed = request.assumed().parameters
        first, last = self.extent(request.symbol, request.exchanges, assumed)
        return NoData(
            f"Nothing is stored for {request.symbol} {when}; there are data from {_minute(first)} "
            f"to {_minute(last)}."
        )

    def _stored(self, request: HeatmapRequest) -> list[StoredBook]:
        """Return the books of a request's markets, as far as these can be mapped yet."""
        model, books = request.assumed(), []
        missing: NoData | None = None
        for market in self._markets(request, model):
            try:
                books.append(self._books.get(market, request, model))
            except NoData as e:
                # Open interest has been known since the last bar only; others are drawn meanwhile.
                missing = missing or e
        if missing and not books:
            raise missing
        return books

    def _markets(self, request: HeatmapRequest, model: FlowModel) -> list[MarketCoverage]:
        """Return the stored markets asked for that can be mapped."""
        return choose_markets(self.markets(), request.symbol, request.exchanges, model.parameters)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
