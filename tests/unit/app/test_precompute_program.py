"""The version of snapshots covers all that they are computed with."""

import subprocess
import sys

import pytest

from app.precompute.program import SOURCES
from tests.conftest import ROOT

IMPORTED = """
import sys
import app.precompute.run
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None))
"""

# They hold no code, only names, or only what is said where nothing can be computed.
NOT_COUNTED = {
    "app/__init__.py",
    "app/market_choice.py",
    "components/__init__.py",
    "ingest/__init__.py",
}


def test_every_module_that_computes_them_counts():
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    counted = {str(path.relative_to(ROOT)) for name in SOURCES for path in ROOT.glob(name)}
    packages = tuple(f"{ROOT}/{name}/" for name in ("app", "components", "engine", "ingest"))
    imported = {
        path.removeprefix(f"{ROOT}/") for path in run.stdout.split() if path.startswith(packages)
    }
    assert "app/precompute/run.py" in imported
    # Scores and calibrations read maps and change none.
    measuring = {path for path in imported if path.startswith("engine/score/")}
    assert imported - counted - NOT_COUNTED - measuring == set()


@pytest.mark.parametrize("pattern", SOURCES)
def test_no_source_is_named_in_vain(pattern):
    assert list(ROOT.glob(pattern))
