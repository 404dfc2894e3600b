"""What a market's snapshots are computed from, and how a change of it is noticed."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.errors import NoData
from app.precompute.program import program_version
from engine.parameters import Parameters
from ingest import snapshots
from ingest.coverage import MarketCoverage
from ingest.intervals import BarIntervals
from ingest.store import Store


@dataclass(frozen=True, slots=True)
class Inputs:
    """The stored rows that a market's book is made of.

    Attributes
    ----------
    market : MarketCoverage
        The market.
    begin : datetime
        Where its book begins. [UTC]
    intervals : BarIntervals
        Of the candles that are read.
    extent : Extent
        Span and price range of those candles.
    funding : bool
        Whether funding rates count, too.
    """

    market: MarketCoverage
    begin: datetime
    intervals: BarIntervals
    extent: snapshots.Extent
    funding: bool = False


def find_inputs(
    store: Store, market: MarketCoverage, begin: datetime, assumed: Parameters
) -> Inputs:
    """Return what a model's book that begins at ``begin`` is made of.

    Raises
    ------
    NoData
        If there are no candles from there on.
    """
    name = market.exchange, market.symbol
    intervals = store.bar_intervals(*name, begin, market.last)
    extent = snapshots.extent(store, *name, intervals.seconds, begin, market.last)
    if extent is None:
        raise NoData(
            f"No candles are stored for {market.symbol} on {market.exchange} from "
            f'{begin:%Y-%m-%d %H:%M} UTC on. Load some with "liqheat ingest".'
        )
    return Inputs(market, begin, intervals, extent, assumed.needs_funding)


def digests(store: Store, inputs: Inputs, cuts: Iterable[datetime]) -> dict[datetime, str]:
    """Return a digest of all that is known by each moment.

    What was computed from that alone is current as long as its digest stays the same.
    """
    name = inputs.market.exchange, inputs.market.symbol
    found = snapshots.input_digests(
        store,
        *name,
        inputs.intervals,
        inputs.begin,
        sorted(set(cuts)),
        funding=inputs.funding,
    )
    about = (program_version(), inputs.begin.isoformat())
    return {
        cut: hashlib.sha256(repr((about, state)).encode()).hexdigest()[:16]
        for cut, state in found.items()
    }
