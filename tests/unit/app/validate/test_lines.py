from datetime import UTC, datetime

import pytest

from app.validate.lines import LinesFile, SummaryLine, read_lines
from app.validate.summary import summarise
from ingest.errors import FileError
from tests.unit.app.validate.test_summary import MAP, NOON, RUN, happened, seen

LINES = [RUN, MAP, seen("a", hot=True), seen("b", result="no price"), happened(3, hot=None)]


def written(folder, *lines):
    with LinesFile(folder, "BTCUSDT", NOON) as file:
        file.write(*lines)
    return file.path


def test_lines_come_back_as_they_were(tmp_path):
    summary = SummaryLine(stop=NOON, summary=summarise(LINES))
    path = written(tmp_path / "made", *LINES, summary)
    assert path.name == "BTCUSDT-20260310T120000Z.jsonl"
    assert read_lines(path) == [*LINES, summary]
    assert summarise(read_lines(path)) == summary.summary


def test_each_run_has_a_file_of_its_own(tmp_path):
    names = [written(tmp_path, line).name for line in LINES[:3]]
    assert names == [f"BTCUSDT-20260310T120000Z{more}.jsonl" for more in ("", "-2", "-3")]
    assert [read_lines(tmp_path / name) for name in names] == [[line] for line in LINES[:3]]


def test_lines_are_there_as_soon_as_they_are_written(tmp_path):
    with LinesFile(tmp_path, "BTCUSDT", NOON) as file:
        for count, line in enumerate(LINES, 1):
            file.write(line)
            assert read_lines(file.path) == LINES[:count]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_line_that_was_cut_off_is_left_out(tmp_path, cut):
    path = written(tmp_path, *LINES)
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_lines(path) == LINES[:-1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "expected lines of a validation, found none"),
        (b'{"kind":"other"}\n', "line 1: expected a line of a validation, found input tag 'other'"),
        (b"{}\n", "line 1: expected a line of a validation, found unable to extract tag"),
        (b"time,price\n", "line 1: expected a line of a validation, found no JSON: b'time,price'"),
        (b"PAR1\x00\xff\n", "line 1: expected a line of a validation, found no JSON"),
    ],
)
def test_another_file_is_refused(tmp_path, content, sentence):
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(FileError, match=sentence):
        read_lines(path)


def test_times_are_utc_to_the_microsecond(tmp_path):
    time = datetime(2026, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)
    (line,) = read_lines(written(tmp_path, seen("a", hot=True).model_copy(update={"time": time})))
    assert line.time == time
