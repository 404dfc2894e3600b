"""Measurements of the engine's and the importer's speed, each in a process of its own.

``python -m app.bench JOB`` runs one job, given as JSON, and prints what it measured: only in a
fresh process is the peak of memory that of the job.
"""

import json
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import log
from pathlib import Path
from statistics import median
from subprocess import run
from typing import Any
from zipfile import BadZipFile

import numpy as np

from engine.ensemble import growing
from engine.heatmap import rasterise
from engine.kernels import Floats
from engine.market import Market
from engine.memory import keep_freed_memory
from engine.models import DEFAULT_MODEL, MODELS
from engine.rules import check_market, check_needs
from engine.tiers import margin_rules

RUNS = 7
GRIDS = {1_000: (200, 100), 14_000: (500, 400), 105_120: (1000, 400), 525_600: (1000, 1000)}
"""Columns and buckets by number of bars: up to a year of 5 and of 1 minute."""

PAGES = {8_640: (480, 372), 105_120: (1000, 400)}
"""The same for what the page draws: 30 days and a year of 5 minutes."""

_PREFIX = {"time-evolving": "engine", "turnover": "turnover", DEFAULT_MODEL: "default"}
_STEP = timedelta(minutes=5)
_LEAST_BARS = RUNS + 2
"""One to build on, one to append warm, and one for every run."""
_FIELDS = ("open", "high", "low", "close", "volume", "open_interest")
Result = dict[str, Any]


def jobs(npz: Path | None = None) -> list[Result]:
    """Return what is measured, on random walks or on the arrays of a file.

    Raises
    ------
    ValueError
        If the file can't be measured on.
    """
    if npz is not None:
        bars = read_arrays(npz)["close"].size
        grid = next((grid for size, grid in GRIDS.items() if bars <= size), GRIDS[525_600])
        sizes = {bars: grid}
    else:
        sizes = GRIDS
    engine: list[Result] = [
        {"name": f"{prefix}_{bars}", "model": model, "bars": bars, "grid": grid}
        for model, prefix in _PREFIX.items()
        for bars, grid in sizes.items()
        if model == "time-evolving" or bars > 1_000 or npz is not None
    ]
    engine += [
        {"name": f"page_{bars}", "model": DEFAULT_MODEL, "bars": bars, "grid": grid}
        for bars, grid in PAGES.items()
        if npz is None
    ]
    engine.append({"name": "append_one_bar", "model": DEFAULT_MODEL, "bars": max(sizes)})
    return engine if npz is not None else [*engine, {"name": "ingest_ratio"}]


def read_arrays(path: Path) -> dict[str, Floats]:
    """Return a file's open, high, low, close, volume and open interest, shape (n,) each.

    Raises
    ------
    ValueError
        If it is no such file, or what it holds can't be a market's bars.
    """
    try:
        # Opened here, since numpy leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened) as file:
            columns = {
                name: file[name].astype(np.float64, casting="same_kind")
                for name in _FIELDS
                if name in file
            }
    # All that numpy and zipfile come up with on other files; their words help nobody.
    except (ValueError, TypeError, AttributeError, EOFError, RuntimeError, BadZipFile, zlib.error):
        raise ValueError(
            f"{path} must be a file of numpy.savez that holds numbers, but it is damaged or another"
        ) from None
    if missing := [name for name in _FIELDS if name not in columns]:
        raise ValueError(
            f"{path} must hold arrays {', '.join(_FIELDS)}, but lacks {', '.join(missing)}"
        )
    if {column.shape for column in columns.values()} != {(columns["close"].size,)}:
        found = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise ValueError(f"{path} must hold arrays of one dimension and length, but holds {found}")
    if columns["close"].size < _LEAST_BARS:
        raise ValueError(
            f"{path} must hold at least {_LEAST_BARS} bars, but holds {columns['close'].size}"
        )
    try:
        check_market(market := _market(columns))
        check_needs(market, MODELS[DEFAULT_MODEL].parameters)
    except ValueError as e:
        raise ValueError(f"{path} can't be measured on: {e}") from None
    return columns


def measure(job: Result, npz: Path | None = None) -> Result:
    """Run one job in a fresh process and return its figures.

    Raises
    ------
    ValueError
        If the job fails, with what it said.
    """
    command = [sys.executable, "-m", "app.bench", json.dumps(job | {"npz": npz and str(npz)})]
    done = run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{job['name']} failed: {done.stderr.strip().splitlines()[-1]}")
    result: Result = json.loads(done.stdout)
    return result


def growth(results: list[Result]) -> list[Result]:
    """Return the exponents with which times grow from 14,000 to 525,600 bars, if measured."""
    seconds = {result["name"]: result.get("seconds") for result in results}
    exponents = []
    for prefix in _PREFIX.values():
        small, large = seconds.get(f"{prefix}_14000"), seconds.get(f"{prefix}_525600")
        if small and large:
            exponent = log(large / small) / log(525_600 / 14_000)
            exponents.append({"name": f"{prefix}_growth", "exponent": exponent})
    return exponents


def random_market(bars: int, seed: int = 1) -> dict[str, Floats]:
    """Return a random walk's open, high, low, close, volume and open interest, shape (n,) each."""
    rng = np.random.default_rng(seed)
    close = 60_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.0012, bars)))
    opens = np.concatenate(([60_000.0], close[:-1]))
    walk = np.cumsum(rng.normal(0.0, 0.002, bars))
    return {
        "open": opens,
        "high": np.maximum(opens, close) * (1 + np.abs(rng.normal(0.0, 0.0005, bars))),
        "low": np.minimum(opens, close) * (1 - np.abs(rng.normal(0.0, 0.0005, bars))),
        "close": close,
        "volume": rng.gamma(2.0, 200.0, bars),
        # Mean reverting, as open interest is.
        "open_interest": 80_000.0 * np.exp(0.3 * np.sin(walk)),
    }


def _market(columns: Mapping[str, Floats], start: int = 0, stop: int | None = None) -> Market:
    part: Any = {name: np.asarray(columns[name], np.float64)[start:stop] for name in _FIELDS}
    count = part["close"].size
    unknown = np.full(count, np.nan)
    first = np.datetime64("2025-01-01", "us") + start * np.timedelta64(_STEP)
    return Market(
        exchange="binance",
        symbol="BTCUSDT",
        interval=_STEP,
        open_time=first + np.arange(count) * np.timedelta64(_STEP),
        quote_volume=unknown,
        taker_buy_volume=unknown,
        # Bars that follow others are not asked for it.
        initial_open_interest=float(part["open_interest"][0]) if start == 0 else 0.0,
        margin=margin_rules("binance", "BTCUSDT"),
        crossing_high=part["high"],
        crossing_low=part["low"],
        **part,
    )


def _book_and_raster(job: Result, columns: Mapping[str, Floats]) -> Callable[[], object]:
    market, model = _market(columns), MODELS[job["model"]]
    column_count, bucket_count = job["grid"]
    cuts = np.unique(np.linspace(0, len(market), column_count + 1).astype(np.int64))
    times = market.open_time[0] + cuts * np.timedelta64(_STEP)
    edges = np.linspace(market.low.min() * 0.95, market.high.max() * 1.05, bucket_count + 1)
    # As the page does, or each level at its price.
    between_rungs = job["name"].startswith("page")
    return lambda: rasterise(model.build_book(market), times, edges, between_rungs=between_rungs)


def _append_one_bar(job: Result, columns: Mapping[str, Floats]) -> Callable[[], object]:
    bars = len(columns["close"])
    kept = bars - RUNS - 1
    grown = growing(MODELS[job["model"]].build_book(_market(columns, 0, kept)))
    following = iter([_market(columns, bar, bar + 1) for bar in range(kept, bars)])
    return lambda: grown.append(next(following))


def _run(job: Result) -> Result:
    return _run_ingest() if job["name"] == "ingest_ratio" else _run_engine(job)


def _run_ingest() -> Result:
    from app.bench_ingest import ingest_ratio

    found = ingest_ratio()
    return {
        "name": "ingest_ratio",
        "seconds": found["ingest_seconds"],
        "peak_rss_mb": peak_rss_mb(),
        "ratio": found["ingest_ratio"],
        **found,
    }


def _run_engine(job: Result) -> Result:
    columns = read_arrays(Path(job["npz"])) if job["npz"] else random_market(job["bars"])
    prepare = _append_one_bar if job["name"] == "append_one_bar" else _book_and_raster
    keep_freed_memory()  # as the server does
    work = prepare(job, columns)
    work()  # compiles, or reads what was compiled before
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    sizes: Result = {name: job[name] for name in ("bars", "grid", "model") if name in job}
    tiers = len(MODELS[job["model"]].parameters.profile.leverage)
    return {
        "name": job["name"],
        "seconds": median(seconds),
        "peak_rss_mb": peak_rss_mb(),
        "runs": RUNS,
        "tiers": tiers,
        **sizes,
    }


def peak_rss_mb() -> float | None:
    """Return this process's peak of resident memory [MB], None where the system does not say."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return None
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_run(json.loads(sys.argv[1]))))
