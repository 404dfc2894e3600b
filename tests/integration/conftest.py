"""Fixtures that several integration tests share."""

import pytest

from app.demo import build_demo


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory):
    """Return the demo market's database, built once; for reading, or to be copied."""
    path = tmp_path_factory.mktemp("demo") / "demo.duckdb"
    build_demo(path)
    return path
