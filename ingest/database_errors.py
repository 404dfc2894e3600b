"""What DuckDB's errors mean: Ctrl-C, or a reason in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import orjson

_DETAIL = re.compile(r'"exception_message":("(?:[^"\\]|\\.)*")')


def in_one_line(error: Exception) -> str:
    """Return what DuckDB complains of, in one line, without the statement it complains of.

    Of what failed in a thread of its own it tells as JSON within its line.
    """
    line = str(error).partition("\n")[0]
    detail = _DETAIL.search(line)
    return str(orjson.loads(detail[1])) if detail else line


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` where DuckDB tells of Ctrl-C as of an error of its own."""
    try:
        yield
    except (RuntimeError, duckdb.InterruptException) as e:
        if "interrupt" not in str(e).lower():
            raise
        raise KeyboardInterrupt from e
