"""Options for the assumptions of a command."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from rich.markup import escape

from app.assumptions import Assumptions


def assuming(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each assumption, placed before its last option."""
    signature = inspect.signature(command, eval_str=True)
    *others, last = (p for p in signature.parameters.values() if p.name != "assumptions")
    taken = [*others, *_options(), last]

    @wraps(command)
    def with_assumptions(**given: Any) -> None:
        chosen = {name: given.pop(name) for name in Assumptions.model_fields}
        assumptions = Assumptions(**chosen)
        assumptions.assumed()  # rejects contradictions before anything is done
        command(assumptions=assumptions, **given)

    with_assumptions.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    with_assumptions.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    return with_assumptions


def _options() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=field.default,
            annotation=Annotated[field.annotation, typer.Option(help=_sentence(field.description))],
        )
        for name, field in Assumptions.model_fields.items()
    ]


def _sentence(text: str | None) -> str:
    assert text is not None
    text = escape(text)  # a unit like [quote] is no markup
    return f"{text[0].upper()}{text[1:]}."
