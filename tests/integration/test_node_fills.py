"""Files of Hyperliquid's nodes, as ``liqheat ingest`` loads them."""

import json
import tracemalloc
from collections import Counter
from datetime import UTC, datetime

import lz4.frame
import numpy as np
import pytest

from app.cli import main
from app.settings import Settings, variable
from ingest.adapters.adapter import Context
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.batches import liquidation_columns
from ingest.errors import FileError
from ingest.files.archives import Limits
from ingest.files.ingestion import find, load_all
from ingest.files.kinds import Kind
from ingest.files.recognise import Told
from ingest.store import Store

LIQUIDATED, MAKER = (f"0x{digit * 40}" for digit in "ab")
START = 1_760_130_000_000  # 2025-10-10 21:00
EVER = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


def fill(coin, millis, price, size, *, long, liquidated=True, maker=False, tid=1):
    sold = long != maker
    row = {
        "coin": coin,
        "px": str(price),
        "sz": str(size),
        "side": "A" if sold else "B",
        "time": millis,
        "dir": "Close Long" if long else "Close Short",
        "crossed": not maker,
        "tid": tid,
    }
    if liquidated:
        mark = {"liquidatedUser": LIQUIDATED, "markPx": str(price), "method": "market"}
        row["liquidation"] = mark
    return [MAKER if maker else LIQUIDATED, row]


def both(*arguments, **options):
    """Return a trade as a block has it: a fill for each of its users."""
    return [fill(*arguments, **options, maker=maker) for maker in (False, True)]


def block(number, *fills):
    return json.dumps(
        {
            "local_time": "2025-10-10T21:00:00.1",
            "block_time": "2025-10-10T21:00:00.0",
            "block_number": number,
            "events": list(fills),
        }
    )


BLOCKS = (
    block(1, *both("BTC", START, 110_000, 0.5, long=True)),
    block(2, *both("ETH", START + 5, 4000, 2, long=False, liquidated=False)),
    block(
        3,
        *both("BTC", START + 10, 109_900, 1, long=False, tid=2),
        *both("kPEPE", START + 10, 0.01, 500, long=True, tid=3),
        *both("xyz:CRWV", START + 10, 116.86, 2.47, long=True, tid=4),
    ),
    block(4),
)


def written(path, lines=BLOCKS, end="\n"):
    text = ("\n".join(lines) + end).encode()
    path.write_bytes(lz4.frame.compress(text) if path.suffix == ".lz4" else text)
    return path


@pytest.fixture
def store():
    with Store.open(":memory:") as store:
        yield store


def load(store, path, *, symbol=None, **options):
    """Return what came of a file; a bad one is raised."""
    found = find([path], Told(symbol=symbol))
    assert not found.bad, found.bad
    (outcome,) = load_all(store, found.sources, **options)
    if isinstance(outcome, FileError):
        raise outcome
    return outcome


def stored(store):
    with store.cursor() as cursor:
        return cursor.execute(
            "SELECT symbol, epoch_ms(time), side, quantity, price, price_kind, trigger_price, "
            "received_at FROM liquidations WHERE exchange = 'hyperliquid' ORDER BY ALL"
        ).fetchall()


ROWS = [
    ("1000PEPEUSDT", START + 10, "long", 500.0, 0.01, "fill", 0.01, None),
    ("BTCUSDT", START, "long", 0.5, 110_000.0, "fill", 110_000.0, None),
    ("BTCUSDT", START + 10, "short", 1.0, 109_900.0, "fill", 109_900.0, None),
]


@pytest.mark.parametrize("name", ["9.lz4", "9.jsonl", "9.ndjson", "9"])
def test_a_file_is_recognised_by_what_is_in_it(store, tmp_path, name):
    outcome = load(store, written(tmp_path / name))
    assert stored(store) == ROWS
    assert (outcome.source.kind, outcome.rows, outcome.added) == (Kind.NODE_FILLS, 3, 3)
    assert outcome.first == datetime(2025, 10, 10, 21, tzinfo=UTC)


def test_an_older_file_has_one_fill_a_line(store, tmp_path):
    lines = [json.dumps(one) for one in both("BTC", START, 110_000, 0.5, long=True)]
    load(store, written(tmp_path / "9.lz4", lines))
    assert stored(store) == ROWS[1:2]


def test_one_market_can_be_asked_for_and_the_others_later(store, tmp_path):
    path = written(tmp_path / "9.lz4")
    assert load(store, path, symbol="BTCUSDT").added == 2
    assert load(store, path, symbol="BTCUSDT").known
    assert [row[0] for row in stored(store)] == ["BTCUSDT", "BTCUSDT"]
    outcome = load(store, path)
    assert (outcome.rows, outcome.added, outcome.known) == (3, 1, False)
    assert load(store, path).known
    assert load(store, path, symbol="ETHUSDT").known
    assert stored(store) == ROWS


def test_what_the_stream_brought_before_stays_as_it_was(store, tmp_path):
    received = np.datetime64("2025-10-10T21:00:00.3", "us")
    store.add_liquidations(
        {"exchange": "hyperliquid", "symbol": "BTCUSDT", "time": np.array([START], "M8[ms]")}
        | {"side": 1, "quantity": 0.5, "price": 110_000.0, "received_at": received, "trade_id": 1}
    )
    assert load(store, written(tmp_path / "9.lz4")).added == 2
    assert [row[-1] is None for row in stored(store)] == [True, False, True]


TWINS = [both("BTC", START, 110_000, 0.5, long=True, tid=tid) for tid in (7, 8)]
"""Two trades that agree in all but their ids, each as its two users see it."""


def stream(store):
    """Store what the stream of who was liquidated tells of the twins; return how many were new."""
    fills = [own for (_, own), _ in TWINS]
    message = {"channel": "userFills", "data": {"user": LIQUIDATED, "fills": fills}}
    received = datetime(2025, 10, 10, 21, tzinfo=UTC)
    found = Hyperliquid().parse(json.dumps(message), received, Context())
    return store.add_liquidations(liquidation_columns(found.liquidations))


def file(store, path):
    """Store the twins from a file, whole; return how many were new."""
    outcome = load(store, written(path, [block(1, *TWINS[0], *TWINS[1])]))
    assert outcome.rows == 2
    return outcome.added


def test_two_fills_that_differ_in_their_id_only_are_two_wherever_they_come_from(store, tmp_path):
    assert [stream(store), stream(store), file(store, tmp_path / "1.lz4")] == [2, 0, 0]
    assert len(stored(store)) == 2
    with Store.open(":memory:") as other:
        assert [file(other, tmp_path / "2.lz4"), stream(other)] == [2, 0]
        # Other content, so another file: the same twins among others.
        path = written(tmp_path / "3.lz4", [*BLOCKS, block(9, *TWINS[1], *TWINS[0])])
        assert load(other, path).added == 3
        assert len(stored(other)) == 5


def test_each_market_is_told_as_changed(store, tmp_path):
    told = []
    store.listen(told.append)
    load(store, written(tmp_path / "9.lz4"))
    assert [(one.symbol, one.table, one.earliest) for one in told] == [
        ("1000PEPEUSDT", "liquidations", np.datetime64(START + 10, "ms")),
        ("BTCUSDT", "liquidations", np.datetime64(START, "ms")),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        BLOCKS[1][:-20],
        BLOCKS[0][:-20],
        "[]]",
        '{"events": 1}',
        BLOCKS[0].replace('"px": "110000"', '"px": "much"'),
        "\x00\x01",
    ],
)
def test_a_bad_line_is_named_and_nothing_is_stored(store, tmp_path, bad):
    path = written(tmp_path / "9.lz4", [BLOCKS[0], BLOCKS[3], bad, BLOCKS[2]])
    with pytest.raises(FileError, match=r"9\.lz4, line 3: expected one block of node fills"):
        load(store, path)
    assert stored(store) == []
    written(path)
    assert load(store, path).added == 3


def test_a_last_line_that_was_cut_off_is_bad_too(store, tmp_path):
    path = written(tmp_path / "9.jsonl", [*BLOCKS[:3], BLOCKS[1][:50]], end="")
    with pytest.raises(FileError, match="line 4"):
        load(store, path)
    assert stored(store) == []


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_packed_file_that_was_cut_off_is_said_and_nothing_is_stored(store, tmp_path, share):
    lines = [
        block(n, *both("BTC", START + n, 110_000 + n, 0.5, long=True, tid=n)) for n in range(20_000)
    ]
    path = written(tmp_path / "9.lz4", lines)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileError, match=r"9\.lz4: expected a whole lz4 file, found a broken one"):
        load(store, path)
    assert stored(store) == []
    path.write_bytes(whole)
    assert load(store, path).added == 20_000


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("9.lz4", b"", "expected a whole lz4 file"),
        ("9.lz4", b"\x04\x22\x4d\x18", "expected a whole lz4 file"),
        ("9.lz4", b"PK\x03\x04", "expected a whole lz4 file"),
        ("x.csv.lz4", lz4.frame.compress(b"time,coin\n1,BTC\n"), "or node fills of Hyperliquid"),
        ("x.json", b'{"name": "x"}', "or node fills of Hyperliquid"),
    ],
)
def test_what_is_no_file_of_node_fills_is_said(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    (bad,) = find([path]).bad
    assert sentence in str(bad)


@pytest.mark.parametrize("told", [Told(exchange="binance"), Told(kind=Kind.TRADES)])
def test_a_reader_who_says_something_else_is_contradicted(tmp_path, told):
    (bad,) = find([written(tmp_path / "9.lz4")], told).bad
    assert "found node fills of Hyperliquid" in str(bad)


def test_a_file_that_unpacks_to_too_much_is_given_up(store, tmp_path):
    path = written(tmp_path / "9.lz4", BLOCKS * 100)
    with pytest.raises(FileError, match="at most 9,999 bytes unpacked"):
        load(store, path, limits=Limits(bytes=9999))


def test_progress_is_told_up_to_the_end_of_the_file(store, tmp_path):
    path, told = written(tmp_path / "9.jsonl", BLOCKS * 1000), []
    load(store, path, progress=told.append)
    assert len(told) == 4000
    assert told == sorted(told)
    assert told[-1] == path.stat().st_size


def test_memory_does_not_grow_with_the_file(store, tmp_path):
    def peak(count):
        quiet = block(0, *both("ETH", START, 4000, 2, long=False, liquidated=False) * 20)
        path = written(tmp_path / f"{count}.lz4", [quiet] * count)
        tracemalloc.start()
        load(store, path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few = peak(1000)
    assert peak(10_000) < 1.5 * few + 1_000_000


def test_the_command_loads_a_folder_and_sums_it_up(tmp_path, monkeypatch, capfd):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "20251010").mkdir()
    written(tmp_path / "20251010" / "21.lz4")
    written(tmp_path / "20251010" / "22.lz4", [BLOCKS[3]])
    for expected in ("hyperliquid all markets", "Nothing new"):
        with pytest.raises(SystemExit) as exit_:
            main(["ingest", "20251010", "--database", "market"])
        out = capfd.readouterr().out
        assert exit_.value.code == 0
        assert expected in out
        (tmp_path / "20251010" / "22.lz4").unlink(missing_ok=True)
    with Store.open(tmp_path / "market", read_only=True) as store:
        assert Counter(row[0] for row in stored(store)) == {"BTCUSDT": 2, "1000PEPEUSDT": 1}
        assert store.liquidations("hyperliquid", "BTCUSDT", *EVER)["side"].tolist() == [1, -1]
