"""The interface for programs, without the pages."""

from contextlib import contextmanager

from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api import errors
from app.api.answers import Answers
from app.api.routers import api_routers
from app.heatmaps import StoredHeatmaps
from app.settings import Settings


@contextmanager
def serving(store, folder):
    """Yield a client of the interface over a store; results are kept in ``folder``."""
    settings = Settings(cache_dir=folder / "cache")
    heatmaps = StoredHeatmaps(store, settings)
    answers = Answers(heatmaps.disk, threads=2)
    server = FastAPI()
    errors.install(server)
    for router in api_routers(heatmaps, answers):
        server.include_router(router)
    try:
        with TestClient(server, raise_server_exceptions=True) as client:
            yield client
    finally:
        answers.close()
        heatmaps.close()
