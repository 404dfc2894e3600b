import gzip
from datetime import timedelta

import duckdb
import numpy as np
import pytest

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
    write_daily,
    write_klines,
)

BTC = ("binance", "BTCUSDT")
MINUTE = timedelta(minutes=1)
WEEK = (DAY, DAY + timedelta(days=7))


@pytest.fixture
def store():
    with Store.open(":memory:") as store:
        yield store


def test_klines_come_in_with_the_takers_part(store, tmp_path):
    (loaded,) = ingest(store, write_klines(tmp_path, klines(3)))
    assert (loaded.rows, loaded.added, loaded.interval) == (3, 3, MINUTE)
    bars = store.bars(*BTC, *WEEK)
    assert bars.open_time.tolist() == [naive(k) for k in range(3)]
    assert bars.open.tolist() == [100, 101, 102]
    assert bars.high.tolist() == [101, 102, 103]
    assert bars.low.tolist() == [99, 100, 101]
    assert bars.volume.tolist() == [2, 2, 2]
    assert bars.quote_volume.tolist() == [200, 202, 204]
    assert bars.taker_buy_volume.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("header", [KLINES, None])
@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_header_unit_of_time_and_line_ends_make_no_difference(
    store, tmp_path, header, unit, line_end
):
    rows = klines(3)
    if unit == 1000:  # microseconds
        rows = [row.replace(row[:13], f"{row[:13]}000", 1) for row in rows]
    content = text(rows, header).replace("\n", line_end)
    path = tmp_path / "klines" / "BTCUSDT-1m-2026-01-05.csv"
    path.parent.mkdir()
    path.write_bytes(content.encode())
    ingest(store, path)
    assert store.bars(*BTC, *WEEK).open_time.tolist() == [naive(k) for k in range(3)]


def test_mark_price_klines_are_told_by_their_folder(store, tmp_path):
    rows = [kline(DAY, price=50, volume=0, taker=0)]
    ingest(store, write_klines(tmp_path, klines(1)))
    ingest(store, write_klines(tmp_path, rows, folder="markPriceKlines"))
    bars = store.bars(*BTC, *WEEK)
    assert (bars.high[0], bars.mark_high[0], bars.mark_low[0]) == (101, 51, 49)


def test_candles_without_any_volume_and_folder_are_taken_for_mark_prices(store, tmp_path):
    path = tmp_path / "BTCUSDT-1m-2026-01-05.csv"
    path.write_text(text([kline(DAY, volume=0, taker=0)], KLINES))
    (error,) = ingest(store, path)
    assert "--kind mark-candles" in str(error)
    (loaded,) = ingest(store, path, Told(kind=Kind.MARK_CANDLES))
    assert loaded.added == 1


def test_month_klines_are_a_month_long(store, tmp_path):
    rows = [kline(DAY.replace(day=1)), kline(DAY.replace(month=2, day=1))]
    ingest(store, write_klines(tmp_path, rows, "BTCUSDT-1mo-2026-01"))
    (found,) = store.coverage()
    assert found.last == DAY.replace(month=3, day=1)
    assert found.gaps == ()


def test_metrics_keep_their_stamps_and_leave_out_what_is_empty(store, tmp_path):
    rows = [
        metric(DAY + timedelta(minutes=5, seconds=2)),
        metric(DAY + timedelta(minutes=10), '""', '""'),
        metric(DAY + timedelta(minutes=15), "0", "0"),
        metric(DAY + timedelta(minutes=20), "7", ""),
    ]
    (loaded,) = ingest(store, write_daily(tmp_path, "metrics", rows, METRICS))
    assert (loaded.rows, loaded.added, loaded.missing) == (4, 2, 2)
    write_bars(store, 25)
    bars = store.bars(*BTC, *WEEK)
    # The bar from 00:04 ends at 00:05: a sample 2 s late is still its own.
    assert bars.open_interest[4] == 1000.5
    assert bars.open_interest_time[4] == np.datetime64(naive(5, 2))
    assert bars.open_interest[19] == 7


@pytest.mark.parametrize(
    "order", [[0, 0, 1, 1, 2, 2], [0, 1, 2, 0, 1, 2]], ids=["by row", "by block"]
)
def test_metrics_that_repeat_their_rows_come_in_once(store, tmp_path, order):
    rows = metrics(3)
    (loaded,) = ingest(store, write_daily(tmp_path, "metrics", [rows[k] for k in order], METRICS))
    assert (loaded.added, loaded.repeated, loaded.conflicting) == (3, 3, 0)


def test_of_a_stamp_with_two_values_the_last_is_taken_and_reported(store, tmp_path):
    five = DAY + timedelta(minutes=5)
    rows = [metric(five, "1"), metric(five, "2"), metric(five + timedelta(minutes=5), "3")]
    (loaded,) = ingest(store, write_daily(tmp_path, "metrics", rows, METRICS))
    assert (loaded.added, loaded.repeated, loaded.conflicting) == (2, 1, 1)
    write_bars(store, 10)
    assert store.bars(*BTC, *WEEK).open_interest[4] == 2


def test_funding_rates_keep_their_jitter(store, tmp_path):
    rows = [f"{millis(DAY) + 7},8,0.00008191", f"{millis(DAY + timedelta(hours=8))},8,-1e-4"]
    ingest(store, write_daily(tmp_path, "fundingRate", rows, FUNDING))
    found = store.funding_rates(*BTC, *WEEK)
    assert found["funding_rate"].tolist() == [0.00008191, -0.0001]
    assert found["interval_hours"].tolist() == [8, 8]
    assert found["time"][0] == np.datetime64(naive(0)) + np.timedelta64(7, "ms")


def test_trades_become_minute_candles_with_taker_volume(store, tmp_path):
    rows = [
        # id, time, price, quantity, and whether the taker sold
        trade(1, DAY, price=100, quantity=1, maker="false"),
        trade(2, DAY + timedelta(seconds=10), price=103, quantity=2, maker="True"),
        trade(3, DAY + timedelta(seconds=59.999), price=98, quantity=0.1, maker="false"),
        trade(4, DAY + timedelta(seconds=60), price=99, quantity=0.2, maker="true"),
    ]
    (loaded,) = ingest(store, write_daily(tmp_path, "aggTrades", rows, TRADES))
    assert (loaded.rows, loaded.added, loaded.trades_added) == (4, 2, 0)
    bars = store.bars(*BTC, *WEEK)
    assert bars.interval == MINUTE
    assert bars.open.tolist() == [100, 99]
    assert bars.high.tolist() == [103, 99]
    assert bars.low.tolist() == [98, 99]
    assert bars.close.tolist() == [98, 99]
    assert bars.volume.tolist() == [3.1, 0.2]
    assert bars.quote_volume.tolist() == [315.8, 19.8]  # 100 + 206 + 9.8; 99 · 0.2
    assert bars.taker_buy_volume.tolist() == [1.1, 0]


def test_a_quiet_minute_is_flat_but_missing_trades_leave_a_hole(store, tmp_path):
    rows = [
        trade(1, DAY, price=100),
        trade(2, DAY + 3 * MINUTE, price=105),  # the next id: nobody traded in between
        trade(9, DAY + 5 * MINUTE, price=110),  # ids are missing
    ]
    ingest(store, write_daily(tmp_path, "aggTrades", rows, TRADES))
    bars = store.bars(*BTC, *WEEK)
    assert bars.open_time.tolist() == [naive(k) for k in (0, 1, 2, 3, 5)]
    assert bars.close.tolist() == [100, 100, 100, 105, 110]
    assert bars.high.tolist() == [100, 100, 100, 105, 110]
    assert bars.volume.tolist() == [1, 0, 0, 1, 1]


def test_trades_are_kept_when_asked_even_after_their_candles(store, tmp_path):
    rows = [trade(k, DAY + k * MINUTE, maker="true") for k in range(1, 4)]
    path = write_daily(tmp_path, "aggTrades", rows, TRADES)
    assert ingest(store, path)[0].trades_added == 0
    (kept,) = ingest(store, path, keep_trades=True)
    assert (kept.added, kept.trades_added) == (0, 3)
    assert ingest(store, path, keep_trades=True)[0].known
    assert ingest(store, path)[0].known
    with store.cursor() as cursor:
        found = cursor.execute("SELECT trade_id, taker_buy FROM trades ORDER BY 1").fetchall()
    assert found == [(1, False), (2, False), (3, False)]


def test_liquidations_take_the_position_side_and_the_filled_size_once(store, tmp_path):
    sold = f"{millis(DAY)},SELL,LIMIT,IOC,7,99.5,100.5,FILLED,1,6"
    bought = f"{millis(DAY) + 5},BUY,LIMIT,IOC,3,101,102,FILLED,3,3"
    unfilled = f"{millis(DAY) + 9},BUY,LIMIT,IOC,3,101,0,EXPIRED,0,0"
    rows = [sold, sold, bought, bought, unfilled, unfilled]
    (loaded,) = ingest(store, write_daily(tmp_path, "liquidationSnapshot", rows, LIQUIDATIONS))
    assert (loaded.added, loaded.repeated, loaded.missing) == (2, 3, 2)
    found = store.liquidations(*BTC, *WEEK)
    assert found["side"].tolist() == [1, -1]  # a sell order closes a long
    assert found["quantity"].tolist() == [6, 3]
    assert found["price"].tolist() == [100.5, 102]


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_named_columns_come_in_any_order_and_form(store, tmp_path, form):
    path = tmp_path / f"candles.{form}"
    rows = ["volume,Close,LOW,high,open,timestamp"]
    rows += [f"5,100,99,101,100,2026-01-05 00:0{5 * k}:00" for k in range(2)]
    write_form(path, text(rows))
    told = Told("okx", "ETHUSDT", Kind.CANDLES)
    (loaded,) = ingest(store, path, told)
    assert (loaded.added, loaded.interval) == (2, timedelta(minutes=5))
    bars = store.bars("okx", "ETHUSDT", *WEEK)
    assert bars.open_time.tolist() == [naive(0), naive(5)]
    assert (bars.open[0], bars.high[0], bars.low[0], bars.volume[0]) == (100, 101, 99, 5)
    assert np.isnan(bars.taker_buy_volume).all()


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_endings_may_be_written_in_capitals(store, tmp_path, form):
    path = tmp_path / f"candles.{form}"
    rows = ["time,open,high,low,close,volume"]
    rows += [f"2026-01-05 00:0{5 * k}:00,100,101,99,100,5" for k in range(2)]
    write_form(path, text(rows))
    path = path.rename(tmp_path / path.name.upper())
    (loaded,) = ingest(store, path, Told("okx", "ETHUSDT", Kind.CANDLES))
    assert loaded.added == 2


def test_a_zip_s_ending_may_be_written_in_capitals(store, tmp_path):
    path = write_klines(tmp_path, klines(3))
    path = path.rename(path.with_suffix(".ZIP"))
    (loaded,) = ingest(store, path)
    assert loaded.added == 3


def test_parquet_takes_numbers_and_dates_of_any_type(store, tmp_path):
    path = tmp_path / "interest.parquet"
    duckdb.sql(
        f"""
        COPY (
            SELECT
                TIMESTAMPTZ '2026-01-05 02:00:00+02' + i * INTERVAL 1 HOUR AS time,
                (10 + i)::DECIMAL(9, 3)                                  AS open_interest,
                (10 + i)::FLOAT                                          AS open_interest_value
            FROM range(3) t(i)
        ) TO '{path}'
        """
    )
    (loaded,) = ingest(store, path, Told("bybit", "BTCUSDT", Kind.METRICS))
    assert loaded.first == DAY
    assert (loaded.rows, loaded.added) == (3, 3)


def test_named_liquidations_say_the_side_of_the_position(store, tmp_path):
    path = tmp_path / "liquidations.csv"
    path.write_text(f"time,side,quantity,price\n{millis(DAY)},long,2,100\n")
    ingest(store, path, Told("bybit", "BTCUSDT", Kind.LIQUIDATIONS))
    assert store.liquidations("bybit", "BTCUSDT", *WEEK)["side"].tolist() == [1]
    path.write_text(f"time,side,quantity,price\n{millis(DAY)},Buy,2,100\n")
    (error,) = ingest(store, path, Told("bybit", "BTCUSDT", Kind.LIQUIDATIONS))
    assert "expected long or short, the side of the position" in str(error)


def test_daily_and_monthly_files_that_overlap_add_nothing_twice(store, tmp_path):
    day, month = klines(3), klines(5)
    ingest(store, write_klines(tmp_path, day))
    (loaded,) = ingest(store, write_klines(tmp_path, month, "BTCUSDT-1m-2026-01"))
    assert (loaded.rows, loaded.added) == (5, 2)
    assert store.coverage()[0].rows == 5


@pytest.mark.parametrize(
    ("folder", "header", "rows"),
    [
        ("metrics", METRICS, metrics(3)),
        ("fundingRate", FUNDING, [f"{millis(DAY)},8,1e-4"]),
        ("aggTrades", TRADES, [trade(1, DAY), trade(2, DAY + MINUTE)]),
        (
            "liquidationSnapshot",
            LIQUIDATIONS,
            [f"{millis(DAY)},SELL,LIMIT,IOC,7,99.5,100.5,FILLED,1,6"],
        ),
    ],
)
def test_the_same_rows_in_another_file_add_nothing(store, tmp_path, folder, header, rows):
    first = write_daily(tmp_path / "a", folder, rows, header)
    again = write_daily(tmp_path / "b", folder, rows, None)
    (loaded,) = ingest(store, first, keep_trades=True)
    assert loaded.added == loaded.rows
    (repeated,) = ingest(store, again, keep_trades=True)
    assert not repeated.known
    assert (repeated.rows, repeated.added, repeated.trades_added) == (loaded.rows, 0, 0)


def test_the_same_content_is_loaded_for_each_market_it_is_given_for(store, tmp_path):
    path = tmp_path / "candles.csv"
    path.write_text(text(klines(2), KLINES))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        (loaded,) = ingest(store, path, Told("okx", symbol, Kind.CANDLES))
        assert loaded.added == 2


def test_sums_are_exact_whatever_the_order_in_which_threads_add(store, tmp_path):
    # Added as floats, ten times 0.1 is 0.9999999999999999, and it depends on the order.
    rows = [trade(k, DAY, price=3, quantity=0.1) for k in range(10)]
    ingest(store, write_daily(tmp_path, "aggTrades", rows, TRADES))
    bars = store.bars(*BTC, *WEEK)
    assert bars.volume.tolist() == [1.0]
    assert bars.quote_volume.tolist() == [3.0]
    assert bars.taker_buy_volume.tolist() == [1.0]


def test_the_watermark_changes_when_a_file_brings_rows(store, tmp_path):
    before = store.watermark(["binance"], "BTCUSDT")
    path = write_klines(tmp_path, klines(3))
    ingest(store, path)
    after = store.watermark(["binance"], "BTCUSDT")
    assert after != before
    ingest(store, path)
    ingest(store, write_klines(tmp_path, klines(2), "BTCUSDT-1m-2026-01"))
    assert store.watermark(["binance"], "BTCUSDT") == after


def test_a_whole_tree_is_found_in_order_and_the_rest_is_passed_over(store, tmp_path):
    write_klines(tmp_path, klines(2))
    write_daily(tmp_path, "metrics", metrics(2), METRICS)
    write_klines(tmp_path, klines(2), folder="indexPriceKlines")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "readme.txt").write_text("nothing to read")
    found = find([tmp_path])
    assert [source.kind for source in found.sources] == [Kind.CANDLES, Kind.METRICS]
    assert len(found.passed) == 2
    assert found.bad == ()
    assert all(loaded.added == 2 for loaded in load_all(store, found.sources))


def test_a_checksum_given_by_name_is_no_file_to_load(tmp_path):
    path = write_klines(tmp_path, klines(1))
    found = find(sorted(path.parent.iterdir()))
    assert [source.path for source in found.sources] == [path]
    assert found.bad == ()


def ingest(store, path, told=None, **options):
    found = find([path], told or Told())
    return [*found.bad, *load_all(store, found.sources, **options)]


def write_bars(store, n):
    """Store `n` one-minute candles, to read open interest at their ends."""
    price = np.ones(n)
    times = np.array([naive(k) for k in range(n)], "datetime64[us]")
    ohlc = dict.fromkeys(("open", "high", "low", "close", "volume"), price)
    market = {"exchange": BTC[0], "symbol": BTC[1], "interval": MINUTE, "open_time": times}
    store.add_candles(market | ohlc)


def write_form(path, content):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    elif path.suffix == ".parquet":
        source = path.with_suffix(".txt")
        source.write_text(content)
        duckdb.sql(f"COPY (SELECT * FROM read_csv('{source}')) TO '{path}'")
    else:
        path.write_text(content)


def naive(minute, second=0):
    return (DAY + timedelta(minutes=minute, seconds=second)).replace(tzinfo=None)
