"""Exchanges' adapters as the settings say."""

from collections.abc import Sequence

from app.settings import Settings
from ingest.adapters import make_adapter
from ingest.adapters.adapter import Adapter


def make_adapters(settings: Settings, exchanges: Sequence[str]) -> list[Adapter]:
    """Return the adapters of exchanges, at the addresses that the settings name."""
    rest = dict(one.split("=", 1) for one in settings.rest_urls)
    streams = dict(one.split("=", 1) for one in settings.stream_urls)
    users = {"hyperliquid": settings.hyperliquid_users}
    return [
        make_adapter(
            one, stream_url=streams.get(one), rest_url=rest.get(one), users=users.get(one, ())
        )
        for one in exchanges
    ]
