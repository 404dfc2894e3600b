from datetime import timedelta

import numpy as np
import pytest

from ingest.columns import batch

CANDLES = {
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "interval": timedelta(minutes=5),
    "open_time": np.array(["2026-01-05", "2026-01-06"], "datetime64[D]"),
    **dict.fromkeys(("open", "high", "low", "close", "volume"), np.array([1, 2])),
}


def test_scalars_and_what_is_optional_become_columns_of_the_same_length():
    found = batch("candles", CANDLES)
    assert found["symbol"].tolist() == ["BTCUSDT", "BTCUSDT"]
    assert found["interval_seconds"].tolist() == [300, 300]
    assert found["open_time"].dtype == "datetime64[us]"
    assert found["open"].dtype == np.float64
    assert np.isnan(found["taker_buy_volume"]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_price_must_be_known(value):
    with pytest.raises(ValueError, match="low of candles must be known in every row"):
        batch("candles", CANDLES | {"low": np.array([1.0, value])})


def test_a_time_must_be_known():
    times = np.array(["2026-01-05", "NaT"], "datetime64[us]")
    with pytest.raises(ValueError, match="open_time of candles must be known"):
        batch("candles", CANDLES | {"open_time": times})


def test_lengths_must_agree_and_there_must_be_one():
    with pytest.raises(ValueError, match="must have one length"):
        batch("candles", CANDLES | {"volume": np.ones(3)})
    scalars = {"exchange": "binance", "symbol": "BTCUSDT"}
    with pytest.raises(ValueError, match="must have one length"):
        batch("funding_rates", scalars | {"time": np.datetime64("2026-01-05"), "funding_rate": 0.1})
