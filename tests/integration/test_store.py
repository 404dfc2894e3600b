import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ingest.store import Store, StoreError, StoreLocked

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARKET = {"exchange": "binance", "symbol": "BTCUSDT"}


@pytest.fixture
def store():
    with Store.open(":memory:") as store:
        yield store


def test_bars_come_back_as_added_between_start_and_stop(store):
    store.add_candles(candles(minutes=[0, 5, 10], price=[100, 110, 120], volume=[1, 2, 3]))
    bars = store.bars("binance", "BTCUSDT", NOON, NOON + timedelta(minutes=10))
    assert bars.open_time.tolist() == [at(0), at(5)]  # the one at `stop` is not in
    assert bars.close.tolist() == [100, 110]
    assert bars.volume.tolist() == [1, 2]
    assert bars.interval == timedelta(minutes=5)
    assert np.isnan(bars.taker_buy_volume).all()


def test_adding_again_adds_nothing_and_a_second_market_never_collides(store):
    rows = candles(minutes=[0, 5], price=[100, 110])
    assert store.add_candles(rows) == 2
    assert store.add_candles(rows) == 0
    assert store.add_candles(candles(minutes=[0, 0], price=[1, 2]) | {"symbol": "ETHUSDT"}) == 1
    assert store.add_candles(rows | {"exchange": "okx"}) == 2
    assert [(m.exchange, m.symbol, m.rows) for m in store.markets()] == [
        ("binance", "BTCUSDT", 2),
        ("okx", "BTCUSDT", 2),
        ("binance", "ETHUSDT", 1),
    ]


def test_of_a_batch_of_several_markets_only_what_each_has_not_is_added(store):
    store.add_candles(candles(minutes=[0, 15], price=[1, 1]))
    store.add_candles(candles(minutes=[5], price=[2]) | {"symbol": "ETHUSDT"})
    store.add_candles(candles(minutes=[5], price=[3]) | {"interval": timedelta(minutes=1)})
    batch = candles(minutes=[0, 5, 10, 15, 5, 10], price=[9] * 6)
    symbols = ["BTCUSDT"] * 4 + ["ETHUSDT"] * 2
    assert store.add_candles(batch | {"symbol": np.array(symbols, object)}) == 3
    assert store.add_candles(batch | {"symbol": np.array(symbols, object)}) == 0
    bars = store.bars("binance", "BTCUSDT", NOON, NOON + HOUR)
    assert bars.close.tolist() == [1, 9, 9, 1]
    assert [m.rows for m in store.markets()] == [5, 2]


def test_candles_without_takers_give_way_to_those_that_know_them(store):
    store.add_candles(candles(minutes=[0, 5], price=[100, 110]))
    knowing = candles(minutes=[5], price=[110]) | {"quote_volume": 7.0, "taker_buy_volume": 0.5}
    assert store.add_candles(knowing) == 1
    assert store.add_candles(knowing) == 0
    bars = whole_day(store)
    np.testing.assert_equal(bars.taker_buy_volume, [np.nan, 0.5])
    np.testing.assert_equal(bars.quote_volume, [np.nan, 7.0])


def test_bars_are_of_the_finest_interval_that_covers_nearly_all(store):
    hours = np.arange(10) * 60
    store.add_candles(candles(minutes=hours, price=np.full(10, 1.0)) | {"interval": HOUR})
    # 9 of 10 hours by 5 minutes: enough. Without the last bar they are not.
    fine = np.arange(9 * 12) * 5
    store.add_candles(candles(minutes=fine[:-1], price=np.full(fine.size - 1, 2.0)))
    assert whole_day(store).interval == HOUR
    store.add_candles(candles(minutes=fine[-1:], price=[2.0]))
    assert whole_day(store).interval == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("second", "known_at_end_of"),
    [
        (300, 0),  # the grid
        (302, 0),  # late, as Binance's are
        (310, 0),  # as late as allowed
        (311, 1),  # the next bar's
        (299, 0),
    ],
)
def test_open_interest_belongs_to_the_bar_it_ends_within_ten_seconds(
    store, second, known_at_end_of
):
    store.add_candles(candles(minutes=[0, 5], price=[1, 1]))
    store.add_open_interest(samples(seconds=[second], quantity=[7]))
    bars = whole_day(store)
    known = np.isfinite(bars.open_interest)
    assert np.flatnonzero(known)[0] == known_at_end_of
    assert bars.open_interest_time[known][0] == np.datetime64(at(0, second))
    assert np.isnat(bars.open_interest_time[~known]).all()


def test_open_interest_that_is_too_old_is_unknown(store):
    store.add_candles(candles(minutes=range(0, 40, 5), price=np.ones(8)))
    # Samples every 5 minutes until 12:15: a bar's end may be 7.5 minutes and 10 seconds later.
    store.add_open_interest(samples(seconds=[300, 600, 900], quantity=[1, 2, 3]))
    bars = whole_day(store)
    np.testing.assert_equal(bars.open_interest, [1, 2, 3, 3, *[np.nan] * 4])


def test_sparse_open_interest_holds_for_one_and_a_half_of_its_spacing(store):
    store.add_candles(candles(minutes=range(0, 240, 5), price=np.ones(48)))
    store.add_open_interest(samples(seconds=[3600, 7200], quantity=[1, 2]))
    known = np.isfinite(whole_day(store).open_interest)
    # Ends from 13:00 to 15:30: bars 11 to 41.
    assert np.flatnonzero(known).tolist() == list(range(11, 42))


def test_samples_that_come_later_change_no_earlier_bar(store):
    store.add_candles(candles(minutes=range(0, 720, 5), price=np.ones(144)))
    hourly = 3600 * np.arange(1, 13)
    store.add_open_interest(samples(seconds=hourly, quantity=np.arange(12)))
    early = store.bars("binance", "BTCUSDT", NOON, NOON + 12 * HOUR)
    assert np.isfinite(early.open_interest[11:]).all()
    later = hourly[-1] + 300 * np.arange(1, 401)
    store.add_open_interest(samples(seconds=later, quantity=np.ones(400)))
    again = store.bars("binance", "BTCUSDT", NOON, NOON + 12 * HOUR)
    np.testing.assert_equal(again.open_interest, early.open_interest)
    np.testing.assert_equal(again.open_interest_time, early.open_interest_time)


def test_bars_of_a_part_are_those_of_the_whole(store):
    store.add_candles(candles(minutes=range(0, 1200, 5), price=np.ones(240)))
    fine, coarse = 300 * np.arange(1, 60), 18_000 + 3600 * np.arange(12)
    store.add_open_interest(samples(seconds=[*fine, *coarse], quantity=np.arange(71)))
    stop = NOON + 20 * HOUR
    whole = store.bars("binance", "BTCUSDT", NOON, stop)
    for bar in range(1, 240):
        part = store.bars("binance", "BTCUSDT", NOON + bar * timedelta(minutes=5), stop)
        np.testing.assert_equal(part.open_interest, whole.open_interest[bar:])
        np.testing.assert_equal(part.initial_open_interest, whole.open_interest[bar - 1])


def test_open_interest_is_unknown_within_a_hole_and_soon_after_the_one_that_ends_it(store):
    store.add_candles(candles(minutes=range(0, 720, 5), price=np.ones(144)))
    before, after = 300 * np.arange(1, 13), 36_000 + 300 * np.arange(2)
    store.add_open_interest(samples(seconds=[*before, *after], quantity=np.ones(14)))
    known = np.flatnonzero(np.isfinite(whole_day(store).open_interest))
    # Bars end with the samples, and one each with the last before the hole and of all.
    assert known.tolist() == [*range(13), 119, 120, 121]


def test_four_hourly_open_interest_is_known_at_every_quarter(store):
    quarters = candles(minutes=range(0, 2880, 15), price=np.ones(192))
    store.add_candles(quarters | {"interval": timedelta(minutes=15)})
    store.add_open_interest(samples(seconds=14_400 * np.arange(12), quantity=np.ones(12)))
    bars = store.bars("binance", "BTCUSDT", NOON, NOON + 48 * HOUR)
    assert np.isfinite(bars.open_interest).all()


def test_initial_open_interest_is_the_sample_at_the_first_bars_start(store):
    store.add_candles(candles(minutes=[0, 5], price=[1, 1]))
    assert np.isnan(whole_day(store).initial_open_interest)
    store.add_open_interest(samples(seconds=[-300, 2, 300], quantity=[1, 2, 3]))
    assert whole_day(store).initial_open_interest == 2
    later = store.bars("binance", "BTCUSDT", NOON + timedelta(minutes=5), NOON + HOUR)
    assert later.initial_open_interest == 3


def test_mark_range_is_known_only_for_bars_that_it_fills(store):
    store.add_candles(candles(minutes=[0, 5], price=[1, 1]))
    minutes = [0, 1, 2, 3, 4, 5, 6]
    store.add_mark_candles(
        MARKET
        | {"interval": timedelta(minutes=1), "open_time": times(minutes)}
        | {"open": 10.0, "close": 10.0, "high": 10.0 + np.arange(7), "low": 10.0 - np.arange(7)}
    )
    bars = whole_day(store)
    np.testing.assert_equal(bars.mark_high, [14, np.nan])
    np.testing.assert_equal(bars.mark_low, [6, np.nan])


def test_month_candles_end_with_their_month(store):
    months = np.array(["2026-01-01", "2026-02-01", "2026-04-01"], "datetime64[us]")
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    store.add_candles(MARKET | prices | {"interval": timedelta(days=30), "open_time": months})
    # A sample on 1 February and one on 3 March: known at the ends of January, but of February
    # only what was there by 1 March.
    stamps = np.array(["2026-02-01", "2026-03-03"], "datetime64[us]")
    store.add_open_interest(MARKET | {"time": stamps, "open_interest": np.array([1.0, 9.0])})
    year = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert store.bars("binance", "BTCUSDT", *year).open_interest[:2].tolist() == [1.0, 1.0]
    (found,) = (c for c in store.coverage() if c.kind == "candles")
    assert found.gaps == ((datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),)


def test_nothing_stored_gives_empty_bars(store):
    bars = whole_day(store)
    assert len(bars) == 0
    assert np.isnan(bars.initial_open_interest)


def test_liquidations_keep_the_side_of_the_position_and_repeat_once(store):
    rows = MARKET | {
        "time": times([0, 0, 1]),
        "side": np.array([1, 1, -1]),
        "quantity": np.array([2.0, 2.0, 3.0]),
        "price": np.array([100.0, 100.0, 110.0]),
    }
    assert store.add_liquidations(rows) == 2
    assert store.add_liquidations(rows) == 0
    found = store.liquidations("binance", "BTCUSDT", NOON, NOON + HOUR)
    assert found["side"].tolist() == [1, -1]
    assert found["side"].dtype == np.int8
    assert found["notional"].tolist() == [200.0, 330.0]


def test_coverage_lists_gaps_of_candles_and_samples(store):
    store.add_candles(candles(minutes=[0, 5, 20, 25], price=np.ones(4)))
    store.add_open_interest(samples(seconds=[0, 301, 600, 1500, 1800], quantity=np.ones(5)))
    store.add_funding_rates(
        MARKET | {"time": times([0, 480, 960]), "funding_rate": np.array([1e-4, 2e-4, 3e-4])}
    )
    found = {c.kind: c for c in store.coverage("binance", "BTCUSDT")}
    assert [(g.start, g.stop) for g in found["candles"].gaps] == [(aware(10), aware(20))]
    assert [(g.start, g.stop) for g in found["metrics"].gaps] == [(aware(10), aware(25))]
    assert (found["candles"].first, found["candles"].last) == (aware(0), aware(30))
    assert found["funding"].gaps == ()
    assert store.coverage("okx") == []


def test_samples_that_are_closer_while_collected_live_make_no_gaps_of_those_before(store):
    # Two hours every five minutes, three hours every 30 seconds but for ten minutes, an hour of
    # which only every fifth minute could be had later, and live again.
    history, live = np.arange(0, 7200, 300), np.arange(7200, 18000, 30)
    live = live[(live <= 9000) | (live >= 9600)]
    later, again = np.arange(18000, 21600, 300), np.arange(21600, 25200, 30)
    seconds = np.concatenate((history, live, later, again))
    store.add_open_interest(samples(seconds=seconds, quantity=np.ones(seconds.size)))
    (found,) = store.coverage("binance", "BTCUSDT")
    assert [(g.start, g.stop) for g in found.gaps] == [(aware(150), aware(160))]


def test_watermark_changes_with_the_rows_of_its_markets_only(store):
    rows = candles(minutes=[0], price=[1])
    store.add_candles(rows)
    store.add_candles(rows | {"exchange": "okx"})
    both, binance, every = (
        store.watermark(names, "BTCUSDT") for names in (["binance", "okx"], ["binance"], [])
    )
    assert both == every != binance
    store.add_candles(rows)
    assert store.watermark(["binance"], "BTCUSDT") == binance
    store.add_liquidations(
        MARKET | {"exchange": "okx", "time": times([0]), "side": 1, "quantity": 1.0, "price": 1.0}
    )
    assert store.watermark(["binance"], "BTCUSDT") == binance
    assert store.watermark([], "BTCUSDT") != every
    with Store.open(":memory:") as other:
        other.add_candles(rows)
        assert other.watermark(["binance"], "BTCUSDT") != binance


def test_simulated_positions_come_back_with_open_ends(store):
    positions = MARKET | {
        "opened": times([0, 1]),
        "closed": np.array(["NaT", at(5)], "datetime64[us]"),
        "end_reason": np.array(["open", "liquidated"]),
        "side": np.array([1, -1]),
        "quantity": np.array([1.0, 2.0]),
        "entry_price": 100.0,
        "leverage": 10.0,
        "liquidation_price": np.array([90.4, 109.6]),
    }
    store.add_simulated_positions(positions)
    found = store.simulated_positions("binance", "BTCUSDT")
    assert found["end_reason"].tolist() == ["open", "liquidated"]
    assert np.isnat(found["closed"]).tolist() == [True, False]
    assert not store.is_simulated()
    store.mark_simulated()
    assert store.is_simulated()


def test_leverage_tiers_are_dated_and_replaced_by_newer_readings(store):
    tiers = MARKET | {
        "valid_from": np.array(["2026-01-01", "2026-01-01", "2024-01-01"], "datetime64[us]"),
        "floor": np.array([0.0, 1e5, 0.0]),
        "cap": np.array([1e5, np.inf, np.inf]),
        "max_leverage": np.array([100.0, 50.0, 125.0]),
        "maintenance_rate": np.array([0.004, 0.01, 0.004]),
    }
    store.add_leverage_tiers(tiers)
    store.add_leverage_tiers(tiers | {"maintenance_rate": np.array([0.005, 0.01, 0.004])})
    found = store.leverage_tiers("binance", "BTCUSDT")
    assert found["max_leverage"].tolist() == [125, 100, 50]
    assert found["maintenance_rate"].tolist() == [0.004, 0.005, 0.01]
    assert found["deduction"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"open": np.array([np.nan])}, "open of candles must be known in every row"),
        ({"open": np.array([1.0, 2.0])}, "columns of candles must have one length"),
        ({"colour": np.array([1.0])}, "candles have no column colour"),
    ],
)
def test_columns_that_cannot_be_stored_are_named(store, change, message):
    with pytest.raises(ValueError, match=message):
        store.add_candles(candles(minutes=[0], price=[1]) | change)
    assert store.markets() == []


def test_missing_columns_and_wrong_sides_are_named(store):
    with pytest.raises(ValueError, match="open_interest need the columns open_interest"):
        store.add_open_interest(MARKET | {"time": times([0])})
    with pytest.raises(ValueError, match=r"side of liquidations must be \+1"):
        store.add_liquidations(
            MARKET | {"time": times([0]), "side": 0, "quantity": 1.0, "price": 1.0}
        )


def test_times_without_a_zone_are_refused(store):
    with pytest.raises(ValueError, match="must say their zone"):
        store.bars("binance", "BTCUSDT", datetime(2026, 1, 1), NOON)  # noqa: DTZ001


def test_threads_read_whole_rows_while_one_writes(store):
    store.add_candles(candles(minutes=[0], price=[1]))
    wrong = []

    def read():
        for _ in range(50):
            bars = whole_day(store)
            if not np.array_equal(bars.open, np.arange(1.0, len(bars) + 1)):
                wrong.append(bars.open)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for k in range(1, 40):
        store.add_candles(candles(minutes=[5 * k], price=[k + 1]))
    for reader in readers:
        reader.join()
    assert wrong == []
    assert len(whole_day(store)) == 40


def test_a_write_that_fails_leaves_nothing(store):
    def write_half():
        with store.transaction() as cursor:
            cursor.execute("INSERT INTO meta VALUES ('half', 'done')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    with store.cursor() as cursor:
        found = cursor.execute("SELECT count(*) FROM meta WHERE key = 'half'").fetchone()
    assert found == (0,)
    assert store.add_candles(candles(minutes=[0], price=[1])) == 1


def test_rows_outlive_the_process_and_several_may_read(tmp_path):
    path = tmp_path / "folder" / "market.duckdb"
    with Store.open(path) as store:
        store.add_candles(candles(minutes=[0], price=[1]))
    with Store.open(path, read_only=True) as store:
        assert len(whole_day(store)) == 1
        script = f"from ingest.store import Store; Store.open({str(path)!r}, read_only=True)"
        subprocess.run([sys.executable, "-c", script], check=True)


def test_a_store_that_is_locked_down_reads_and_writes_only_itself(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with Store.open(tmp_path / "market.duckdb") as store:
        store.lock_down()
        store.add_candles(candles(minutes=[0], price=[1]))
        assert len(whole_day(store)) == 1
        with store.cursor() as cursor, pytest.raises(duckdb.PermissionException):
            cursor.execute("SELECT * FROM read_csv($path)", {"path": str(secret)})
        with store.cursor() as cursor, pytest.raises(duckdb.InvalidInputException):
            cursor.execute("SET GLOBAL enable_external_access = true")


@pytest.mark.parametrize("way", ["absolute", "relative", "by a link"])
def test_a_store_that_is_locked_down_reads_what_is_unpacked_for_it_and_nothing_beside(
    tmp_path, monkeypatch, way
):
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    begin = {"absolute": folder, "relative": Path("data"), "by a link": tmp_path / "link"}[way]
    with Store.open(begin / "market.duckdb") as store:
        store.lock_down()
        store.unpack_folder.mkdir()
        (store.unpack_folder / "unpacked.csv").write_text("1,2\n")
        beside = [folder / "secret.csv", folder / "market.duckdb.unpacked2" / "secret.csv"]
        for path in beside:
            path.parent.mkdir(exist_ok=True)
            path.write_text("1,2\n")
        (store.unpack_folder / "link.csv").symlink_to(folder / "secret.csv")
        query = "SELECT * FROM read_csv($path, header = false)"

        def read(path):
            with store.cursor() as cursor:
                return cursor.execute(query, {"path": str(path)}).fetchall()

        assert read(store.unpack_folder / "unpacked.csv") == [(1, 2)]
        around = [store.unpack_folder / ".." / "secret.csv", store.unpack_folder / "link.csv"]
        for path in [*beside, *around, Path("/etc/passwd")]:
            with pytest.raises(duckdb.PermissionException):
                read(path)
        with store.cursor() as cursor, pytest.raises(duckdb.PermissionException):
            cursor.execute("ATTACH $path AS other", {"path": str(folder / "other.duckdb")})
        with store.cursor() as cursor, pytest.raises(duckdb.InvalidInputException):
            cursor.execute("SET GLOBAL allowed_directories = ['/']")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_locked_database_names_the_process_that_holds_it(tmp_path, read_only):
    path = tmp_path / "market.duckdb"
    script = (
        f"import sys; from ingest.store import Store; store = Store.open({str(path)!r});"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked, match=rf"in use by process {holder.pid} \(python"):
            Store.open(path, read_only=read_only)
        holder.stdin.close()
    Store.open(path).close()


def test_reading_what_does_not_exist_says_how_to_make_it(tmp_path):
    with pytest.raises(StoreError, match=r"no database .* yet\. Make one with \"liqheat ingest"):
        Store.open(tmp_path / "none.duckdb", read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b"open,close\n1,2\n"), ("a.json", b'[{"open": 1}]'), ("a.parquet", b"PAR1")],
)
def test_a_file_of_data_is_no_database(tmp_path, name, content, read_only):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StoreError, match=f"{name} is not a database of liqheat"):
        Store.open(path, read_only=read_only)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["md:market", "sqlite:market", ":memory:market"])
def test_a_database_is_a_file_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Store.open(name).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_that_are_no_database_of_ours_are_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but longer than a header of one. " * 200)
    with pytest.raises(StoreError, match=r"notes\.txt is not a database"):
        Store.open(text)
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE shop (item VARCHAR)")
    with pytest.raises(StoreError, match="not one of liqheat: it holds shop"):
        Store.open(other)
    with duckdb.connect(str(other)) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [
            ("shop",)
        ]


def at(minute, second=0):
    return (NOON + timedelta(minutes=int(minute), seconds=int(second))).replace(tzinfo=None)


def aware(minute):
    return NOON + timedelta(minutes=minute)


def times(minutes):
    return np.array([at(m) for m in minutes], "datetime64[us]")


def candles(*, minutes, price, volume=1.0):
    price = np.asarray(price, float)
    ohlc = dict.fromkeys(("open", "high", "low", "close"), price)
    rows = {"interval": timedelta(minutes=5), "open_time": times(minutes), "volume": volume}
    return MARKET | rows | ohlc


def samples(*, seconds, quantity):
    stamps = np.array([at(0, s) for s in seconds], "datetime64[us]")
    return MARKET | {"time": stamps, "open_interest": np.asarray(quantity, float)}


def whole_day(store):
    return store.bars("binance", "BTCUSDT", NOON - 12 * HOUR, NOON + 12 * HOUR)
