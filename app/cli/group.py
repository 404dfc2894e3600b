"""Commands that are imported when they run, so that ``liqheat --help`` is quick."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from app.cli.errors import explain


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the function, or group of commands, ``name`` in ``module``; a line about it.

    One that was ``replaced_by`` others is in no list and says so, whatever its arguments.
    """

    name: str
    module: str = ""
    summary: str = ""
    replaced_by: str = ""


class LazyCommand(TyperCommand):
    """Stands for a command in lists until it runs."""

    def __init__(self, command: Command) -> None:
        super().__init__(command.name, help=command.summary, hidden=bool(command.replaced_by))
        self._command = command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Import the command and let it read its arguments."""
        if self._command.replaced_by:
            raise ValueError(f"{self._command.name} was replaced: {self._command.replaced_by}.")
        return load(self._command).make_context(*args, **kwargs)


class LazyGroup(TyperGroup):
    """Commands whose errors are sentences."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; say what went wrong and exit, unless asked to show where."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise
        except Exception as error:
            failure = explain(error)
            if failure is None or ctx.params["debug"]:
                raise
        # Outside the handler, so that nothing keeps the error and what its frames hold.
        typer.echo(failure.message, err=True)
        raise typer.Exit(failure.exit_code)


def load(command: Command) -> Any:
    """Return the command, imported."""
    found = getattr(import_module(command.module), command.name)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(command.name)(found)
    return typer.main.get_command(app)
