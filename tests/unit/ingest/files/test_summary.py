from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.coverage import Coverage, Span
from ingest.files.kinds import Kind
from ingest.files.loading import Loaded
from ingest.files.recognise import Source
from ingest.files.summary import summarise

DAY = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_files_of_a_market_and_kind_are_added_up():
    (one,) = summarise([loaded(0, rows=3, missing=1), loaded(2, rows=4, repeated=2)], [])
    assert (one.files, one.rows, one.added, one.missing, one.repeated) == (2, 7, 7, 1, 2)
    assert (one.first, one.last) == (DAY, DAY + timedelta(days=3))


def test_files_loaded_before_are_counted_apart():
    known = Loaded(loaded(0).source, MINUTE, known=True)
    (one,) = summarise([known, loaded(0, rows=3)], [])
    assert (one.known, one.files, one.rows) == (1, 1, 3)


def test_only_gaps_between_the_first_and_last_row_count():
    gaps = tuple(
        Span(DAY + timedelta(days=k), DAY + timedelta(days=k, hours=1)) for k in (-2, 0, 5)
    )
    stored = Coverage("binance", "BTCUSDT", "candles", MINUTE, DAY, DAY, 9, gaps)
    (one,) = summarise([loaded(0)], [stored])
    assert one.gaps == gaps[1:2]


def test_trades_have_the_gaps_of_the_candles_that_they_became():
    gap = Span(DAY + MINUTE, DAY + 2 * MINUTE)
    stored = Coverage("binance", "BTCUSDT", "candles", MINUTE, DAY, DAY, 9, (gap,))
    (one,) = summarise([loaded(0, kind=Kind.TRADES)], [stored])
    assert one.gaps == (gap,)


def loaded(day, *, kind=Kind.CANDLES, rows=1, **counts):
    first = DAY + timedelta(days=day)
    source = Source(Path("a.zip"), kind, "binance", "BTCUSDT", 60)
    return Loaded(source, MINUTE, rows, rows, first=first, last=first + timedelta(days=1), **counts)
