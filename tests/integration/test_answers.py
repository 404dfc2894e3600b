"""Who waits for whom, where answers take long."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from app.api.answers import Answer, Answers
from app.cache import DiskCache
from app.settings import Settings
from tests.api import DEADLINE, running


class Asked(BaseModel):
    name: str


class Slow:
    """A server whose answers are found when the test says so."""

    def __init__(self, folder):
        self.go, self.begun, self.left = threading.Event(), threading.Event(), threading.Event()
        self.found = []
        self.disk = DiskCache(folder, 10)
        self.answers = Answers(self.disk, Settings(threads=1))
        self.server = FastAPI()

        @self.server.get("/slow/{name}")
        async def slow(request: Request, name: str):
            self.begun.set()
            answer = await self.answers.reply(
                request, Asked(name=name), "state", lambda: self.find(name)
            )
            if answer.status_code == 499:
                self.left.set()
            return answer

        @self.server.get("/light/{name}")
        async def light(request: Request, name: str):
            return await self.answers.reply(
                request, Asked(name=name), "state", lambda: Answer(lambda: name), light=True
            )

    def find(self, name):
        self.found.append(name)
        assert self.go.wait(DEADLINE)
        return Answer(lambda: name)

    def close(self):
        self.go.set()
        self.answers.close()
        self.disk.close()


@pytest.fixture
def slow(tmp_path):
    slow = Slow(tmp_path / "cache")
    yield slow
    slow.close()


def ask_and_leave(address, path, begun):
    """Send a request and close the connection when the server has begun to answer it."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), DEADLINE) as connection:
        begun.clear()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        assert begun.wait(DEADLINE)


def test_what_nobody_waits_for_any_more_is_not_begun(slow):
    with running(slow.server) as address, ThreadPoolExecutor(2) as clients:
        first = clients.submit(httpx.get, f"{address}/slow/first", timeout=DEADLINE)
        assert slow.begun.wait(DEADLINE)
        ask_and_leave(address, "/slow/second", slow.begun)
        assert slow.left.wait(DEADLINE)
        slow.go.set()
        assert first.result(DEADLINE).json() == "first"
        assert httpx.get(f"{address}/slow/third", timeout=DEADLINE).json() == "third"
    assert slow.found == ["first", "third"]


def test_a_look_at_the_database_does_not_wait_behind_computations(slow):
    with running(slow.server) as address, ThreadPoolExecutor(2) as clients:
        waiting = clients.submit(httpx.get, f"{address}/slow/first", timeout=DEADLINE)
        assert slow.begun.wait(DEADLINE)
        assert httpx.get(f"{address}/light/now", timeout=DEADLINE).json() == "now"
        assert not waiting.done()
        slow.go.set()
        assert waiting.result(DEADLINE).json() == "first"


def test_one_who_leaves_does_not_spoil_it_for_another(slow):
    with running(slow.server) as address, ThreadPoolExecutor(2) as clients:
        ask_and_leave(address, "/slow/same", slow.begun)
        stays = clients.submit(httpx.get, f"{address}/slow/same", timeout=DEADLINE)
        assert slow.left.wait(DEADLINE)
        slow.go.set()
        assert stays.result(DEADLINE).json() == "same"
    assert slow.found == ["same"]
