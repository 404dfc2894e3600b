"""The database file: opening it, its lock, its schema's versions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

SQL = Path(__file__).parent / "sql"
MEMORY = ":memory:"

_PARAMETER = re.compile(r"\$(\w+)")
_HOLDER = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class StoreError(Exception):
    """The database can't be used; the message is a sentence that says why and what to do."""


class StoreLocked(StoreError):
    """Another process has the database open."""


class StoreTooNew(StoreError):
    """A newer version of the program wrote the database."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    version: int
    name: str
    sql: str


@cache
def statement(name: str) -> str:
    """Return the text of ``sql/<name>.sql``."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def run(
    cursor: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """Run ``sql/<name>.sql`` with those of the parameters that it names."""
    text = statement(name)
    named = _PARAMETER.findall(text)
    return cursor.execute(text, {k: v for k, v in (parameters or {}).items() if k in named})


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the steps that lead to this program's schema, oldest first."""
    paths = sorted((SQL / "migrations").glob("*.sql"))
    return tuple(
        Migration(int(path.stem[:4]), path.stem[5:], path.read_text(encoding="utf-8"))
        for path in paths
    )


def connect(path: Path | str, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a database and bring its schema up to date.

    Parameters
    ----------
    path : Path or str
        The file; made when it does not exist. ``":memory:"`` keeps everything in memory.
    read_only : bool
        Don't write, and so don't migrate.

    Raises
    ------
    StoreLocked
        If another process has it open.
    StoreTooNew
        If a newer program wrote it.
    StoreError
        If it does not exist and may not be made, or is no database of this program.
    """
    connection = _open(path, read_only=read_only)
    try:
        # GLOBAL, because cursors don't inherit a session's settings.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        _check_ours(connection, path)
        if read_only:
            _check_current(connection, path)
        else:
            migrate(connection, migrations(), path)
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(
    connection: duckdb.DuckDBPyConnection, steps: Sequence[Migration], path: Path | str = MEMORY
) -> None:
    """Apply the steps that the database has not seen, each in a transaction of its own.

    Raises
    ------
    StoreTooNew
        If the database has seen more steps than there are.
    StoreError
        If a step fails; the database then stays at the step before it.
    """
    version = schema_version(connection)
    if version > len(steps):
        raise StoreTooNew(
            f"{path} was written by a newer liqheat: its schema has version {version}, and this "
            f"program knows {len(steps)}. Upgrade liqheat, or choose another file with --database."
        )
    for step in steps[version:]:
        _apply(connection, step, path)


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last step applied, 0 in an empty database."""
    if "schema_migrations" not in _tables(connection):
        return 0
    row = connection.execute(statement("schema_version")).fetchone()
    return int(row[0]) if row else 0


def _open(path: Path | str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    if str(path) == MEMORY:
        return duckdb.connect(MEMORY)
    if read_only and not Path(path).exists():
        looked_for = "" if Path(path).is_absolute() else f", looked for as {Path(path).absolute()}"
        raise StoreError(
            f'There is no database {path} yet{looked_for}. Make one with "liqheat ingest PATH", or '
            "name another with --database."
        )
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Whole, because DuckDB takes what begins like "md:" for something other than a file.
        connection = duckdb.connect(str(Path(path).absolute()), read_only=read_only)
    except duckdb.Error as e:
        raise _opening_error(path, str(e)) from e
    except OSError as e:
        raise _opening_error(path, f"{e.strerror or e}: {e.filename or path}") from e
    if connection.execute(statement("database_file")).fetchone() == (None,):
        connection.close()  # a file of data, beside which DuckDB would keep all in memory
        raise _no_database(path)
    return connection


def _opening_error(path: Path | str, reason: str) -> StoreError:
    if "Could not set lock" in reason or "being used by another process" in reason:
        return StoreLocked(
            f"The database {path} is in use by {_holder(reason)}; only one process can have it "
            "open. Stop that one, or choose another file with --database."
        )
    if "not a valid DuckDB database" in reason or "in-memory database" in reason:
        return _no_database(path)
    if "newer version of DuckDB" in reason:
        return StoreTooNew(
            f"{path} was written by a newer DuckDB. Upgrade liqheat, or choose another file with "
            "--database."
        )
    return StoreError(f"The database {path} can't be opened: {reason.splitlines()[0]}")


def _no_database(path: Path | str) -> StoreError:
    return StoreError(f"{path} is not a database of liqheat. Choose another file with --database.")


def _holder(reason: str) -> str:
    """Return who holds the lock, from DuckDB's message."""
    if not (match := _HOLDER.search(reason)):
        return "another process"
    pid = match["pid"]
    return f"process {pid} ({_command(pid) or Path(match['program']).name})"


def _command(pid: str) -> str:
    """Return the command line of a process where the system tells it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return " ".join([Path(words[0]).name, *words[1:3]]).strip()


def _check_ours(connection: duckdb.DuckDBPyConnection, path: Path | str) -> None:
    """Refuse to lay tables beside those of another program."""
    tables = _tables(connection)
    if tables and "schema_migrations" not in tables:
        raise StoreError(
            f"{path} is a DuckDB database, but not one of liqheat: it holds {tables[0]}. "
            "Choose another file with --database."
        )


def _check_current(connection: duckdb.DuckDBPyConnection, path: Path | str) -> None:
    version, known = schema_version(connection), len(migrations())
    if version > known:
        migrate(connection, migrations(), path)  # says so
    if version < known:
        raise StoreError(
            f"{path} has schema version {version}, and this program needs {known}. Open it once "
            'for writing, for example with "liqheat ingest".'
        )


def _apply(connection: duckdb.DuckDBPyConnection, step: Migration, path: Path | str) -> None:
    connection.execute("BEGIN")
    try:
        connection.execute(step.sql)
        connection.execute(
            statement("add_schema_migration"), {"version": step.version, "name": step.name}
        )
        connection.execute("COMMIT")
    except duckdb.Error as e:
        connection.execute("ROLLBACK")
        raise StoreError(
            f"Schema step {step.version} ({step.name}) failed on {path}, which stays at version "
            f"{step.version - 1}: {e}"
        ) from e


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute(statement("tables")).fetchall()]
