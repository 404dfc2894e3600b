"""A market's level book: computed whole, or grown from a checkpoint."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from app.errors import NoData
from app.markets import load_market, part
from app.precompute.inputs import Inputs, digests
from app.precompute.pieces import floor_to
from app.stored_book import StoredBook, build_stored, from_bytes, time64, to_bytes
from engine.ensemble import Book, growing
from engine.market import Market
from engine.models import FlowModel
from ingest.bars import Bars
from ingest.snapshots import DAY, Checkpoint
from ingest.store import LATE, Store


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A book of all bars, and the checkpoint to keep; None if the one there is stays."""

    book: Book
    checkpoint: Checkpoint | None
    crossing_price: str
    assumed_margin: bool


def settled(inputs: Inputs) -> datetime:
    """Return the end of the last day about which no more is expected.

    Later rows of both candles and open interest are stored, so that a sample which comes late
    does not change the past of a checkpoint. [UTC]
    """
    last = inputs.market.open_interest_last or inputs.extent.last
    return floor_to(min(inputs.extent.last, last) - LATE, DAY)


def whole_book(store: Store, inputs: Inputs, model: FlowModel) -> Computed:
    """Return a market's book computed from its beginning.

    Raises
    ------
    NoData
        If no bar has open interest, or only the last.
    """
    market = load_market(store, _bars(store, inputs, inputs.begin), model.parameters)
    if not len(market):
        raise NoData(
            f"Open interest of {market.symbol} on {market.exchange} is known at the end of the "
            f"last bar only, so there is no change of it to map yet."
        )
    stored = build_stored(market, model)
    head, _ = _split(market, settled(inputs))
    kept = None
    if len(head) and not _lacks_takers(head, model):
        kept = _checkpoint(store, inputs, build_stored(head, model))
    return Computed(stored.book, kept, stored.crossing_price, stored.assumed_margin)


def grown_book(store: Store, inputs: Inputs, model: FlowModel, kept: Checkpoint) -> Computed | None:
    """Return a market's book grown from a checkpoint, None if the checkpoint is damaged."""
    stored = from_bytes(kept.content, inputs.market, model.parameters)
    if stored is None:
        return None
    grown = growing(stored.book)
    bars = _bars(store, inputs, kept.stop)
    known = replace(bars, initial_open_interest=float(stored.book.open_interest[-1]))
    head, tail = _split(load_market(store, known, model.parameters), settled(inputs))
    new = None
    if len(head):
        stored = stored.extended(grown.append(head), head)
        new = _checkpoint(store, inputs, stored)
    if len(tail):
        stored = stored.extended(grown.append(tail), tail)
    return Computed(stored.book, new, stored.crossing_price, stored.assumed_margin)


def _bars(store: Store, inputs: Inputs, start: datetime) -> Bars:
    name = inputs.market.exchange, inputs.market.symbol
    return store.bars(*name, start, inputs.market.last, inputs.intervals)


def _split(market: Market, moment: datetime) -> tuple[Market, Market]:
    """Return the bars that end by a moment, and the others."""
    ends = market.open_time + np.timedelta64(market.interval)
    ended = int(np.searchsorted(ends, time64(moment), side="right"))
    return part(market, slice(0, ended)), part(market, slice(ended, None))


def _lacks_takers(market: Market, model: FlowModel) -> bool:
    """Return whether the model can't begin with these bars, though it can with later ones."""
    return model.parameters.side_rule == "taker" and bool(np.isnan(market.taker_buy_volume).all())


def _checkpoint(store: Store, inputs: Inputs, stored: StoredBook) -> Checkpoint:
    stop = stored.book.stop.astype("datetime64[us]").item().replace(tzinfo=UTC)
    return Checkpoint(stop, digests(store, inputs, [stop])[stop], to_bytes(stored))
