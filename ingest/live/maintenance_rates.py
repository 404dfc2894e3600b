"""How much margin must remain, which tells the trigger from a bankruptcy price."""

from collections.abc import Callable, Iterable, Sequence

from ingest.store import Store


class MaintenanceRates:
    """Maintenance rates of markets' lowest leverage tiers, as they were stored last. [-]

    Any thread may ask; nobody waits for the database but who reads.
    """

    def __init__(self, store: Store, exchanges: Iterable[str], symbols: Sequence[str]) -> None:
        self._store = store
        self._markets = [(exchange, symbol) for exchange in exchanges for symbol in symbols]
        self._rates: dict[tuple[str, str], float] = {}

    def of(self, exchange: str) -> Callable[[str], float | None]:
        """Return what tells the rate of an exchange's symbols, None where it is not known."""
        return lambda symbol: self._rates.get((exchange, symbol))

    def read(self) -> None:
        """Read what is stored now."""
        for market in self._markets:
            tiers = self._store.leverage_tiers(*market)
            if tiers["valid_from"].size:
                # The newest table is the last, and ascends from its lowest tier.
                lowest = (tiers["valid_from"] == tiers["valid_from"][-1]).argmax()
                self._rates[market] = float(tiers["maintenance_rate"][lowest])
