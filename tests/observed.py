"""A market whose map can be worked by hand, and positions observed beside it.

100 contracts are open before noon, 200 from 12:00 on; the price is 1000 all along and nothing is
traded. So all levels of the map are born at 1000 in the bar from 11:55 to 12:00. With m = 1.25 %
of Hyperliquid, longs are liquidated at 1000 (1 − 1/L) / 0.9875, shorts at 1000 (1 + 1/L) / 1.0125:

    L      5       7       10      15      20      25      33      (2 to 4: beyond 20 %)
    long   810.13  867.99  911.39  945.15  962.03  972.15  981.97
    short  1185.19 1128.75 1086.42 1053.50 1037.04 1027.16 1017.58

Buckets are 1 wide. Seven of the 200 on each side hold something, which is less than a tenth, so
these are hot and cover 3.5 %.
"""

from datetime import UTC, datetime, timedelta

import numpy as np

from ingest.positions import add_observed_positions
from ingest.records import ObservedPosition

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
COVERED = 7 / 200
HOT = {1: (810.5, 867.5, 911.5, 945.5, 962.5, 972.5, 981.5), -1: (1053.5, 1086.5, 1128.9)}
COLD = {1: (990.5, 950.5, 900.5, 820.5), -1: (1001.5, 1050.5, 1100.5)}


def add_quiet_market(store, noon=NOON, *, bars_before=3, bars_after=12, step=STEP):
    """Store the market, with so many bars before and after noon."""
    first = np.datetime64(noon.replace(tzinfo=None), "us") - bars_before * np.timedelta64(step)
    count = bars_before + bars_after
    times = first + np.arange(count) * np.timedelta64(step)
    market = {"exchange": "hyperliquid", "symbol": "BTCUSDT"}
    prices = {name: np.full(count, 1000.0) for name in ("open", "high", "low", "close")}
    candles = {"open_time": times, "volume": np.zeros(count)} | prices
    store.add_candles(market | {"interval": step} | candles)
    ends = first + np.arange(count + 1) * np.timedelta64(step)
    held = np.where(np.arange(count + 1) < bars_before, 100.0, 200.0)
    store.add_open_interest(market | {"time": ends, "open_interest": held})


def position(user, side, price, time, **replaced):
    """Return a position that was seen, liquidated at a price or never."""
    return ObservedPosition(
        **{
            "exchange": "hyperliquid",
            "symbol": "BTCUSDT",
            "user": user,
            "side": side,
            "quantity": 1.0,
            "entry_price": 1000.0,
            "leverage": 10.0,
            "isolated": True,
            "liquidation_price": price,
            "margin": 100.0,
            "time": time,
            **replaced,
        }
    )


def see(store, *rows):
    """Store positions that were seen."""
    add_observed_positions(store, rows)
