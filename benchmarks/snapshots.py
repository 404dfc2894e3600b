"""How long snapshots take to compute, and whether reading them beats drawing a book.

    .venv/bin/python -m benchmarks.snapshots --days 365 --bar-minutes 5 --interval 30m

A random market in a temporary database. Figures without a pass mark: they say how
long a whole run, one more day from the checkpoint, and a run with nothing to do take; then how
long a map of 30 days takes, read from snapshots, drawn from a book in memory, and from the rows.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.history import book_start
from app.markets import load_market
from app.precompute.answers import find_snapshots
from app.precompute.jobs import Job
from app.precompute.run import carry_out, make_plan
from engine.grid import price_edges, shown_range, step_edges
from engine.heatmap import rasterise
from engine.models import find_model
from ingest.intervals import parse_interval
from ingest.store import Store

Result = TypeVar("Result")

START = datetime(2025, 1, 1, tzinfo=UTC)
MARKET = {"exchange": "binance", "symbol": "BTCUSDT"}


def fill(store: Store, step: timedelta, first: int, last: int, bars: int) -> None:
    """Store bars ``first <= bar < last`` of a random market of ``bars`` bars."""
    rng = np.random.default_rng(0)
    close = 60_000.0 * np.exp(
        np.cumsum(rng.normal(0.0, 0.0012 * (step / timedelta(minutes=5)) ** 0.5, bars))
    )
    opens = np.concatenate(([60_000.0], close[:-1]))
    volume = rng.gamma(2.0, 200.0, bars)
    interest = 80_000.0 * np.exp(
        np.cumsum(rng.normal(0.0, 0.002 * (step / timedelta(minutes=5)) ** 0.5, bars + 1))
    )
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(bars + 1) * np.timedelta64(
        step
    )
    candles = {
        "open_time": times[:-1],
        "open": opens,
        "high": np.maximum(opens, close) * 1.0004,
        "low": np.minimum(opens, close) * 0.9996,
        "close": close,
        "volume": volume,
    }
    part = slice(first, last)
    store.add_candles(MARKET | {"interval": step} | {k: v[part] for k, v in candles.items()})
    samples = slice(first + (first > 0), last + 1)
    store.add_open_interest(MARKET | {"time": times[samples], "open_interest": interest[samples]})


def measured(what: str, do: Callable[[], Result], times: int = 1) -> Result:
    """Print how long the quickest of several calls takes, and return the last one's result."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        result = do()
        best = min(best, time.perf_counter() - began)
    print(f"{what:<58} {best * 1000:10.1f} ms")  # noqa: T201
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--bar-minutes", type=int, default=5)
    parser.add_argument("--interval", default="30m")
    given = parser.parse_args()
    days, step = given.days, timedelta(minutes=given.bar_minutes)
    day_bars = timedelta(days=1) // step
    bars = days * day_bars
    model = find_model("turnover")
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "m.duckdb")) as store:
        fill(store, step, 0, bars - day_bars, bars)
        market = store.markets()[0]
        last = market.last
        candles = store.bars(**MARKET, start=last - timedelta(days=30), stop=last)
        edges = price_edges(*shown_range(candles.low.min(), candles.high.max()), 400)
        width = float(edges[1] - edges[0])
        job = Job(**MARKET, model=model, interval=parse_interval(given.interval), width=width)

        def compute(**changes: object) -> int:
            wanted = replace(job, **changes)
            return carry_out(store, make_plan(store, store.markets()[0], wanted)).rows

        # Compiles, and is thrown away.
        model.build_book(
            load_market(store, store.bars(**MARKET, start=START, stop=START + 600 * step))
        )
        rows = measured(
            f"whole run, {days - 1} days every {given.interval}, width {width:g}", compute
        )
        print(f"{'rows':<58} {rows:10,}")  # noqa: T201
        measured("nothing to do", compute)
        fill(store, step, bars - day_bars, bars, bars)
        measured("one more day, from the checkpoint", lambda: compute(incremental=True))
        with store.cursor() as cursor:
            (size,) = cursor.execute(
                "SELECT octet_length(content) FROM snapshot_checkpoints"
            ).fetchone()
        print(f"{'checkpoint':<58} {size / 1e6:10.1f} MB")  # noqa: T201

        market = store.markets()[0]
        begin = book_start(market, START, 30)
        stop = np.datetime64(market.last.replace(tzinfo=None), "us")
        times = step_edges(stop - np.timedelta64(30, "D"), stop, timedelta(minutes=90))
        print(f"{'answer':<58} {times.size - 1} x {edges.size - 1}")  # noqa: T201
        answer = measured(
            "read from snapshots",
            lambda: find_snapshots(store, market, begin, model, times, edges),
            5,
        )
        assert answer is not None
        fill_later(store, step, market.last)
        changed = store.markets()[0]
        measured(
            "read from snapshots, after new rows",
            lambda: find_snapshots(store, changed, begin, model, times, edges),
            5,
        )
        book = measured(
            "book from the rows (cold)",
            lambda: model.build_book(
                load_market(store, store.bars(**MARKET, start=begin, stop=market.last))
            ),
            3,
        )
        drawn = measured("drawn from the book (warm)", lambda: rasterise(book, times, edges), 5)
        difference = np.abs(answer.active - drawn.active).max() / drawn.active.max()
        print(f"{'largest difference':<58} {difference:10.1e}")  # noqa: T201


def fill_later(store: Store, step: timedelta, stop: datetime) -> None:
    """Store one more candle."""
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full(1, 6e4))
    time_of = np.array([stop.replace(tzinfo=None)], "datetime64[us]")
    store.add_candles(MARKET | {"interval": step, "open_time": time_of} | prices)


if __name__ == "__main__":
    main()
