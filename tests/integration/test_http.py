"""The client, asked over real sockets; what passes is a clock that tests turn."""

import asyncio
import logging
import socket
import threading
from datetime import UTC, datetime

import httpx
import pytest

from ingest.http import HttpClient, HttpError, Manners, NotFound, Rate, Request, Unavailable
from tests import fake_archive
from tests.fake_archive import Clock, cut, gives, hang_up, silent, status

NOW = datetime(2026, 1, 5, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server():
    with fake_archive.serving() as archive:
        archive.add("/thing", b'{"is": "here"}')
        yield archive


@pytest.fixture
def get(server, clock):
    """Ask for an address, ``/thing`` of the server unless told; return what was answered."""

    def ask(url=None, requests=1, **manners):
        async def run():
            client = HttpClient(Manners(**manners), clock=clock, sleep=clock.sleep, now=lambda: NOW)
            async with client:
                request = Request(url or f"{server.url}/thing")
                jobs = [client.get_json(request) for _ in range(requests)]
                answers = await asyncio.gather(*jobs, return_exceptions=True)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return answers[0]

        return asyncio.run(run())

    return ask


def test_an_answer_is_returned_and_we_say_who_we_are(get, server):
    assert get(user_agent="liqheat/1.2") == {"is": "here"}
    (asked,) = server.asked
    assert asked.headers["user-agent"] == "liqheat/1.2"


@pytest.mark.parametrize("code", [403, 408, 418, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again_after_longer_and_longer_waits(get, server, clock, code):
    server.answer("thing", *3 * [status(code)])
    assert get() == {"is": "here"}
    assert len(server.asked) == 4
    assert [2**k <= wait <= 2**k + 1 for k, wait in enumerate(clock.waits)] == [True] * 3


@pytest.mark.parametrize("code", [429, 418, 403, 503])
def test_a_server_is_left_alone_for_as_long_as_it_asks(get, server, clock, code):
    server.answer("thing", status(code, Retry_After=7))
    assert get() == {"is": "here"}
    assert 7 <= sum(clock.waits) <= 8


def test_a_moment_to_come_back_may_be_a_date(get, server, clock):
    server.answer("thing", status(429, Retry_After="Mon, 05 Jan 2026 00:01:30 GMT"))
    get()
    assert 90 <= sum(clock.waits) <= 91


@pytest.mark.parametrize("text", ["soon", "Mon, 05 Jan 2026 00:01:30", "-5"])
def test_what_is_no_moment_is_waited_for_as_if_it_was_not_said(get, server, clock, text):
    server.answer("thing", status(429, Retry_After=text))
    assert get() == {"is": "here"}
    assert sum(clock.waits) <= 91


def test_others_wait_too_while_a_server_wants_to_be_left_alone(server):
    server.answer("thing", status(429, Retry_After=50))

    async def run():
        both_wait, go_on, waits = asyncio.Event(), asyncio.Event(), []

        async def sleep(seconds):
            waits.append(seconds)
            if len(waits) == 2:
                both_wait.set()
            await go_on.wait()

        def clock():
            return 52.0 if go_on.is_set() else 0.0

        async with HttpClient(clock=clock, sleep=sleep) as client, asyncio.timeout(60):
            first = asyncio.create_task(client.get_json(Request(f"{server.url}/thing")))
            while not waits:
                await asyncio.sleep(0)
            other = asyncio.create_task(client.get_json(Request(f"{server.url}/thing?other")))
            await both_wait.wait()
            assert len(server.asked) == 1
            go_on.set()
            return await asyncio.gather(first, other)

    server.add("/thing?other", b"[]")
    assert asyncio.run(run()) == [{"is": "here"}, []]


def test_who_asks_for_a_long_rest_is_not_asked_again(server, clock):
    server.answer("thing", status(418, Retry_After=7200))

    async def run():
        async with HttpClient(clock=clock, sleep=clock.sleep) as client:
            for _ in range(2):
                with pytest.raises(Unavailable, match=r"left alone for 2\.0 hours"):
                    await client.get_json(Request(f"{server.url}/thing"))

    asyncio.run(run())
    assert (len(server.asked), clock.waits) == (1, [])


def test_a_server_that_keeps_turning_us_away_can_not_be_asked(get, server):
    server.answer("thing", *5 * [status(403, b"Go away")])
    with pytest.raises(Unavailable, match=r"answered 403 Forbidden, 'Go away' \(asked 5 times\)"):
        get()
    assert len(server.asked) == 5


def test_a_server_that_keeps_forbidding_is_left_alone_for_ten_minutes(server, clock):
    server.answer("thing", *5 * [status(403)])

    async def run():
        async with HttpClient(clock=clock, sleep=clock.sleep) as client:
            request = Request(f"{server.url}/thing")
            for sentence in ("asked 5 times", "left alone for 10 minutes"):
                with pytest.raises(Unavailable, match=sentence):
                    await client.get_json(request)
            assert len(server.asked) == 5
            await clock.sleep(601)
            return await client.get_json(request)

    assert asyncio.run(run()) == {"is": "here"}


def test_one_thing_that_fails_says_nothing_of_others(get, server):
    server.answer("thing", *3 * [status(500)])
    with pytest.raises(HttpError, match=r"500 Internal Server Error \(asked 3 times\)") as e:
        get(attempts=3)
    assert not isinstance(e.value, Unavailable)
    assert not e.value.again


@pytest.mark.parametrize(
    ("code", "kind"), [(404, NotFound), (400, HttpError), (302, HttpError), (451, Unavailable)]
)
def test_what_does_not_pass_is_asked_for_once(get, server, code, kind):
    server.answer("thing", status(code, b'{"msg":"Invalid symbol.\x1b[2J"}'))
    with pytest.raises(kind) as e:
        get()
    assert (type(e.value), e.value.status, len(server.asked)) == (kind, code, 1)
    assert "\x1b" not in str(e.value)


def test_a_body_that_breaks_off_and_a_closed_connection_are_asked_again(get, server):
    server.answer("thing", cut(4), hang_up)
    assert get() == {"is": "here"}
    assert len(server.asked) == 3


def test_what_is_no_json_is_asked_again(get, server):
    server.answer("thing", gives(b"<html>"))
    assert get() == {"is": "here"}
    server.answer("thing", gives(b"<html>"))
    with pytest.raises(HttpError, match="expected JSON, found '<html>'"):
        get(attempts=1)


def test_a_silent_server_is_waited_for_only_so_long(get, server):
    done = threading.Event()
    server.answer("thing", silent(done))
    try:
        with pytest.raises(HttpError, match=r"sent nothing for 0\.2 s"):
            get(timeout=0.2, attempts=1)
    finally:
        done.set()


def test_a_slow_body_is_broken_off(server):
    def drip(handler, _):
        fake_archive.head(handler, 200, {"Content-Length": "1000"})
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    server.answer("thing", drip)
    seconds = iter(range(0, 10_000_000, 40))

    async def run():
        async with HttpClient(Manners(attempts=1), clock=lambda: next(seconds)) as client:
            await client.get_json(Request(f"{server.url}/thing"))

    with pytest.raises(HttpError, match="which is too slow"):
        asyncio.run(run())


def test_nobody_there_is_said_in_words(get):
    port = fake_archive.free_port()
    message = rf"127\.0\.0\.1:{port} can't be reached: .*refused.* \(asked 5 times\)"
    with pytest.raises(Unavailable, match=message):
        get(f"http://127.0.0.1:{port}/thing")


def test_an_unknown_name_is_said_in_words(get, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unavailable, match=r"nowhere\.example can't be reached: its name is not"):
        get("http://nowhere.example/thing")


def test_a_server_that_speaks_no_tls_is_said_in_words(get, server):
    with pytest.raises(Unavailable, match="does not speak TLS as it should"):
        get(f"{server.url.replace('http', 'https')}/thing")


def test_a_proxy_is_asked_instead(get, server):
    server.add("http://archive.example/thing", b'{"by": "proxy"}')
    assert get("http://archive.example/thing", proxy=server.url) == {"by": "proxy"}


def test_the_environment_may_name_a_proxy(get, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.add("http://archive.example/thing", b'{"by": "proxy"}')
    assert get("http://archive.example/thing") == {"by": "proxy"}


def test_a_proxy_that_fails_is_said_in_words(get, server):
    port = fake_archive.free_port()
    with pytest.raises(Unavailable, match="can't be reached"):
        get("http://archive.example/thing", proxy=f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match="the proxy in between refused"):
        get("https://archive.example/thing", proxy=server.url)  # which knows no CONNECT


@pytest.mark.parametrize("proxy", ["nonsense", "socks5://user:secret@127.0.0.1:1", "http://:a:b"])
def test_what_is_no_proxy_is_refused_without_its_password(get, proxy):
    with pytest.raises(HttpError, match="The proxy can't be used") as e:
        get(proxy=proxy)
    assert "secret" not in str(e.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/thing", "thing", "http://[::1/thing"])
def test_what_is_no_address_is_refused(get, clock, url):
    with pytest.raises(HttpError, match=r"must begin with http|is no address"):
        get(url)
    assert clock.waits == []


def test_what_is_asked_again_is_logged(get, server, caplog):
    server.answer("thing", status(503, Retry_After=3))
    with caplog.at_level(logging.WARNING, logger="ingest.http"):
        get()
    (record,) = caplog.records
    assert "503 Service Unavailable" in record.getMessage()
    assert record.args


def test_that_a_host_can_not_be_reached_is_told_once(clock, caplog):
    url = f"http://127.0.0.1:{fake_archive.free_port()}/thing"

    async def run():
        async with HttpClient(Manners(attempts=3), clock=clock, sleep=clock.sleep) as client:
            asked = [client.get_json(Request(f"{url}?{number}")) for number in range(4)]
            return await asyncio.gather(*asked, return_exceptions=True)

    with caplog.at_level(logging.WARNING, logger="ingest.http"):
        assert [type(failed) for failed in asyncio.run(run())] == [Unavailable] * 4
    assert [record.name for record in caplog.records] == ["ingest.http"]


def test_that_a_host_is_away_again_is_told_again(clock, caplog):
    away = iter([True, False, True, False])

    def answer(request):
        if next(away):
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=7)

    async def run():
        async with HttpClient(
            clock=clock, sleep=clock.sleep, transport=httpx.MockTransport(answer)
        ) as client:
            return [await client.get_json(Request("http://host/thing")) for _ in range(2)]

    with caplog.at_level(logging.WARNING, logger="ingest.http"):
        assert asyncio.run(run()) == [7, 7]
    assert [record.name for record in caplog.records] == ["ingest.http"] * 2


def test_who_collects_for_days_need_not_hear_of_each_try(get, server, caplog):
    server.answer("thing", status(503))
    with caplog.at_level(logging.INFO, logger="ingest.http"):
        get(again_logged_as=logging.INFO)
    assert [record.levelname for record in caplog.records if record.name == "ingest.http"] == [
        "INFO"
    ]


class PassingLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes at once when all wait."""

    def __init__(self):
        super().__init__()
        self.passed = 0.0

    def time(self):
        return self.passed

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.passed = max(self.passed, self._scheduled[0].when() + 1e-6)  # as clocks do
        super()._run_once()


@pytest.mark.parametrize(("weight", "at_least"), [(1, 2.0), (5, 18.0)])
def test_a_host_is_asked_no_oftener_than_its_rate(weight, at_least):
    times = []

    async def answer(request):
        times.append((request.url.host, asyncio.get_running_loop().time()))
        return httpx.Response(200, json={})

    async def run():
        manners = Manners(rate=Rate(10, 1.0), rates={"free.example": Rate(1000, 1.0)})
        transport = httpx.MockTransport(answer)
        async with HttpClient(manners, transport=transport) as client:
            hosts = ["busy.example", "free.example"]
            requests = [Request(f"http://{h}/", weight=weight) for _ in range(40) for h in hosts]
            await asyncio.gather(*(client.get_json(request) for request in requests))

    with asyncio.Runner(loop_factory=PassingLoop) as runner:
        runner.run(run())
    busy = [time for host, time in times if host == "busy.example"]
    assert len(busy) == 40
    for begin in busy:  # all at once after a rest, then as the rate allows
        assert sum(weight for time in busy if begin <= time <= begin + 0.999) <= 20
    assert max(busy) >= at_least
    assert all(time == 0 for host, time in times if host == "free.example")
