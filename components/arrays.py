"""Arrays in the form that Plotly.js reads without parsing numbers from text."""

from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = {
    "float64": "f8",
    "float32": "f4",
    "uint8": "u1",
    "int32": "i4",
}


def encoded(array: NDArray[Any]) -> dict[str, str]:
    """Return an array as Plotly's base64 specification.

    A million cells take a tenth of the time, and a tenth of the bytes, of a list of numbers.

    Raises
    ------
    TypeError
        If Plotly.js has no typed array of that kind.
    """
    try:
        name = _NAMES[array.dtype.name]
    except KeyError:
        raise TypeError(f"an array of {array.dtype} can't be sent to Plotly.js") from None
    specification = {"dtype": name, "bdata": b64encode(array.tobytes()).decode()}
    if array.ndim > 1:
        specification["shape"] = ", ".join(str(length) for length in array.shape)
    return specification


def milliseconds(time: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return times as milliseconds since 1970. [ms]"""
    return time.astype("datetime64[us]").astype(np.int64) / 1000.0


def dates(milliseconds: NDArray[np.float64]) -> list[str | None]:
    """Return times (milliseconds since 1970) as a date axis of Plotly takes them; NaN is a gap.

    As texts: numbers would be times of the viewer's own zone, and the picture would stand hours
    off its axis.
    """
    gap = np.isnan(milliseconds)
    whole = np.where(gap, 0.0, milliseconds).round().astype("datetime64[ms]")
    texts = np.datetime_as_string(whole, unit="ms").tolist()
    return [None if nothing else text for text, nothing in zip(texts, gap, strict=True)]
