"""Content of Binance's archive, made up: the same whichever files it is cut into."""

import io
import zipfile
from datetime import UTC, datetime, time, timedelta

import duckdb

from ingest.files.vision import SERIES
from tests.archive_files import FUNDING, KLINES, METRICS, TRADES, kline, metric, millis, text, trade

BY_NAME = {series.name: series for series in SERIES}
HOURS = {"4h": 4, "1d": 24}


def midnight(day):
    return datetime.combine(day, time(), UTC)


def moments(archive, step):
    """Yield the moments of a file's span, so many apart, each with its number since 2024."""
    begin, stop = midnight(archive.first), midnight(archive.stop)
    while begin < stop:
        yield begin, int((begin - datetime(2024, 1, 1, tzinfo=UTC)) / step)
        begin += step


def rows(archive):
    match archive.series.name:
        case "klines" | "markPriceKlines":
            hours = HOURS[archive.interval]
            found = moments(archive, timedelta(hours=hours))
            return KLINES, [kline(t, hours * 60, price=1000.0 + n) for t, n in found]
        case "metrics":
            return METRICS, [
                metric(t, f"{1000 + n}") for t, n in moments(archive, timedelta(hours=6))
            ]
        case "fundingRate":
            found = moments(archive, timedelta(hours=8))
            return FUNDING, [f"{millis(t)},8,{(n % 7) / 1e4}" for t, n in found]
        case "aggTrades":
            found = moments(archive, timedelta(hours=1))
            return TRADES, [trade(1000 + n, t, price=100.0 + n % 5) for t, n in found]
    raise LookupError(archive.series.name)


def zipped(archive):
    """Return the file's bytes, which are the same every time."""
    header, lines = rows(archive)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as packed:
        member = zipfile.ZipInfo(archive.name.replace(".zip", ".csv"), (2024, 1, 1, 0, 0, 0))
        packed.writestr(member, text(lines, header))
    return body.getvalue()


def fill(server, archives):
    """Let a server have these files."""
    for archive in archives:
        server.add(f"/{archive.path}", zipped(archive))


TABLES = {
    "candles": "*",
    "mark_candles": "*",
    "open_interest": "*",
    "funding_rates": "*",
    "liquidations": "*",
    "trades": "*",
    "market_revisions": "*",
    "ingested_files": "* EXCLUDE (path, ingested_at)",
}


def differences(one, other):
    """Return the names of tables whose rows are not the same in two databases."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{one}' AS one (READ_ONLY)")
        connection.execute(f"ATTACH '{other}' AS other (READ_ONLY)")
        return [
            table
            for table, columns in TABLES.items()
            for a, b in (("one", "other"), ("other", "one"))
            if connection.execute(
                f"SELECT {columns} FROM {a}.{table} EXCEPT ALL SELECT {columns} FROM {b}.{table}"
            ).fetchone()
        ]
