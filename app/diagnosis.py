"""What this installation can use, and what to do about what it can't."""

import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import engine
from app.settings import Settings, overruled_variables, unknown_variables, variable

_LISTED = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject, found : str
        What it is, and its state in words.
    state : str
        ``"wrong"`` if it can't be used, ``"note"`` if it can but may surprise.
    remedy : str
        What to do if it can't be used.
    """

    subject: str
    found: str
    state: Literal["ok", "note", "wrong"] = "ok"
    remedy: str = ""


def diagnose(settings: Settings) -> Iterator[Finding]:
    """Yield what was found about everything that the program needs, changing nothing."""
    yield database(settings.database)
    yield cache(settings.cache_dir, settings.cache_megabytes)
    yield kernels()
    yield port(settings.host, settings.port)
    yield live_data(settings)
    yield browser()
    for name in overruled_variables():
        yield Finding(name, "its value is replaced by that in .env", "note")
    for name in unknown_variables():
        yield Finding(name, "no such setting; correct its name, or remove it", "note")


def database(path: Path) -> Finding:
    """Return whether the database can be opened and what it holds."""
    subject = "database"
    if not path.exists():
        if _can_be_made(path.parent):
            return Finding(subject, 'none yet; "liqheat ingest PATH" makes it')
        return Finding(subject, f"{path} can't be made", "wrong", f"set {variable('database')}")

    from ingest.database import schema_version
    from ingest.store import Store, StoreError, StoreLocked

    try:
        with Store.open(path, read_only=True) as store, store.cursor() as cursor:
            version, markets = schema_version(cursor), store.markets()
    except StoreLocked as e:  # by a server that runs, as it should
        return Finding(subject, str(e), "note")
    except StoreError as e:
        return Finding(subject, "can't be used", "wrong", str(e))
    lines = [f"schema version {version}, {_megabytes(path.stat().st_size)}, {len(markets)} markets"]
    lines += [
        f"{market.exchange} {market.symbol}: {market.first:%Y-%m-%d} to {market.last:%Y-%m-%d}, "
        f"{market.rows:,} candles, {market.open_interest_rows:,} open interest"
        for market in markets[:_LISTED]
    ]
    if len(markets) > _LISTED:
        lines.append('…; "liqheat coverage" lists all')
    return Finding(subject, "\n".join(lines))


def cache(folder: Path, megabytes: int) -> Finding:
    """Return whether the cache's folder can be used, how full it is, and how full its disk."""
    if not _can_be_made(folder):
        return Finding(
            "cache", f"{folder} can't be written", "wrong", f"set {variable('cache_dir')}"
        )
    if problem := _unreadable(folder / "cache.db"):
        remedy = f"stop what uses it and delete {folder}; it is made anew"
        return Finding("cache", f"{folder} can't be read: {problem}", "wrong", remedy)
    size = _size(folder)
    found = f"{_megabytes(size)} of {megabytes:,} MB"
    free = shutil.disk_usage(_existing(folder)).free
    if size + free < megabytes * 2**20:
        return Finding("cache", f"{found}, but its disk has only {_megabytes(free)} left", "note")
    return Finding("cache", found)


def kernels() -> Finding:
    """Return whether the engine's compiled loops are kept from one start to the next."""
    if configured := os.environ.get("NUMBA_CACHE_DIR"):
        places, remedy = [Path(configured)], "correct NUMBA_CACHE_DIR"
    else:
        places = [Path(engine.__path__[0]) / "__pycache__", Path.home() / ".cache"]
        remedy = "set NUMBA_CACHE_DIR to a folder that can be written"
    usable = [place for place in places if _can_be_made(place)]
    if not usable:
        return Finding(
            "compiled engine", "can't be kept; every start compiles again", "wrong", remedy
        )
    count = sum(1 for _ in usable[0].rglob("*.nbc"))
    kept = f"{count} loops kept" if count else "not yet; the first start compiles it"
    return Finding("compiled engine", kept)


def port(host: str, number: int) -> Finding:
    """Return whether the pages could be served at the address."""
    where = f"{host}:{number}"
    try:
        family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as listener:
            # As the server does, so that a connection that is fading away is no obstacle.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, number))
    except OSError as e:
        return Finding(
            "address",
            f"{where}: {e.strerror}",
            "wrong",
            f"set {variable('port')} or {variable('host')}",
        )
    return Finding("address", f"{where} is free")


def live_data(settings: Settings) -> Finding:
    """Return what would be collected, without contacting anybody."""
    subject, exchanges = "live data", settings.collect_exchanges
    what = f"{', '.join(settings.collect_symbols)} of {', '.join(exchanges)}"
    if not settings.collect:
        return Finding(subject, f'not collected; with "liqheat serve --collect" {what}')
    if "hyperliquid" in exchanges and not settings.hyperliquid_users:
        users = f"no liquidations of hyperliquid, as {variable('hyperliquid_users')} names nobody"
        return Finding(subject, f"{what}; {users}", "note")
    return Finding(subject, what)


def browser() -> Finding:
    """Return whether the browser tests would run; nothing else needs it."""
    wanted = ("chromium", "chromedriver")
    missing = [program for program in wanted if shutil.which(program) is None]
    found = f"no {' and no '.join(missing)}; only tests need it" if missing else "found"
    return Finding("browser for tests", found)


def _can_be_made(folder: Path) -> bool:
    """Return whether files could be written to a folder that may not exist yet."""
    existing = _existing(folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above that there is."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _unreadable(database: Path) -> str:
    """Return what is wrong with an SQLite file, nothing if it is sound or not there yet."""
    if not database.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True)) as file:
            (answer,) = file.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as e:
        return str(e)
    return "" if answer == "ok" else str(answer)


def _size(folder: Path) -> int:
    """Return the bytes of all files, which a running server may remove meanwhile."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += Path(place, name).stat().st_size
    return size


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
