"""Compiled loops are not kept beyond the sources they were made of."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Grows a book by one bar and prints what is tracked: code of three modules.
PROGRAM = """
import numpy as np
from engine.book import build_book
from engine.growth import GrowingBook
from engine.parameters import Parameters
from tests.markets import market, part
whole = market([(99, 101, 98, 100)] * 3, [107.0, 114.0, 121.0])
growing = GrowingBook(build_book(part(whole, 0, 2), Parameters()))
print(growing.append(part(whole, 2, 3)).ledger.held[-1, 0])
"""


def tracked(folder, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def test_a_change_in_one_module_recompiles_what_others_made_of_it(tmp_path):
    for name in ("engine", "tests"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "browser")
        )
    assert tracked(tmp_path) == 21.0
    kernels = tmp_path / "engine" / "kernels.py"
    source = kernels.read_text()
    halved = source.replace("net = change + gone", "net = 0.5 * (change + gone)")
    assert halved != source
    kernels.write_text(halved)
    changed = tracked(tmp_path, NUMBA_DISABLE_JIT="1")
    assert changed != 21.0
    assert tracked(tmp_path) == changed
