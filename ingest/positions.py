"""Positions that really were open, as spans of time in which they did not change."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from ingest.changes import Change
from ingest.columns import Arrays, unmasked
from ingest.database import statement
from ingest.records import ObservedPosition
from ingest.store import Store, naive

TABLE = "observed_positions"

LEEWAY = 1e-4
"""A liquidation price that moves less is the same: prices of other positions move it, too. [-]"""


def observed_positions(
    store: Store, exchange: str, symbol: str, start: datetime, stop: datetime
) -> Arrays:
    """Return the spans of positions that were seen with ``start <= time < stop``, as they began.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``user``, ``side`` (int8, +1 long, -1 short), ``quantity`` [base], ``entry_price`` [quote],
        ``leverage`` [-], ``isolated`` (bool), ``liquidation_price`` (NaN if it has none) [quote],
        ``margin`` [USD], ``first_seen`` and ``last_seen`` (datetime64[us]).
    """
    parameters = {
        "exchange": exchange,
        "symbol": symbol,
        "start": naive(start),
        "stop": naive(stop),
    }
    with store.cursor() as cursor:
        return unmasked(cursor.execute(statement(TABLE), parameters).fetchnumpy())


def add_observed_positions(store: Store, rows: Sequence[ObservedPosition]) -> int:
    """Store what was seen, and return how many spans began.

    A position goes on with its user's newest span if that has its side, its quantity and, within
    `LEEWAY`, its liquidation price; else it begins another one.
    """
    if not rows:
        return 0
    with store.transaction() as cursor:
        began = sum(_add(cursor, sight) for sight in _sights(rows))
        for (exchange, symbol), times in _times(rows).items():
            earliest = np.datetime64(naive(min(times)), "us")
            store.changed(cursor, Change(exchange, symbol, TABLE, earliest))
    return began


def _sights(rows: Sequence[ObservedPosition]) -> list[list[ObservedPosition]]:
    """Return rows in groups that have each user's position in a market once, oldest first."""
    sights: list[list[ObservedPosition]] = []
    seen: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in sorted(rows, key=lambda row: row.time):
        nth = seen[row.exchange, row.symbol, row.user]
        seen[row.exchange, row.symbol, row.user] += 1
        if nth == len(sights):
            sights.append([])
        sights[nth].append(row)
    return sights


def _add(cursor: duckdb.DuckDBPyConnection, rows: Sequence[ObservedPosition]) -> int:
    cursor.register("seen", _columns(rows))
    try:
        cursor.execute(statement("observed_batch"))
        cursor.execute(statement("extend_observed_positions"), {"leeway": LEEWAY})
        added = cursor.execute(statement("add_observed_positions")).fetchone()
    finally:
        cursor.unregister("seen")
    return int(added[0]) if added else 0


def _columns(rows: Sequence[ObservedPosition]) -> dict[str, Any]:
    def floats(name: str) -> Any:
        values = [getattr(row, name) for row in rows]
        return np.array([np.nan if value is None else value for value in values])

    def texts(name: str) -> Any:
        return np.array([getattr(row, name) for row in rows], dtype=object)

    measures = ("quantity", "entry_price", "leverage", "liquidation_price", "margin")
    return {
        "exchange": texts("exchange"),
        "symbol": texts("symbol"),
        "address": texts("user"),
        "side": np.array([row.side for row in rows], np.int8),
        "isolated": np.array([row.isolated for row in rows]),
        "time": np.array([naive(row.time) for row in rows], "datetime64[us]"),
    } | {name: floats(name) for name in measures}


def _times(rows: Sequence[ObservedPosition]) -> dict[tuple[str, str], list[datetime]]:
    found: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for row in rows:
        found[row.exchange, row.symbol].append(row.time)
    return found
