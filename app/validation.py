"""Pydantic's complaints as sentences."""

from collections.abc import Callable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_LONGEST = 200  # of what was found: the beginning of a long line says as much as the whole


def sentence(error: ValidationError, called: Callable[[str], str] = str) -> str:
    """Return what was expected and what was found, ``port must be …, but is 'abc'``.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    called : callable
        From a field's name to what the reader calls it.
    """
    return "; ".join(_of_problem(problem, called) for problem in error.errors())


def _of_problem(problem: ErrorDetails, called: Callable[[str], str]) -> str:
    if problem["type"] == "value_error":  # a validator of ours, which says it all
        return problem["msg"].removeprefix("Value error, ")
    name = called(".".join(str(part) for part in problem["loc"]))
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "secret":  # what was found is not to be seen in a log
        return f"{name} {complaint(problem['msg'])}"
    found = _shortened(repr(problem["input"]))
    if problem["type"] == "json_invalid":  # and so has no fields
        return f"no JSON: {found}"
    return f"{name} {complaint(problem['msg'])}, but is {found}".lstrip()


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def complaint(message: str) -> str:
    """Return pydantic's message as what follows a name: ``must be less than or equal to 1``."""
    message = message.split(", unable")[0].replace("a valid boolean", "true or false")
    for prefix in ("Input should be ", "String should "):
        if message.startswith(prefix):
            return f"must {'be ' * prefix.endswith('be ')}{message.removeprefix(prefix)}"
    return message[:1].lower() + message[1:]
