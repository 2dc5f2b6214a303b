"""The edge as an RSGI application: the same answers for a server that keeps no thread waiting for each flush.

Owns handing a loop's facts to the spool together and replying when they are durable; for a tracking host of its own.
Must not answer anything but the edge's addresses: what is not ours is the 404 page.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from app.disk.spool import Fact, Spool, SpoolError
from app.web.edge import Answers, Asked, EdgeParts, nowhere

_PREFETCH = ("sec-purpose", "purpose", "x-purpose", "x-moz")


Waiters: TypeAlias = "Sequence[asyncio.Future[SpoolError | None]]"


class Headers(Protocol):
    """A request's headers, names in lower case."""

    def get(self, key: str) -> str | None: ...


class Scope(Protocol):
    """What RSGI tells of a request."""

    proto: str
    method: str
    path: str
    client: str
    headers: Headers


class Connection(Protocol):
    """Where RSGI takes the reply."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class AsyncEdge:
    """Serve with `granian --interface rsgi`; build it in the process that serves. `lost` counts facts not kept.

    Give it destinations with little patience (50 ms): while the database is asked, its loop stands still.
    """

    def __init__(self, parts: EdgeParts) -> None:
        self._answers = Answers(parts)
        self._gathered = _Gathered(parts.spool)
        self.lost = 0

    async def __rsgi__(self, scope: Scope, connection: Connection) -> None:
        asked = _asked(scope)
        reply = self._answers.answer(asked) or nowhere(asked)
        if reply.fact is not None and await self._gathered.append(reply.fact) is not None:
            self.lost += 1
        body = b"" if scope.method == "HEAD" else reply.body
        connection.response_bytes(int(reply.status[:3]), reply.headers, body)


class _Gathered:
    """Facts of one turn of the loop go to the spool as one entry, and its waiters are woken in one turn."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._facts: list[Fact] = []
        self._waiters: list[asyncio.Future[SpoolError | None]] = []

    def append(self, fact: Fact) -> "asyncio.Future[SpoolError | None]":
        """Done when the fact is on the disk (None) or is not (the error)."""
        loop = asyncio.get_running_loop()
        if not self._facts:
            loop.call_soon(self._submit, loop)
        waiter: asyncio.Future[SpoolError | None] = loop.create_future()
        self._facts.append(fact)
        self._waiters.append(waiter)
        return waiter

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        facts, self._facts = self._facts, []
        waiters, self._waiters = self._waiters, []
        late = SpoolError("the disk did not answer in time")
        timer = loop.call_later(self._spool.patience, _resolve, waiters, late)

        def tell(error: SpoolError | None) -> None:
            loop.call_soon_threadsafe(_resolve, waiters, error, timer)

        try:
            self._spool.submit(facts, tell)
        except SpoolError as error:
            _resolve(waiters, error, timer)


def _resolve(waiters: Waiters, error: SpoolError | None, timer: asyncio.TimerHandle | None = None) -> None:
    if timer is not None:
        timer.cancel()
    for waiter in waiters:
        if not waiter.done():  # a client that went away took its future along
            waiter.set_result(error)


def _asked(scope: Scope) -> Asked:
    get = scope.headers.get
    return Asked(
        scope.method,
        scope.path,
        scope.client,
        get("x-forwarded-for") or "",
        get("user-agent") or "",
        get("accept-language") or "",
        "".join([get(header) or "" for header in _PREFETCH]),
    )
