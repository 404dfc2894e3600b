"""Requests whose answers say how to ask for more."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from ingest.adapters.adapter import Request
from ingest.http import HttpError

_MOST = 100


async def all_pages(
    requests: Iterable[Request], ask: Callable[[Request], Awaitable[bytes]]
) -> AsyncIterator[bytes]:
    """Yield the answers to requests, and to those that follow from them, page by page.

    Raises
    ------
    HttpError
        If one request has more pages than can be meant.
    """
    for request in requests:
        following: Request | None = request
        for _ in range(_MOST):
            if following is None:
                break
            text = await ask(following)
            yield text
            following = following.following(text) if following.following else None
        if following is not None:
            raise HttpError(f"{request.path}: expected at most {_MOST} pages, found more")
