"""RSGI: what granian hands an application, and the WSGI application behind the edge on threads of its own.

Owns the translation of requests and replies both ways, and how much of a body is taken. Must not know any address.
RSGI 1.6 as granian serves it; WSGI is PEP 3333.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Protocol, TypeAlias

import structlog

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

LARGEST_BODY: Final = 32 * 1024 * 1024
_IN_MEMORY: Final = 256 * 1024
_PIECE: Final = 256 * 1024
_Raised: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"


class Headers(Protocol):
    """A request's headers, names in lower case."""

    def get(self, key: str) -> str | None: ...
    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """What RSGI tells of a request; the path is decoded, addresses have a port."""

    proto: str
    http_version: str
    method: str
    path: str
    query_string: str
    client: str
    server: str
    scheme: str
    authority: str | None
    headers: Headers


class Stream(Protocol):
    """Where the pieces of a long reply go."""

    def send_bytes(self, data: bytes) -> Awaitable[None]: ...


class Connection(Protocol):
    """Where RSGI takes the reply, and gives the body: whole when called, in pieces when iterated."""

    def __call__(self) -> Awaitable[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Stream: ...


@dataclass(slots=True)
class _Answer:
    """What the application said so far: its first piece, and where the others come from (None: that was all)."""

    status: int
    headers: list[tuple[str, str]]
    first: bytes
    rest: _Pieces | None


class Behind:
    """A WSGI application: each request on one of `threads` threads. What it is told beside the standard is `extra`."""

    def __init__(self, application: WSGIApplication, threads: int, fault_key: str) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(threads, "pages")
        self._fault_key = fault_key

    async def answer(self, scope: Scope, connection: Connection, fault: str | None) -> None:
        """Read the body, run the application, send what it says."""
        loop = asyncio.get_running_loop()
        body = await _read(scope, connection)
        if body is None:
            connection.response_bytes(413, [("Content-Type", "text/plain")], b"the body is too long")
            return
        environ = _environ(scope, body)
        environ[self._fault_key] = fault
        try:
            answer = await loop.run_in_executor(self._pool, self._run, environ)
        except Exception:
            log.exception("application_failed", path=scope.path)
            answer = _Answer(500, [("Content-Type", "text/plain")], b"something went wrong", None)
        finally:
            body.close()
        if answer.rest is None or scope.method == "HEAD":
            if answer.rest is not None:
                await loop.run_in_executor(self._pool, answer.rest.close)
            _send(connection, answer, scope.method)
            return
        await self._stream(connection, answer, answer.rest)

    async def _stream(self, connection: Connection, answer: _Answer, rest: _Pieces) -> None:
        loop = asyncio.get_running_loop()
        stream = connection.response_stream(answer.status, answer.headers)
        piece = answer.first
        try:
            while piece:
                await stream.send_bytes(piece)
                piece = await loop.run_in_executor(self._pool, rest.next)
        finally:
            await loop.run_in_executor(self._pool, rest.close)

    def _run(self, environ: WSGIEnvironment) -> _Answer:
        said: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _raised: _Raised | None = None, /
        ) -> Callable[[bytes], object]:
            said.append((status, headers))
            return _no_write

        pieces = _Pieces(self._application(environ, start_response))
        try:
            first = pieces.next()
            status, headers = said[-1]
            is_all = pieces.is_over
        except BaseException:
            pieces.close()
            raise
        if is_all:
            pieces.close()
        return _Answer(int(status[:3]), headers, first, None if is_all else pieces)


class _Pieces:
    """The pieces of a reply, joined until each is worth a trip to a thread."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body
        self._pieces: Iterator[bytes] = iter(body)
        self.is_over = False

    def next(self) -> bytes:
        """Empty when nothing is left."""
        found: list[bytes] = []
        size = 0
        while size < _PIECE:
            piece = next(self._pieces, None)
            if piece is None:
                self.is_over = True
                break
            found.append(piece)
            size += len(piece)
        return b"".join(found)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with suppress(Exception):  # the reply is what matters; the application logs its own troubles
                close()


def _send(connection: Connection, answer: _Answer, method: str) -> None:
    if answer.first and method != "HEAD":
        connection.response_bytes(answer.status, answer.headers, answer.first)
    else:
        connection.response_empty(answer.status, answer.headers)


async def _read(scope: Scope, connection: Connection) -> IO[bytes] | None:
    """The whole body, long ones on the disk; None when it is longer than anything we take."""
    length = scope.headers.get("content-length") or ""
    if length.isdigit() and int(length) > LARGEST_BODY:
        return None
    body: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by who asked
    if length in ("", "0") and scope.headers.get("transfer-encoding") is None and scope.http_version[0] == "1":
        return body
    async for piece in connection:
        if body.tell() + len(piece) > LARGEST_BODY:
            body.close()
            return None
        body.write(piece)
    return body


def _environ(scope: Scope, body: IO[bytes]) -> WSGIEnvironment:
    length = body.tell()
    body.seek(0)
    host, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope)
    environ["CONTENT_LENGTH"] = str(length) if length else environ.get("CONTENT_LENGTH", "")
    return environ


def _add_headers(environ: WSGIEnvironment, scope: Scope) -> None:
    """Repeated headers are joined. A name with an underscore is left out: it would pass for one with a hyphen."""
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        plain = name.upper().replace("-", "_")
        key = plain if plain in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{plain}"
        joint = "; " if name == "cookie" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ and key != "HTTP_HOST" else value


def _no_write(_data: bytes) -> None:
    raise RuntimeError("this application returns its reply")
