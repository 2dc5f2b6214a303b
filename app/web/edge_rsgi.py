"""The edge as the RSGI application of a web process: redirects hold no thread, pages have threads of their own.

Owns handing one turn's facts to the spool together and replying when they are durable, and who answers what.
Must not answer anything itself: the edge, the beacon and the application behind do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeAlias

from app.disk.spool import Spool, SpoolError
from app.web.edge import Answers, Asked, EdgeParts, NotAtHandError, Reply, nowhere
from app.web.rsgi import Connection, Scope

Waiters: TypeAlias = "Sequence[asyncio.Future[SpoolError | None]]"

_ASKING: Final = 8  # threads for clicks whose mail version is not in memory: the database may hang


class Tellings(Protocol):
    """What takes the beacon's requests: its `place`, how long a body may be, and the reply to one."""

    place: str
    largest: int

    def answer(self, asked: Asked, body: bytes | None) -> Reply | None: ...


class Behind(Protocol):
    """What answers everything else."""

    def answer(self, scope: Scope, connection: Connection, fault: str | None) -> Awaitable[None]: ...


class AsyncEdge:
    """Serve with `granian --interface rsgi`; build it in the process that serves. `lost` counts facts not kept.

    Without `tellings` and `behind` it is a tracking host of its own: what is not the edge's is the 404 page.
    """

    def __init__(self, parts: EdgeParts, tellings: Tellings | None = None, behind: Behind | None = None) -> None:
        self._quick = Answers(parts, may_wait=False)
        self._patient = Answers(parts)
        self._asking = ThreadPoolExecutor(_ASKING, "destinations")
        self._spool = parts.spool
        self._gathered = _Gathered(parts.spool)
        self._tellings = tellings
        self._behind = behind
        self.lost = 0

    async def __rsgi__(self, scope: Scope, connection: Connection) -> None:
        asked = Asked(scope.method, scope.path, scope.client, scope.headers.get)
        try:
            reply = self._quick.answer(asked)
        except NotAtHandError:
            loop = asyncio.get_running_loop()
            reply = await loop.run_in_executor(self._asking, self._patient.answer, asked)
        if reply is None:
            reply = await self._told(asked, connection)
        if reply is None:
            if self._behind is not None:
                return await self._behind.answer(scope, connection, self._spool.fault)
            reply = nowhere(asked)
        status, headers, body, records, facts = reply
        if records and await self._gathered.append(records) is not None:
            self.lost += facts
        if body and asked.method != "HEAD":
            connection.response_bytes(status, headers, body)
        else:
            connection.response_empty(status, headers)
        return None

    async def _told(self, asked: Asked, connection: Connection) -> Reply | None:
        """The beacon's reply; a body is read only where the beacon takes one."""
        tellings = self._tellings
        if tellings is None:
            return None
        body: bytes | None = None
        if asked.path == tellings.place and asked.method == "POST":
            length = asked.header("content-length") or ""
            body = await connection() if length.isdigit() and int(length) <= tellings.largest else None
        return tellings.answer(asked, body)


class _Gathered:
    """Records of one turn of the loop go to the spool as one entry, and its waiters are woken in one turn."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._records: list[bytes] = []
        self._waiters: list[asyncio.Future[SpoolError | None]] = []

    def append(self, records: bytes) -> asyncio.Future[SpoolError | None]:
        """Done when they are on the disk (None) or are not (the error)."""
        loop = asyncio.get_running_loop()
        if not self._records:
            loop.call_soon(self._submit, loop)
        waiter: asyncio.Future[SpoolError | None] = loop.create_future()
        self._records.append(records)
        self._waiters.append(waiter)
        return waiter

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        records, self._records = self._records, []
        waiters, self._waiters = self._waiters, []
        late = SpoolError("the disk did not answer in time")
        timer = loop.call_later(self._spool.patience, _resolve, waiters, late)

        def tell(error: SpoolError | None) -> None:
            loop.call_soon_threadsafe(_resolve, waiters, error, timer)

        try:
            self._spool.submit(b"".join(records), tell)
        except SpoolError as error:
            _resolve(waiters, error, timer)


def _resolve(waiters: Waiters, error: SpoolError | None, timer: asyncio.TimerHandle | None = None) -> None:
    if timer is not None:
        timer.cancel()
    for waiter in waiters:
        if not waiter.done():  # a client that went away took its future along
            waiter.set_result(error)
