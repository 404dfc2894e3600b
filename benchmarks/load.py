"""Many clients at once on a running server of the demo market.

Run with ``python -m benchmarks.load [--clients 100] [--seconds 60] [--think 1.0]``; prints, by
route, throughput, latencies, errors, and the server's memory. Everything on loopback, in two
processes: the server, and this one, whose own work is in the times, too.

A client asks, waits for the answer, thinks for a random time (``--think`` seconds on average; 0:
not at all, so that the server is never idle), and asks again. Of twenty questions nineteen have
been asked before, and one is a heatmap of 30 days that nobody asked for yet. Meanwhile ``/health``
is asked ten times a second.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.served import Served, served

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
EXCHANGES = ("", "binance", "binance,bybit")
WINDOW = {"start_time": "2026-01-01", "end_time": "2026-01-31"}
PROBES_A_SECOND = 10
DEADLINE = 60.0

Ask = tuple[str, str, dict[str, str]]
"""Name in the report, path, parameters."""


@dataclass(slots=True)
class Record:
    """What came back. ``seconds`` by name, ``errors`` as sentences, ``memory`` by second."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)


def load(
    server: Served, clients: int, seconds: float, think: float, seed: int = 0
) -> dict[str, object]:
    """Return what ``clients`` clients measured on a server in ``seconds`` [s].

    Returns
    -------
    dict
        ``routes``: for each name ``requests``, ``per_second``, and ``p50``, ``p95``, ``p99`` and
        ``slowest`` [ms]; ``errors``; ``alone_ms``, the median of uncached 30-day heatmaps before
        the others come [ms]; ``memory_mb`` of the server, at the start, each minute and the end.
    """
    return asyncio.run(_load(server, clients, seconds, think, random.Random(seed)))


async def _load(
    server: Served, clients: int, seconds: float, think: float, chance: random.Random
) -> dict[str, object]:
    record = Record()
    async with _connected(server) as http:
        for ask in CACHED:
            await _ask(http, ask, Record())
        alone = await _alone(http)
    start = time.monotonic()
    end = start + seconds
    fresh = uncached()
    await asyncio.gather(
        _probe(server, end, record),
        _watch(server.pid, start, end, record),
        *(_client(server, chance, fresh, think, end, record) for _ in range(clients)),
    )
    took = time.monotonic() - start
    return {
        "name": "load",
        "clients": clients,
        "seconds": round(took, 1),
        "think_seconds": think,
        "routes": {name: _figures(times, took) for name, times in sorted(record.seconds.items())},
        "per_second": round(sum(map(len, record.seconds.values())) / took, 1),
        "errors": len(record.errors),
        "first_errors": record.errors[:5],
        "alone_ms": round(1000 * float(np.median(alone)), 1),
        "memory_mb": [(round(at), size // 2**20) for at, size in record.memory],
    }


def _cached() -> list[Ask]:
    """Return what is asked again and again."""
    asks: list[Ask] = []
    for symbol in SYMBOLS:
        market = {"symbol": symbol}
        asks += [
            ("heatmap", "/liquidations/heatmap", market | WINDOW | {"exchanges": exchanges})
            for exchanges in EXCHANGES
        ]
        asks += [
            ("timeseries", "/liquidations/heatmap-timeseries", market | {"interval": "1h"}),
            ("map", "/liquidations/map", market),
            ("history", "/liquidations/history", market | {"interval": "1h"}),
            ("orders", "/liquidations/orders", market),
            (
                "coinglass",
                "/api/futures/liquidation/heatmap/model1",
                market | {"exchange": "Binance", "range": "24h"},
            ),
        ]
    return [
        *asks,
        ("max-pain", "/liquidations/max-pain", {}),
        ("coverage", "/coverage", {}),
        ("symbols", "/symbols", {}),
    ]


CACHED = _cached()


def uncached() -> Iterator[Ask]:
    """Yield heatmaps of 30 days that differ in their price range, so that none is known."""
    for number in count():
        symbol, price = (("BTCUSDT", 60_000.0), ("ETHUSDT", 2_000.0))[number % 2]
        low = {"price_low": f"{price * (1 + number * 1e-6):.6f}", "price_high": str(price * 2)}
        yield ("heatmap, uncached", "/liquidations/heatmap", {"symbol": symbol} | WINDOW | low)


async def _alone(http: httpx.AsyncClient) -> list[float]:
    """Return seconds of uncached heatmaps while nobody else asks."""
    record = Record()
    for number in range(15):
        low = {"price_low": str(50_000 + number), "price_high": "130000"}
        ask = ("alone", "/liquidations/heatmap", {"symbol": "BTCUSDT"} | WINDOW | low)
        await _ask(http, ask, record)
    if record.errors:
        raise RuntimeError(record.errors[0])
    return record.seconds["alone"]


def _connected(server: Served) -> httpx.AsyncClient:
    """Return a client with a connection of its own."""
    return httpx.AsyncClient(
        base_url=server.address,
        timeout=DEADLINE,
        headers={"Accept-Encoding": "gzip"},
        trust_env=False,
        verify=False,  # plain HTTP: loading the authorities a hundred times would take seconds
    )


async def _client(
    server: Served,
    chance: random.Random,
    fresh: Iterator[Ask],
    think: float,
    end: float,
    record: Record,
) -> None:
    await asyncio.sleep(chance.uniform(0, think))
    async with _connected(server) as http:
        while time.monotonic() < end:
            await _ask(http, _drawn(chance, fresh), record)
            if think:
                await asyncio.sleep(chance.expovariate(1 / think))


def _drawn(chance: random.Random, fresh: Iterator[Ask]) -> Ask:
    """Return what a client asks next: half of it heatmaps, a tenth of these new ones."""
    drawn = chance.random()
    if drawn < 0.05:
        return next(fresh)
    if drawn < 0.5:
        return chance.choice([ask for ask in CACHED if ask[0] == "heatmap"])
    return chance.choice(CACHED)


async def _probe(server: Served, end: float, record: Record) -> None:
    async with _connected(server) as http:
        while (now := time.monotonic()) < end:
            await _ask(http, ("health", "/health", {}), record)
            await asyncio.sleep(max(0.0, now + 1 / PROBES_A_SECOND - time.monotonic()))


async def _watch(pid: int, start: float, end: float, record: Record) -> None:
    process = psutil.Process(pid)
    while True:
        now = time.monotonic()
        record.memory.append((now - start, process.memory_info().rss))
        if now >= end:
            return
        await asyncio.sleep(min(60.0, end - now))


async def _ask(http: httpx.AsyncClient, ask: Ask, record: Record) -> None:
    name, path, parameters = ask
    start = time.perf_counter()
    try:
        # As it comes: to unpack it would be this process's work, not the server's.
        async with http.stream("GET", path, params=parameters) as answer:
            body = b"".join([piece async for piece in answer.aiter_raw()])
        if answer.status_code != httpx.codes.OK:
            record.errors.append(f"{answer.status_code} {answer.url}: {body[:200]!r}")
    except httpx.HTTPError as e:
        record.errors.append(f"{type(e).__name__} {path}: {e}")
    record.seconds[name].append(time.perf_counter() - start)


def _figures(seconds: list[float], took: float) -> dict[str, float]:
    milliseconds = 1000 * np.array(seconds)
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99)).round(1).tolist()
    return {
        "requests": len(seconds),
        "per_second": round(len(seconds) / took, 1),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "slowest": round(float(milliseconds.max()), 1),
    }


def _table(figures: dict[str, object]) -> Table:
    table = Table("route", "requests", "per second", "p50 ms", "p95 ms", "p99 ms", "slowest ms")
    routes: dict[str, dict[str, float]] = figures["routes"]  # type: ignore[assignment]
    for name, row in routes.items():
        table.add_row(name, *(f"{value:g}" for value in row.values()))
    return table


def _report(figures: dict[str, object], show: Callable[..., None]) -> None:
    show(_table(figures))
    show(
        f"{figures['clients']} clients, {figures['seconds']} s, {figures['per_second']} answers a "
        f"second, {figures['errors']} errors; an uncached heatmap of 30 days alone takes "
        f"{figures['alone_ms']} ms"
    )
    show(f"memory by second, MB: {figures['memory_mb']}")
    for error in figures["first_errors"]:  # type: ignore[attr-defined]
        show(error)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds between requests")
    parser.add_argument("--database", help="file of the simulated market, instead of data/")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # From a cold cache, and for one client that stands for a hundred.
        own = {"LIQHEAT_CACHE_DIR": folder, "LIQHEAT_RATE_LIMIT": "off"}
        with served(options.database, own) as server:
            figures = load(server, options.clients, options.seconds, options.think)
    if options.json:
        print(json.dumps(figures))  # noqa: T201
    else:
        _report(figures, Console().print)
