"""Realised liquidations, as programs ask for them."""

from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest

from tests.api import serving
from tests.stores import START, add_market, memory_store

ROUTES = ("history", "orders")
COUNT = 400


def add_liquidations(store, exchange, *, seed, count=COUNT, hours=50):
    """Store random liquidations, a third of them in groups of one time, at milliseconds."""
    rng = np.random.default_rng(seed)
    offsets = rng.integers(0, hours * 3_600_000, count)
    offsets[: count // 3] = rng.choice(offsets, 5)[rng.integers(0, 5, count // 3)]
    store.add_liquidations(
        {
            "exchange": exchange,
            "symbol": "BTCUSDT",
            "time": np.datetime64(START.replace(tzinfo=None), "us")
            + offsets * np.timedelta64(1000, "us"),
            "side": rng.choice([1, -1], count),
            "quantity": np.round(rng.gamma(1.0, 0.5, count), 3) + 0.001,
            "price": np.round(rng.normal(50_000.0, 500.0, count), 1),
        }
    )


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        add_market(store, "okx", seed=3)
        add_market(store, "bybit", "ETHUSDT", seed=4)
        add_liquidations(store, "binance", seed=1)
        add_liquidations(store, "bybit", seed=2)
        yield store


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("api")) as client:
        yield client


@pytest.fixture(scope="module")
def rows(store):
    """Return every stored liquidation of the symbol, oldest first."""
    with store.cursor() as cursor:
        found = cursor.execute(
            "SELECT time, exchange, side, price, quantity FROM liquidations "
            "WHERE symbol = 'BTCUSDT' ORDER BY time, exchange, side, quantity, price"
        ).fetchall()
    names = ("time", "exchange", "side", "price", "quantity")
    return [dict(zip(names, row, strict=True)) for row in found]


def get(client, route, **changes):
    asked = {"symbol": "BTCUSDT"} | changes
    asked = {name: value for name, value in asked.items() if value is not None}
    return client.get(f"/liquidations/{route}", params=asked)


def found(client, route, **changes):
    answer = get(client, route, **changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def walk(client, route, **changes):
    """Return the rows of all pages, found by following the header."""
    answer = get(client, route, **changes)
    told, cursors = [], set()
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        told.extend(page["data"])
        assert page["cursor"] not in cursors, "the walk goes round in circles"
        cursors.add(page["cursor"])
        assert ("next" in answer.links) == (page["next"] is not None)
        if page["next"] is None:
            return told
        assert len(page["data"]) == changes["limit"]
        assert answer.links["next"]["url"] == page["next"]
        answer = client.get(page["next"])


def told_as(row):
    """Return a stored row as the interface tells it."""
    time = row["time"].isoformat(timespec="milliseconds").removesuffix(".000")
    return {
        "time": f"{time}Z",
        "exchange": row["exchange"],
        "side": row["side"],
        "price": row["price"],
        "quantity": row["quantity"],
        "notional": pytest.approx(row["price"] * row["quantity"]),
    }


@pytest.mark.parametrize("limit", [1000, 100, 7])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_of_orders_hold_every_row_once_in_order(client, rows, order, limit):
    told = walk(client, "orders", order=order, limit=limit)
    # Many share their time.
    assert len({row["time"] for row in rows}) < len(rows) - 200
    assert told == [told_as(row) for row in (rows if order == "oldest" else rows[::-1])]


def test_many_orders_of_one_time_are_paged_without_loss(tmp_path):
    count = 300
    with memory_store() as store:
        store.add_liquidations(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "time": np.full(count, np.datetime64("2026-01-01", "us")),
                "side": np.where(np.arange(count) % 2, 1, -1),
                "quantity": np.arange(count) // 50 + 1.0,
                "price": 50_000.0 + np.arange(count) * 0.1,
            }
        )
        with serving(store, tmp_path) as client:
            for order in ("newest", "oldest"):
                told = walk(client, "orders", order=order, limit=11)
                assert len(told) == count
                assert len({row["price"] for row in told}) == count


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_rows_that_differ_in_their_trade_id_only_are_paged_one_by_one(tmp_path, order):
    with memory_store() as store:
        store.add_liquidations(
            {
                "exchange": "hyperliquid",
                "symbol": "BTCUSDT",
                "time": np.datetime64("2026-01-01", "us"),
                "side": 1,
                "quantity": [1.0, 2.0, 2.0, 2.0, 2.0, 3.0],
                "price": 50_000.0,
                "trade_id": [9, -1, 0, 2**53, 2**53 + 1, -1],
            }
        )
        with serving(store, tmp_path) as client:
            told = walk(client, "orders", order=order, limit=1)
            assert told == found(client, "orders", order=order)["data"]
    sizes = [1.0, 2.0, 2.0, 2.0, 2.0, 3.0]
    assert [row["quantity"] for row in told] == (sizes if order == "oldest" else sizes[::-1])


def test_a_walk_neither_loses_nor_repeats_rows_when_new_ones_arrive(tmp_path):
    with memory_store() as store:
        add_liquidations(store, "binance", seed=1)
        with serving(store, tmp_path) as client:
            before = walk(client, "orders", limit=1000, start_time="2025-12-20")
            first = get(client, "orders", limit=50).json()
            add_liquidations(store, "bybit", seed=2, hours=24 * 30)
            rest, address = [], first["next"]
            while address:
                page = client.get(address).json()
                rest.extend(page["data"])
                address = page["next"]
            own = [row for row in first["data"] + rest if row["exchange"] == "binance"]
            assert own == before


@pytest.mark.parametrize("side", ["long", "short"])
def test_orders_are_filtered_by_side_size_exchange_and_time(client, rows, side):
    start, stop = (datetime.fromisoformat(time) for time in ("2026-01-01T06:00", "2026-01-02"))
    told = found(
        client,
        "orders",
        side=side,
        min_notional=20_000,
        exchanges="bybit",
        start_time=start.isoformat(),
        end_time=stop.isoformat(),
        order="oldest",
        limit=1000,
    )["data"]
    assert 0 < len(told) < COUNT / 2
    assert told == [
        told_as(row)
        for row in rows
        if row["side"] == side
        and row["exchange"] == "bybit"
        and row["price"] * row["quantity"] >= 20_000
        and start <= row["time"] < stop
    ]


def test_times_are_half_open(client, rows):
    first = rows[0]["time"]
    inside = found(client, "orders", start_time=first.isoformat(), order="oldest")["data"]
    assert inside[0] == told_as(rows[0])
    after = first + timedelta(milliseconds=1)
    only = found(client, "orders", start_time=first.isoformat(), end_time=after.isoformat())
    assert only["data"] == [told_as(row) for row in rows if row["time"] == first][::-1]
    outside = found(client, "orders", start_time="2025-12-01", end_time=first.isoformat())
    assert outside["data"] == []


def test_history_sums_each_interval(client, rows):
    told = found(client, "history", interval="1h", limit=1000)
    assert told["next"] is None
    assert told["meta"]["interval_seconds"] == 3600
    begins = [datetime.fromisoformat(row["time"]).replace(tzinfo=None) for row in told["data"]]
    assert begins == [begins[0] + hour * timedelta(hours=1) for hour in range(len(begins))]
    assert begins[-1] + timedelta(hours=1) >= rows[-1]["time"]
    for begin, sums in zip(begins, told["data"], strict=True):
        inside = [row for row in rows if begin <= row["time"] < begin + timedelta(hours=1)]
        for side in ("long", "short"):
            expected = sum(row["price"] * row["quantity"] for row in inside if row["side"] == side)
            assert sums[f"{side}_usd"] == pytest.approx(expected, abs=0.03)
        assert sums["count"] == len(inside)
    assert sum(row["count"] for row in told["data"]) == len(rows)


def test_history_by_exchange_sums_to_the_whole(client):
    told = found(client, "history", interval="4h", breakdown="exchange")
    assert told["meta"]["exchanges"] == ["binance", "bybit", "okx"]
    for row in told["data"]:
        assert list(row["exchanges"]) == ["binance", "bybit", "okx"]
        for name in ("long_usd", "short_usd", "count"):
            total = sum(part[name] for part in row["exchanges"].values())
            assert round(total, 2) == row[name]
    alone = found(client, "history", interval="4h", exchanges="bybit")["data"]
    assert [row["count"] for row in alone] == [
        row["exchanges"]["bybit"]["count"] for row in told["data"]
    ]


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_of_history_join_to_the_whole(client, limit):
    whole = found(client, "history", interval="1h", limit=1000)["data"]
    assert walk(client, "history", interval="1h", limit=limit) == whole


def test_pages_of_history_stay_on_one_grid_when_the_data_grow(tmp_path):
    with memory_store() as store:
        add_liquidations(store, "binance", seed=1)
        with serving(store, tmp_path) as client:
            whole = found(client, "history", interval="1h", limit=1000)["data"]
            first = found(client, "history", interval="1h", limit=20)
            add_liquidations(store, "binance", seed=2, hours=24 * 30)
            rest = client.get(first["next"]).json()
            assert rest["data"][0]["time"] == whole[20]["time"]
            assert rest["data"][0]["count"] >= whole[20]["count"]


def test_weeks_begin_on_monday_and_spans_are_cut_to_what_is_stored(client):
    span = {"start_time": "2020-01-01", "end_time": "2030-01-01"}
    weeks = found(client, "history", interval="1w", **span)["data"]
    assert [row["time"] for row in weeks] == ["2025-12-29T00:00:00Z"]
    days = found(client, "history", interval="1d", **span)["data"]
    assert [row["time"][:10] for row in days] == ["2026-01-01", "2026-01-02", "2026-01-03"]


@pytest.mark.parametrize(
    ("route", "changes", "header"),
    [
        ("orders", {}, "time,exchange,side,price,quantity,notional"),
        ("history", {}, "time,long_usd,short_usd,count"),
        ("history", {"breakdown": "exchange"}, "exchange,time,long_usd,short_usd,count"),
    ],
)
def test_tables_hold_what_documents_hold(client, tmp_path, route, changes, header):
    asked = {"limit": 30} | changes
    data = found(client, route, **asked)["data"]
    with duckdb.connect(":memory:") as connection:
        for name, reader in (("csv", "read_csv"), ("parquet", "read_parquet")):
            answer = get(client, route, format=name, **asked)
            assert f"format={name}" in answer.links["next"]["url"]
            path = tmp_path / f"{route}.{name}"
            path.write_bytes(answer.content)
            read = connection.execute(
                f"SELECT * REPLACE (epoch_ms(time) AS time) FROM {reader}('{path}')"
            )
            names = [column[0] for column in read.description]
            assert ",".join(names) == header
            rows = [dict(zip(names, row, strict=True)) for row in read.fetchall()]
            if changes:
                assert len(rows) == 3 * len(data)
                continue
            times = [datetime.fromisoformat(row["time"]).timestamp() * 1000 for row in data]
            assert [row["time"] for row in rows] == pytest.approx(times, abs=0.5, rel=0)
            for row, told in zip(rows, data, strict=True):
                for column in names[1:]:
                    assert row[column] == pytest.approx(told[column])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"exchanges": "ftx"}, 400, "ftx is not"),
        ({"exchanges": "\N{SNOWMAN}\x00"}, 400, "is not"),
        ({"symbol": "XRPUSDT"}, 404, "No liquidations are stored for XRPUSDT yet. Load some with"),
        ({"exchanges": "hyperliquid"}, 404, "stored are those on binance, bybit, okx"),
        ({"symbol": None}, 422, "Field required"),
        ({"symbol": ""}, 422, "should match pattern"),
        ({"start_time": "2026-01-03", "end_time": "2026-01-02"}, 422, "must be before end_time"),
        ({"start_time": "2026-02-30"}, 422, "valid datetime"),
        ({"start_time": "1e99"}, 422, "start_time"),
        ({"end_time": "99999999999999999999"}, 422, "end_time"),
        ({"end_time": "-1"}, 422, "from 2000 on"),
        ({"start_time": ""}, 422, "start_time"),
        ({"limit": 1001}, 422, "less than or equal to 1000"),
        ({"limit": 0}, 422, "greater than or equal to 1"),
        ({"limit": "1e3"}, 422, "limit"),
        ({"side": "buy", "interval": "7m"}, 422, "detail"),
        ({"colour": "red"}, 422, "no such parameter"),
        ({"format": "xml"}, 422, "'json', 'csv' or 'parquet'"),
        ({"cursor": "x" * 501}, 422, "at most 500 characters"),
    ],
)
def test_what_cannot_be_answered_says_why(client, route, changes, status, words):
    answer = get(client, route, **changes)
    assert answer.status_code == status, answer.text
    assert words in answer.text


@pytest.mark.parametrize(
    ("route", "changes", "status", "words"),
    [
        ("history", {"interval": "7m"}, 422, "must be one of 1m, 3m"),
        ("history", {"interval": "1mo"}, 422, "must be one of 1m, 3m"),
        ("history", {"breakdown": "side"}, 422, "'none' or 'exchange'"),
        ("history", {"start_time": "2027-01-01"}, 404, "there are some from 2026-01-01"),
        ("history", {"end_time": "2025-01-01"}, 404, "there are some from 2026-01-01"),
        ("orders", {"side": "buy"}, 422, "'both', 'long' or 'short'"),
        ("orders", {"min_notional": "nan"}, 422, "finite number"),
        ("orders", {"min_notional": -1}, 422, "greater than or equal to 0"),
        ("orders", {"order": "random"}, 422, "'oldest' or 'newest'"),
    ],
)
def test_bad_parameters_say_what_is_allowed(client, route, changes, status, words):
    answer = get(client, route, **changes)
    assert answer.status_code == status, answer.text
    assert words in answer.text


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "cursor",
    ["x", "====", "e30", "W10", "W251bGwsMV0", "WzEsMl0", "WzIsMV0", "WzFlNDAwLDFd", "\N{SNOWMAN}",
     "WzAsMSwyLCJmdHgiLDEsMSwxLDFd", "WzAsMSwyLCJieWJpdCIsWzFdLDEsMSwxXQ",
     "WzAsMSwxZTMwLCJieWJpdCIsMSwxLDEsMV0",
     "WzAsMSwyLCJieWJpdCIsMSwibmFuIiwxLDFd",
     "WzAsMSwyLCJieWJpdCIsMSwxLDFd",
     "WzAsMSwyLCJieWJpdCIsMSwxLDEsOTIyMzM3MjAzNjg1NDc3NTgwOF0",
     "WzAsMSwyLCJieWJpdCIsMSwxLDEsLTJd",
     "WzAsMSwyLCJieWJpdCIsMSwxLDEsbnVsbF0"],
)  # fmt: skip
def test_a_cursor_that_is_none_is_told(client, route, cursor):
    answer = get(client, route, cursor=cursor)
    assert answer.status_code == 422, answer.text
    assert "cursor must be that of the page before" in answer.text


def test_odd_parameters_that_can_be_are_answered(client):
    assert found(client, "orders", min_notional="1e308")["data"] == []
    assert found(client, "orders", end_time="2001-01-01")["data"] == []
    assert found(client, "orders", start_time="2099-01-01")["data"] == []
    twice = client.get("/liquidations/orders?symbol=ETHUSDT&symbol=BTCUSDT&limit=2&limit=1")
    assert len(twice.json()["data"]) == 1


def test_too_many_intervals_say_what_fits(tmp_path):
    with memory_store() as store:
        store.add_liquidations(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "time": np.array(["2020-01-01", "2026-01-01"], "datetime64[us]"),
                "side": np.array([1, 1]),
                "quantity": np.array([1.0, 1.0]),
                "price": np.array([1.0, 1.0]),
            }
        )
        with serving(store, tmp_path) as client:
            long = {"start_time": "2020-01-01", "interval": "1m"}
            answer = get(client, "history", **long)
            assert answer.status_code == 422
            assert "at most 200,000 are possible: ask for 30m" in answer.text
            assert get(client, "history", **long | {"interval": "30m"}).status_code == 200


@pytest.mark.parametrize("route", ROUTES)
def test_an_empty_database_says_what_to_do(tmp_path, route):
    with memory_store() as store, serving(store, tmp_path) as client:
        answer = get(client, route)
        assert answer.status_code == 404
        assert "Load some with" in answer.text
