from pathlib import Path

import pytest

from ingest.errors import FileError, NotRead
from ingest.files.kinds import Kind
from ingest.files.recognise import Source, Told, recognise

UM = Path("data/futures/um")


@pytest.mark.parametrize(
    ("path", "kind", "symbol", "seconds"),
    [
        ("monthly/klines/BTCUSDT/15m/BTCUSDT-15m-2026-01.zip", Kind.CANDLES, "BTCUSDT", 900),
        ("daily/klines/BTCUSDT/1m/BTCUSDT-1m-2026-01-05.zip", Kind.CANDLES, "BTCUSDT", 60),
        ("monthly/klines/ETHUSDT/1mo/ETHUSDT-1mo-2026-01.zip", Kind.CANDLES, "ETHUSDT", 2_592_000),
        (
            "daily/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2026-01-05.zip",
            Kind.MARK_CANDLES,
            "BTCUSDT",
            3600,
        ),
        (
            "daily/metrics/1000SHIBUSDT/1000SHIBUSDT-metrics-2026-01-05.zip",
            Kind.METRICS,
            None,
            None,
        ),
        ("monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-01.zip", Kind.FUNDING, None, None),
        ("daily/aggTrades/BTCUSDC/BTCUSDC-aggTrades-2026-01-05.zip", Kind.TRADES, "BTCUSDC", None),
        (
            "daily/liquidationSnapshot/BTCUSDT/BTCUSDT-liquidationSnapshot-2023-06-25.zip",
            Kind.LIQUIDATIONS,
            "BTCUSDT",
            None,
        ),
        ("BTCUSDT_240628-metrics-2024-01-05.zip", Kind.METRICS, "BTCUSDT_240628", None),
    ],
)
def test_archive_files_are_told_by_name_and_folder(path, kind, symbol, seconds):
    found = recognise(UM / path)
    assert (found.kind, found.exchange, found.interval_seconds) == (kind, "binance", seconds)
    assert found.symbol == symbol or path.startswith(("daily", "monthly"))
    assert not found.assumed


@pytest.mark.parametrize("suffix", [".zip", ".csv", ".csv.gz"])
def test_a_candle_file_on_its_own_is_taken_for_last_prices(suffix):
    found = recognise(Path(f"BTCUSDT-5m-2026-01{suffix}"))
    assert (found.kind, found.assumed) == (Kind.CANDLES, True)
    told = recognise(Path(f"BTCUSDT-5m-2026-01{suffix}"), Told(kind=Kind.MARK_CANDLES))
    assert (told.kind, told.assumed) == (Kind.MARK_CANDLES, False)


def test_other_files_are_what_the_reader_says():
    told = Told("okx", "BTCUSDT", Kind.CANDLES, 300)
    path = Path("candles of mine.parquet")
    assert recognise(path, told) == Source(path, Kind.CANDLES, "okx", "BTCUSDT", 300)


@pytest.mark.parametrize(
    "told", [Told(), Told(exchange="okx"), Told("okx", "BTCUSDT"), Told(kind=Kind.CANDLES)]
)
def test_other_files_need_all_three(told):
    with pytest.raises(NotRead, match="--exchange, --symbol and --kind, found neither"):
        recognise(Path("mine.csv"), told)


@pytest.mark.parametrize("name", ["BTCUSDT-5m_2025.csv", "BTCUSDT.csv", "BTCUSDT_5m.csv"])
def test_a_name_that_begins_with_another_symbol_is_refused(name):
    with pytest.raises(FileError, match="a file named for BTCUSDT"):
        recognise(Path(name), Told("binance", "ETHUSDT", Kind.CANDLES))
    assert recognise(Path(name), Told("binance", "BTCUSDT", Kind.CANDLES)).symbol == "BTCUSDT"


@pytest.mark.parametrize("name", ["candles.csv", "BTC.csv", "BTCUSDTX.csv", "btcusdt.csv"])
def test_names_that_say_no_symbol_are_believed(name):
    assert recognise(Path(name), Told("binance", "ETHUSDT", Kind.CANDLES)).symbol == "ETHUSDT"
