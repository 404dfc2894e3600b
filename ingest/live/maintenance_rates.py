"""How much margin must remain, which tells the trigger from a bankruptcy price."""

from collections.abc import Callable

from ingest.database import run
from ingest.store import Store


class MaintenanceRates:
    """Maintenance rates of markets' lowest leverage tiers, as they were stored last. [-]

    Any thread may ask; nobody waits for the database but who reads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rates: dict[tuple[str, str], float] = {}

    def of(self, exchange: str) -> Callable[[str], float | None]:
        """Return what tells the rate of an exchange's symbols, None where it is not known."""
        return lambda symbol: self._rates.get((exchange, symbol))

    def read(self) -> None:
        """Read what is stored now."""
        with self._store.cursor() as cursor:
            rows = run(cursor, "maintenance_rates").fetchall()
        self._rates = {(exchange, symbol): rate for exchange, symbol, rate in rows}
