"""The state of a symbol's data, told when it changes."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import lru_cache

import orjson

from app.api.formats import iso
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.live.feed import ChangeListener
from app.stored_book import time64

EVERY = 0.25
"""Least time between two messages to one client. [s]"""

_MOST_SYMBOLS = 256


class MarketStates:
    """Watermarks and ends of symbols' data, as JSON."""

    def __init__(self, heatmaps: StoredHeatmaps) -> None:
        self._heatmaps = heatmaps
        self._lock = threading.Lock()
        # What maps are made of changes far less often than liquidations come.
        self._end = lru_cache(_MOST_SYMBOLS)(self._find_end)

    async def texts(self, listener: ChangeListener) -> AsyncIterator[str]:
        """Yield the state now, and then whenever it is another, without an end."""
        told = ""
        while True:
            text = await asyncio.to_thread(self.text, listener.symbol)
            if text != told:
                yield text
                told = text
            await asyncio.sleep(EVERY)
            await listener.changed()

    def text(self, symbol: str) -> str:
        """Return the state of a symbol's data as one JSON object."""
        store = self._heatmaps.store
        with self._lock:  # all who listen ask at once, and the first one's look serves the others
            map_watermark = store.map_watermark((), symbol)
            state = {
                "symbol": symbol,
                "watermark": store.watermark((), symbol),
                "map_watermark": map_watermark,
                "data_end": self._end(symbol, map_watermark),
            }
        return orjson.dumps(state).decode()

    def _find_end(self, symbol: str, _map_watermark: str) -> str | None:
        try:
            _, last = self._heatmaps.extent(symbol)
        except NoData:
            return None
        return iso(time64(last))
