"""The maintenance rates that tell triggers from bankruptcy prices, of a database."""

import numpy as np

from ingest.live.maintenance_rates import MaintenanceRates
from ingest.store import Store


def tiers(exchange, valid_from, rates):
    return {
        "exchange": exchange,
        "symbol": "BTCUSDT",
        "valid_from": np.datetime64(valid_from, "us"),
        "floor": np.arange(len(rates)) * 1e6,
        "cap": np.arange(1, len(rates) + 1) * 1e6,
        "max_leverage": np.full(len(rates), 50.0),
        "maintenance_rate": np.array(rates),
    }


def test_the_rate_is_that_of_the_lowest_tier_of_the_newest_table():
    with Store.open(":memory:") as store:
        store.add_leverage_tiers(tiers("bybit", "2026-03-01", [0.006, 0.01]))
        store.add_leverage_tiers(tiers("bybit", "2026-01-01", [0.005, 0.002]))
        rates = MaintenanceRates(store)
        bybit, okx = rates.of("bybit"), rates.of("okx")
        assert bybit("BTCUSDT") is None  # nothing was read yet
        rates.read()
        assert (bybit("BTCUSDT"), bybit("ETHUSDT"), okx("BTCUSDT")) == (0.006, None, None)
        store.add_leverage_tiers(tiers("okx", "2026-03-02", [0.004, 0.005]))
        rates.read()
        assert (bybit("BTCUSDT"), okx("BTCUSDT")) == (0.006, 0.004)
