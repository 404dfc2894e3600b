"""The shared market data as the engine's input, for tests that skip where it is absent."""

import csv
import gzip
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from engine.margin import LeverageTier, MarginRules
from engine.market import Market
from engine.score.events import Liquidations

RULES = (MarginRules((LeverageTier(0.0, float("inf"), 150.0, 0.004),)),)

_FOUR_HOURS = 14_400_000  # ms
_VOLUMES = 2.5  # all exchanges' volume over Binance's
_ETH_OPEN_INTEREST = 15  # all exchanges' over Hyperliquid's
_BOUNDARY = 1_756_641_600_000  # 2025-08-31 12:00, where set B ends and set A begins


@dataclass(frozen=True)
class ScoreSet:
    """Bars and realised liquidations of one of the sets that scores are known of."""

    market: Market
    liquidations: Liquidations


def rows(path):
    """Return the rows of a compressed table."""
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def score_sets(folder: Path) -> dict[str, ScoreSet]:
    """Return sets A (BTC, 15 minutes), B (BTC, hourly) and C (ETH, hourly)."""
    interest = {
        int(row["time"]): float(row["close"])
        for row in rows(
            folder / "liquidations/coinglass_aggregated_OI_ohlc_4h_BTC_2025-05-18_2025-11-14.csv.gz"
        )
    }
    realised = {"BTC": {}, "ETH": {}}
    for row in rows(
        folder / "liquidations/coinglass_aggregated_liquidation_4h_2025-05-18_2025-11-14.csv.gz"
    ):
        realised[row["coin"]][int(row["time"])] = (
            float(row["aggregated_long_liquidation_usd"]),
            float(row["aggregated_short_liquidation_usd"]),
        )
    hourly = rows(folder / "multi_venue_1h/binance_bybit_okx_candles_1h_to_2026-02-28.csv.gz")
    btc, eth = (hourly_bars(hourly, coin) for coin in ("BTC", "ETH"))
    quarters = np.array(
        [
            [float(row[name]) for name in ("open_time", "open", "high", "low", "close", "volume")]
            for row in rows(
                folder / "binance_um/BTCUSDT-15m_full-schema_2025-08-31_2026-02-28.csv.gz"
            )
        ]
    )
    early = {time: amounts for time, amounts in realised["BTC"].items() if time < _BOUNDARY}
    return {
        "A": _booked_late("BTCUSDT", quarters, 15, interest, realised["BTC"]),
        "B": _booked_late("BTCUSDT", btc, 60, interest, early),
        "C": _of_hyperliquid(folder, eth, interest, realised["ETH"]),
    }


def hourly_bars(table, coin):
    """Return Binance's hourly bars of a coin as columns time, open, high, low, close, volume."""
    return np.array(
        [
            [_millis(row["timestamp"]), *(float(row[name]) for name in "ohlcv")]
            for row in table
            if row["venue"] == "binance" and row["coin"] == coin
        ]
    )


def _booked_late(symbol, bars, minutes, interest, realised):
    """Open interest is the four-hourly aggregate, booked at the last bar of its four hours."""
    kept, each = _whole(bars, minutes, interest, realised)
    last = kept[each - 1 :: each]
    known = np.repeat(
        [interest[int(bar[0]) // _FOUR_HOURS * _FOUR_HOURS] / bar[4] for bar in last], each
    )
    booked = np.concatenate([np.full(each - 1, known[0]), known])[: len(known)]
    return _score_set(symbol, kept, minutes, booked, realised)


def _of_hyperliquid(folder, bars, interest, realised):
    """There is no aggregate of ETH; Hyperliquid's, scaled, stands for it."""
    kept, _ = _whole(bars, 60, interest, realised)
    table = rows(
        folder / "multi_venue_1h/hyperliquid_lighter_open_interest_1h_to_2026-02-28.csv.gz"
    )
    known = np.array(
        [
            [_millis(row["timestamp"]), float(row["oi_usd"])]
            for row in table
            if row["venue"] == "hyperliquid" and row["coin"] == "ETH"
        ]
    )
    at = np.searchsorted(known[:, 0], kept[:, 0] + 3_600_000, side="right") - 1
    booked = _ETH_OPEN_INTEREST * known[at, 1] / kept[:, 4]
    return _score_set("ETHUSDT", kept, 60, booked, realised)


def _whole(bars, minutes, interest, realised):
    """Return the bars of four hours of which all is known, and how many bars each has."""
    each = 240 // minutes
    start = bars[:, 0].astype(np.int64) // _FOUR_HOURS * _FOUR_HOURS
    found, place, count = np.unique(start, return_inverse=True, return_counts=True)
    known = [int(time) in interest and int(time) in realised for time in found]
    return bars[((count == each) & known)[place]], each


def _score_set(symbol, bars, minutes, open_interest, realised):
    time = bars[:, 0].astype(np.int64).astype("datetime64[ms]")
    market = market_of(symbol, bars, minutes, open_interest, _VOLUMES * bars[:, 5])
    first, last = time[0], time[-1] + np.timedelta64(minutes, "m")
    starts = [start for start in realised if first <= np.datetime64(start, "ms") < last]
    amounts = np.array([realised[start] for start in starts])
    return ScoreSet(
        market,
        Liquidations.of(
            time=np.tile(np.array(starts, "datetime64[ms]"), 2),
            side=np.repeat([1, -1], len(starts)),
            price=np.full(2 * len(starts), np.nan),
            notional=amounts.T.ravel(),
            recorded=np.array([[first, last]]),
        ),
    )


def market_of(symbol, bars, minutes, open_interest, volume):
    """Return a market of bars as columns time [ms], open, high, low, close."""
    _, opens, high, low, close = np.ascontiguousarray(bars[:, :5].T)
    unknown = np.full(len(bars), np.nan)
    return Market(
        exchange="binance",
        symbol=symbol,
        interval=timedelta(minutes=minutes),
        open_time=bars[:, 0].astype(np.int64).astype("datetime64[ms]").astype("datetime64[us]"),
        open=opens,
        high=high,
        low=low,
        close=close,
        volume=np.ascontiguousarray(volume),
        quote_volume=unknown,
        taker_buy_volume=unknown,
        open_interest=np.ascontiguousarray(open_interest),
        initial_open_interest=float(open_interest[0]),
        margin=RULES,
        crossing_high=high,
        crossing_low=low,
    )


def five_minutes(folder: Path, symbol: str) -> Market:
    """Return Binance's 5-minute bars from 2025-12-01 on, open interest at each one's end."""
    base = folder / "binance_um"
    bars = np.array(
        [
            [float(row[name]) for name in ("open_time", "open", "high", "low", "close", "volume")]
            for row in rows(base / f"{symbol}-5m_2025-11-14_2026-02-28.csv.gz")
        ]
    )
    samples = np.array(
        [
            (_millis(row["create_time"]), float(row["sum_open_interest"]))
            for row in rows(base / f"{symbol}-metrics_2025-12-01_2026-02-28.csv.gz")
        ]
    )
    samples = samples[np.argsort(samples[:, 0], kind="stable")]
    # A sample up to 10 s after the bar's end still belongs to it.
    at = np.searchsorted(samples[:, 0], bars[:, 0] + 310_000, side="right") - 1
    known = at >= 0
    bars, interest = bars[known], samples[at[known], 1]
    return market_of(symbol, bars, 5, interest, bars[:, 5])


def _millis(text):
    return int(np.datetime64(text.replace(" ", "T"), "ms").astype(np.int64))
