"""What may differ between two installations."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
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


def _parts(value: Any) -> Any:
    """Return the parts of a text, which are separated by commas; anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _bare_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if any(set(name) & set(":/ ") for name in names):
        raise PydanticCustomError(
            "host_names",
            "Input should be names of this computer separated by commas, without ports, or *",
        )
    return names


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(origin == "*" or _is_origin(origin) for origin in origins):
        raise PydanticCustomError(
            "origins", "Input should be origins separated by commas, as in https://example.org"
        )
    return origins


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    has_parts = parts.scheme in ("http", "https") and bool(parts.netloc)
    return has_parts and f"{parts.scheme}://{parts.netloc}" == text


def _user_and_password(login: SecretStr) -> SecretStr:
    user, colon, password = login.get_secret_value().partition(":")
    if not (user and colon and password):
        raise PydanticCustomError("secret", "Input should be a user and a password, user:password")
    return login


def _web_address(text: str) -> str:
    if not _is_web_address(text) or "@" in text:  # messages show it, so it holds no password
        raise PydanticCustomError(
            "web_address", "Input should be an address as https://example.org, without ?, # and @"
        )
    return text.rstrip("/")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    has_host = parts.scheme in ("http", "https") and bool(parts.hostname)
    return has_host and not (set(text) & set("?# ")) and text.isascii()


def _stream_addresses(pairs: tuple[str, ...]) -> tuple[str, ...]:
    named = [pair.partition("=") for pair in pairs]
    if not all(
        name and url.startswith(("ws://", "wss://")) and _is_web_address(f"http{url[2:]}")
        for name, _, url in named
    ) or any("@" in url for *_, url in named):
        raise PydanticCustomError(
            "stream_addresses",
            "Input should be exchanges and addresses separated by commas, as in "
            "bybit=wss://stream.example.org/v5/public/linear",
        )
    return _of_known_exchanges({name.strip().lower(): url for name, _, url in named})


def _exchange_addresses(pairs: tuple[str, ...]) -> tuple[str, ...]:
    named = [pair.partition("=") for pair in pairs]
    if not all(name and _is_web_address(url) and "@" not in url for name, _, url in named):
        raise PydanticCustomError(
            "exchange_addresses",
            "Input should be exchanges and addresses separated by commas, as in "
            "bybit=https://api.example.org",
        )
    return _of_known_exchanges({name.strip().lower(): url.rstrip("/") for name, _, url in named})


def _of_known_exchanges(urls: Mapping[str, str]) -> tuple[str, ...]:
    """Return them as pairs; of a misspelt exchange the real one would be asked instead."""
    if urls:
        from ingest.adapters import ADAPTERS  # not needed by who leaves the default

        if not set(urls) <= set(ADAPTERS):
            known = {"known": ", ".join(ADAPTERS)}
            raise PydanticCustomError(
                "exchanges", "Input should be for exchanges of {known}", known
            )
    return tuple(f"{name}={url}" for name, url in urls.items())


def _addresses_of_users(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch("0x[0-9a-fA-F]{40}", address) for address in addresses):
        raise PydanticCustomError(
            "addresses_of_users",
            "Input should be addresses of 0x and 40 digits from 0 to f, separated by commas",
        )
    return tuple(dict.fromkeys(address.lower() for address in addresses))


def _known_exchanges(names: tuple[str, ...]) -> tuple[str, ...]:
    from ingest.adapters import ADAPTERS  # not needed by who leaves the default

    wanted = tuple(dict.fromkeys(name.lower() for name in names))
    if not wanted or not set(wanted) <= set(ADAPTERS):
        known = {"known": ", ".join(ADAPTERS)}
        raise PydanticCustomError("exchanges", "Input should be of {known}", known)
    return wanted


def _symbols(names: tuple[str, ...]) -> tuple[str, ...]:
    from ingest.symbols import split_symbol

    wanted = tuple(dict.fromkeys(name.upper() for name in names))
    if not wanted or not all(split_symbol(name) for name in wanted):
        raise PydanticCustomError("symbols", "Input should be like BTCUSDT,ETHUSDT")
    return wanted


def _proxy_address(proxy: SecretStr) -> SecretStr:
    if not _is_web_address(proxy.get_secret_value()):
        raise PydanticCustomError("secret", "Input should be an address as http://proxy.lan:3128")
    return proxy


def _rate(text: str) -> str:
    if text.strip().lower() in ("", "off"):
        return ""
    from limits import parse_many  # slow to import, and seldom needed

    try:
        rates = parse_many(text)
    except ValueError:
        rates = []
    if len(rates) != 1 or rates[0].amount < 1:
        raise PydanticCustomError(
            "rate", "Input should be a number of requests in a time, as 1200/minute, or off"
        )
    return text


LocalPath = Annotated[Path, AfterValidator(_expanded)]
HostName = Annotated[str, AfterValidator(_encodable)]
HostNames = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_bare_names)
]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_origins)]
Login = Annotated[SecretStr, AfterValidator(_user_and_password)]
Rate = Annotated[str, AfterValidator(_rate)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
ExchangeAddresses = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_exchange_addresses)
]
StreamAddresses = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_stream_addresses)
]
AddressesOfUsers = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_addresses_of_users)
]
KnownExchanges = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_known_exchanges)
]
Symbols = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_symbols)]
ProxyAddress = Annotated[SecretStr, AfterValidator(_proxy_address)]


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
        hide_input_in_errors=True,  # it may be a secret
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
    allowed_hosts: HostNames = Field(
        default=(),
        description="Names that the pages are asked for by, separated by commas; * allows all",
    )
    api_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Token that programs must send, or anybody as a password",
    )
    login: Login | None = Field(
        default=None, description="User and password that readers must give, user:password"
    )
    cors_origins: Origins = Field(
        default=(),
        description="Origins whose pages may read the interface, separated by commas",
    )
    rate_limit: Rate = Field(
        default="1200/minute",
        description="Requests to the interface that one client may make in a time, or off",
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
    collect: bool = Field(default=False, description="Whether the server collects live data, too")
    collect_exchanges: KnownExchanges = Field(
        default=("binance", "bybit", "okx", "hyperliquid"),
        description="Exchanges to collect live data of, separated by commas",
    )
    collect_symbols: Symbols = Field(
        default=("BTCUSDT", "ETHUSDT"),
        description="Symbols to collect live data of, separated by commas",
    )
    vision_url: WebAddress = Field(
        default="https://data.binance.vision",
        description="Address of Binance's archive, or of a copy of it",
    )
    rest_urls: ExchangeAddresses = Field(
        default=(),
        description="Other addresses to ask exchanges at, bybit=https://…, separated by commas",
    )
    stream_urls: StreamAddresses = Field(
        default=(),
        description="Other addresses of exchanges' streams, bybit=wss://…, separated by commas",
    )
    hyperliquid_users: AddressesOfUsers = Field(
        default=(),
        description="Hyperliquid's users to follow, by address, 0x…, separated by commas",
    )
    proxy: ProxyAddress | None = Field(
        default=None, description="Proxy between here and archives, http://proxy.lan:3128"
    )
    http_timeout: float = Field(
        default=30.0, gt=0, le=3600, description="Longest silence of an archive in seconds"
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
            # As the commands say that take them.
            return f"--{name.removeprefix('collect_').replace('_', '-')}"
        case ".env":
            return f"{variable(name)} in {ENV_FILE}"
        case _:
            return variable(name)
