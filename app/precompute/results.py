"""The folder in which workers leave their results."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def results_folder(folder: Path, *, keep: bool) -> Iterator[Path]:
    """Yield a new folder for the results of one run; it is gone afterwards.

    Parameters
    ----------
    folder : Path
        In which it is made.
    keep : bool
        Whether ``folder`` is the user's. Else it is this program's own: what a killed run left
        there is removed, and so is the folder in the end.
    """
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    run = folder / f"liqheat-{uuid4().hex[:8]}"
    run.mkdir(parents=True)
    try:
        yield run
    finally:
        shutil.rmtree(run if keep else folder, ignore_errors=True)
