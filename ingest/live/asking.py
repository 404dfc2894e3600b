"""Single questions to an exchange over HTTP."""

import httpx

from ingest import http
from ingest.adapters.adapter import Adapter, Request
from ingest.following import all_pages
from ingest.http import HttpClient, HttpError
from ingest.records import Instrument

_LONGEST = 64 << 20


async def instruments(client: HttpClient, adapter: Adapter) -> list[Instrument]:
    """Return an exchange's list of markets.

    Raises
    ------
    HttpError, PayloadError
        If it can't be had or read.
    """
    found: list[Instrument] = []
    async for text in all_pages(adapter.instruments(), lambda one: ask(client, adapter, one)):
        found += adapter.read_instruments(text)
    return found


async def ask(client: HttpClient, adapter: Adapter, request: Request) -> bytes:
    """Return an exchange's answer to a request."""
    asked = http.Request(
        url=adapter.rest_url + request.path,
        parameters=request.params,
        method=request.method,
        body=request.json,
    )

    async def read(response: httpx.Response) -> bytes:
        body = b""
        async for chunk in client.chunks(response, raw=False):
            body += chunk
            if len(body) > _LONGEST:
                raise HttpError(f"{response.url}: expected at most {_LONGEST:,} bytes, found more")
        return body

    return bytes(await client.ask(lambda: asked, read))
