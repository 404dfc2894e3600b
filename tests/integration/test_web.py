"""The server as others meet it: what is answered, to whom, and under which headers."""

import asyncio
import base64
import re
import time

import httpx
import pytest
from fastapi import APIRouter
from limits.storage import MemoryStorage

from app.main import create_app
from app.settings import Settings
from app.web.paths import API_PREFIXES
from tests.browser.fake_heatmaps import FakeHeatmaps

LOOPBACK = "http://127.0.0.1:8050"

router = APIRouter()


@router.get("/symbols")
def symbols():
    return ["BTCUSDT"]


@router.put("/cache/entries")
def keep():
    return None


@router.get("/symbols/{number}")
def symbol(number: int):
    raise ValueError("symbols are numbered from 1")


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

    def connect(self, path="/no-such-socket", **headers):
        """Return what the server sends to who wants a socket."""
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "root_path": "",
            "client": (self.address, 50_000),
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
        asyncio.run(self.server(scope, receive, send))
        return sent


@pytest.fixture(scope="module")
def client():
    """Return a client of a server with the usual settings."""
    return Client()


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


def test_what_a_caller_asked_wrongly_is_json(client):
    answer = client.get("/symbols/0")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "symbols are numbered from 1"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/symbols", "GET"),
        ("DELETE", "/liquidations/active", "GET, POST"),
        ("PUT", "/health", "GET"),
        ("GET", "/cache/entries", "PUT"),
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


@pytest.mark.parametrize("path", ["/", "/docs", "/symbols", "/no/such", "/health"])
def test_every_answer_tells_the_browser_to_stay_here(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_about_the_interface_loads_files_of_this_server_only(client):
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r'(?:src|href|spec-url)="([^"]+)"|url: \'([^\']+)\'', page.text)
    loaded = {one or other for one, other in addresses}
    assert "/openapi.json" in loaded
    assert len(loaded) >= 3
    assert {client.get(address).status_code for address in loaded} == {200}


def test_the_description_is_sent_nowhere_to_be_checked(client):
    assert '"validatorUrl": null' in client.get("/docs").text


@pytest.mark.parametrize(
    ("host", "settings", "status"),
    [
        ("127.0.0.1:8050", {}, 200),
        ("192.168.1.7", {}, 200),
        ("[::1]:8050", {}, 200),
        ("[::1].rebound.example", {}, 400),
        ("localhost:8050", {}, 200),
        ("LOCALHOST", {}, 200),
        ("localhost.", {}, 200),
        ("rebound.example", {}, 400),
        ("127.0.0.1.rebound.example", {}, 400),
        ("localhost.rebound.example:8050", {}, 400),
        ("", {}, 400),
        ("maps.lan", {"host": "maps.lan"}, 200),
        ("maps.lan:8050", {"allowed_hosts": "other.lan, Maps.LAN"}, 200),
        ("sub.maps.lan", {"allowed_hosts": "maps.lan"}, 400),
        ("rebound.example", {"allowed_hosts": "*"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/", "/symbols", "/health"])
def test_only_known_names_and_addresses_are_answered(host, settings, status, path):
    answer = Client(**settings).get(path, headers={"host": host})
    assert answer.status_code == status
    if status == 400:
        assert "LIQHEAT_ALLOWED_HOSTS" in answer.json()["detail"]


def test_of_two_names_neither_is_answered(client):
    hosts = [("host", "127.0.0.1"), ("host", "rebound.example")]
    assert client.get("/symbols", headers=hosts).status_code == 400
    assert client.get("/symbols", headers=hosts[:1]).status_code == 200


@pytest.mark.parametrize(
    ("headers", "is_refused"), [({"host": "rebound.example"}, True), ({"host": "[::1]:80"}, False)]
)
def test_sockets_are_for_known_names_too(client, headers, is_refused):
    assert client.connect(**headers)[0]["type"] == "websocket.close"
    assert (client.connect(**headers)[0]["code"] == 1008) is is_refused


TOKEN = {"api_token": "the-tökén"}
LOGIN = {"login": "ada:open:sesame"}


def bearer(token):
    return {"authorization": f"Bearer {token}".encode()}


def basic(user_and_password):
    return {"authorization": b"basic " + base64.b64encode(user_and_password.encode())}


@pytest.mark.parametrize(
    ("settings", "headers", "is_let_in"),
    [
        ({}, {}, True),
        ({}, bearer("anything"), True),
        (TOKEN, {}, False),
        (TOKEN, bearer("the-tökén"), True),
        (TOKEN, bearer("the-tök"), False),
        (TOKEN, bearer(""), False),
        (TOKEN, {"authorization": b"the-token"}, False),
        (TOKEN, basic("anybody:the-tökén"), True),
        (TOKEN, basic(":the-tökén"), True),
        (TOKEN, basic("the-tökén:"), False),
        (TOKEN, basic("ada:open:sesame"), False),
        (TOKEN, {"authorization": b"Basic %%%"}, False),
        (TOKEN, {"authorization": b"Basic"}, False),
        (LOGIN, {}, False),
        (LOGIN, basic("ada:open:sesame"), True),
        (LOGIN, basic("bob:open:sesame"), False),
        (LOGIN, basic("ada:open"), False),
        (LOGIN, basic(":"), False),
        (LOGIN, bearer("ada:open:sesame"), False),
        (LOGIN, bearer(""), False),
        (TOKEN | LOGIN, {}, False),
        (TOKEN | LOGIN, bearer("the-tökén"), True),
        (TOKEN | LOGIN, basic("ada:open:sesame"), True),
        (TOKEN | LOGIN, basic("bob:wrong"), False),
    ],
)
def test_what_is_set_must_be_shown(settings, headers, is_let_in):
    client = Client(**settings)
    status = 200 if is_let_in else 401
    for path in ("/", "/symbols", "/docs", "/openapi.json", "/assets/icon.svg"):
        assert client.get(path, headers=headers).status_code == status
    assert client.get("/health", headers=headers).status_code == 200
    decoded = {name: value.decode() for name, value in headers.items()}
    (closed,) = client.connect(host="127.0.0.1", **decoded)
    assert (closed["code"] != 1008) is is_let_in


def test_a_browser_is_asked_to_log_in_and_a_program_for_its_token():
    client = Client(**TOKEN)
    page, route = client.get("/"), client.get("/symbols")
    assert page.headers["www-authenticate"].startswith("Basic ")
    assert page.headers["content-type"].startswith("text/plain")
    assert route.headers["www-authenticate"].startswith("Bearer ")
    assert "Authorization: Bearer" in route.json()["detail"]


def test_what_reads_like_health_is_not_open():
    client = Client(**TOKEN)
    assert {client.get(path).status_code for path in ("/health/", "/health/x", "//health")} == {401}


def test_a_socket_is_not_open_because_health_is():
    (closed,) = Client(**TOKEN).connect("/health", host="127.0.0.1")
    assert closed["code"] == 1008


ORIGIN = "https://desk.example"
ASKS = {"origin": ORIGIN, "access-control-request-method": "GET"}


def test_pages_of_other_origins_read_nothing(client):
    for path in ("/", "/symbols"):
        answer = client.get(path, headers={"origin": ORIGIN})
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.request("OPTIONS", "/symbols", headers=ASKS).status_code == 405


def test_named_origins_may_read_the_interface_but_no_page():
    client = Client(cors_origins=f"http://localhost:3000, {ORIGIN}", **TOKEN)
    asked = ASKS | {"access-control-request-headers": "authorization"}
    leave = client.request("OPTIONS", "/symbols", headers=asked)
    assert (leave.status_code, leave.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert leave.headers["access-control-allow-methods"] == "GET"
    answer = client.get("/symbols", headers={"origin": ORIGIN} | bearer("the-tökén"))
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    # That the token was wrong is to be read, too.
    assert client.get("/symbols", headers={"origin": ORIGIN}).headers["access-control-allow-origin"]
    page = client.get("/", headers={"origin": ORIGIN} | bearer("the-tökén"))
    assert "access-control-allow-origin" not in page.headers
    other = client.get("/symbols", headers={"origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers
    wrote = client.request(
        "OPTIONS", "/symbols", headers=ASKS | {"access-control-request-method": "POST"}
    )
    assert wrote.status_code == 400


class Clock:
    """The clock of the counters, at the beginning of a window of a minute."""

    def __init__(self):
        self.now = 60_000_000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("limits.storage.memory.time", clock)
    monkeypatch.setattr("limits.storage.base.time", clock, raising=False)
    return clock


def test_a_client_that_asks_too_often_has_to_wait(clock):
    client = Client(rate_limit="3/minute")
    left = [client.get("/symbols").headers["ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = client.get("/liquidations/active")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert "Only 3 requests" in refused.json()["detail"]
    assert "ask again in 60 s" in refused.json()["detail"]
    # Others are answered, and so are pages.
    assert client.get("/symbols", address="10.0.0.8").status_code == 200
    assert client.get("/").status_code == 200
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("asked_at", [0, 10, 55, 65, 100])
def test_who_waits_as_long_as_was_said_is_answered(clock, asked_at):
    client = Client(rate_limit="3/minute")
    begin = clock.now
    for second in (0, asked_at):
        clock.now = begin + second
        while (answer := client.get("/symbols")).status_code == 200:
            pass
    clock.now += int(answer.headers["retry-after"]) - 1.001
    assert client.get("/symbols").status_code == 429
    clock.now += 1.002
    assert client.get("/symbols").status_code == 200


def test_the_limit_holds_over_any_minute(clock):
    client = Client(rate_limit="6/minute")
    answered = []
    for _ in range(240):
        clock.now += 1
        if client.get("/symbols").status_code == 200:
            answered.append(clock.now)
    assert max(sum(t <= u < t + 60 for u in answered) for t in answered) <= 7
    assert len(answered) >= 20


def test_clients_that_are_gone_are_forgotten(clock, monkeypatch):
    made = []
    monkeypatch.setattr(
        "app.web.rate_limit.MemoryStorage", lambda: made.append(MemoryStorage()) or made[0]
    )
    client = Client(rate_limit="3/minute")
    for i in range(50):
        client.get("/symbols", address=f"10.0.1.{i}")
    (storage,) = made
    clock.now += 121
    client.get("/symbols", address="10.0.0.9")
    deadline = time.monotonic() + 180
    while len(storage.storage) > 1 and time.monotonic() < deadline:
        storage.timer.join(1)
        client.get("/symbols", address="10.0.0.9")
    kept = (storage.storage, storage.expirations, storage.locks, storage.events)
    assert [len(each) <= 1 for each in kept] == [True] * 4


def test_guesses_of_a_password_are_limited_wherever_they_are_made(clock):
    client = Client(rate_limit="3/minute", **LOGIN)
    tries = [client.get("/", headers=basic("ada:guess")).status_code for _ in range(4)]
    assert tries == [401, 401, 401, 429]
    # Who knows it is not shut out of the pages by another's guesses.
    assert client.get("/", headers=basic("ada:open:sesame")).status_code == 200


def test_guesses_over_sockets_count_too(clock):
    client = Client(rate_limit="3/minute", **TOKEN)
    for _ in range(3):
        (closed,) = client.connect(host="127.0.0.1", authorization="Bearer guess")
        assert closed["code"] == 1008
    assert client.get("/symbols", headers=bearer("the-tökén")).status_code == 429
    # To open a socket of the interface is a request like others.
    (closed,) = client.connect("/ws/none", host="127.0.0.1")
    assert closed["code"] == 1008
    assert (
        client.get("/symbols", address="10.0.0.8", headers=bearer("the-tökén")).status_code == 200
    )


def test_no_limit_is_set_where_it_is_switched_off():
    client = Client(rate_limit="off")
    assert "ratelimit-limit" not in client.get("/symbols").headers
