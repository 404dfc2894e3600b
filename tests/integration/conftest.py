"""Fixtures that several integration tests share."""

import pytest

from app.demo import build_demo


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory):
    """Return the demo market's database, built once; for reading, or to be copied."""
    path = tmp_path_factory.mktemp("demo") / "demo.duckdb"
    build_demo(path)
    return path


@pytest.fixture
def no_proxy(monkeypatch):
    """Have no proxy in the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
