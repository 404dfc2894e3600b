"""Fixtures and settings that all tests share."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A kernel's first call compiles it, and interpreted it is slow: neither is a failure.
settings.register_profile("liqheat", deadline=None)
settings.load_profile("liqheat")

# What a script starts in the background ignores Ctrl-C, and so would what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
PAYLOADS = Path(__file__).parent / "payloads"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real market data beside the repository; it may not be redistributed, so it is not in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs real market data in ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def payload() -> Callable[[str], Any]:
    """Read a captured exchange message from ``tests/payloads`` by name."""
    return lambda name: json.loads((PAYLOADS / f"{name}.json").read_text())
