"""When leverage tiers are stored anew."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest

from ingest.backfill_tiers import is_stored, tier_columns
from ingest.records import TierRow, Tiers
from ingest.store import Store

ROWS = (
    TierRow(floor=0, cap=1000, max_leverage=100, maintenance_rate=0.004),
    TierRow(floor=1000, cap=inf, max_leverage=50, maintenance_rate=0.01, deduction=6),
)
TIERS = Tiers(
    exchange="okx", symbol="BTCUSDT", valid_from=datetime(2026, 1, 1, tzinfo=UTC), rows=ROWS
)


@pytest.fixture
def stored():
    with Store.open(":memory:") as store:
        assert not is_stored(store.leverage_tiers("okx", "BTCUSDT"), TIERS)
        store.add_leverage_tiers(tier_columns(TIERS))
        yield store.leverage_tiers("okx", "BTCUSDT")


def test_the_same_tiers_are_stored_whenever_they_come(stored):
    assert is_stored(stored, replace(TIERS, valid_from=datetime(2026, 2, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:1],
        (replace(ROWS[0], max_leverage=75), ROWS[1]),
        (ROWS[0], replace(ROWS[1], maintenance_rate=0.011)),
        (ROWS[0], replace(ROWS[1], deduction=7)),
    ],
)
def test_other_tiers_are_not(stored, rows):
    assert not is_stored(stored, replace(TIERS, rows=rows), leeway=0.25)


@pytest.mark.parametrize(("factor", "same"), [(1.0, True), (1.2, True), (0.8, True), (1.3, False)])
def test_a_price_that_moved_little_makes_no_other_tiers(stored, factor, same):
    rows = tuple(
        replace(r, **{n: getattr(r, n) * factor for n in ("floor", "cap", "deduction")})
        for r in ROWS
    )
    assert is_stored(stored, replace(TIERS, rows=rows), leeway=0.25) is same
    assert is_stored(stored, replace(TIERS, rows=rows)) is (factor == 1.0)
