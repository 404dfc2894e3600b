"""What an error becomes on the command line: a sentence and an exit code."""

import sys
from dataclasses import dataclass

import typer
from pydantic import ValidationError

from app.errors import NoData
from app.validation import sentence
from ingest.errors import FileError

NOTHING = 1
"""Some input was bad, or there is nothing to show."""

UNUSABLE = 2
"""Usage, settings or database can't be used."""

DEFECT = 3
"""The program itself is wrong."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the reader sees it."""

    message: str
    exit_code: int


def explain(error: Exception) -> Failure | None:
    """Return an error as the reader should see it, or None where typer reports it itself."""
    match error:
        case typer.Exit() | typer.Abort() | typer.TyperException() | BrokenPipeError():
            return None
        case NoData() | FileError():
            return Failure(str(error), NOTHING)
        case _ if _is_a(error, "ingest.database", "StoreError"):
            return Failure(str(error), UNUSABLE)
        case _ if _is_a(error, "duckdb", "Error"):
            from ingest.database_errors import in_one_line

            return Failure(f"The database can't be used: {in_one_line(error)}", UNUSABLE)
        case ValidationError():
            return Failure(sentence(error), UNUSABLE)
        case OSError(filename=str() as name, strerror=str() as reason):
            return Failure(f"{name}: {reason}", UNUSABLE)
        case ValueError() | OSError():
            return Failure(str(error), UNUSABLE)
    return Failure(
        f"A defect in liqheat: {type(error).__name__}: {error}. "
        '"liqheat --debug COMMAND …" shows where.',
        DEFECT,
    )


def _is_a(error: Exception, module: str, name: str) -> bool:
    """Return whether the error is a ``module.name``, without importing what is slow to import.

    What was never imported can't have raised it.
    """
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, getattr(loaded, name))
