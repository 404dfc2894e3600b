"""What the Data page shows of the database."""

import threading
from time import monotonic
from typing import Any

import numpy as np

from ingest.columns import NO_TRADE_ID, Arrays
from ingest.coverage import Coverage
from ingest.liquidations import recent_liquidations
from ingest.store import Store

MOST_RECENT = 50


class StoredData:
    """Reads for many readers at once; without a store there is nothing to read."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: tuple[str, list[Coverage]] = ("", [])
        self._begun = 0.0

    def coverage(self) -> list[Coverage]:
        """Return what is stored; found once for all who ask before it changes, or while it does."""
        if self._store is None:
            return []
        asked = monotonic()
        with self._lock:  # it may take seconds, while live data change it all the time
            watermark = self._store.watermark()
            if self._begun < asked and self._known[0] != watermark:
                self._begun = monotonic()
                self._known = (watermark, self._store.coverage())
            return self._known[1]

    def is_simulated(self) -> bool:
        """Return whether it is the simulated market, which nothing live is ever added to."""
        return self._store is not None and self._store.is_simulated()

    def recent(self, exchange: str = "", symbol: str = "") -> list[dict[str, Any]]:
        """Return the newest liquidations, the newest first, as ``/ws/liquidations`` tells them."""
        if self._store is None:
            return []
        found = recent_liquidations(
            self._store, exchange or None, symbol or None, limit=MOST_RECENT
        )
        return recent_rows(found)


def recent_rows(found: Arrays) -> list[dict[str, Any]]:
    """Return liquidations as objects, with times as text and null where one is not known."""
    texts = {
        "exchange": found["exchange"].tolist(),
        "symbol": found["symbol"].tolist(),
        "side": np.where(found["side"] > 0, "long", "short").tolist(),
        "time": _times(found["time"]),
        "received": _times(found["received_at"]),
    }
    numbers = {name: found[name].tolist() for name in ("quantity", "price", "notional")}
    ids = found["trade_id"].tolist()
    columns = texts | numbers | {"trade_id": [None if one == NO_TRADE_ID else one for one in ids]}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _times(times: np.ndarray) -> list[str | None]:
    texts = np.datetime_as_string(times.astype("datetime64[ms]"))
    return [None if text == "NaT" else f"{text}Z" for text in texts]
