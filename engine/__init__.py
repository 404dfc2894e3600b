"""The model: arrays in, arrays out.

Compiled loops are kept on disk from one start to the next. numba would keep one as long as its own
file is unchanged, although it holds the code of functions in other files too; so each state of the
sources has a folder of its own. ``NUMBA_CACHE_DIR`` set by the user goes before it.
"""

import os
import tempfile
from pathlib import Path

from engine.version import engine_version


def _writable(folder: Path) -> bool:
    """Return whether a folder, or the first of its parents that exists, can be written."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return os.access(existing, os.W_OK)


_PLACES = (
    Path(__file__).parent / "__pycache__",
    Path("~/.cache/liqheat").expanduser(),
    Path(tempfile.gettempdir(), f"liqheat-{os.getuid() if hasattr(os, 'getuid') else ''}"),
)

os.environ.setdefault(
    "NUMBA_CACHE_DIR",
    str(next(filter(_writable, _PLACES), _PLACES[-1]) / f"compiled-{engine_version()}"),
)
