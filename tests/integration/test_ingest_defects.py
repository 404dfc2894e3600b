"""Every file here is bad in one way: that is said, and nothing of the file is stored."""

import gzip
import io
import os
import struct
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.errors import FileError
from ingest.files.archives import Limits
from ingest.files.ingestion import find, load_all
from ingest.files.kinds import Kind
from ingest.files.recognise import Told
from ingest.store import Store
from tests.archive_files import (
    DAY,
    FUNDING,
    KLINES,
    LIQUIDATIONS,
    METRICS,
    TRADES,
    kline,
    klines,
    metric,
    metrics,
    millis,
    text,
    trade,
    write_checksum,
    write_daily,
    write_klines,
    write_zip,
)

MINUTE = timedelta(minutes=1)
ZIP = Path("data/futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2026-01-05.zip")
ROWS = klines(4)


@pytest.fixture
def store():
    with Store.open(":memory:") as store:
        yield store


def cells(row, **changes):
    """Return a row of klines with some cells changed."""
    names = KLINES.split(",")
    values = dict(zip(names, row.split(","), strict=True))
    return ",".join({**values, **changes}[name] for name in names)


@pytest.mark.parametrize(
    ("rows", "line", "message"),
    [
        ([ROWS[0], cells(ROWS[1], open="nan")], 3, "expected prices above 0, found .*nan"),
        ([ROWS[0], cells(ROWS[1], high="inf")], 3, "expected prices above 0"),
        ([ROWS[0], cells(ROWS[1], close="")], 3, "expected prices above 0"),
        ([ROWS[0], cells(ROWS[1], low="-1")], 3, "expected prices above 0, found .*-1"),
        ([cells(ROWS[0], low="0")], 2, "expected prices above 0"),
        ([ROWS[0], cells(ROWS[1], high="99")], 3, "expected a high of at least the low"),
        ([ROWS[0], cells(ROWS[1], open="200")], 3, "expected open and close between low and high"),
        ([ROWS[0], cells(ROWS[1], close="100")], 0, ""),
        ([ROWS[0], cells(ROWS[1], close="99.9")], 3, "expected open and close between"),
        ([ROWS[0], cells(ROWS[1], volume="-2")], 3, "expected a volume of at least 0"),
        ([ROWS[0], cells(ROWS[1], volume="")], 3, "expected a volume of at least 0"),
        ([ROWS[0], cells(ROWS[1], quote_volume="-2")], 3, "expected a quote volume of at least 0"),
        (
            [ROWS[0], cells(ROWS[1], taker_buy_volume="2.1")],
            3,
            "expected a taker buy volume between 0 and the volume",
        ),
        ([ROWS[0], ROWS[2], ROWS[1]], 4, "expected times in ascending order"),
        ([ROWS[0], ROWS[1], ROWS[1]], 4, "expected every time once"),
        ([ROWS[0], cells(ROWS[1], open_time="12")], 3, "expected a time in the unit of the first"),
        ([cells(ROWS[0], open_time="12")], 2, "expected a time after 2009 in whole sec"),
        ([ROWS[0], cells(ROWS[1], open_time="")], 3, "expected a time in the unit of the first"),
        (
            [ROWS[0], cells(ROWS[1], open_time=str(millis(DAY) + 1000))],
            3,
            "expected times that are multiples of the interval",
        ),
        ([ROWS[0], cells(ROWS[1], open="1o1")], 3, "expected a number for open, found '1o1'"),
        ([ROWS[0], cells(ROWS[1], open_time="x")], 3, "expected whole seconds, .* for time"),
        ([ROWS[0], ROWS[1].rsplit(",", 3)[0]], 3, "expected 12 columns, found 9"),
        ([ROWS[0], f"{ROWS[1]},1"], 3, "expected 12 columns, found 13"),
        ([ROWS[0], cells(ROWS[1], open='"101')], 3, "expected quotes in pairs"),
    ],
)
def test_a_bad_row_is_named_with_its_line(store, tmp_path, rows, line, message):
    path = write_klines(tmp_path, rows)
    if not line:
        assert ingest(store, path)[0].added == 2
        return
    assert_refused(store, path, rf"{path.name}, line {line}: {message}")


def test_blank_lines_count_as_lines(store, tmp_path):
    content = f"{KLINES}\n\n{ROWS[0]}\n\n\n{cells(ROWS[1], low='-1')}\n"
    path = write_zip(tmp_path / ZIP, content)
    assert_refused(store, path, "line 6: expected prices above 0")


def test_a_file_without_a_header_counts_its_first_row_as_line_one(store, tmp_path):
    path = write_klines(tmp_path, [cells(ROWS[0], low="-1")], header=None)
    assert_refused(store, path, "line 1: expected prices above 0")


def test_of_several_bad_rows_the_first_is_named(store, tmp_path):
    rows = [ROWS[0], cells(ROWS[1], volume="-1"), cells(ROWS[2], low="-1"), ROWS[0]]
    assert_refused(store, write_klines(tmp_path, rows), "line 3: expected a volume")


def test_a_bad_row_deep_in_a_long_file_is_found(store, tmp_path):
    rows = [trade(k, DAY + timedelta(milliseconds=k)) for k in range(300_000)]
    rows[280_000], rows[280_001] = rows[280_001], rows[280_000]
    path = write_daily(tmp_path, "aggTrades", rows, TRADES)
    assert_refused(store, path, "line 280003: expected trade ids in ascending order")


@pytest.mark.parametrize(
    ("folder", "header", "rows", "line", "message"),
    [
        ("metrics", METRICS, [*metrics(2), metric(DAY, "-1")], 4, "an open interest of at least 0"),
        ("metrics", METRICS, [*metrics(2), metric(DAY, "nan")], 4, "an open interest of at least"),
        ("metrics", METRICS, [*metrics(3), metric(DAY)], 5, "times in ascending order"),
        (
            "metrics",
            METRICS,
            [row.replace("BTCUSDT", "ETHUSDT") for row in metrics(1)],
            2,
            "the symbol of the market",
        ),
        (
            "metrics",
            METRICS,
            [*metrics(1), "yesterday,BTCUSDT,1,1,,,,"],
            3,
            "YYYY-MM-DD hh:mm:ss for time",
        ),
        ("fundingRate", FUNDING, [f"{millis(DAY)},8,1.5"], 2, "a funding rate between -1 and 1"),
        ("fundingRate", FUNDING, [f"{millis(DAY)},8,"], 2, "a funding rate between -1 and 1"),
        ("fundingRate", FUNDING, [f"{millis(DAY)},0,1e-4"], 2, "an interval of more than 0 hours"),
        ("fundingRate", FUNDING, [f"{millis(DAY)},8,1e-4"] * 2, 3, "every time once"),
        ("aggTrades", TRADES, [trade(1, DAY), trade(1, DAY)], 3, "every trade id once"),
        ("aggTrades", TRADES, [trade(2, DAY), trade(1, DAY)], 3, "trade ids in ascending order"),
        ("aggTrades", TRADES, [trade(1, DAY, price="nan")], 2, "a price between 0 and 1e12"),
        ("aggTrades", TRADES, [trade(1, DAY, quantity=0)], 2, "a quantity between 0 and 1e15"),
        ("aggTrades", TRADES, [trade(1, DAY, quantity="1e30")], 2, "a quantity between 0 and 1e15"),
        (
            "aggTrades",
            TRADES,
            [trade(1, DAY, maker="maybe")],
            2,
            "true or false for is_buyer_maker",
        ),
        ("aggTrades", TRADES, [trade(1, DAY, maker="")], 2, "true or false for is_buyer_maker"),
        (
            "liquidationSnapshot",
            LIQUIDATIONS,
            [f"{millis(DAY)},HOLD,LIMIT,IOC,7,99,100,FILLED,1,6"],
            2,
            "SELL or BUY, the side of the order",
        ),
        (
            "liquidationSnapshot",
            LIQUIDATIONS,
            [f"{millis(DAY)},SELL,LIMIT,IOC,7,99,0,FILLED,1,6"],
            2,
            "a price above 0",
        ),
        (
            "liquidationSnapshot",
            LIQUIDATIONS,
            [f"{millis(DAY) - k},SELL,LIMIT,IOC,7,99,100,FILLED,1,6" for k in range(2)],
            3,
            "times in ascending order",
        ),
    ],
)
def test_bad_rows_of_other_kinds_are_named(store, tmp_path, folder, header, rows, line, message):
    path = write_daily(tmp_path, folder, rows, header)
    assert_refused(store, path, rf"{path.name}, line {line}: expected {message}")


def test_rows_of_a_parquet_file_are_named_by_number(store, tmp_path):
    import duckdb

    path = tmp_path / "candles.parquet"
    duckdb.sql(
        "COPY (SELECT '2026-01-05'::TIMESTAMP + i * INTERVAL 1 MINUTE AS time, 1.0 AS open, "
        "1.0 AS high, 1.0 AS low, 1.0 AS close, 0.5 - i AS volume FROM range(3) t(i)) "
        f"TO '{path}'"
    )
    told = Told("okx", "BTCUSDT", Kind.CANDLES)
    assert_refused(store, path, r"row 2: expected a volume of at least 0, found .*-0\.5", told)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (f"{KLINES},mood", "found the unknown mood"),
        (KLINES.replace("close,volume", "close,size"), "found the unknown size"),
        (KLINES.replace("taker_buy_volume", "open"), "found open more than once"),
    ],
)
def test_unknown_columns_are_refused_with_the_known_ones(store, tmp_path, header, message):
    path = write_klines(tmp_path, [ROWS[0]], header=header)
    assert_refused(store, path, f"line 1: expected the columns open_time or time.*{message}")


def test_missing_columns_are_named(store, tmp_path):
    path = tmp_path / "candles.csv"
    path.write_text(f"time,open,high,low,close\n{millis(DAY)},1,1,1,1\n")
    assert_refused(store, path, "found no volume", Told("okx", "BTCUSDT", Kind.CANDLES))


def test_columns_without_names_must_be_the_archives(store, tmp_path):
    path = tmp_path / "candles.csv"
    path.write_text(f"{millis(DAY)},1,1,1,1,1\n")
    told = Told("okx", "BTCUSDT", Kind.CANDLES)
    assert_refused(
        store, path, "expected a header, or the 12 columns .*found 6 columns without", told
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected rows, found an empty file"),
        (b"\n\n", "expected rows, found an empty file"),
        (KLINES.encode(), "line 1: expected rows below the header, found none"),
        (bytes(range(256)) * 40, "line 1: expected comma-separated values"),
    ],
)
def test_files_without_rows_are_refused(store, tmp_path, content, message):
    assert_refused(store, write_zip(tmp_path / ZIP, content), message)


def test_a_single_candle_needs_its_interval(store, tmp_path):
    path = tmp_path / "candle.csv"
    path.write_text(text(ROWS[:1], KLINES))
    assert_refused(store, path, "or --interval", Told("okx", "BTCUSDT", Kind.CANDLES))
    (loaded,) = ingest(store, path, Told("okx", "BTCUSDT", Kind.CANDLES, 300))
    assert loaded.interval == timedelta(minutes=5)


def test_candles_at_no_interval_are_refused(store, tmp_path):
    path = tmp_path / "candles.csv"
    path.write_text(text([kline(DAY + k * timedelta(minutes=7)) for k in range(3)], KLINES))
    assert_refused(store, path, "found most of them 420 s apart", Told("x", "Y", Kind.CANDLES))


# Archives


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_zip_is_refused(store, tmp_path, kept):
    path = write_klines(tmp_path, klines(200))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    write_checksum(path)
    assert_refused(store, path, r"expected a whole zip file, found a broken one")


def test_a_zip_with_damaged_content_is_refused(store, tmp_path):
    path = write_klines(tmp_path, klines(200))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    write_checksum(path)
    assert_refused(store, path, "expected a whole zip file, found a broken one")


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_gz_is_refused(store, tmp_path, damage):
    path = tmp_path / "klines" / "BTCUSDT-1m-2026-01-05.csv.gz"
    path.parent.mkdir()
    packed = bytearray(gzip.compress(text(klines(200), KLINES).encode()))
    if damage == "truncated":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    assert_refused(store, path, "expected a whole gz file, found a broken one")


def test_a_truncated_parquet_file_is_refused(store, tmp_path):
    path = tmp_path / "candles.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    told = Told("okx", "BTCUSDT", Kind.CANDLES)
    assert_refused(store, path, "expected a whole Parquet file", told)


def test_a_wrong_checksum_is_refused(store, tmp_path):
    path = write_klines(tmp_path, ROWS)
    write_checksum(path, "0" * 64)
    assert_refused(store, path, f"expected SHA-256 {'0' * 64} as in {path.name}.CHECKSUM")


@pytest.mark.parametrize("written", ["", "not a hash  BTCUSDT-1m-2026-01-05.zip"])
def test_a_checksum_file_without_a_hash_is_refused(store, tmp_path, written):
    path = write_klines(tmp_path, ROWS)
    path.with_name(f"{path.name}.CHECKSUM").write_text(written)
    assert_refused(store, path, r"\.CHECKSUM, line 1: expected a SHA-256 hash and a file name")


def test_a_checksum_of_another_file_is_refused(store, tmp_path):
    path = write_klines(tmp_path, ROWS)
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{'0' * 64}  other.zip\n")
    assert_refused(store, path, "expected the hash of BTC.* found that of other.zip")


def test_a_zip_that_unpacks_to_too_much_is_refused(store, tmp_path):
    path = write_zip(tmp_path / ZIP, b"0" * (70 << 20))  # packs by about a thousand
    assert_refused(store, path, r"expected at most 200 times its size unpacked, found 1\d{3} times")


def test_a_zip_that_lies_about_its_size_is_stopped_while_it_unpacks(store, tmp_path):
    path = write_zip(tmp_path / ZIP, text(klines(2000), KLINES))
    packed = path.read_bytes()
    size = struct.pack("<I", len(text(klines(2000), KLINES)))
    assert packed.count(size) == 2  # in the local and in the central header
    path.write_bytes(packed.replace(size, struct.pack("<I", 1000)))
    write_checksum(path)
    limits = Limits(bytes=50_000)
    assert_refused(
        store, path, "expected (at most 50,000 bytes unpacked|a whole zip file)", limits=limits
    )


@pytest.mark.parametrize("form", ["zip", "csv.gz"])
def test_the_limit_of_unpacked_bytes_holds(store, tmp_path, form):
    content = text(klines(2000), KLINES)
    path = tmp_path / "klines" / f"BTCUSDT-1m-2026-01-05.{form}"
    path.parent.mkdir()
    if form == "zip":
        write_zip(path, content)
    else:
        path.write_bytes(gzip.compress(content.encode()))
    assert_refused(
        store, path, "expected at most 50,000 bytes unpacked", limits=Limits(bytes=50_000)
    )


@pytest.mark.parametrize(
    "member",
    ["../evil.csv", "/etc/evil.csv", "a/b.csv", "..\\evil.csv", "C:evil.csv", "C:\\evil.csv"],
)
def test_paths_in_a_zip_are_refused_and_nothing_is_written_there(store, tmp_path, member):
    path = write_zip(tmp_path / "deep" / ZIP, text(ROWS, KLINES), member=member)
    assert_refused(store, path, "expected a plain file name in the zip, found '.*evil|b.csv")
    assert list(tmp_path.rglob("*.csv")) == []


@pytest.mark.parametrize("member", ["BTCUSDT.txt", "nested.zip", "run.csv.exe"])
def test_a_zip_of_something_else_is_refused(store, tmp_path, member):
    path = write_zip(tmp_path / ZIP, text(ROWS, KLINES), member=member)
    assert_refused(store, path, "expected a CSV file in the zip")


@pytest.mark.parametrize("count", [0, 2])
def test_a_zip_must_hold_one_file(store, tmp_path, count):
    path = tmp_path / ZIP
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(count):
            archive.writestr(f"{k}.csv", text(ROWS, KLINES))
    assert_refused(store, path, f"expected one CSV file in the zip, found {count} files")


def test_an_encrypted_zip_is_refused(store, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("BTCUSDT.csv", text(ROWS, KLINES))
    packed = bytearray(buffer.getvalue())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(signature) + offset] |= 1  # the flag of encryption
    path = tmp_path / ZIP
    path.parent.mkdir(parents=True)
    path.write_bytes(packed)
    assert_refused(store, path, "expected a zip without a password, found an encrypted one")


# Files that are not what they should be


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2026-01-05.zip", "counts contracts"),
        ("BTCUSD_PERP-liquidationSnapshot-2026-01-05.zip", "expected sizes in the base asset"),
        ("BTCUSD_240628-1m-2026-01-05.zip", "expected sizes in the base asset"),
        ("spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2026-01-05.zip", "expected data of futures"),
        ("premiumIndexKlines/BTCUSDT-1m-2026-01-05.zip", "one of klines, .*premiumIndexKlines"),
        ("BTCUSDT-bookTicker-2026-01-05.zip", "expected one of klines, .*found bookTicker"),
        ("notes.csv", "expected a name like .* or --exchange, --symbol and --kind, found neither"),
    ],
)
def test_files_that_are_not_read_say_why(store, tmp_path, name, message):
    path = write_zip(tmp_path / name, text(ROWS, KLINES))
    assert_refused(store, path, message)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (Told(symbol="ETHUSDT"), "expected ETHUSDT, as --symbol says, found a file named for BTC"),
        (Told(exchange="okx"), "expected okx, as --exchange says, found a file named for binance"),
        (Told(kind=Kind.FUNDING), "expected funding, as --kind says"),
    ],
)
def test_a_name_that_contradicts_the_options_is_refused(store, tmp_path, told, message):
    assert_refused(store, write_klines(tmp_path, ROWS), message, told)


def test_one_markets_file_does_not_get_into_anothers_rows(store, tmp_path):
    path = tmp_path / "ETHUSDT-5m_2025-11-14_2026-02-28.csv"
    path.write_text(text(ROWS, KLINES))
    told = Told("binance", "BTCUSDT", Kind.CANDLES)
    assert_refused(store, path, "found a file named for ETHUSDT", told)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = write_klines(tmp_path, ROWS)

    class Slow(Store):
        """Between a look at the file and its rows, somebody touches it."""

        def cursor(self):
            os.utime(path, ns=(0, 0))
            return super().cursor()

    with Slow.open(":memory:") as store:
        assert_refused(store, path, "expected a file at rest, found one that changed")


def test_a_path_that_does_not_exist_is_named(store, tmp_path):
    assert_refused(store, tmp_path / "none.zip", "expected a file or a folder, found nothing there")


def test_the_others_load_and_nothing_is_left_behind(tmp_path):
    write_klines(tmp_path / "a", klines(3))
    bad = write_klines(tmp_path / "b", [*ROWS, ROWS[0]], "BTCUSDT-1m-2026-01-06")
    write_daily(tmp_path / "c", "metrics", metrics(2), METRICS)
    with Store.open(tmp_path / "db" / "market.duckdb") as store:
        found = find([tmp_path])
        outcomes = list(load_all(store, found.sources))
        assert [isinstance(outcome, FileError) for outcome in outcomes] == [False, True, False]
        assert outcomes[1].path == bad
        assert [(c.kind, c.rows) for c in store.coverage()] == [("candles", 3), ("metrics", 2)]
    assert {p.name for p in (tmp_path / "db").iterdir()} == {"market.duckdb"}


def ingest(store, path, told=None, limits=None):
    found = find([path], told or Told())
    return [*found.bad, *load_all(store, found.sources, limits=limits or Limits())]


def assert_refused(store, path, message, told=None, limits=None):
    (error,) = ingest(store, path, told, limits)
    assert isinstance(error, FileError), error
    with pytest.raises(FileError, match=message):
        raise error
    assert str(path.parent) in str(error)
    with store.cursor() as cursor:
        tables = cursor.execute(
            "SELECT table_name, estimated_size FROM duckdb_tables() WHERE estimated_size > 0"
        ).fetchall()
    assert {name for name, _ in tables} == {"meta", "schema_migrations"}
