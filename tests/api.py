"""The interface for programs, without the pages, on a real server."""

import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

from app.api import errors
from app.api.answers import Answers
from app.api.routers import api_routers
from app.heatmaps import StoredHeatmaps
from app.server import address, listen
from app.settings import Settings

DEADLINE = 180


@contextmanager
def serving(store, folder, **changes):
    """Yield a client of the interface over a store; results are kept in ``folder``."""
    settings = Settings(cache_dir=folder / "cache", threads=2, **changes)
    heatmaps = StoredHeatmaps(store, settings)
    answers = Answers(heatmaps.disk, settings)
    server = FastAPI()
    errors.install(server)
    for router in api_routers(heatmaps, answers):
        server.include_router(router)
    try:
        with running(server) as where, httpx.Client(base_url=where, timeout=DEADLINE) as client:
            yield client
    finally:
        answers.close()
        heatmaps.close()


@contextmanager
def running(application):
    """Serve an application on a free port of loopback; yield its address."""
    bound = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        deadline = time.monotonic() + DEADLINE
        while not server.started and time.monotonic() < deadline:
            thread.join(0.01)
        yield address(bound)
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        bound.close()
