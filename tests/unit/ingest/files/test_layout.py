from pathlib import Path

import pytest

from ingest.errors import FileError
from ingest.files.kinds import FORMATS, Kind
from ingest.files.layout import named_layout

FILE = Path("mine.csv")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_archives_columns_are_all_known(kind):
    columns = FORMATS[kind].archive_columns
    layout = named_layout(FILE, kind, columns)
    required = {field.name for field in FORMATS[kind].fields if field.required}
    assert required <= set(layout.names)
    assert len(layout.names) == len(columns)


def test_columns_are_renamed_in_the_files_order_and_the_rest_is_not_read():
    header = ["close_time", "Close", " LOW ", "high", "open", "v", "date"]
    layout = named_layout(FILE, Kind.CANDLES, header, ["0", "1", "1", "1", "1", "1", "2026-01-05"])
    assert layout.names == ("unread_0", "close", "low", "high", "open", "volume", "time")
    assert layout.columns["time"] == "TIMESTAMP"
    assert layout.columns["unread_0"] == "VARCHAR"
    assert layout.dates


def test_the_average_fill_is_the_price_of_a_liquidation():
    layout = named_layout(FILE, Kind.LIQUIDATIONS, FORMATS[Kind.LIQUIDATIONS].archive_columns)
    header = FORMATS[Kind.LIQUIDATIONS].archive_columns
    assert layout.names[header.index("average_price")] == "price"
    assert layout.names[header.index("price")].startswith("unread")
    assert layout.names[header.index("accumulated_fill_quantity")] == "quantity"
    assert layout.order_sides


@pytest.mark.parametrize(
    ("cell", "dates"),
    [
        ("1767571200000", False),
        ("1767571200", False),
        ("2026-01-05 00:00:00", True),
        ("2026/01/05", True),
        ("nonsense", False),
    ],
)
def test_times_are_dates_where_they_look_like_it(cell, dates):
    header = ["time", "open_interest"]
    assert named_layout(FILE, Kind.METRICS, header, [cell, "1"]).dates is dates


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (["time", "open_interest", "oi"], "found the unknown oi"),
        (["time"], "found no sum_open_interest"),
        (["time", "open_interest", "TIME"], "found time more than once"),
    ],
)
def test_wrong_columns_are_named_with_the_right_ones(header, message):
    with pytest.raises(FileError, match=f"create_time or time .*{message}"):
        named_layout(FILE, Kind.METRICS, header)
