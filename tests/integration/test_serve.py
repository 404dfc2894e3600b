"""The command as a reader starts it: a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ingest.store import Store

ROOT = Path(__file__).parents[2]
SERVE = (sys.executable, "-c", "from app.cli import main; main()", "serve")
DEADLINE = 60


@pytest.fixture
def start(tmp_path):
    """Start ``liqheat serve`` on a free port; return the process and the address it names."""
    running = []

    def start_server(*arguments):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LIQHEAT_")}
        process = subprocess.Popen(
            [*SERVE, "--port", "0", *(str(argument) for argument in arguments)],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stdout.read()
        return process, found[0]

    yield start_server
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE)


def test_serve_names_its_address_answers_there_and_ends_when_told(start, tmp_path):
    process, address = start("--database", tmp_path / "market.duckdb")
    assert httpx.get(f"{address}/health", timeout=DEADLINE).json()["status"] == "ok"
    assert "Liquidation heatmap" in httpx.get(address, timeout=DEADLINE).text
    process.send_signal(signal.SIGTERM)
    process.wait(DEADLINE)
    # What it had open can be opened again.
    Store.open(tmp_path / "market.duckdb").close()


def test_a_port_that_is_taken_is_a_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*SERVE, "--port", str(port), "--database", str(tmp_path / "market.duckdb")],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
