"""What DuckDB's errors mean."""

import duckdb
import pytest

from ingest.database_errors import in_one_line, interruptible


def test_a_reason_is_the_first_line_without_the_statement():
    with duckdb.connect(":memory:") as connection, pytest.raises(duckdb.Error) as caught:
        connection.execute("SELECT\n  1 +\n  missing")
    assert in_one_line(caught.value).startswith('Binder Error: Referenced column "missing"')
    assert "\n" not in in_one_line(caught.value)


def test_a_reason_that_is_told_as_json_is_told_in_words():
    told = duckdb.IOException(
        "IO Error: Async write failed for range [offset=105, size=6678]: "
        '{"exception_type":"IO","exception_message":"Could not write file '
        '\\"data/map.csv\\": No space left on device","errno":"28"}'
    )
    assert in_one_line(told) == 'Could not write file "data/map.csv": No space left on device'


def test_an_error_without_words_has_an_empty_reason():
    assert in_one_line(duckdb.Error("")) == ""


def test_an_interruption_is_ctrl_c():
    connection = duckdb.connect(":memory:")
    with connection, pytest.raises(KeyboardInterrupt), interruptible():
        raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")
    with pytest.raises(KeyboardInterrupt), interruptible():
        raise RuntimeError("Query interrupted")


@pytest.mark.parametrize("error", [RuntimeError("broken"), duckdb.IOException("IO Error: full")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, interruptible():
        raise error
    assert caught.value is error
