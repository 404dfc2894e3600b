"""What may differ between two installations."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, PrivateAttr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.validation import sentence

PREFIX = "LIQHEAT_"
ENV_FILE = Path(".env")

Source = Literal["option", ".env", "environment", "default"]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        # Worded as pydantic words its own, so that the sentence names the setting.
        raise PydanticCustomError(
            "home_folder", "Input should be in the home folder of a user that exists here"
        ) from None


def _encodable(host: str) -> str:
    try:
        host.encode("idna")  # as the resolver does, whose words help nobody
    except UnicodeError:
        raise PydanticCustomError(
            "host_name", "Input should be an address or a valid name of a computer"
        ) from None
    return host


LocalPath = Annotated[Path, AfterValidator(_expanded)]
HostName = Annotated[str, AfterValidator(_encodable)]


class SettingsError(ValueError):
    """A setting has a value that can't be used; the message names it and where it comes from."""


class Settings(BaseSettings):
    """Settings of one running program.

    A value comes from an option, else from the ``.env`` file in the working directory, else from
    the environment variable ``LIQHEAT_…``, else it is the default. Relative paths start at the
    working directory. Use `load`, which explains values that can't be used.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    database: LocalPath = Field(
        default=Path("data/liqheat.duckdb"), description="The database's file"
    )
    cache_dir: LocalPath = Field(
        default=Path("data/cache"), description="Folder of computed results"
    )
    cache_megabytes: int = Field(default=1000, ge=1, description="Size that the cache may grow to")
    host: HostName = Field(
        default="127.0.0.1", min_length=1, description="Address that the pages listen on"
    )
    port: int = Field(
        default=8050, ge=0, le=65535, description="Port of the pages; 0 takes a free one"
    )
    threads: int = Field(
        default_factory=lambda: max(2, os.cpu_count() or 2),
        ge=1,
        le=256,
        description="Computations that may run at once; one a processor, at least 2, unless set",
    )
    warmup_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days computed before the window, in histories too long to compute whole",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="Least serious message that is logged"
    )

    _sources: Mapping[str, Source] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, **options: Any) -> Self:
        """Return the settings in force.

        Parameters
        ----------
        **options
            Values given on the command line; None means not given.

        Raises
        ------
        SettingsError
            If a value can't be used.
        """
        given = {name: value for name, value in options.items() if value is not None}
        try:
            sources = _sources(given)
        except UnicodeDecodeError as e:
            raise SettingsError(f"{ENV_FILE} must be UTF-8, but its byte {e.start} is not") from e
        try:
            settings = cls(**given)
        except ValidationError as e:
            raise SettingsError(sentence(e, lambda name: _called(name, sources))) from e
        settings._sources = sources
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, strongest first (decision 0013)."""
        return init_settings, dotenv_settings, env_settings

    def source(self, name: str) -> Source:
        """Return where the value of setting ``name`` comes from."""
        return self._sources.get(name, "default")


def variable(name: str) -> str:
    """Return the environment variable of setting ``name``."""
    return PREFIX + name.upper()


def unknown_variables() -> list[str]:
    """Return ``LIQHEAT_`` names in the environment and ``.env`` that no setting has."""
    known = {variable(name) for name in Settings.model_fields}
    names = {name.upper() for name in (*os.environ, *dotenv_values(ENV_FILE))}
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def overruled_variables() -> list[str]:
    """Return environment variables whose value the ``.env`` file replaces by another one."""
    environment = EnvSettingsSource(Settings)()
    replaced = DotEnvSettingsSource(Settings)()
    return [
        variable(name)
        for name in Settings.model_fields
        if name in environment and replaced.get(name, environment[name]) != environment[name]
    ]


def _sources(options: Mapping[str, Any]) -> dict[str, Source]:
    sources: dict[str, Source] = dict.fromkeys(EnvSettingsSource(Settings)(), "environment")
    sources |= dict.fromkeys(DotEnvSettingsSource(Settings)(), ".env")
    sources |= dict.fromkeys(options, "option")
    return sources


def _called(name: str, sources: Mapping[str, Source]) -> str:
    """Return what the reader calls the setting, where it was given."""
    match sources.get(name):
        case "option":
            return f"--{name.replace('_', '-')}"
        case ".env":
            return f"{variable(name)} in {ENV_FILE}"
        case _:
            return variable(name)
