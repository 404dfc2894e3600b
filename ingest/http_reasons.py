"""What a failure of the network means, in words."""

import os
import socket
import ssl
from collections.abc import Iterator

import httpx

_LONGEST = 200


def reason(error: httpx.HTTPError, host: str, timeout: float) -> str:
    """Return what went wrong while ``host`` was asked, as a clause that begins with who did it."""
    match error:
        case httpx.ProxyError():
            return f"the proxy in between refused: {printable(str(error))}"
        case httpx.ConnectTimeout():
            return f"{host} can't be reached: no connection in time"
        case httpx.ConnectError():
            return f"{host} can't be reached: {why_no_connection(error)}"
        case httpx.TimeoutException():
            return f"{host} sent nothing for {timeout:g} s"
        case httpx.RemoteProtocolError():
            return f"{host} broke off in the middle"
    return f"the connection to {host} failed: {printable(str(error)) or type(error).__name__}"


def is_unreachable(error: httpx.HTTPError) -> bool:
    """Return whether nobody answers there, so that asking for something else won't help."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)


def printable(text: str) -> str:
    """Return the beginning of what a server says, with nothing that steers a terminal."""
    clean = "".join(c if c.isprintable() else " " for c in text).strip()
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}…"


def why_no_connection(error: BaseException) -> str:
    """Return why there is no connection, as a clause; the error itself in brackets says little."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its TLS certificate is not trusted ({printable(cause.verify_message)})"
            case ssl.SSLError():
                return f"it does not speak TLS as it should ({printable(cause.reason or '')})"
            case socket.gaierror():
                return "its name is not known, or there is no network"
            case OSError(errno=int() as number) if number > 0:
                return os.strerror(number).lower()
    return printable(str(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that led to it, in groups too."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)
