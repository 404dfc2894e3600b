"""Options that commands share, and the settings that they go into."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from app.settings import Settings

Database = Annotated[
    Path | None,
    typer.Option(
        "--database", metavar="PATH", help="The database's file, instead of LIQHEAT_DATABASE."
    ),
]


def load_settings(**options: Any) -> Settings:
    """Return the settings in force with ``options`` (None: not given), and log as they say."""
    settings = Settings.load(**options)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    return settings
