"""How well the maps of a stored market can be read.

    .venv/bin/python -m benchmarks.readability --database data/liqheat.duckdb --symbol BTCUSDT

Prints persistence, contrast, jumps of the nearest zone and ghosts of the 30 days before --stop, for
each model and view: figures without a pass mark. `engine.score.readability` says what they mean.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from app.markets import load_market
from engine.heatmap import rasterise
from engine.kernels import Floats
from engine.market import Market
from engine.models import find_model
from engine.score.readability import Readability, readability
from ingest.store import Store

VIEWS = {
    "turnover": ("turnover", None),
    "two-speed, all": ("two-speed", None),
    "lasting": ("two-speed", timedelta(hours=24)),
}
"""What is shown: a model, and for how long it should last."""

_ROWS_PER_PRICE = 1500  # about .07 % of the price each
_COARSE = 5


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--exchange", default="binance")
    parser.add_argument("--symbol", default="BTCUSDT")
    parser.add_argument("--stop", type=datetime.fromisoformat, help="default: where bars end")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--low", type=float, help="lowest price shown; default: by the price")
    parser.add_argument("--high", type=float, help="highest price shown; default: by the price")
    parser.add_argument("--row", type=float, help="height of a row; default: .07 % of the price")
    return parser


def stored(database: Path, exchange: str, symbol: str, stop: datetime | None) -> Market:
    """Return all bars of a stored market up to ``stop``."""
    with Store.open(database, read_only=True) as store:
        end = stop or datetime.now(UTC)
        return load_market(
            store, store.bars(exchange, symbol, datetime(2019, 1, 1, tzinfo=UTC), end)
        )


def hourly(market: Market, days: int) -> np.ndarray:
    """Return the edges of hourly columns over the last days of a market."""
    last = (market.open_time[-1] + np.timedelta64(market.interval)).astype("datetime64[h]")
    return (last - np.arange(days * 24, -1, -1)).astype("datetime64[us]")


def rows(price: Floats, low: float | None, high: float | None, row: float | None) -> Floats:
    """Return edges of rows from ``low`` to ``high``, as many as make groups of five."""
    height = row or float(f"{price.mean() / _ROWS_PER_PRICE:.1g}")
    group = _COARSE * height
    first = round((low or 0.65 * float(price.min())) / group) * group
    count = int(np.ceil(((high or 1.25 * float(price.max())) - first) / group)) * _COARSE
    return first + height * np.arange(count + 1)


def main(given: Sequence[str] | None = None) -> dict[str, Readability]:
    """Print the table, and return it by view."""
    options = arguments().parse_args(given)
    stop = options.stop and options.stop.replace(tzinfo=UTC)
    market = stored(options.database, options.exchange, options.symbol, stop)
    times = hourly(market, options.days)
    ends = market.open_time + np.timedelta64(market.interval)
    price = market.close[np.searchsorted(ends, times[1:], side="right") - 1]
    edges = rows(price, options.low, options.high, options.row)
    print(f"{options.symbol} on {options.exchange}, {times[0]} to {times[-1]} UTC")  # noqa: T201
    print(f"{edges.size - 1} rows of {edges[1] - edges[0]:g} from {edges[0]:g} to {edges[-1]:g}")  # noqa: T201
    print(f"{'':16}{'persistence':>13}{'fullest tenth':>15}{'jumps':>14}{'ghosts':>10}")  # noqa: T201
    found = {}
    for view, (model, lasting) in VIEWS.items():
        book = find_model(model).build_book(market)
        active = rasterise(book, times, edges, lasting=lasting).active
        one = found[view] = readability(active, edges, price)
        jumps = f"{one.long_jumps}, {one.short_jumps} of {one.looks}"
        print(  # noqa: T201
            f"{view:16}{one.persistence:13.6f}{one.fullest_tenth:15.6f}{jumps:>14}{one.ghosts:10.6f}"
        )
    return found


if __name__ == "__main__":
    main()
