"""Requests counted and timed, by route and not by address: there are few of those."""

from collections.abc import Iterable
from time import perf_counter

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.paths import is_api

# From an answer that was kept to a book that is built first.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
_LABELS = ("route", "method", "status")


class HttpMetrics(Collector):
    """What one server answered."""

    def __init__(self) -> None:
        self.requests = Counter(
            "liqheat_http_requests", "Requests answered.", _LABELS, registry=None
        )
        self.seconds = Histogram(
            "liqheat_http_request_seconds",
            "Time from a request to the end of its answer.",
            _LABELS,
            buckets=_SECONDS,
            registry=None,
        )
        self.in_flight = Gauge(
            "liqheat_http_requests_in_flight", "Requests being answered now.", registry=None
        )

    def collect(self) -> Iterable[Metric]:
        """Yield the counts."""
        for metric in (self.requests, self.seconds, self.in_flight):
            yield from metric.collect()


class CountRequests:
    """Count every request that passes, whatever becomes of it."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "500"  # what the server answers if nothing here does

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        start = perf_counter()
        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                labels = (_route(scope), _method(scope), status)
                self._metrics.requests.labels(*labels).inc()
                self._metrics.seconds.labels(*labels).observe(perf_counter() - start)


def count_requests(server: FastAPI) -> None:
    """Count from here on; what is added to the server later is passed first, and not counted."""
    server.state.http_metrics = HttpMetrics()
    server.add_middleware(CountRequests, metrics=server.state.http_metrics)


def http_metrics(server: FastAPI) -> HttpMetrics | None:
    """Return what `count_requests` counted, None if it was not asked to."""
    found = getattr(server.state, "http_metrics", None)
    return found if isinstance(found, HttpMetrics) else None


def _route(scope: Scope) -> str:
    if not is_api(scope["path"]):
        return "page"
    route = scope.get("route")
    # Refused before there was a route, or none that there is.
    return str(route.path) if isinstance(route, APIRoute) else "none"


def _method(scope: Scope) -> str:
    method = scope["method"]
    return str(method) if method in _METHODS else "other"
