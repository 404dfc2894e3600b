"""Realised liquidations of a symbol one by one, across exchanges, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ingest.columns import Arrays, unmasked
from ingest.database import statement
from ingest.store import Store, naive

Side = Literal["long", "short"]
Order = Literal["oldest", "newest"]


@dataclass(frozen=True, slots=True)
class Row:
    """One liquidation, all that tells it from others. Columns as `Store.liquidations` has them."""

    time: datetime
    exchange: str
    side: Side
    quantity: float
    price: float
    trade_id: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which liquidations to read.

    Attributes
    ----------
    symbol, exchanges
        The markets.
    start, stop : datetime
        Aware, ``start <= time < stop``.
    side : {"long", "short"} or None
        Of the position; None for both.
    min_notional : float
        Least quantity times price. [quote]
    """

    symbol: str
    exchanges: Sequence[str]
    start: datetime
    stop: datetime
    side: Side | None = None
    min_notional: float = 0.0


def page(store: Store, wanted: Wanted, order: Order, last: Row | None, most: int) -> Arrays:
    """Return up to ``most`` liquidations, those that come after ``last`` if it is given.

    Returns
    -------
    dict of ndarray, shape (n,)
        As `Store.liquidations` up to ``notional``, ``trade_id`` and ``exchange``. Rows of one time
        are in order of the other columns, so that pages neither lose nor repeat any.
    """
    start, stop = naive(wanted.start), naive(wanted.stop)
    if last is not None:
        # The order says so already; this way whole blocks of rows need not be looked at.
        at = naive(last.time)
        start = max(start, at) if order == "oldest" else start
        stop = min(stop, at + timedelta(microseconds=1)) if order == "newest" else stop
    parameters = {
        "symbol": wanted.symbol,
        "exchanges": list(wanted.exchanges),
        "start": start,
        "stop": stop,
        "side": wanted.side,
        "min_notional": wanted.min_notional,
        "last_time": last and naive(last.time),
        "last_exchange": last and last.exchange,
        "last_side": last and last.side,
        "last_quantity": last and last.quantity,
        "last_price": last and last.price,
        "last_trade_id": last and last.trade_id,
        "most": most,
    }
    with store.cursor() as cursor:
        return unmasked(cursor.execute(statement(f"{order}_liquidations"), parameters).fetchnumpy())
