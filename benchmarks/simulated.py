"""How much the simulated market resembles a real one.

    python -m benchmarks.simulated --seeds 13 1 2 3 4
    python -m benchmarks.simulated --data FOLDER

prints what docs/simulated-market.md compares: for each simulated symbol on Binance, means over
the seeds, or for the recorded markets of a folder. That holds Binance's five-minute candles and
open interest (``binance_um/*USDT-5m_*.csv.gz``, ``*-metrics_*.csv.gz``) and what was liquidated
on Hyperliquid by day beside its hourly open interest (``liquidations/hyperliquid_daily_*``,
``multi_venue_1h/hyperliquid_*``).
"""

import argparse
import csv
import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.market import Market
from engine.simulate import INTERVAL, SYMBOLS, SimulatedMarket, simulate_symbol
from engine.truth import Positions

Floats = NDArray[np.float64]

START = datetime(2025, 12, 2, tzinfo=UTC)
BARS_A_DAY = timedelta(days=1) // INTERVAL
_STEP = np.timedelta64(INTERVAL)
_RECORDED = {"BTC": "BTCUSDT", "ETH": "ETHUSDT"}


def traded(close: Floats, volume: Floats, open_interest: Floats) -> dict[str, float]:
    """Return figures of five-minute bars, a whole number of days; NaN is unknown.

    Parameters
    ----------
    close : ndarray, shape (n,)
        [quote]
    volume, open_interest : ndarray, shape (n,)
        Within the bar, and at its end. [base]

    Returns
    -------
    dict of str to float
        Volume a day over open interest (median of days); changes of open interest, without their
        signs, over volume; open interest's least and most over its median; standard deviation
        and kurtosis of returns, and how their size goes with volume; spread of the logarithms of
        the volumes of four hours and of days. [-]
    """
    move = np.diff(np.log(close))
    away = move - move.mean()
    change = np.abs(np.diff(open_interest))
    known = np.isfinite(change)
    middle = np.nanmedian(open_interest)
    return {
        "volume a day / open interest": float(np.median(_days(volume) / _level(open_interest))),
        "changes of open interest / volume": change[known].sum() / volume[1:][known].sum(),
        "least open interest / median": np.nanmin(open_interest) / middle,
        "most open interest / median": np.nanmax(open_interest) / middle,
        "returns, standard deviation": away.std(),
        "returns, kurtosis": np.mean(away**4) / np.mean(away**2) ** 2,
        "size of returns with volume, correlation": np.corrcoef(np.abs(move), volume[1:])[0, 1],
        "volume of 4 h, spread of logarithms": _spread(volume, 48),
        "volume of a day, spread of logarithms": _spread(volume, BARS_A_DAY),
    }


def liquidated(by_day: Floats, open_interest: Floats) -> dict[str, float]:
    """Return what is liquidated a day over open interest, by day in one unit each. [-]"""
    share = by_day / open_interest
    return {
        "liquidated a day / open interest, median": float(np.median(share)),
        "liquidated a day / open interest, mean": float(share.mean()),
        "liquidated on the worst day / open interest": float(share.max()),
    }


def held(positions: Positions, market: Market, moments: int = 60) -> dict[str, float]:
    """Return where open positions are liquidated, means over evenly spaced bars. [-]"""
    at = np.linspace(0, len(market) - 1, moments).astype(int)
    shares = np.array([_held_at(positions, market, bar) for bar in at]).mean(axis=0)
    names = (
        "within 5 % of the price, of what is within 20 %",
        "within 2.4 % of the price, of what is within 20 %",
        "positions at 3x or less",
        "positions above 7x",
        "positions that a price liquidates",
        "traders' share of open interest",
    )
    return dict(zip(names, shares.tolist(), strict=True))


def _held_at(positions: Positions, market: Market, bar: int) -> tuple[float, ...]:
    shown = positions.open_at(market.open_time[bar] + _STEP)
    size = shown.quantity
    away = np.abs(shown.liquidation_price / market.close[bar] - 1.0)
    near = size[away < 0.2].sum()
    return (
        size[away < 0.05].sum() / near,
        size[away < 0.024].sum() / near,
        size[shown.leverage <= 3.0].sum() / size.sum(),
        size[shown.leverage > 7.0].sum() / size.sum(),
        size[np.isfinite(away)].sum() / size.sum(),
        0.5 * size.sum() / market.open_interest[bar],
    )


def simulated_figures(simulated: SimulatedMarket) -> dict[str, float]:
    """Return all figures of a simulated market."""
    market = simulated.market
    by_day = _days(simulated.liquidated.sum(axis=1))
    return (
        traded(market.close, market.volume, market.open_interest)
        | {
            "open interest / setting": float(
                np.median(market.open_interest) / SYMBOLS[market.symbol].open_interest
            ),
            "liquidations a day": simulated.liquidations.time.size / by_day.size,
        }
        | liquidated(by_day, _level(market.open_interest))
        | held(simulated.positions, market)
    )


def recorded_figures(folder: Path, coin: str) -> dict[str, float]:
    """Return figures of what was recorded of a coin, from the first whole day with both."""
    um, symbol = folder / "binance_um", _RECORDED[coin]
    metrics = _rows(um, f"{symbol}-metrics_*.csv.gz")
    interest = {
        int(np.rint((np.datetime64(row["create_time"], "s") - _EPOCH) / _STEP)): float(
            row["sum_open_interest"]
        )
        for row in metrics
    }
    begun = -(-min(interest) // BARS_A_DAY) * BARS_A_DAY
    bars = [
        (float(row["close"]), float(row["volume"]), interest.get(number + 1, np.nan))
        for row in _rows(um, f"{symbol}-5m_*.csv.gz")
        if (number := int(row["open_time"]) // 300_000) >= begun
    ]
    whole = len(bars) // BARS_A_DAY * BARS_A_DAY
    close, volume, open_interest = np.array(bars[:whole]).T
    return traded(close, volume, open_interest) | liquidated(*_on_hyperliquid(folder, coin))


def _on_hyperliquid(folder: Path, coin: str) -> tuple[Floats, Floats]:
    """Return what was liquidated by day, and the mean open interest of that day. [USD]"""
    hours: dict[str, list[float]] = {}
    for row in _rows(folder / "multi_venue_1h", "hyperliquid_*.csv.gz"):
        if row["venue"] == "hyperliquid" and row["coin"] == coin:
            hours.setdefault(row["timestamp"][:10], []).append(float(row["oi_usd"]))
    days = [
        (float(row["total_usd"]), float(np.mean(hours[day])))
        for row in _rows(folder / "liquidations", "hyperliquid_daily_*.csv.gz")
        if row["coin"] == coin and (day := row["timestamp"][:10]) in hours
    ]
    by_day, interest = np.array(days).T
    return by_day, interest


_EPOCH = np.datetime64(0, "s")


def _rows(folder: Path, pattern: str) -> list[dict[str, str]]:
    (path,) = folder.glob(pattern)
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def _days(flow: Floats) -> Floats:
    total: Floats = flow.reshape(-1, BARS_A_DAY).sum(axis=1)
    return total


def _level(stock: Floats) -> Floats:
    mean: Floats = np.nanmean(stock.reshape(-1, BARS_A_DAY), axis=1)
    return mean


def _spread(volume: Floats, bars: int) -> float:
    return float(np.log(volume.reshape(-1, bars).sum(axis=1)).std())


def _simulated(symbol: str, seeds: Sequence[int], days: int) -> dict[str, float]:
    def one(seed: int) -> dict[str, float]:
        bars = days * BARS_A_DAY
        return simulated_figures(
            simulate_symbol(symbol, start=START, bars=bars, seed=seed)["binance"]
        )

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(one, seeds))
    return {name: float(np.mean([figures[name] for figures in found])) for name in found[0]}


def main() -> None:
    """Print the figures, a column for each market."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    if given.data:
        columns = {coin: recorded_figures(given.data, coin) for coin in _RECORDED}
    else:
        columns = {symbol: _simulated(symbol, given.seeds, given.days) for symbol in SYMBOLS}
    print(f"{'':52}" + "".join(f"{name:>10}" for name in columns))  # noqa: T201
    for name in next(iter(columns.values())):
        row = "".join(f"{figures[name]:10.4g}" for figures in columns.values())
        print(f"{name:52}{row}")  # noqa: T201


if __name__ == "__main__":
    main()
