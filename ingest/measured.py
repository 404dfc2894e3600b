"""What was measured of markets and is kept: calibrations, and fitted assumptions."""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from ingest.database import statement
from ingest.store import Store, naive


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A calibration as it is stored.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    feed : str
        Exchange that reported the liquidations.
    assumptions : str
        Model and all its parameters, JSON with sorted keys.
    inputs : str
        Digest of the daily sums that it was made of.
    watermark : str
        State of the symbol's data at the time.
    program_version : str
        Which program made it.
    calibrated_at : datetime
        When. [UTC]
    result : str
        The factors, or why there are none, JSON.
    """

    exchange: str
    symbol: str
    feed: str
    assumptions: str
    inputs: str
    watermark: str
    program_version: str
    calibrated_at: datetime
    result: str


@dataclass(frozen=True, slots=True)
class StoredFit:
    """Assumptions that were fitted to a market, as they are stored.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    name : str
        Of the preset, unique for the market.
    assumptions : str
        The model, and what in it is not its own, JSON.
    watermark : str
        State of the symbol's data at the time.
    program_version : str
        Which program fitted them.
    fitted_at : datetime
        When. [UTC]
    result : str
        The fitted numbers with their bands, JSON.
    """

    exchange: str
    symbol: str
    name: str
    assumptions: str
    watermark: str
    program_version: str
    fitted_at: datetime
    result: str


def stored_calibration(
    store: Store, exchange: str, symbol: str, feed: str, assumptions: str
) -> StoredCalibration | None:
    """Return the last calibration of a market under some assumptions, None if there is none."""
    named = {"exchange": exchange, "symbol": symbol, "feed": feed, "assumptions": assumptions}
    with store.cursor() as cursor:
        row = cursor.execute(statement("calibration"), named).fetchone()
    if row is None:
        return None
    inputs, watermark, program_version, at, result = row
    return StoredCalibration(
        **named,
        inputs=inputs,
        watermark=watermark,
        program_version=program_version,
        calibrated_at=at.replace(tzinfo=UTC),
        result=result,
    )


def set_calibration(store: Store, calibration: StoredCalibration) -> None:
    """Keep a calibration in place of the last one of its market, feed and assumptions.

    No watermark changes by it: no map is computed from calibrations.
    """
    columns = asdict(calibration) | {"calibrated_at": naive(calibration.calibrated_at)}
    with store.transaction() as cursor:
        cursor.execute(statement("set_calibration"), columns)


def stored_fits(store: Store, symbol: str) -> list[StoredFit]:
    """Return the fits of a symbol, the newest first."""
    with store.cursor() as cursor:
        rows = cursor.execute(statement("fits"), {"symbol": symbol}).fetchall()
    names = [field.name for field in fields(StoredFit)]
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return [StoredFit(**row | {"fitted_at": row["fitted_at"].replace(tzinfo=UTC)}) for row in found]


def set_fit(store: Store, fit: StoredFit) -> None:
    """Keep a fit; one of the same market and name is replaced."""
    columns = asdict(fit) | {"fitted_at": naive(fit.fitted_at)}
    with store.transaction() as cursor:
        cursor.execute(statement("set_fit"), columns)
