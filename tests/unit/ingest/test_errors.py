from pathlib import Path

from ingest.errors import FileError


def test_an_error_names_file_line_expectation_and_finding():
    error = FileError(Path("a.csv"), "prices above 0", "-1", where="line 7")
    assert str(error) == "a.csv, line 7: expected prices above 0, found -1"
    assert str(FileError(Path("a.zip"), "rows", "none")) == "a.zip: expected rows, found none"


def test_what_a_file_holds_cannot_steer_a_terminal_nor_flood_it():
    found = str(FileError(Path("a.csv"), "text", "\x1b[2J\r\n" + "x" * 10_000))
    assert "\x1b" not in found
    assert "\n" not in found
    assert len(found) < 400
