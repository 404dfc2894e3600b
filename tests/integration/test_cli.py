import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

import app.cli
from app import __version__
from app.cli import COMMANDS, main
from app.cli.group import Command, load
from app.errors import NoData
from app.settings import Settings, variable
from ingest.database import migrations
from ingest.store import Store

SHOWN = [command for command in COMMANDS if not command.replaced_by]


@pytest.fixture(autouse=True)
def bare_folder(tmp_path, monkeypatch):
    """Run in an empty folder with no setting in the environment, on a terminal that is wide."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def liqheat(capfd):
    """Run the command line here: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exited:
            main([str(argument) for argument in arguments])
        return exited.value.code or 0, *capfd.readouterr()

    return run


@pytest.fixture
def free_port():
    """Return a port that nobody listens on, of those that nobody gets who asks for any."""
    for port in range(20_000, 30_000):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports are taken")


def test_version_is_that_of_the_package(liqheat):
    assert liqheat("--version") == (0, f"liqheat {__version__}\n", "")


def test_help_lists_every_command_with_its_summary(liqheat):
    code, out, _ = liqheat("--help")
    assert code == 0
    for command in SHOWN:
        assert command.name in out
        assert command.summary in out


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command.name)
def test_a_command_says_of_itself_what_the_list_says(command):
    assert load(command).help.partition("\n")[0] == command.summary


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command.name)
def test_every_command_takes_a_database(command, liqheat):
    code, out, _ = liqheat(command.name, "--help")
    assert code == 0
    assert "--database" in out


def test_help_imports_nothing_slow():
    slow = {"dash", "plotly", "numba", "numpy", "pandas", "duckdb", "fastapi"}
    program = (
        "import sys, app.cli\n"
        "try: app.cli.main(['--help'])\n"
        f"except SystemExit: print(sorted({slow!r} & set(sys.modules)))"
    )
    root = str(Path(app.cli.__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_a_usage_error(liqheat):
    code, out, err = liqheat("inject")
    assert (code, out) == (2, "")
    assert "No such command 'inject'" in err


def test_a_bad_setting_is_one_sentence(liqheat, monkeypatch):
    monkeypatch.setenv("LIQHEAT_PORT", "abc")
    assert liqheat("doctor") == (2, "", "LIQHEAT_PORT must be a valid integer, but is 'abc'\n")


def test_a_locked_database_is_one_sentence_that_names_the_holder(liqheat, bare_folder):
    path = bare_folder / "held.duckdb"
    Store.open(path).close()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(path)!r}); print(1); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with holder:
        assert holder.stdout.readline() == "1\n"
        code, out, err = liqheat("coverage", "--database", path)
        holder.communicate("\n")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"process {holder.pid}" in err


def test_a_file_that_is_no_database_is_one_sentence(liqheat, bare_folder):
    path = bare_folder / "notes.txt"
    path.write_text("no database at all\n" * 1000)
    code, out, err = liqheat("coverage", "--database", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "notes.txt is not a database of liqheat" in err


ERRORS = {
    "nothing": (NoData("No data for XRPUSDT yet."), 1, "No data for XRPUSDT yet.\n"),
    "argument": (ValueError("bins must be at least 1, but is 0"), 2, "bins must be at least 1, "),
    "file": (FileNotFoundError(2, "No such file or directory", "x.csv"), 2, "x.csv: No such file"),
    "duckdb": (duckdb.IOException("disk is full\nmore"), 2, "The database can't be used: disk is"),
    "defect": (KeyError("bins"), 3, "A defect in liqheat: KeyError: 'bins'. "),
    "interrupt": (KeyboardInterrupt(), 130, "Interrupted.\n"),
}


def fail(kind: str) -> None:
    """Fail as told."""
    raise ERRORS[kind][0]


@pytest.fixture
def _failing(monkeypatch):
    monkeypatch.setattr(app.cli, "COMMANDS", (Command("fail", __name__, "Fail as told."),))


@pytest.mark.usefixtures("_failing")
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_one_line_and_an_exit_code(kind, liqheat):
    _, expected, message = ERRORS[kind]
    code, out, err = liqheat("fail", kind)
    assert (code, out, err.count("\n")) == (expected, "", 1)
    assert err.startswith(message)


@pytest.mark.usefixtures("_failing")
def test_debug_shows_where_an_error_comes_from():
    with pytest.raises(KeyError):
        main(["--debug", "fail", "defect"])


def test_doctor_shows_settings_with_their_sources(liqheat, bare_folder, monkeypatch, free_port):
    monkeypatch.setenv("LIQHEAT_THREADS", "3")
    (bare_folder / ".env").write_text(f"LIQHEAT_PORT={free_port}\n")
    code, out, _ = liqheat("doctor", "--database", "mine.duckdb")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["database", "mine.duckdb", "option", "LIQHEAT_DATABASE"] in rows
    assert ["port", str(free_port), ".env", "LIQHEAT_PORT"] in rows
    assert ["threads", "3", "environment", "LIQHEAT_THREADS"] in rows
    assert ["warmup_days", "30", "default", "LIQHEAT_WARMUP_DAYS"] in rows
    assert not (bare_folder / "mine.duckdb").exists()


def test_doctor_shows_variables_whole_in_a_narrow_terminal(liqheat, monkeypatch, free_port):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LIQHEAT_PORT", str(free_port))
    code, out, _ = liqheat("doctor")
    assert code == 0
    assert all(variable(name) in out.split() for name in Settings.model_fields)


def test_doctor_shows_no_secret(liqheat, monkeypatch, free_port):
    monkeypatch.setenv("LIQHEAT_PORT", str(free_port))
    monkeypatch.setenv("LIQHEAT_API_TOKEN", "hunter2")
    monkeypatch.setenv("LIQHEAT_LOGIN", "ada:hunter2")
    monkeypatch.setenv("LIQHEAT_ALLOWED_HOSTS", "maps.lan,other.lan")
    code, out, err = liqheat("doctor")
    assert code == 0
    assert "hunter2" not in out + err
    rows = [line.split() for line in out.splitlines()]
    assert ["login", "*" * 10, "environment", "LIQHEAT_LOGIN"] in rows
    assert ["cors_origins", "default", "LIQHEAT_CORS_ORIGINS"] in rows
    assert ["allowed_hosts", "maps.lan,", "other.lan", "environment"] in [row[:4] for row in rows]


def test_doctor_shows_the_databases_version(liqheat, bare_folder, monkeypatch, free_port):
    monkeypatch.setenv("LIQHEAT_PORT", str(free_port))
    Store.open(bare_folder / "mine.duckdb").close()
    code, out, _ = liqheat("doctor", "--database", "mine.duckdb")
    assert code == 0
    assert f"schema version {len(migrations())}, " in out


def test_doctor_says_what_to_do_about_a_taken_port(liqheat, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("LIQHEAT_PORT", str(taken.getsockname()[1]))
        code, out, _ = liqheat("doctor")
    assert code == 1
    assert "Address already in use" in out
    assert "set LIQHEAT_PORT" in out


@pytest.mark.parametrize("command", ["doctor", "serve"])
@pytest.mark.parametrize("host", [70 * "ä", "liqheat..example"])
def test_a_host_that_no_computer_can_have_is_one_sentence(command, host, liqheat, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOST", host)
    message = f"LIQHEAT_HOST must be an address or a valid name of a computer, but is {host!r}\n"
    assert liqheat(command) == (2, "", message)


@pytest.mark.parametrize("host", ["localhost", "::1", "0.0.0.0", "höst.example"])
def test_addresses_and_names_are_hosts(host):
    assert Settings.load(host=host).host == host


def test_doctor_finds_a_cache_and_a_database_that_cannot_be_made(
    liqheat, bare_folder, monkeypatch, free_port
):
    (bare_folder / "file").touch()
    monkeypatch.setenv("LIQHEAT_PORT", str(free_port))
    monkeypatch.setenv("LIQHEAT_CACHE_DIR", "file/cache")
    code, out, _ = liqheat("doctor", "--database", "file/liqheat.duckdb")
    assert code == 1
    assert "set LIQHEAT_CACHE_DIR" in out
    assert "set LIQHEAT_DATABASE" in out


def test_doctor_notes_names_of_no_setting(liqheat, monkeypatch, free_port):
    monkeypatch.setenv("LIQHEAT_PORT", str(free_port))
    monkeypatch.setenv("LIQHEAT_CASHE", "1")
    code, out, _ = liqheat("doctor")
    assert code == 0
    assert "LIQHEAT_CASHE" in out
