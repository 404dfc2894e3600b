"""``liqheat doctor``: what is in force here, and what is wrong."""

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app import __version__
from app.cli.options import Database, load_settings
from app.diagnosis import Finding, diagnose
from app.settings import Settings, variable

LIBRARIES = (
    "dash", "plotly", "dash-bootstrap-components", "bootstrap-flask", "fastapi", "uvicorn",
    "duckdb", "numpy", "numba", "pandas", "diskcache", "pydantic", "orjson", "httpx",
)  # fmt: skip

STYLES = {"ok": "green", "note": "yellow", "wrong": "bold red"}


def doctor(database: Database = None) -> None:
    """Show the settings in force and what is wrong, if anything.

    Changes nothing. Exits with 1 if something can't be used, and says what to do about it.
    """
    settings = load_settings(database=database)
    console = Console()
    console.print(f"liqheat {__version__} on Python {platform.python_version()}")
    console.print(_settings_table(settings))
    console.print(", ".join(f"{name} {_version(name)}" for name in LIBRARIES), highlight=False)
    findings = list(diagnose(settings))
    console.print(_findings_table(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def _settings_table(settings: Settings) -> Table:
    # The variable is there to be copied, so it is whole however narrow the terminal is.
    whole = Column("variable", no_wrap=True)
    table = Table("setting", "value", "from", whole, box=SIMPLE_HEAD)
    for name in Settings.model_fields:
        value, source = _shown(getattr(settings, name)), settings.source(name)
        style = "dim" if source == "default" else ""
        table.add_row(name, Text(value, overflow="fold"), source, variable(name), style=style)
    return table


def _shown(value: object) -> str:
    """Return a setting's value as it would be written, but for secrets."""
    match value:
        case None:
            return ""
        case tuple():
            return ", ".join(value)
    return str(value)


def _findings_table(findings: Sequence[Finding]) -> Table:
    table = Table("looked at", "", "found", box=SIMPLE_HEAD)
    for finding in findings:
        text = Text(finding.found, overflow="fold")
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(finding.subject, Text(finding.state, style=STYLES[finding.state]), text)
    return table


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(missing)"
