"""What is wrong with a file."""

from pathlib import Path

_LONGEST = 300


class FileError(Exception):
    """A file can't be loaded: which one, where in it, what was expected and what was found."""

    def __init__(self, path: Path, expected: str, found: str, where: str = "") -> None:
        # What was found is the file's: it may be of any length, and steer a terminal.
        found = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in found)
        found = found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
        self.path, self.expected, self.found, self.where = path, expected, found, where
        place = f"{path}, {where}" if where else str(path)
        super().__init__(f"{place}: expected {expected}, found {found}")


class NotRead(FileError):
    """A file is none of those that are read; in a folder it is passed over."""
