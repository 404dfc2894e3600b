"""Who asks archives and exchanges, as the settings say."""

import logging
from typing import TYPE_CHECKING

from app import __version__
from app.settings import Settings

if TYPE_CHECKING:
    from ingest.http import HttpClient


def make_client(
    settings: Settings, *, attempts: int = 5, again_logged_as: int = logging.WARNING
) -> "HttpClient":
    """Return who asks archives and exchanges, each thing so often until there is an answer."""
    from ingest.http import HttpClient, Manners

    manners = Manners(
        user_agent=f"liqheat/{__version__}",
        proxy=settings.proxy.get_secret_value() if settings.proxy else None,
        timeout=settings.http_timeout,
        attempts=attempts,
        again_logged_as=again_logged_as,
    )
    return HttpClient(manners)
