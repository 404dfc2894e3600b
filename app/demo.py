"""The simulated markets, and the truth about them, in a database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine.simulate import INTERVAL, SYMBOLS, SimulatedMarket, simulate_symbol
from engine.truth import REASONS
from ingest.store import Store, StoreError

SEED = 13
DAYS = 60
STOP = datetime(2026, 1, 31, tzinfo=UTC)
"""End of the simulated markets, fixed so that every build is the same."""

_END_REASONS = np.array(["closed" if reason == "margin added" else reason for reason in REASONS])
"""As stored: who adds margin leaves one liquidation price for another."""


def build_demo(
    path: Path,
    *,
    seed: int = SEED,
    days: int = DAYS,
    report: Callable[[str, str], None] = lambda exchange, symbol: None,
) -> None:
    """Make a database of all simulated markets, whole or not at all.

    Parameters
    ----------
    path : Path
        The database's file. A simulated market that it holds is replaced.
    seed : int
        The same seed makes the same markets.
    days : int
        How many days before `STOP`.
    report : callable
        Told of each market, by exchange and symbol, when it is stored.

    Raises
    ------
    StoreError
        If the file is in use, or holds anything but a simulated market.
    """
    _check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        with Store.open(made) as store:
            store.mark_simulated()
            for simulated in _simulate(seed, days):
                _add(store, simulated)
                report(simulated.market.exchange, simulated.market.symbol)
        made.replace(path)


def _check_replaceable(path: Path) -> None:
    if not path.exists():
        return
    with Store.open(path, read_only=True) as store:
        if not store.is_simulated():
            raise StoreError(
                f"{path} holds other data than a simulated market, and would be overwritten. "
                "Name another file with --database."
            )


def _simulate(seed: int, days: int) -> Iterator[SimulatedMarket]:
    """Yield all markets symbol by symbol; the next symbol is simulated meanwhile."""
    start, bars = STOP - timedelta(days=days), days * (timedelta(days=1) // INTERVAL)
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = [
            pool.submit(simulate_symbol, symbol, start=start, bars=bars, seed=seed)
            for symbol in SYMBOLS
        ]
        for future in running:
            yield from future.result().values()


def _add(store: Store, simulated: SimulatedMarket) -> None:
    market = simulated.market
    key = {"exchange": market.exchange, "symbol": market.symbol}
    store.add_candles(
        key
        | {"interval": market.interval}
        | {
            name: getattr(market, name)
            for name in (
                "open_time",
                "open",
                "high",
                "low",
                "close",
                "volume",
                "quote_volume",
                "taker_buy_volume",
            )
        }
    )
    if len(market):
        # Known at bars' ends, and once before the first bar.
        ends = market.open_time + np.timedelta64(market.interval)
        interest = np.append(market.initial_open_interest, market.open_interest)
        store.add_open_interest(
            key
            | {
                "time": np.append(market.open_time[0], ends),
                "open_interest": interest,
                "open_interest_notional": interest * np.append(market.open[0], market.close),
            }
        )
    store.add_funding_rates(
        key
        | {
            "time": simulated.funding_time,
            "funding_rate": simulated.funding_rate,
            "interval_hours": np.full(simulated.funding_time.size, 8.0),
        }
    )
    liquidations = simulated.liquidations
    store.add_liquidations(
        key | {name: getattr(liquidations, name) for name in ("time", "side", "quantity", "price")}
    )
    _add_leverage_tiers(store, simulated)
    _add_truth(store, simulated)


def _add_leverage_tiers(store: Store, simulated: SimulatedMarket) -> None:
    (rules,) = simulated.market.margin
    columns = ("floor", "cap", "max_leverage", "maintenance_rate", "deduction")
    store.add_leverage_tiers(
        {
            "exchange": simulated.market.exchange,
            "symbol": simulated.market.symbol,
            "valid_from": np.datetime64(rules.valid_from.replace(tzinfo=None), "us"),
            "closing_fee": rules.closing_fee,
        }
        | {name: np.array([getattr(tier, name) for tier in rules.tiers]) for name in columns}
    )


def _add_truth(store: Store, simulated: SimulatedMarket) -> None:
    """Store the positions that have a liquidation price, which those with cross margin don't."""
    positions = simulated.positions
    positions = positions.where(np.isfinite(positions.liquidation_price))
    columns = ("opened", "side", "quantity", "entry_price", "leverage", "liquidation_price")
    store.add_simulated_positions(
        {
            "exchange": simulated.market.exchange,
            "symbol": simulated.market.symbol,
            "closed": positions.ended,
            "end_reason": _END_REASONS[positions.reason],
        }
        | {name: getattr(positions, name) for name in columns}
    )
