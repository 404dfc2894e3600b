"""The map over time, as programs ask for it."""

import gzip
import time
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest
from numpy.testing import assert_allclose

from app.api.cursor import read, written
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings
from engine.models import DEFAULT_MODEL
from tests.api import serving
from tests.stores import START, STEP, add_market, memory_store, times

WINDOW = {
    "symbol": "BTCUSDT",
    "start_time": "2026-01-01T08:00",
    "end_time": "2026-01-02T08:00:00Z",
    "interval": "1h",
}


@pytest.fixture(scope="module")
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2)
        add_market(store, "okx", seed=3, open_interest=False)
        yield store


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    with serving(store, tmp_path_factory.mktemp("api")) as client:
        yield client


@pytest.fixture(scope="module")
def view(store, tmp_path_factory):
    """Return the page's view of the window."""
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path_factory.mktemp("page")))
    yield heatmaps.view(
        HeatmapRequest(
            symbol="BTCUSDT",
            start=START + timedelta(hours=8),
            stop=START + timedelta(hours=32),
            exchanges=("binance", "bybit"),
            step=timedelta(hours=1),
            buckets=200,
        )
    )
    heatmaps.close()


def get(client, route, **changes):
    asked = {name: value for name, value in (WINDOW | changes).items() if value is not None}
    return client.get(f"/liquidations/{route}", params=asked)


def found(client, route, **changes):
    answer = get(client, route, **changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_matrix_is_the_pages_map(client, view):
    matrix = found(client, "heatmap", exchanges="binance,bybit")
    assert matrix["times"][0] == "2026-01-01T09:00:00Z"
    assert len(matrix["times"]) == 24
    assert_allclose(matrix["values"], view.heatmap.active.sum(axis=0), atol=0.0051)
    assert_allclose(matrix["consumed"], view.heatmap.consumed.sum(axis=0), atol=0.0051)
    assert_allclose(matrix["prices"], (view.heatmap.edges[1:] + view.heatmap.edges[:-1]) / 2)


def test_one_side_is_that_side(client, view):
    matrix = found(client, "heatmap", exchanges="binance,bybit", side="short")
    assert_allclose(matrix["values"], view.heatmap.active[1], atol=0.0051)


def test_exchanges_filter_and_their_parts_sum_to_the_whole(client):
    both = found(client, "heatmap", exchanges="binance,bybit", breakdown="exchange")
    assert list(both["exchanges"]) == both["meta"]["exchanges"] == ["binance", "bybit"]
    total = sum(np.array(part) for part in both["exchanges"].values())
    assert_allclose(total, both["values"], atol=0.0151)
    low, high = both["prices"][0], both["prices"][-1]
    alone = found(client, "heatmap", exchanges="bybit", price_low=low, price_high=high)
    assert alone["meta"]["exchanges"] == ["bybit"]
    assert_allclose(alone["values"], both["exchanges"]["bybit"])
    assert np.sum(alone["values"]) < np.sum(both["values"])


def test_an_unknown_exchange_is_told_with_those_that_there_are(client):
    answer = get(client, "heatmap", exchanges="binance,ftx")
    assert answer.status_code == 400
    assert answer.json()["supported"] == ["binance", "bybit", "okx", "hyperliquid"]
    assert "ftx is not" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "DOGEUSDT"}, 'Load candles and open interest with "liqheat ingest"'),
        ({"exchanges": "hyperliquid"}, "stored are binance, bybit, okx"),
        ({"exchanges": "okx"}, "No open interest is stored"),
        ({"start_time": "2020-01-01", "end_time": "2020-01-02"}, "there are data from 2026-01-01"),
    ],
)
def test_no_data_says_what_to_do(client, changes, words):
    for route in ("heatmap", "heatmap-timeseries"):
        answer = get(client, route, **changes)
        assert answer.status_code == 404
        assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"interval": "7m"}, "interval", "must be one of 1m, 3m, 5m"),
        ({"interval": "1m"}, None, "multiple of the stored bars' 5 minutes"),
        ({"model": "astrology"}, "model", "model must be one of"),
        ({"leverage_weights": "5"}, "leverage_weights", "a list like 5:0.4,20:0.6"),
        ({"turnover": 1.5}, "turnover", "less than or equal to 1"),
        ({"entry": "high"}, "entry", "'close', 'hlc3', 'vwap', 'spread' or 'auto'"),
        ({"model": "two-speed", "closing": "nearest"}, None, "closing policy nearest needs"),
        ({"price_bins": 0}, "price_bins", "greater than or equal to 1"),
        ({"price_bin_size": "nan"}, "price_bin_size", "finite number"),
        ({"price_low": 5, "price_high": 4}, None, "must ascend"),
        ({"price_low": 5}, None, "must ascend"),
        ({"price_bin_size": 0.5}, None, "at most 2000 are possible"),
        ({"start_time": "yesterday"}, "start_time", "valid datetime"),
        ({"start_time": "0001-01-01T00:00+23:59"}, "start_time", "from 2000 on"),
        ({"start_time": "2026-01-03"}, None, "start_time must be before end_time"),
        ({"start_time": "2000-01-01", "interval": "5m"}, None, "columns of 9,498 days"),
        ({"symbol": "BTC USDT"}, "symbol", "should match pattern"),
        ({"symbol": None}, "symbol", "Field required"),
        ({"exchange": "binance"}, "exchange", "no such parameter"),
        ({"format": "xml"}, "format", "'json', 'csv' or 'parquet'"),
        ({"cursor": "x"}, "cursor", "no such parameter"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(client, changes, field, words):
    answer = get(client, "heatmap", **changes)
    assert answer.status_code == 422, answer.text
    problems = answer.json()["detail"]
    assert any(words in problem["msg"] for problem in problems), problems
    if field:
        assert [problem["loc"] for problem in problems] == [["query", field]]


@pytest.mark.parametrize("cursor", ["x", "====", "WzEsMl0", "W251bGwsMSwxLDEsMV0", "é"])
def test_a_cursor_that_is_none_is_told(client, cursor):
    answer = get(client, "heatmap-timeseries", cursor=cursor)
    assert answer.status_code == 422
    assert "cursor must be that of the page before" in answer.text


@pytest.mark.parametrize("low", [0.0, "inf", "-inf", "nan", 1e308, -1e308])
@pytest.mark.parametrize("high", [1e308, "inf", -1e308, "nan", 2**70])
def test_a_cursor_with_prices_that_cannot_be_is_told(client, low, high):
    first = found(client, "heatmap-timeseries", limit=7)
    start, stop, step, *_ = read(first["cursor"])
    cursor = written(start, stop, step, str(low), str(high))
    answer = get(client, "heatmap-timeseries", cursor=cursor, price_bin_size=1e-300)
    assert answer.status_code == 422, answer.text


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/Los_Angeles"])
def time_zone(request, monkeypatch):
    """Let the machine be somewhere else."""
    with monkeypatch.context() as context:
        context.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_times_are_iso_or_milliseconds_and_naive_ones_are_utc(client, time_zone):
    plain = found(client, "heatmap")
    assert plain["meta"]["start_time"] == "2026-01-01T08:00:00Z"
    unix = str(int(datetime.fromisoformat("2026-01-01T08:00Z").timestamp() * 1000))
    assert found(client, "heatmap", start_time=unix) == plain
    assert found(client, "heatmap", start_time="2026-01-01T13:30+05:30") == plain


def test_without_times_the_last_seven_days_are_shown(client):
    matrix = found(client, "heatmap", start_time=None, end_time=None, interval=None)
    assert matrix["times"][-1] == matrix["meta"]["end_time"]
    assert matrix["meta"]["end_time"] >= "2026-01-03T02:00:00Z"
    assert matrix["meta"]["start_time"] == "2026-01-01T00:00:00Z"


def walk(client, **changes):
    """Return all pages, found by following the header."""
    answer = get(client, "heatmap-timeseries", **changes)
    pages = [answer.json()]
    while "next" in answer.links:
        assert answer.links["next"]["url"] == pages[-1]["next"]
        answer = client.get(answer.links["next"]["url"])
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
    assert pages[-1]["next"] is None
    return pages


def test_pages_of_long_histories_warm_up_before_the_walk(store, tmp_path, monkeypatch):
    monkeypatch.setattr("app.history.LONGEST_BOOK", 100)
    monkeypatch.setattr(
        "app.history._month_before", lambda moment, days: moment - timedelta(hours=4)
    )
    with serving(store, tmp_path) as client:
        test_pages_join_to_the_whole_series(client)


def test_pages_join_to_the_whole_series(client):
    (whole,) = walk(client, limit=100)
    pages = walk(client, limit=7)
    assert [len(page["data"]) for page in pages] == [7, 7, 7, 3]
    joined = [snapshot for page in pages for snapshot in page["data"]]
    assert [each["timestamp"] for each in joined] == [each["timestamp"] for each in whole["data"]]
    for part, full in zip(joined, whole["data"], strict=True):
        assert [level["price"] for level in part["levels"]] == [
            level["price"] for level in full["levels"]
        ]
        for one, other in zip(part["levels"], full["levels"], strict=True):
            assert_allclose(list(one.values()), list(other.values()), atol=0.0101)
        assert part["opened"] == pytest.approx(full["opened"])


def test_pages_keep_their_price_buckets_when_the_data_grow(tmp_path):
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        with serving(store, tmp_path) as client:
            first = get(client, "heatmap-timeseries", end_time=None, limit=10)
            watermark = first.json()["meta"]["data_watermark"]
            grown = {name: np.array([100_000.0]) for name in ("open", "high", "low", "close")}
            store.add_candles(
                {
                    "exchange": "binance",
                    "symbol": "BTCUSDT",
                    "interval": STEP,
                    "open_time": times(1, offset=600),
                    "volume": np.array([1.0]),
                    **grown,
                }
            )
            second = client.get(first.links["next"]["url"]).json()
            assert second["meta"]["data_watermark"] != watermark
            assert second["meta"]["price_bin_size"] == first.json()["meta"]["price_bin_size"]
            assert second["data"][0]["timestamp"] == "2026-01-01T19:00:00Z"


def test_the_series_tells_flows_and_coverage(client, view):
    series = found(client, "heatmap-timeseries", exchanges="binance,bybit")
    last = series["data"][-1]
    assert last["opened"]["long"] == pytest.approx(view.heatmap.opened[0, -1])
    assert last["closed"]["short"] == pytest.approx(view.heatmap.closed[1, -1])
    assert last["open_interest"] == pytest.approx(view.heatmap.open_interest[-1])
    assert last["coverage"]["long"] == pytest.approx(view.heatmap.coverage[0, -1])
    assert set(last["levels"][0]) == {
        "price", "long_density", "short_density", "long_consumed", "short_consumed",
    }  # fmt: skip
    total = sum(level["long_density"] for level in last["levels"])
    assert total == pytest.approx(view.heatmap.active[0, :, -1].sum(), abs=1.0)


def test_all_pages_of_a_walk_assume_the_same(client):
    first = get(client, "heatmap-timeseries", leverage_weights="10:1", turnover=0.5, limit=2)
    second = client.get(first.links["next"]["url"])
    assert second.status_code == 200, second.text
    told = [page.json()["meta"] for page in (first, second)]
    for meta in told:
        assert (meta["leverage_weights"], meta["turnover"]) == ("10:1", 0.5)


def test_an_assumption_changes_the_map_and_is_told(client):
    own = found(client, "heatmap", model="turnover")
    half = found(client, "heatmap", model="turnover", turnover=0.5, margin=1e6)
    assert half["values"] != own["values"]
    assert (own["meta"]["turnover"], own["meta"]["margin"]) == (1.0, 0.0)
    assert (half["meta"]["turnover"], half["meta"]["margin"]) == (0.5, 1e6)


def test_meta_says_what_was_assumed_and_computed_from(client, view):
    meta = found(client, "heatmap", exchanges="binance,bybit", leverage_weights="10:1,50:1")["meta"]
    assert meta["leverage_weights"] == "10:0.5,50:0.5"
    assert meta["model"] == DEFAULT_MODEL
    assert meta["side_rule"] == "symmetric"
    assert meta["interval_seconds"] == 3600
    assert meta["price_bin_size"] == pytest.approx(view.heatmap.edges[1] - view.heatmap.edges[0])
    assert meta["units"]["density"] == "quote currency"
    assert meta["simulated"] is False
    assert len(meta["engine_version"]) == 10


def test_the_same_question_is_answered_304_until_the_data_change(tmp_path):
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        with serving(store, tmp_path) as client:
            answer = get(client, "heatmap")
            tag = {"If-None-Match": answer.headers["etag"]}
            address = str(answer.url)
            again = client.get(address, headers=tag)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
            other = client.get(f"{address}&price_bins=50", headers=tag)
            assert other.status_code == 200
            add_market(store, "bybit", seed=2)
            assert client.get(address, headers=tag).status_code == 200


@pytest.mark.parametrize("form", ["{}", '"other", {}', 'W/"other",{}'])
@pytest.mark.parametrize("weak", ["W/", ""])
def test_a_client_may_name_its_answers_in_several_ways(client, form, weak):
    first = get(client, "heatmap")
    named = form.format(weak + first.headers["etag"].removeprefix("W/"))
    again = client.get(first.url, headers={"If-None-Match": named})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert again.headers[name] == first.headers[name]
    # An answer for one who takes gzip is none for another.
    assert first.headers["vary"] == "Accept-Encoding"


def test_other_programs_and_settings_give_other_answers(store, tmp_path, monkeypatch):
    def tag(**settings):
        with serving(store, tmp_path, **settings) as client:
            return get(client, "heatmap").headers["etag"]

    first = tag()
    assert tag() == first
    assert tag(warmup_days=31) != first
    monkeypatch.setattr("app.api.answers._version", lambda: "another")
    assert tag() != first


def test_only_answers_that_new_data_replace_are_kept_for_a_while(store, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(
        "app.cache.DiskCache.set", lambda self, key, value, expire=None: kept.append(expire)
    )
    with serving(store, tmp_path) as client:
        found(client, "heatmap")
        assert kept[-1] is None
        found(client, "heatmap", end_time=None)
        assert kept[-1] > 0.0


def test_answers_are_compressed_for_those_who_take_it(client):
    address = get(client, "heatmap").url
    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert gzip.decompress(raw) == plain.content


@pytest.mark.parametrize(
    ("taken", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("br", False),
        ("notgzip", False),
        ("", False),
    ],
)
def test_answers_are_not_compressed_for_those_who_refuse_it(client, taken, compressed):
    answer = get(client, "heatmap")
    again = client.get(answer.url, headers={"Accept-Encoding": taken})
    assert again.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert again.json() == answer.json()


def test_a_table_holds_what_the_document_holds(client, tmp_path):
    series = found(client, "heatmap-timeseries", exchanges="binance")
    rows = [
        (snapshot["timestamp"], level["price"], level["long_density"])
        for snapshot in series["data"]
        for level in snapshot["levels"]
    ]
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, reader in (("csv", "read_csv"), ("parquet", "read_parquet")):
            answer = get(client, "heatmap-timeseries", exchanges="binance", format=name)
            assert answer.headers["content-type"].startswith(
                {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}[name]
            )
            path = tmp_path / f"map.{name}"
            path.write_bytes(answer.content)
            read = connection.execute(
                f"SELECT strftime(timestamp, '%Y-%m-%dT%H:%M:%SZ'), price, long_density "
                f"FROM {reader}('{path}')"
            ).fetchall()
            assert read == rows


def test_parts_of_exchanges_in_a_table_are_rows_of_their_own(client):
    answer = get(client, "heatmap", breakdown="exchange", exchanges="binance,bybit", format="csv")
    header, *rows = answer.text.splitlines()
    assert header.startswith("exchange,timestamp,price,")
    assert {row.split(",")[0] for row in rows} == {"binance", "bybit"}


def test_too_large_an_answer_says_what_fits(client):
    many = {"interval": "5m", "price_bin_size": 5, "price_low": 45_000, "price_high": 54_900}
    answer = get(client, "heatmap", exchanges="binance,bybit", breakdown="exchange", **many)
    assert answer.status_code == 200
    answer = get(client, "heatmap", breakdown="exchange", **many)
    assert answer.status_code == 422
    assert "2,000,000 cells of one answer: ask for" in answer.text


def test_a_page_of_many_levels_is_refused_and_its_table_is_not(client):
    many = {"interval": "5m", "price_bin_size": 5, "price_low": 45_000, "price_high": 54_900}
    answer = get(client, "heatmap-timeseries", limit=1000, **many)
    assert answer.status_code == 422
    assert "400,000 cells of one answer" in answer.text
    assert get(client, "heatmap-timeseries", limit=1000, format="csv", **many).status_code == 200


def test_nothing_is_told_that_was_not_known_at_the_end(client):
    noon = {"interval": "4h", "end_time": "2026-01-02T14:59"}
    for route in ("heatmap", "heatmap-timeseries"):
        assert found(client, route, **noon)["meta"]["end_time"] == "2026-01-02T12:00:00Z"
    answer = get(client, "heatmap", interval="1d", end_time="2026-01-01T12:00")
    assert answer.status_code == 422
    assert "no interval ends between" in answer.text
