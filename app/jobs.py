"""Loading of data that readers of the Data page ask for, one job after the other."""

from app.settings import Settings
from ingest.store import Store


class Jobs:
    """Fetches and backfills that run in the serving process.

    Parameters
    ----------
    store : Store
        Where rows go.
    settings : Settings
        Where archives and exchanges are asked.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings

    def stop(self) -> None:
        """Cancel what is running and waiting, and wait until it has ended."""
