"""How the server itself is: alive, how well its caches serve, and figures for Prometheus."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field

from app import __version__
from app.cache_stats import CacheStats
from app.web.metrics import http_metrics

Caches = Callable[[], Sequence[CacheStats]]
StoreState = Callable[[], Mapping[str, object]]

_FRESH = {"Cache-Control": "no-store"}
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Health(BaseModel):
    """That the server is up."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class CacheReport(BaseModel):
    """What a cache holds, and what it did since the program began."""

    name: str
    hits: int = Field(description="found at once")
    waits: int = Field(description="found by waiting for a computation that was under way")
    misses: int = Field(description="not found, so that it was computed")
    hit_ratio: float | None = Field(description="hits and waits of all requests; null before any")
    errors: int = Field(description="entries that could not be read, were refused or not stored")
    evictions: int = Field(description="entries that left to make room")
    entries: int
    bytes: int
    capacity_bytes: int
    mean_hit_milliseconds: float | None
    longest_hit_milliseconds: float | None
    mean_compute_milliseconds: float | None = Field(description="null where nothing is computed")
    longest_compute_milliseconds: float | None
    usable: bool
    problem: str = Field(description="why it is not usable, empty if it is")


class CachesReport(BaseModel):
    """All caches, and the state of the stored data."""

    caches: list[CacheReport]
    store: dict[str, Any] = Field(description="state of the stored data")


def health_router() -> APIRouter:
    """Return the route that says that the server is up, which needs nothing else."""
    router = APIRouter(tags=["operations"])

    @router.get(
        "/health",
        response_model=Health,
        summary="Whether the server is up",
        response_description="The server is up.",
    )
    async def health() -> Health:
        """Answer at once, whatever is being computed; looks at nothing."""
        return Health()

    return router


def operations_router(caches: Caches, store_state: StoreState, *more: Collector) -> APIRouter:
    """Return the routes about the server itself.

    Parameters
    ----------
    caches : callable
        Returns what each cache did; their names must differ.
    store_state : callable
        Returns the state of the stored data; its numbers become metrics.
    *more : Collector
        Of other metrics.
    """
    router = APIRouter(tags=["operations"])

    @router.get(
        "/cache/stats",
        response_model=CachesReport,
        summary="How well the caches serve",
        response_description="Every cache, from the program's start on.",
    )
    def cache_stats() -> JSONResponse:
        """Return hits, misses, times and sizes of every cache."""
        report = CachesReport(
            caches=[cache_report(stats) for stats in caches()], store=dict(store_state())
        )
        return JSONResponse(report.model_dump(mode="json"), headers=_FRESH)

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        summary="Figures for Prometheus",
        response_description="Prometheus text, or OpenMetrics if the client prefers it.",
        responses={200: {"content": {_METRICS_TYPE: {"schema": {"type": "string"}}}}},
    )
    def metrics(request: Request) -> Response:
        """Return requests, caches, stored data, exchanges and the process as metrics."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        for collector in (_Caches(caches, store_state), *more):
            registry.register(collector)
        if (requests := http_metrics(request.app)) is not None:
            registry.register(requests)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers=_FRESH, media_type=content_type)

    return router


def cache_report(stats: CacheStats) -> CacheReport:
    """Return what `CacheReport` describes."""
    return CacheReport(
        name=stats.name,
        hits=stats.hits,
        waits=stats.waits,
        misses=stats.misses,
        hit_ratio=stats.hit_ratio,
        errors=stats.errors,
        evictions=stats.evictions,
        entries=stats.entries,
        bytes=stats.bytes,
        capacity_bytes=stats.capacity,
        mean_hit_milliseconds=_mean(stats.hit_seconds, stats.hits),
        longest_hit_milliseconds=_mean(stats.longest_hit, min(stats.hits, 1)),
        mean_compute_milliseconds=_mean(stats.compute_seconds, stats.computations),
        longest_compute_milliseconds=_mean(stats.longest_compute, min(stats.computations, 1)),
        usable=stats.usable,
        problem=stats.problem,
    )


class _Caches(Collector):
    """Caches and stored data as they are when Prometheus asks."""

    def __init__(self, caches: Caches, store_state: StoreState) -> None:
        self._caches, self._store_state = caches, store_state

    def collect(self) -> Iterable[Metric]:
        stats = self._caches()
        for what, description in _COUNTERS.items():
            counter = CounterMetricFamily(f"liqheat_cache_{what}", description, labels=["cache"])
            for each in stats:
                counter.add_metric([each.name], getattr(each, what))
            yield counter
        for name, (field, description) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"liqheat_cache_{name}", description, labels=["cache"])
            for each in stats:
                gauge.add_metric([each.name], getattr(each, field))
            yield gauge
        for name, (count, seconds, description) in _TIMES.items():
            times = SummaryMetricFamily(f"liqheat_cache_{name}", description, labels=["cache"])
            for each in stats:
                times.add_metric([each.name], getattr(each, count), getattr(each, seconds))
            yield times
        for name, value in self._store_state().items():
            if isinstance(value, int | float):
                yield GaugeMetricFamily(f"liqheat_store_{name}", "Stored data.", value=value)


_COUNTERS = {
    "hits": "Found at once.",
    "waits": "Found by waiting for a computation that was under way.",
    "misses": "Not found, so that it was computed.",
    "errors": "Entries that could not be read, were refused or not stored.",
    "evictions": "Entries that left to make room.",
}
_GAUGES = {
    "entries": ("entries", "Entries held."),
    "bytes": ("bytes", "Bytes held."),
    "capacity_bytes": ("capacity", "Bytes that may be held."),
    "usable": ("usable", "Whether it can keep anything."),
}
_TIMES = {
    "hit_seconds": ("hits", "hit_seconds", "Time to find what was found at once."),
    "compute_seconds": ("computations", "compute_seconds", "Time to compute what was not found."),
}


def _mean(seconds: float, count: int) -> float | None:
    return round(1000.0 * seconds / count, 4) if count else None
