"""Binance's archive: which of its files hold a range, and why one may be missing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ingest.files.kinds import Kind
from ingest.files.recognise import Source
from ingest.intervals import SECONDS

LICENCE = "Binance's archive is under CC BY-NC-SA 4.0: not for commercial use."
TERMS = "https://github.com/binance/binance-public-data"
EXCHANGE = "binance"

NEVER_THERE = "not traded then, or a hole in the archive"
"""Why a file of the past is likely not there."""

_ROOT = "data/futures/um"
_DAY = timedelta(days=1)
_MONTHLY_INTERVALS = frozenset({"3d", "1w", "1mo"})
_SYMBOL = re.compile(r"[A-Z0-9]{2,30}(_\d{6})?")
_COIN_MARGINED = re.compile(r".*USD(_PERP|_\d{6})")


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of file in the archive.

    Attributes
    ----------
    name : str
        The archive's own.
    kind : Kind
        What its files hold.
    first, stop : date
        Day it begins, for any symbol, and the one it ended before.
    daily, monthly : bool
        Whether there are files of days, of months.
    has_interval : bool
        Whether there is one for each interval of candles.
    """

    name: str
    kind: Kind
    first: date = date(2020, 1, 1)
    stop: date = date.max
    daily: bool = True
    monthly: bool = True
    has_interval: bool = False


SERIES = (
    Series("klines", Kind.CANDLES, has_interval=True),
    Series("markPriceKlines", Kind.MARK_CANDLES, has_interval=True),
    Series("metrics", Kind.METRICS, first=date(2020, 9, 1), monthly=False),
    Series("fundingRate", Kind.FUNDING, daily=False),
    Series("aggTrades", Kind.TRADES),
    # Binance has taken them out; a mirror may still have them.
    Series("liquidationSnapshot", Kind.LIQUIDATIONS, stop=date(2024, 4, 1), monthly=False),
)


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of the archive.

    Attributes
    ----------
    series : Series
        What it holds.
    symbol, interval : str
        Of what; no interval where the series has none.
    first : date
        Its first day.
    monthly : bool
        Whether it holds a month or a day.
    """

    series: Series
    symbol: str
    interval: str
    first: date
    monthly: bool

    @property
    def stop(self) -> date:
        """The day after its last one."""
        return _next_month(self.first) if self.monthly else self.first + _DAY

    @property
    def name(self) -> str:
        """The file's name."""
        when = f"{self.first:%Y-%m}" if self.monthly else f"{self.first}"
        return f"{self.symbol}-{self.interval or self.series.name}-{when}.zip"

    @property
    def path(self) -> str:
        """Where it stands in the archive."""
        period = "monthly" if self.monthly else "daily"
        folders = [_ROOT, period, self.series.name, self.symbol, self.interval, self.name]
        return "/".join(folder for folder in folders if folder)

    def days(self) -> list["Archive"]:
        """Return the files of days that hold the same as this one of a month, if there are any."""
        if not self.monthly or not _has_days(self.series, self.interval):
            return []
        return [
            Archive(self.series, self.symbol, self.interval, day, monthly=False)
            for day in _days(self.first, self.stop)
        ]

    def source(self, path: Path) -> Source:
        """Return what the file holds, lying at ``path``."""
        seconds = SECONDS[self.interval] if self.interval else None
        return Source(path, self.series.kind, EXCHANGE, self.symbol, seconds)


def archives(
    series: Series, symbol: str, interval: str, start: date, stop: date
) -> Iterator[Archive]:
    """Yield the files that hold the days ``start <= day < stop``, oldest first.

    Months that lie in the range as a whole are taken as one file where there are such, other days
    one by one. Where there are no files of days, months are taken that reach out of the range.
    """
    interval = interval if series.has_interval else ""
    day, stop = max(start, series.first), min(stop, series.stop)
    has_days = _has_days(series, interval)
    while day < stop:
        whole = series.monthly and day.day == 1 and _next_month(day) <= stop
        monthly = whole or not has_days
        first = day.replace(day=1) if monthly else day
        archive = Archive(series, symbol, interval, first, monthly)
        yield archive
        day = archive.stop


def outside(series: Series, start: date, stop: date) -> str:
    """Return a sentence about what of the range lies outside the archive, empty if nothing."""
    if start < series.first:
        return f"{series.name}: the archive holds nothing before {series.first}."
    if stop > series.stop:
        return f"{series.name}: the archive ended with {series.stop - _DAY}."
    return ""


def why_missing(archive: Archive, today: date) -> str:
    """Return why a file is likely not there."""
    if archive.series.stop < date.max:
        return "Binance has taken these files out of its archive"
    if archive.monthly and archive.stop > today:
        return "a month's file comes about the first Monday of the next month"
    if archive.monthly and today <= _first_monday(archive.stop) + _DAY:
        return "not published yet; a month's file comes about the first Monday of the next month"
    if not archive.monthly and archive.stop >= today - _DAY:
        return "not published yet; a day's file comes on the next day"
    return NEVER_THERE


def parse_series(text: str) -> tuple[Series, ...]:
    """Return the series that names, separated by commas, stand for.

    Raises
    ------
    ValueError
        If there is none of a name; the archive's names count, and those of `Kind`.
    """
    named = {name.lower(): one for one in SERIES for name in (one.name, one.kind)}
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name.lower() not in named]
    if unknown or not names:
        raise ValueError(
            f"--kinds must be some of {', '.join(one.name for one in SERIES)}, separated by "
            f"commas, but is {text!r}"
        )
    return tuple(dict.fromkeys(named[name.lower()] for name in names))


def parse_symbol(text: str) -> str:
    """Return a symbol as the archive spells it.

    Raises
    ------
    ValueError
        If the archive has no such symbols, or none that are read.
    """
    symbol = text.strip().upper()
    if not _SYMBOL.fullmatch(symbol) and not _COIN_MARGINED.fullmatch(symbol):
        raise ValueError(
            "--symbol must be letters and digits, as BTCUSDT, or with a date of delivery, as "
            f"BTCUSDT_240329, but is {text!r}"
        )
    if _COIN_MARGINED.fullmatch(symbol):
        raise ValueError(
            f"--symbol must have sizes in the base asset, but {symbol} counts contracts of 10 or "
            "100 USD; take its USDⓈ-M future, as BTCUSDT"
        )
    return symbol


def check_interval(text: str) -> str:
    """Return an interval of candles as the archive spells it, unless there is no such."""
    if text not in SECONDS:
        raise ValueError(f"--interval must be one of {', '.join(SECONDS)}, but is {text!r}")
    return text


def parse_range(start: str, stop: str | None, today: date) -> tuple[date, date]:
    """Return the first day and the one after the last; up to yesterday if not told.

    Raises
    ------
    ValueError
        If they are no days, none lies between them, or some have not passed.
    """
    first, after = _parse_day("--start", start), _parse_day("--stop", stop or f"{today}")
    if first >= today:
        raise ValueError(f"--start must be before today, {today} (UTC), but is {first}")
    if after > today:
        raise ValueError(
            f"--stop must be at most today, {today} (UTC), for the archive holds days that have "
            f"passed, but is {after}"
        )
    if first >= after:
        raise ValueError(f"--start must be before --stop, but is {first} and --stop is {after}")
    return first, after


def spans(found: Sequence[Archive]) -> list[tuple[date, date]]:
    """Return the spans that files cover, oldest first, those that meet as one."""
    joined: list[tuple[date, date]] = []
    for archive in sorted(found, key=lambda one: one.first):
        if joined and joined[-1][1] >= archive.first:
            joined[-1] = (joined[-1][0], max(joined[-1][1], archive.stop))
        else:
            joined.append((archive.first, archive.stop))
    return joined


def _parse_day(option: str, text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip(), re.ASCII):
        raise ValueError(f"{option} must be a day, as 2024-01-31, but is {text!r}")
    try:
        return date.fromisoformat(text.strip())
    except ValueError as e:
        raise ValueError(f"{option} must be a day that there is, but is {text!r}") from e


def _has_days(series: Series, interval: str) -> bool:
    return series.daily and interval not in _MONTHLY_INTERVALS


def _days(first: date, stop: date) -> list[date]:
    return [first + k * _DAY for k in range((stop - first).days)]


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _first_monday(month: date) -> date:
    return month + timedelta(days=-month.weekday() % 7)
