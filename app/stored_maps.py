"""Maps read from stored snapshots, where these answer the request: no book is needed for them."""

from collections.abc import Sequence
from datetime import timedelta

from app.history import book_start
from app.precompute.answers import find_snapshots
from app.request import HeatmapRequest
from app.stored_book import time64
from app.views import Grid, Maps, either_price, request_edges
from engine.grid import step_edges
from ingest.coverage import MarketCoverage
from ingest.store import Store

_DAY = timedelta(days=1)


def plain_grid(request: HeatmapRequest, markets: Sequence[MarketCoverage]) -> Grid | None:
    """Return the grid of a request that names all of it, without looking at the data.

    None where the columns or the price range follow from the data, or where not all markets have
    bars of one interval over all of the range.
    """
    low, high = request.price_low, request.price_high
    assumed = request.assumed().parameters
    if request.step is None or low is None or high is None:
        return None
    for market in markets:
        # A day later than the data, whose first bars may lack open interest.
        window = request.history or request.start
        first = book_start(market, window, 0, assumed) + _DAY
        if len(market.intervals) > 1 or request.step % market.intervals[0]:
            return None
        if not (first <= request.start and request.stop <= market.last):
            return None
    times = step_edges(time64(request.start), time64(request.stop), request.step)
    return Grid(times, request_edges(request, low, high), low, high)


def read_maps(
    store: Store,
    request: HeatmapRequest,
    markets: Sequence[MarketCoverage],
    warmup_days: int,
    *,
    simulated: bool,
    watermark: str,
) -> Maps | None:
    """Return what `app.views.draw_maps` would draw, None where stored snapshots don't hold it all.

    Parameters
    ----------
    store : Store
        Where the snapshots are.
    request : HeatmapRequest
        What is asked.
    markets : sequence of MarketCoverage
        The markets asked for.
    warmup_days : int
        As books are begun with.
    simulated : bool
        Whether the data are of the simulated market.
    watermark : str
        Names the state of the stored data.
    """
    grid = plain_grid(request, markets)
    if grid is None or request.measure != "notional":
        return None
    parts, series, model = {}, [], request.assumed()
    for market in markets:
        window = request.history or request.start
        begin = book_start(market, window, warmup_days, model.parameters)
        found = find_snapshots(store, market, begin, model, grid.times, grid.edges)
        if found is None:
            return None
        series.append(found[0])
        parts[market.exchange] = found[1]
    return Maps(
        symbol=request.symbol,
        parts=parts,
        data_stop=time64(max(market.last for market in markets)),
        crossing_price=either_price(each.crossing_price for each in series),
        assumed_margin=tuple(each.exchange for each in series if each.assumed_margin),
        simulated=simulated,
        watermark=watermark,
    )
