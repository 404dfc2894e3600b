"""Pydantic's complaints as sentences."""

from collections.abc import Callable

from pydantic import ValidationError


def sentence(error: ValidationError, called: Callable[[str], str] = str) -> str:
    """Return what was expected and what was found, ``port must be …, but is 'abc'``.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    called : callable
        From a field's name to what the reader calls it.
    """
    return "; ".join(
        f"{called('.'.join(str(part) for part in problem['loc']))} {_complaint(problem['msg'])}, "
        f"but is {problem['input']!r}"
        for problem in error.errors()
    )


def _complaint(message: str) -> str:
    message = message.removeprefix("Value error, ").split(", unable")[0]
    for prefix in ("Input should be ", "String should "):
        if message.startswith(prefix):
            return f"must {'be ' * prefix.endswith('be ')}{message.removeprefix(prefix)}"
    return message[:1].lower() + message[1:]
