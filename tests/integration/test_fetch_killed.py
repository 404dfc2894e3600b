"""A run that is killed or stopped at any moment is completed by the next."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from ingest.files.downloading import Folder
from ingest.files.vision import archives
from tests import fake_archive
from tests.fake_archive import hold
from tests.vision_archive import BY_NAME, differences, fill

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 180
START, STOP = date(2024, 2, 28), date(2024, 3, 3)
KINDS = ("klines", "metrics", "fundingRate")
FILES = [a for n in KINDS for a in archives(BY_NAME[n], "BTCUSDT", "4h", START, STOP)]
HALF = 150

# Runs the command, and kills itself (as the kernel would, when memory is out) at one point of the
# loading of one file.
PROGRAM = """
import os, signal, sys
from contextlib import contextmanager
from ingest.files import fetching
from ingest.store import Store

point, number, *arguments = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
begun = 0

def die_at(name):
    if point == name and begun == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

load, transaction = fetching.load, Store.transaction

def load_and_die(*arguments, **options):
    global begun
    begun += 1
    die_at("before a load")
    loaded = load(*arguments, **options)
    die_at("after a load")
    return loaded

@contextmanager
def transaction_and_die(store, using=None):
    with transaction(store, using) as cursor:
        yield cursor
        die_at("before a commit")

fetching.load, Store.transaction = load_and_die, transaction_and_die
from app.cli import main
main(arguments)
"""


@pytest.fixture
def server():
    with fake_archive.serving() as archive:
        fill(archive, FILES)
        yield archive


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the folders of runs that nothing disturbed, by their option."""
    folders = {}
    with fake_archive.serving() as archive:
        fill(archive, FILES)
        for option in ("", "--keep"):
            folders[option] = folder = tmp_path_factory.mktemp("undisturbed")
            run = popen(archive, folder, option)
            _, err = run.communicate(timeout=DEADLINE)
            assert run.returncode == 0, err
    return folders


def popen(server, folder, option="", *, point="", number=0):
    """Begin a run of the command in a process of its own."""
    command = [
        *("fetch", "--symbol", "BTCUSDT", "--start", f"{START}", "--stop", f"{STOP}"),
        *("--interval", "4h", "--kinds", ",".join(KINDS), "--folder", "archives"),
        *("--database", "market", *([option] if option else [])),
    ]
    no_proxy = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, point, str(number), *command],
        cwd=folder,
        env=no_proxy
        | {
            "PYTHONPATH": str(ROOT),
            "LIQHEAT_VISION_URL": server.url,
            "LIQHEAT_HTTP_TIMEOUT": "3600",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def begin(server, tmp_path):
    """Begin a run in the test's folder."""
    return partial(popen, server, tmp_path)


@pytest.fixture
def finish(begin, tmp_path, undisturbed):
    """Check that a run completes what another one began, and ends as an undisturbed one."""

    def run(option=""):
        process = begin(option)
        _, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        other = undisturbed[option]
        assert differences(tmp_path / "market", other / "market") == []
        assert files_in(tmp_path / "archives") == files_in(other / "archives")

    return run


def files_in(folder):
    """Return the content of files by their paths."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def until(condition):
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "option"), [(1, ""), (6, "--keep")])
@pytest.mark.parametrize("point", ["before a load", "before a commit", "after a load"])
def test_a_run_killed_while_it_loads_is_completed(begin, finish, point, number, option):
    killed = begin(option, point=point, number=number)
    _, err = killed.communicate(timeout=DEADLINE)
    assert killed.returncode == -signal.SIGKILL, err
    finish(option)


def test_a_run_killed_in_the_middle_of_a_body_goes_on_there(begin, finish, server, tmp_path):
    go_on = threading.Event()
    held = FILES[1]
    part = Folder(tmp_path / "archives").part(held)
    server.answer(held.name, hold(go_on, HALF))
    killed = begin()
    try:
        until(lambda: part.exists() and part.stat().st_size == HALF)
        killed.kill()
        killed.communicate(timeout=DEADLINE)
    finally:
        go_on.set()
    server.asked.clear()
    finish()
    assert f"bytes={HALF}-" in [asked.range for asked in server.asked]


def test_a_run_killed_while_it_asks_is_completed(begin, finish, server):
    go_on = threading.Event()
    name = f"{FILES[2].name}.CHECKSUM"
    server.answer(name, hold(go_on))
    killed = begin()
    try:
        until(lambda: any(asked.name == name for asked in server.asked))
        killed.kill()
        killed.communicate(timeout=DEADLINE)
    finally:
        go_on.set()
    finish()


def test_an_interrupted_run_says_so_and_is_completed(begin, finish, server):
    go_on = threading.Event()
    server.answer(FILES[5].name, hold(go_on, HALF))
    run = begin()
    try:
        until(lambda: any(asked.name == FILES[5].name for asked in server.asked))
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=DEADLINE)
    finally:
        go_on.set()
    assert run.returncode == 130, err
    assert b"files are done, and the next run continues with the others." in err
    assert b"Interrupted." in err
    assert b"Traceback" not in err
    finish()
