"""Answers as bytes: encoded and compressed once, kept, and known by the client that has them."""

import asyncio
import gzip
import hashlib
import logging
import re
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import orjson
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.cache import CacheStats, DiskCache, Memory
from app.settings import Settings
from app.version import program_version
from engine.version import sources_digest
from ingest.columns import Arrays
from ingest.table_file import table_bytes

log = logging.getLogger(__name__)

Format = Literal["json", "csv", "parquet"]

MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

LIVE_SECONDS = 3600.0
"""How long an answer that reaches the end of the data is kept on disk: new rows replace it."""

_MEMORY_BYTES = 200_000_000
_PIECE = 16_384  # of an answer's bytes, decompressed in a millisecond or so
_QUICK = 1  # of gzip's levels: twice the speed of the usual one for a fifth more bytes
_ZERO = re.compile(r"q\s*=\s*0(\.0*)?")
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_LIGHT_THREADS = 2
_CLIENT_LEFT = 499  # nobody reads it; so it is counted
_CACHE_CONTROL = "private, max-age=5, stale-while-revalidate=60"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route found.

    Attributes
    ----------
    document : callable
        Makes what JSON holds; orjson encodes it, NumPy arrays too.
    table : callable or None
        Makes the columns of the other formats, None where there is no table.
    headers : mapping of str to str
        Beside those that all answers have.
    live : bool
        Whether it reaches the end of the data, and so will be replaced soon.
    """

    document: Callable[[], Any]
    table: Callable[[], Arrays] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    live: bool = True


def piece(content: Any) -> orjson.Fragment:
    """Return a part of a document as text, so that objects of only one part at once take memory."""
    return orjson.Fragment(orjson.dumps(content, option=_OPTIONS))


class Answers:
    """Answers by all that determines them: program, settings, route, parameters, state of data.

    Parameters
    ----------
    disk : DiskCache
        Keeps them over restarts. The caller closes it.
    settings : Settings
        How many computations may run at once, and what else decides what they find.
    """

    def __init__(self, disk: DiskCache, settings: Settings) -> None:
        self._disk = disk
        self._warmup_days = settings.warmup_days
        self._memory: Memory[bytes] = Memory(_MEMORY_BYTES, len, "answers")
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="answer")
        self._light = ThreadPoolExecutor(_LIGHT_THREADS, thread_name_prefix="light-answer")

    def close(self) -> None:
        """Begin no further computation."""
        for pool in (self._pool, self._light):
            pool.shutdown(wait=False, cancel_futures=True)

    def stats(self) -> CacheStats:
        """Return how well the answers in memory serve."""
        return self._memory.stats()

    async def reply(
        self,
        request: Request,
        asked: BaseModel,
        watermark: str,
        find: Callable[[], Answer],
        *,
        light: bool = False,
    ) -> Response:
        """Return the answer to a request, computed on a thread of its own if it is not kept.

        Parameters
        ----------
        request : Request
            Names the route, and what the client has and takes.
        asked : BaseModel
            The parameters, validated; its ``format``, if it has one, is the answer's.
        watermark : str
            State of the data that the answer comes from.
        find : callable
            Finds it. What it raises becomes the answer (`app.api.errors`).
        light : bool
            Whether that is a look at the database only, which need not wait behind computations.
        """
        file_format: Format = getattr(asked, "format", "json")
        program = _version(), self._warmup_days
        named = (program, request.url.path, asked.model_dump_json(), watermark)
        key = hashlib.sha256(repr(named).encode()).hexdigest()
        tag = f'W/"{key[:32]}"'
        headers = {"ETag": tag, "Cache-Control": _CACHE_CONTROL, "Vary": "Accept-Encoding"}
        if _has(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        kept = self._memory.peek(key)
        if kept is None:
            pool = self._light if light else self._pool
            work = asyncio.get_running_loop().run_in_executor(
                pool, self._get, key, find, file_format
            )
            if not await _outlasts(request, work):
                return Response(status_code=_CLIENT_LEFT)
            kept = work.result()
        own, _, body = kept.partition(b"\n")
        headers |= orjson.loads(own)
        media = MEDIA_TYPES[file_format]
        if _takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(body, headers=headers | {"Content-Encoding": "gzip"}, media_type=media)
        headers["Content-Length"] = str(int.from_bytes(body[-4:], "little"))  # gzip's own last word
        return StreamingResponse(_decompressed(body), headers=headers, media_type=media)

    def _get(self, key: str, find: Callable[[], Answer], file_format: Format) -> bytes:
        return self._memory.get(key, lambda: self._read(key) or self._make(key, find, file_format))

    def _read(self, key: str) -> bytes | None:
        kept = self._disk.get(key)
        if kept is None:
            return None
        try:
            own, _, body = kept.partition(b"\n")
            orjson.loads(own)
            gzip.decompress(body)  # which compares a checksum
        except (ValueError, OSError, EOFError, zlib.error) as e:
            log.warning("A cached answer is damaged and is made anew: %s", e)
            return None
        return kept

    def _make(self, key: str, find: Callable[[], Answer], file_format: Format) -> bytes:
        answer = find()
        made = (
            orjson.dumps(dict(answer.headers))
            + b"\n"
            + gzip.compress(_encoded(answer, file_format), _QUICK, mtime=0)
        )
        self._disk.set(key, made, LIVE_SECONDS if answer.live else None)
        return made


async def _outlasts(request: Request, work: asyncio.Future[bytes]) -> bool:
    """Return whether a client waits until work is done; if not, what has not begun never does."""

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    left = asyncio.ensure_future(leave())
    try:
        await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        work.cancel()
        left.cancel()


@cache
def _version() -> str:
    return program_version() + sources_digest(*Path(__file__).parent.rglob("*.py"))


def _has(if_none_match: str, tag: str) -> bool:
    tags = [part.strip() for part in if_none_match.split(",")]
    return tag.removeprefix("W/") in (part.removeprefix("W/") for part in tags)


def _takes_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip, which it may name with a quality of zero if not."""
    qualities: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        qualities[name] = not any(_ZERO.fullmatch(each) for each in parameters)
    named = [taken for name, taken in qualities.items() if name in ("gzip", "x-gzip")]
    return any(named) if named else qualities.get("*", False)


async def _decompressed(body: bytes) -> AsyncIterator[bytes]:
    """Yield what gzip holds, as fast as it is read: whole, it may be a hundred times as much."""
    stream = zlib.decompressobj(wbits=31)
    for start in range(0, len(body), _PIECE):
        yield stream.decompress(body[start : start + _PIECE])


def _encoded(answer: Answer, file_format: Format) -> bytes:
    if file_format == "json":
        return orjson.dumps(answer.document(), option=_OPTIONS)
    if answer.table is None:
        raise ValueError(f"format must be json here, but is {file_format}")
    return table_bytes(answer.table(), file_format)
