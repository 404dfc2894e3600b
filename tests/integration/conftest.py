"""Fixtures that several integration tests share."""

import pytest


@pytest.fixture
def no_proxy(monkeypatch):
    """Have no proxy in the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
