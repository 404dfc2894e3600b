"""The server as others meet it: what is answered, to whom, and under which headers."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter

from app.main import create_app
from app.settings import Settings
from app.web.paths import API_PREFIXES
from tests.browser.fake_heatmaps import FakeHeatmaps

LOOPBACK = "http://127.0.0.1:8050"

router = APIRouter()


@router.get("/symbols")
def symbols():
    return ["BTCUSDT"]


@router.get("/liquidations/{layer}")
def layer(layer: str):
    return layer


@router.post("/liquidations/{layer}")
def renew(layer: str):
    return layer


class Client:
    """A server of some settings, as one client meets it."""

    def __init__(self, routers=(router,), base=LOOPBACK, address="10.0.0.7", **settings):
        self.server = create_app(Settings(**settings), FakeHeatmaps(), routers)
        self.base, self.address = base, address

    def request(self, method, path, address=None, **options):
        async def run():
            transport = httpx.ASGITransport(self.server, client=(address or self.address, 50_000))
            async with httpx.AsyncClient(transport=transport, base_url=self.base) as http:
                return await http.request(method, path, timeout=60, **options)

        return asyncio.run(run())

    def get(self, path, **options):
        return self.request("GET", path, **options)


@pytest.fixture(scope="module")
def client():
    """Return a client of a server with the usual settings."""
    return Client()


# --- routes that there are not --------------------------------------------------------------------


@pytest.mark.parametrize("prefix", API_PREFIXES)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
def test_an_unknown_route_of_the_interface_is_a_json_404(client, prefix, method):
    path = f"{prefix}/no/such"
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"There is no {method} {path}. See /docs for what there is."}


def test_routes_that_there_are_answer(client):
    assert client.get("/symbols").json() == ["BTCUSDT"]
    assert client.get("/liquidations/active").json() == "active"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/symbols", "GET"),
        ("DELETE", "/liquidations/active", "GET, POST"),
        ("PUT", "/health", "GET"),
    ],
)
def test_a_known_route_says_which_methods_it_answers(client, method, path, allowed):
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["detail"].startswith(f"{path} answers {allowed}, not {method}.")


def test_addresses_that_only_begin_like_the_interface_are_pages(client):
    assert "text/html" in client.get("/").headers["content-type"]
    assert "See /docs" not in client.get("/symbolism").text


def test_the_server_says_that_it_is_up(client):
    assert client.get("/health").json()["status"] == "ok"


def test_a_router_may_bring_its_own_health():
    other = APIRouter()

    @other.get("/health")
    def health():
        return "well"

    assert Client([other]).get("/health").json() == "well"
