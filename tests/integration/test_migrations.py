import duckdb
import pytest

from ingest.database import Migration, StoreError, StoreTooNew, migrate, migrations, schema_version
from ingest.store import Store

STEPS = migrations()
BTC = "'binance', 'BTCUSDT'"
ROWS = {  # one row that each version could already hold
    1: f"INSERT INTO open_interest VALUES ({BTC}, '2026-01-01', 7, NULL)",
    2: "INSERT INTO exchange_health VALUES ('binance', 'live', NULL, NULL, 0, '2026-01-01')",
    3: f"INSERT INTO simulated_positions VALUES ({BTC}, '2026-01-01', NULL, 'open', 'long', 1, "
    "100, 10, 90)",
    4: f"INSERT INTO liquidation_snapshots VALUES (1, '2026-01-01', {BTC}, 100, 'long', 5, 0)",
    5: "UPDATE exchange_health SET lag_seconds = 0.2",
    6: f"INSERT INTO liquidations VALUES ({BTC}, '2026-01-01', 'long', 1, 100, 'fill', 100, NULL)",
    7: f"INSERT INTO observed_positions VALUES ({BTC}, '0x1', 'long', 1, 100, 10, true, 90, 10, "
    "'2026-01-01', '2026-01-02')",
    8: f"INSERT INTO liquidations VALUES ({BTC}, '2026-01-01', 'long', 1, 100, 'mark', 100, NULL, "
    "5)",
    9: f"INSERT INTO scores VALUES ({BTC}, '{{}}', '2026-01-01', '2026-04-01', 'w', 'p', "
    "'2026-04-01', '{}')",
    10: f"INSERT INTO calibrations VALUES ({BTC}, 'binance', '{{}}', 'i', 'w', 'p', "
    "'2026-04-01', '{}')",
}
TABLES = {
    1: "open_interest",
    2: "exchange_health",
    3: "simulated_positions",
    4: "liquidation_snapshots",
    5: "exchange_health WHERE lag_seconds IS NOT NULL",
    6: "liquidations WHERE price_kind = 'fill'",
    7: "observed_positions",
    8: "liquidations WHERE trade_id = 5",
    9: "scores",
    10: "calibrations",
}


def test_steps_are_numbered_without_holes():
    assert [step.version for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert set(ROWS) == set(TABLES) == {step.version for step in STEPS}


@pytest.mark.parametrize("version", range(len(STEPS) + 1))
def test_every_earlier_version_is_brought_up_to_date_with_its_rows(tmp_path, version):
    path = tmp_path / "old.duckdb"
    at_version(path, version)
    with Store.open(path) as store, store.cursor() as cursor:
        assert schema_version(cursor) == len(STEPS)
        for k in range(1, version + 1):
            assert count(cursor, TABLES[k]) == 1
        for k in range(version + 1, len(STEPS) + 1):
            assert count(cursor, TABLES[k]) == 0
        names = cursor.execute("SELECT name FROM schema_migrations ORDER BY version").fetchall()
        assert names == [(step.name,) for step in STEPS]


def test_opening_again_changes_nothing(tmp_path):
    path = tmp_path / "new.duckdb"
    for _ in range(2):
        with Store.open(path) as store, store.cursor() as cursor:
            assert count(cursor, "schema_migrations") == len(STEPS)


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_an_older_database_is_not_migrated_for_reading(tmp_path, version):
    path = tmp_path / "old.duckdb"
    at_version(path, version)
    with pytest.raises(StoreError, match=f"has schema version {version}, .* needs {len(STEPS)}"):
        Store.open(path, read_only=True)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path, read_only):
    path = tmp_path / "newer.duckdb"
    newer = Migration(len(STEPS) + 1, "from_the_future", "CREATE TABLE future (x INTEGER)")
    with duckdb.connect(str(path)) as connection:
        migrate(connection, [*STEPS, newer])
    with pytest.raises(StoreTooNew, match=r"newer\.duckdb was written by a newer liqheat.*Upgrade"):
        Store.open(path, read_only=read_only)
    with duckdb.connect(str(path)) as connection:
        assert schema_version(connection) == len(STEPS) + 1


def test_a_failing_step_leaves_the_version_before_it(tmp_path):
    path = tmp_path / "half.duckdb"
    at_version(path, 2)
    broken = Migration(3, "broken", "CREATE TABLE half (x INTEGER); SELECT * FROM nowhere")
    with duckdb.connect(str(path)) as connection:
        with pytest.raises(StoreError, match=r"Schema step 3 \(broken\) failed .* at version 2"):
            migrate(connection, [*STEPS[:2], broken])
        assert schema_version(connection) == 2
        assert connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'"
        ).fetchone() == (0,)
    with Store.open(path) as store, store.cursor() as cursor:
        assert schema_version(cursor) == len(STEPS)
        assert count(cursor, "exchange_health") == 1


def at_version(path, version):
    with duckdb.connect(str(path)) as connection:
        for k in range(1, version + 1):
            migrate(connection, STEPS[:k])
            connection.execute(ROWS[k])


def count(cursor, table):
    return cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
