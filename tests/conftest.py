"""Fixtures and settings that all tests share."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from app.demo import build_demo

# A kernel's first call compiles it, and interpreted it is slow: neither is a failure. Interpreted
# kernels are tested for their indices, which fewer examples show; what they compute, the compiled
# ones are tested for, on all.
settings.register_profile("compiled", deadline=None)
settings.register_profile("interpreted", deadline=None, max_examples=20)
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
settings.load_profile("interpreted" if INTERPRETED else "compiled")

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
def demo_database(tmp_path_factory) -> Path:
    """Return the demo market's database, for reading or to be copied; all processes share one."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / "demo.duckdb"
    with alone(folder / "demo.lock"):
        if not path.exists():
            build_demo(path)
    return path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes of this run waiting meanwhile."""
    import fcntl  # not everywhere

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def payload() -> Callable[[str], Any]:
    """Read a captured exchange message from ``tests/payloads`` by name."""
    return lambda name: json.loads((PAYLOADS / f"{name}.json").read_text())
