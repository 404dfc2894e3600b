"""Observed positions as a picture shows them."""

from collections.abc import Sequence

import numpy as np

from app.request import HeatmapRequest
from components.view import Positions
from ingest.positions import observed_positions
from ingest.store import Store


def load_positions(store: Store, exchanges: Sequence[str], request: HeatmapRequest) -> Positions:
    """Return the positions that were seen in a request's range and could be liquidated."""
    parts = [
        observed_positions(store, exchange, request.symbol, request.start, request.stop)
        for exchange in exchanges
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    exchange = np.repeat(np.array(exchanges, np.str_), [part["side"].size for part in parts])
    accounts = np.char.add(exchange, columns["user"].astype(np.str_))
    price = columns["liquidation_price"]
    return Positions(
        first_seen=columns["first_seen"],
        last_seen=columns["last_seen"],
        liquidation_price=price,
        notional=columns["quantity"] * price,  # as the map's cells are
        side=columns["side"],
        exchange=exchange,
        account=np.unique(accounts, return_inverse=True)[1],
    ).take(np.isfinite(price))
