"""A server of the demo market, as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Served:
    """Where a server answers, and its process."""

    address: str
    pid: int


@contextmanager
def served(
    database: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Serve the demo market on a free port until the block ends.

    Parameters
    ----------
    database : str, optional
        File of the simulated market, built first where there is none; ``data/`` by default.
    settings : mapping of str to str, optional
        Environment variables of the server.
    """
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--demo"]
    command += ["--port", "0"] + (["--database", database] if database else [])
    environment = os.environ | {**(settings or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            if not found:
                raise RuntimeError("the server did not start")
            yield Served(found[0], server.pid)
        finally:
            server.terminate()
