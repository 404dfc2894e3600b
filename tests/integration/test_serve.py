"""The command as a reader starts it: a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import app.cli.serve
import app.server
from app.live.collecting import LiveCollection
from app.settings import Settings
from app.web.paths import is_api
from ingest.store import Store, StoreError

ROOT = Path(__file__).parents[2]
SERVE = (sys.executable, "-c", "from app.cli import main; main()", "serve")
DEADLINE = 180


@pytest.fixture
def start(tmp_path):
    """Start ``liqheat serve`` on a free port; return the process and the address it names."""
    running = []

    def start_server(*arguments, **variables):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LIQHEAT_")}
        process = subprocess.Popen(
            [*SERVE, "--port", "0", *(str(argument) for argument in arguments)],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        said = ""
        for line in process.stdout:  # until it ends, or names where it is
            said += line
            if found := re.search(r"Open (http://\S+)", line):
                return process, found[1]
        raise AssertionError(said)

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


def test_ctrl_c_while_the_first_picture_is_computed_is_one_word(start, tmp_path):
    simulate = [*SERVE[:-1], "simulate", "--days", "10", "--database", "market.duckdb"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(simulate, cwd=tmp_path, env=environment, check=True, timeout=DEADLINE)
    process, _ = start("--database", tmp_path / "market.duckdb")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=DEADLINE)
    assert (process.returncode, said.strip()) == (130, "Interrupted.")


def test_serve_answers_programs_too(start, tmp_path):
    _, address = start("--database", tmp_path / "market.duckdb")
    with httpx.Client(base_url=address, timeout=DEADLINE) as http:
        paths = http.get("/openapi.json").json()["paths"]
        assert {"/health", "/metrics", "/liquidations/heatmap"} <= set(paths)
        # What is not known for one is neither limited nor answered in JSON.
        assert [path for path in paths if not is_api(path)] == []
        nothing = http.get("/liquidations/heatmap", params={"symbol": "BTCUSDT"})
    assert nothing.status_code == 404
    assert "BTCUSDT" in nothing.json()["detail"]


def run(folder, *arguments, **variables):
    """Return ``liqheat serve`` that ends by itself."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIQHEAT_")}
    return subprocess.run(
        [*SERVE, *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_others_are_not_served_without_asking_who_they_are(tmp_path, host):
    done = run(tmp_path, "--demo", "--host", host)
    assert done.returncode == 2
    assert done.stderr == (
        f"{host} is reachable from other machines and no token or login is set; set "
        "LIQHEAT_API_TOKEN or LIQHEAT_LOGIN, or give --insecure to serve without\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_of_the_simulated_market_only(tmp_path):
    done = run(tmp_path, "--demo", "--collect")
    assert (done.returncode, done.stderr) == (
        2,
        "--demo shows a simulated market, which live data must not mix with; leave out --demo or "
        "--collect\n",
    )
    assert list(tmp_path.iterdir()) == []
    Store.open(tmp_path / "real.duckdb").close()
    done = run(tmp_path, "--demo", "--database", "real.duckdb", "--port", "0")
    assert (done.returncode, done.stderr) == (
        2,
        "real.duckdb does not hold the simulated market. Choose another file with --database, or "
        "leave out --demo.\n",
    )


def test_a_host_that_is_none_is_a_sentence(tmp_path):
    done = run(tmp_path, "--host", "no-such-host.invalid")
    assert done.returncode == 2
    assert done.stderr.startswith("the address 'no-such-host.invalid' can't be listened on")


def test_others_are_served_where_that_is_meant(start, tmp_path):
    _, address = start("--host", "0.0.0.0", "--insecure", "--database", tmp_path / "a.duckdb")
    assert httpx.get(address, timeout=DEADLINE).status_code == 200


def test_others_are_served_who_show_a_token_that_is_not_logged(start, tmp_path, monkeypatch):
    arguments = ("--host", "0.0.0.0", "--database", tmp_path / "a.duckdb")
    process, address = start(*arguments, LIQHEAT_API_TOKEN="hunter3", LIQHEAT_LOG_LEVEL="debug")
    headers = {"Authorization": "Bearer hunter3"}
    assert httpx.get(address, timeout=DEADLINE).status_code == 401
    assert httpx.get(address, headers=headers, timeout=DEADLINE).status_code == 200
    socket_address = address.replace("http", "ws") + "/no-such-socket"
    for shown in ({}, headers):
        with pytest.raises(InvalidStatus, match="HTTP 403"):
            connect(socket_address, additional_headers=shown)
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=DEADLINE)
    assert "hunter3" not in log


def test_the_database_that_is_served_reads_no_other_files(tmp_path, monkeypatch):
    other, opened, open_store = tmp_path / "other.csv", [], Store.open
    other.write_text("a\n1\n")

    def remember(*arguments, **options):
        opened.append(open_store(*arguments, **options))
        return opened[-1]

    def look(_server, _bound, _started):
        with opened[0].cursor() as cursor, pytest.raises(duckdb.PermissionException):
            cursor.execute("FROM read_csv($path)", {"path": str(other)})
        opened.append("looked")

    monkeypatch.setattr(Store, "open", remember)
    monkeypatch.setattr(app.server, "serve_until_stopped", look)
    settings = Settings(
        database=tmp_path / "market.duckdb", cache_dir=tmp_path / "cache", port=0, collect=False
    )
    app.cli.serve._serve(settings)
    assert opened[-1] == "looked"


def test_what_could_not_be_stored_at_the_end_does_not_end_well(tmp_path, monkeypatch):
    def fail(_collection):
        raise StoreError("10 liquidations could not be stored")

    monkeypatch.setattr(LiveCollection, "start", lambda _: None)
    monkeypatch.setattr(LiveCollection, "stop", fail)
    monkeypatch.setattr(
        app.server, "serve_until_stopped", lambda _server, _bound, started: started()
    )
    database = tmp_path / "market.duckdb"
    with pytest.raises(StoreError, match="10 liquidations"):
        app.cli.serve._serve(
            Settings(database=database, cache_dir=tmp_path / "cache", port=0, collect=True)
        )
    # All else has been closed.
    Store.open(database).close()


def test_a_port_that_is_taken_is_a_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(tmp_path, "--port", str(port), "--database", str(tmp_path / "market.duckdb"))
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
