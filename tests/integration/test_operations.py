"""The server about itself: health, caches, metrics."""

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI

from app import __version__
from app.api.operations import health_router, operations_router
from app.cache import CacheStats, DiskCache, Memory
from app.main import create_app
from app.settings import Settings
from app.web.metrics import count_requests
from tests.browser.fake_heatmaps import FakeHeatmaps


class Client:
    """One client of a server, which runs while it is asked."""

    def __init__(self, server):
        self.server = server

    def request(self, method, path, **options):
        async def run():
            transport = httpx.ASGITransport(self.server, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                return await http.request(method, path, timeout=60, **options)

        return asyncio.run(run())

    def get(self, path, **options):
        return self.request("GET", path, **options)


def serving(caches=(), state=None, routes=None):
    """Return a client of a server with these caches."""
    server = FastAPI()
    server.include_router(health_router())
    server.include_router(operations_router(lambda: [c() for c in caches], lambda: state or {}))
    if routes:
        routes(server)
    count_requests(server)
    return Client(server)


def samples(client, **options):
    """Return the metrics as Prometheus reads them: name with labels, and value."""
    text = client.get("/metrics", **options).text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def read(memory, key):
    return memory.get(key, lambda: b"value")


@pytest.fixture
def memory():
    return Memory(8, len, "answers")


def test_health_answers_whatever_the_caches_do():
    def broken():
        raise RuntimeError("the disk is gone")

    answer = serving([broken]).get("/health")
    assert answer.json() == {"status": "ok", "version": __version__}


def test_stats_tell_hits_misses_and_sizes(memory):
    client = serving([memory.stats])
    assert client.get("/cache/stats").json()["caches"][0]["hit_ratio"] is None
    for key in ("a", "a", "a", "b"):
        read(memory, key)
    (report,) = client.get("/cache/stats").json()["caches"]
    assert report["name"] == "answers"
    assert (report["hits"], report["misses"], report["hit_ratio"]) == (2, 2, 0.5)
    # Two values of 5 bytes don't fit 8.
    assert (report["entries"], report["bytes"], report["evictions"]) == (1, 5, 1)
    assert report["capacity_bytes"] == 8
    assert 0.0 < report["mean_hit_milliseconds"] <= report["longest_hit_milliseconds"]
    assert 0.0 < report["mean_compute_milliseconds"] <= report["longest_compute_milliseconds"]
    assert (report["usable"], report["problem"]) == (True, "")


def test_stats_say_why_a_cache_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    disk = DiskCache(tmp_path / "file" / "cache", 10)
    client = serving([disk.stats])
    (report,) = client.get("/cache/stats").json()["caches"]
    assert not report["usable"]
    assert "nothing is kept on disk" in report["problem"]
    assert report["mean_compute_milliseconds"] is None
    assert samples(client)['liqheat_cache_usable{cache="disk"}'] == 0.0


def test_stats_tell_the_state_of_the_data():
    client = serving(state={"markets": 3, "watermark": "abc"})
    assert client.get("/cache/stats").json()["store"] == {"markets": 3, "watermark": "abc"}
    figures = samples(client)
    assert figures["liqheat_store_markets"] == 3.0
    assert not any("watermark" in name for name in figures)


def test_nothing_between_keeps_these_answers(memory):
    client = serving([memory.stats])
    for path in ("/cache/stats", "/metrics"):
        assert client.get(path).headers["cache-control"] == "no-store"


def test_metrics_count_caches_and_the_process(memory):
    for key in ("a", "a"):
        read(memory, key)
    figures = samples(serving([memory.stats, lambda: CacheStats("disk", errors=7)]))
    assert figures['liqheat_cache_hits_total{cache="answers"}'] == 1.0
    assert figures['liqheat_cache_misses_total{cache="answers"}'] == 1.0
    assert figures['liqheat_cache_errors_total{cache="disk"}'] == 7.0
    assert figures['liqheat_cache_hit_seconds_count{cache="answers"}'] == 1.0
    assert figures['liqheat_cache_compute_seconds_count{cache="answers"}'] == 1.0
    assert figures["process_resident_memory_bytes"] > 1e6
    assert figures["process_cpu_seconds_total"] > 0.0


def test_two_servers_count_apart(memory):
    first, second = serving([memory.stats]), serving([memory.stats])
    for _ in range(3):
        first.get("/health")
    name = 'liqheat_http_requests_total{method="GET",route="/health",status="200"}'
    assert samples(first)[name] == 3.0
    assert name not in samples(second)


def test_requests_are_counted_by_route_and_not_by_address():
    def routes(server):
        @server.get("/liquidations/{layer}")
        def layer(layer: str):
            return 1 / 0 if layer == "broken" else layer

        @server.get("/{page}")
        def page(page: str):
            return page

    client = serving(routes=routes)
    for path in ("active", "consumed", "broken"):
        client.get(f"/liquidations/{path}")
    client.get("/liquidations/no/such")
    client.request("BREW", "/liquidations/active")
    for path in ("one", "two", "three"):
        client.get(f"/{path}")
    figures = samples(client)

    def count(route, method="GET", status=200):
        labels = f'method="{method}",route="{route}",status="{status}"'
        return figures.get(f"liqheat_http_requests_total{{{labels}}}")

    assert count("/liquidations/{layer}") == 2.0
    assert count("/liquidations/{layer}", status=500) == 1.0
    assert count("/liquidations/{layer}", "other", 405) == 1.0
    assert count("none", status=404) == 1.0
    assert count("page") == 3.0
    timed = 'liqheat_http_request_seconds_count{method="GET",route="page",status="200"}'
    assert figures[timed] == 3.0
    # The request for the metrics itself is under way.
    assert figures["liqheat_http_requests_in_flight"] == 1.0
    assert not any(re.search(r'route="[^"]*(active|two|no/such)', name) for name in figures)


def test_the_whole_server_counts_pages_and_what_it_refuses():
    router = operations_router(list, dict)
    client = Client(create_app(Settings(), FakeHeatmaps(), [router]))
    client.get("/")
    client.get("/cache/no/such")
    client.get("/cache/stats", headers={"host": "elsewhere.example"})
    figures = samples(client)

    def count(route):
        return sum(
            value
            for name, value in figures.items()
            if name.startswith("liqheat_http_requests_total") and f'route="{route}"' in name
        )

    assert (count("page"), count("none"), count("/cache/stats")) == (1.0, 2.0, 0.0)


def test_metrics_come_as_openmetrics_to_those_who_prefer_it():
    client = serving()
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    preferred = client.get(
        "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert preferred.headers["content-type"].startswith("application/openmetrics-text")
    assert preferred.text.endswith("# EOF\n")


def test_the_interface_describes_these_routes():
    paths = serving().get("/openapi.json").json()["paths"]
    for path in ("/health", "/cache/stats", "/metrics"):
        route = paths[path]["get"]
        assert route["summary"]
        assert route["description"]
        assert route["tags"] == ["operations"]
        assert route["responses"]["200"]["content"]
