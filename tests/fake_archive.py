"""An archive like Binance's on loopback, that fails on command."""

import asyncio
import re
import socket
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEADLINE = 180


class Clock:
    """Time that passes for whoever waits, in its task and those that it begins, and for no other.

    Were it one time for all, an answer would seem slow that came while others waited.
    """

    def __init__(self):
        self._waited, self.waits = ContextVar("waited", default=0.0), []

    def __call__(self):
        return self._waited.get()

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self._waited.set(self() + seconds)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    headers: dict = field(compare=False, default_factory=dict)

    @property
    def name(self):
        return self.path.rpartition("/")[2]

    @property
    def range(self):
        return self.headers.get("range")


class Archive:
    """Files by their path, what to do wrong, and what was asked for.

    ``script`` holds by name what answers the next requests for it, one after the other: a function
    of the handler and the body. When it is used up, files are served as they are.
    """

    def __init__(self):
        self.files, self.script, self.asked = {}, {}, []
        self.ranges = True
        self.url = ""
        self._lock = threading.Lock()

    def add(self, path, body, *, checksum=True):
        self.files[path] = body
        if checksum:
            line = f"{sha256(body).hexdigest()}  {path.rpartition('/')[2]}\n"
            self.files[f"{path}.CHECKSUM"] = line.encode()

    def add_tree(self, root):
        """Serve all files below a folder."""
        for path in sorted(root.rglob("*")):
            if path.is_file():
                self.files[f"/{path.relative_to(root).as_posix()}"] = path.read_bytes()

    def answer(self, name, *behaviours):
        """Let these answer the next requests for a file of this name."""
        self.script.setdefault(name, []).extend(behaviours)

    def names(self, method="GET", suffix=".zip"):
        """Return the names of the files asked for, in that order."""
        return [a.name for a in self.asked if a.method == method and a.name.endswith(suffix)]

    def take(self, asked):
        with self._lock:
            self.asked.append(asked)
            behaviours = self.script.get(asked.name)
            return behaviours.pop(0) if behaviours else serve


def serve(handler, body):
    """Answer as an archive does: the file, a part of it, or that there is none."""
    if body is None:
        reply(handler, 404, b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>")
        return
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not (found and handler.archive.ranges):
        reply(handler, 200, body)
    elif (start := int(found[1])) >= len(body):
        reply(handler, 416, b"", {"Content-Range": f"bytes */{len(body)}"})
    else:
        place = f"bytes {start}-{len(body) - 1}/{len(body)}"
        reply(handler, 206, body[start:], {"Content-Range": place})


def status(code, said=b"", **headers):
    """Answer with a status, and headers such as ``Retry_After``."""
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return lambda handler, _: reply(handler, code, said, named)


def gives(other):
    """Answer with something else."""
    return lambda handler, _: serve(handler, other)


def cut(size):
    """Announce all of the body, send so many bytes of it and hang up."""

    def answer(handler, body):
        head(handler, 200, {"Content-Length": str(len(body))})
        handler.wfile.write(body[:size])
        hang_up(handler)

    return answer


def cut_unannounced(size):
    """Send so many bytes, not saying that there are more, and hang up."""

    def answer(handler, body):
        head(handler, 200, {"Connection": "close"})
        handler.wfile.write(body[:size])
        hang_up(handler)

    return answer


def hold(event, size=0):
    """Send so many bytes, and the others once somebody sets the event."""

    def answer(handler, body):
        head(handler, 200, {"Content-Length": str(len(body))})
        handler.wfile.write(body[:size])
        handler.wfile.flush()
        event.wait(DEADLINE)
        handler.wfile.write(body[size:])

    return answer


def silent(event):
    """Send nothing at all until somebody sets the event."""

    def answer(handler, _):
        event.wait(DEADLINE)
        hang_up(handler)

    return answer


def hang_up(handler, _=None):
    """Close the connection."""
    handler.close_connection = True
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def reply(handler, code, body, headers=None):
    head(handler, code, {"Content-Length": str(len(body))} | (headers or {}))
    if handler.command != "HEAD":
        handler.wfile.write(body)


def head(handler, code, headers):
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive = None

    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers)
        behave = self.archive.take(asked)
        try:
            behave(self, self.archive.files.get(self.path))
        except OSError:  # who asked is gone
            self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # who asked is gone, perhaps killed


@contextmanager
def serving(archive=None):
    """Serve an archive on a free port of loopback; yield it."""
    archive = archive or Archive()
    handler = type("ArchiveHandler", (Handler,), {"archive": archive})
    with Server(("127.0.0.1", 0), handler) as server:
        archive.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield archive
        finally:
            server.shutdown()
            thread.join()


def free_port():
    """Return a port that nobody listens on, nor will: it stays taken until the process ends."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    taken.detach()
    return port
