"""Speed of loading trades, beside DuckDB's own reading of the same bytes."""

import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from ingest.files.loading import load
from ingest.files.recognise import recognise
from ingest.store import Store

ROWS = 10_000_000
RUNS = 3
NAME = "BTCUSDT-aggTrades-2024-01-01"

# A day of trades: ids ascend, times ascend, prices wander, sizes vary; always the same bytes.
TRADES = """
COPY (
    SELECT
        1_000_000_000 + i                                                AS agg_trade_id,
        round(60_000 + 3_000 * sin(i / 200_000) + hash(i) % 1000 / 100, 1) AS price,
        round(0.001 * (1 + hash(7 * i) % 5000), 3)                       AS quantity,
        3_000_000_000 + 2 * i                                            AS first_trade_id,
        3_000_000_000 + 2 * i + 1                                        AS last_trade_id,
        1_704_067_200_000 + i * 86_400_000 // $rows                      AS transact_time,
        hash(13 * i) % 2 = 0                                             AS is_buyer_maker
    FROM range($rows) t(i)
) TO '{path}' (HEADER)
"""


def ingest_ratio(rows: int = ROWS, runs: int = RUNS) -> dict[str, float]:
    """Measure loading of aggregated trades against reading them with DuckDB.

    Parameters
    ----------
    rows : int
        Trades in the file.
    runs : int
        Runs of each; medians are given.

    Returns
    -------
    dict of str to float
        ``rows``; ``bytes`` of the CSV file; ``read_csv_seconds`` of ``CREATE TABLE AS SELECT * FROM
        read_csv(…)`` into a new database; ``ingest_seconds`` of loading the same file into a new
        database, hash, checks and candles included; the same with the trades kept, and of the
        file zipped; each of these over the first as ``…_ratio``.
    """
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / f"{NAME}.csv"
        duckdb.connect().execute(TRADES.format(path=csv), {"rows": rows})
        packed = csv.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(csv, csv.name)
        ways: dict[str, Callable[[Path], float]] = {
            "read_csv": lambda database: _read_csv(csv, database),
            "ingest": lambda database: _ingest(csv, database),
            "ingest_keeping_trades": lambda database: _ingest(csv, database, keep_trades=True),
            "ingest_zip": lambda database: _ingest(packed, database),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for run in range(runs):
            for name, way in ways.items():
                seconds[name].append(way(Path(folder) / f"{name}{run}.duckdb"))
        size = csv.stat().st_size
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    result: dict[str, float] = {"rows": rows, "bytes": size}
    result |= {f"{name}_seconds": median for name, median in medians.items()}
    for name in ("ingest", "ingest_keeping_trades", "ingest_zip"):
        result[f"{name}_ratio"] = medians[name] / medians["read_csv"]
    return result


def _read_csv(csv: Path, database: Path) -> float:
    with duckdb.connect(str(database)) as connection:
        begin = time.perf_counter()
        connection.execute(
            "CREATE TABLE trades AS SELECT * FROM read_csv($path)", {"path": str(csv)}
        )
        return time.perf_counter() - begin


def _ingest(path: Path, database: Path, *, keep_trades: bool = False) -> float:
    with Store.open(database) as store:
        begin = time.perf_counter()
        load(store, recognise(path), database.with_suffix(".unpacked"), keep_trades=keep_trades)
        return time.perf_counter() - begin
