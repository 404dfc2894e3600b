import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.margin import (
    LONG,
    SHORT,
    LeverageTier,
    MarginRules,
    liquidation_price,
    liquidation_ratio,
)
from engine.tiers import margin_rules

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
(BINANCE,) = margin_rules("binance", "BTCUSDT")
(OKX,) = margin_rules("okx", "BTCUSDT")
(HYPERLIQUID,) = margin_rules("hyperliquid", "BTCUSDT")


@pytest.mark.parametrize(
    ("rules", "leverage", "side", "quantity", "expected"),
    [
        # Equity and maintenance margin at these prices were worked by hand: 60,000 · (1 − s/L) /
        # (1 − s·m) with m = 0.4 %.
        (BINANCE, 20, LONG, 1, 57_228.92),
        (BINANCE, 20, SHORT, 1, 62_749.00),
        (BINANCE, 10, LONG, 1, 54_216.87),
        (BINANCE, 100, LONG, 1, 59_638.55),
        # 6 M at entry, 5.7 M at liquidation: tier of 1 % with a deduction of 12,000.
        (BINANCE, 20, LONG, 100, 57_454.55),
        # The taker fee adds to the maintenance rate.
        (OKX, 10, LONG, 1, 54_244.10),
        # 40x at most, so 1.25 %.
        (HYPERLIQUID, 20, LONG, 1, 57_721.52),
    ],
)
def test_liquidation_price_matches_worked_numbers(rules, leverage, side, quantity, expected):
    price = liquidation_price(60_000.0, leverage, side, rules, quantity * 60_000.0)
    assert price == pytest.approx(expected, abs=0.005)


@given(
    notional=st.floats(1e3, 7e7, exclude_max=True),  # from there on 20x at most
    leverage=st.floats(1.0, 25.0),
    side=st.sampled_from([LONG, SHORT]),
    entry=st.floats(1e-4, 1e6),
)
def test_equity_equals_maintenance_margin_of_the_tier_at_liquidation(
    notional, leverage, side, entry
):
    price = liquidation_price(entry, leverage, side, BINANCE, notional)
    quantity = notional / entry
    equity = notional / leverage + side * quantity * (price - entry)
    tier = BINANCE.tier_at(quantity * price)
    maintenance = quantity * price * tier.maintenance_rate - tier.deduction
    assert equity == pytest.approx(maintenance, rel=1e-6, abs=1e-6 * notional)


def test_tier_is_the_one_at_the_liquidation_notional():
    # 301,000 at entry is in the second tier, but 301,000 · 0.95 at liquidation is in the first.
    assert liquidation_ratio(20, LONG, BINANCE, 301_000.0) == pytest.approx(0.95 / 0.996)


def test_leverage_above_the_tier_names_both():
    with pytest.raises(ValueError, match=r"leverage 75x is above the tier's maximum of 50x"):
        liquidation_price(60_000.0, 75, LONG, BINANCE, 6e6)


def test_margin_within_maintenance_names_both():
    rules = MarginRules((LeverageTier(0.0, 1e9, 200.0, 0.01),))
    with pytest.raises(ValueError, match=r"leverage 100x leaves a margin of 1\.0000%, .* 1\.0000%"):
        liquidation_price(60_000.0, 100, LONG, rules)


def test_leverage_below_one_is_refused():
    with pytest.raises(ValueError, match=r"at least 1, but is 0\.5"):
        liquidation_price(60_000.0, 0.5, LONG, BINANCE)


@pytest.mark.parametrize("floors", [[(1.0, 2.0)], [(0.0, 1.0), (2.0, 3.0)], []])
def test_tables_with_holes_are_refused(floors):
    with pytest.raises(ValueError, match="leverage tiers must"):
        MarginRules(tuple(LeverageTier(low, high, 10.0, 0.01) for low, high in floors))


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_shipped_binance_tiers_equal_the_published_ones(symbol):
    path = PAYLOADS / "binance_leverageBracket_freqtrade_pypi.json"
    if not path.exists():
        pytest.skip(f"no {path}")
    published = json.loads(path.read_text())[f"{symbol[:-4]}/USDT:USDT"]
    (rules,) = margin_rules("binance", symbol)
    assert [
        (t.floor, t.cap, t.max_leverage, t.maintenance_rate, pytest.approx(t.deduction))
        for t in rules.tiers
    ] == [
        (
            row["minNotional"],
            row["maxNotional"],
            row["maxLeverage"],
            row["maintenanceMarginRate"],
            row["info"]["cum"],
        )
        for row in published
    ]


def test_shipped_bybit_tiers_equal_the_published_ones():
    path = PAYLOADS / "bybit_riskLimit_BTCUSDT_page.json"
    if not path.exists():
        pytest.skip(f"no {path}")
    (rules,) = margin_rules("bybit", "BTCUSDT")
    assert [
        (t.cap, t.max_leverage, t.maintenance_rate, pytest.approx(t.deduction)) for t in rules.tiers
    ] == [
        (row["riskLimitValue"], row["maxLeverage"], row["maintenanceMargin"], row["mmDeduction"])
        for row in json.loads(path.read_text())
    ]


def test_unknown_markets_get_rules_marked_as_assumed():
    (rules,) = margin_rules("binance", "NEWUSDT")
    assert rules.assumed
    assert not BINANCE.assumed
