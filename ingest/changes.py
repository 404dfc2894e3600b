"""What changed in the database while this process had it open."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LATE: Final = timedelta(seconds=10)
"""A sample of open interest stamped up to this long after a bar's end still belongs to the bar."""

MAP_TABLES = frozenset(
    {"candles", "mark_candles", "open_interest", "funding_rates", "leverage_tiers"}
)
"""What maps are made of."""

ALWAYS: Final = np.datetime64("9999-12-31", "us")
NEVER: Final = np.datetime64("0001-01-01", "us")

_MOMENT = {
    "candles": "open_time",
    "mark_candles": "open_time",
    "open_interest": "time",
    "funding_rates": "time",
}
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one market and table that one transaction added.

    ``earliest`` is the earliest time among them, None where it is not known. [UTC]
    """

    exchange: str
    symbol: str
    table: str
    earliest: np.datetime64 | None = None

    @property
    def bars_stand_until(self) -> np.datetime64:
        """Moment by which bars ended that this does not change. [UTC]"""
        match self.table:
            # Funding counts in the bar that has begun when it falls due.
            case "candles" | "mark_candles" | "funding_rates" if self.earliest is not None:
                return self.earliest
            case "open_interest" if self.earliest is not None:
                return self.earliest - np.timedelta64(LATE) - np.timedelta64(1, "us")
            case table if table in MAP_TABLES:
                return NEVER
        return ALWAYS


@dataclass(slots=True)
class _Market:
    """Commits that changed bars, with the moment until which bars stood, oldest first."""

    known_since: int = 0
    commits: deque[tuple[int, np.datetime64]] = field(default_factory=deque)


class ChangeLog:
    """Until when each market's bars are as they were at an earlier commit.

    One thread adds, several read. Long histories are forgotten from their beginning.
    """

    def __init__(self) -> None:
        self._markets: dict[tuple[str, str], _Market] = {}

    def add(self, commit: int, change: Change) -> None:
        """Note a change that becomes visible with a commit."""
        moment = change.bars_stand_until
        if moment == ALWAYS:
            return
        market = self._markets.setdefault((change.exchange, change.symbol), _Market())
        market.commits.append((commit, moment))
        if len(market.commits) > _MOST:
            market.known_since = market.commits.popleft()[0]

    def bars_stand_until(self, exchange: str, symbol: str, since: int) -> np.datetime64:
        """Return the moment such that bars which ended by then are as at commit ``since``."""
        market = self._markets.get((exchange, symbol))
        if market is None:
            return ALWAYS
        if since < market.known_since:
            return NEVER
        later = [moment for commit, moment in list(market.commits) if commit > since]
        return min(later, default=ALWAYS)


def changes(table: str, rows: Mapping[str, NDArray[Any]]) -> list[Change]:
    """Return the changes that rows of a table make, one for each of their markets."""
    markets = {*zip(rows["exchange"], rows["symbol"], strict=True)}
    time = rows.get(_MOMENT.get(table, ""))
    if time is None:
        return [Change(*market, table) for market in markets]
    if len(markets) == 1:
        return [Change(*market, table, time.min()) for market in markets]
    return [
        Change(exchange, symbol, table, time[_of(rows, exchange, symbol)].min())
        for exchange, symbol in markets
    ]


def _of(rows: Mapping[str, NDArray[Any]], exchange: str, symbol: str) -> NDArray[np.bool_]:
    of: NDArray[np.bool_] = (rows["exchange"] == exchange) & (rows["symbol"] == symbol)
    return of
