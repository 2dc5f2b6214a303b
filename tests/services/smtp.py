"""An SMTP server that takes every mail and keeps it, for tests that ask what left the house.

It speaks real SMTP on loopback (aiosmtpd). Servers that lie, stall or cut the line are elsewhere, in tests/servers.
"""

import asyncio
import socket
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail as it was handed over: the envelope, and the bytes as they came."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed anew at each call."""
        return message_from_bytes(self.content, policy=policy.default)


@dataclass(slots=True)
class _Book:
    """What the server took and what it was told to refuse, shared by its thread and the test's."""

    taken: list[Taken] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    folder: Path | None = None

    def take(self, mail: Taken) -> None:
        with self.arrived:
            if self.folder is not None:
                (self.folder / f"{len(self.taken):06d}.eml").write_bytes(mail.content)
            self.taken.append(mail)
            self.arrived.notify_all()


class _Handler:
    """The two hooks of aiosmtpd that decide."""

    def __init__(self, book: _Book) -> None:
        self.book = book

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = self.book.refused.get(address)
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.book.take(Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return "250 2.0.0 OK"


class Sink:
    """The server: use it as a context manager. `folder`, when given, gets every mail as a numbered .eml file."""

    def __init__(self, folder: Path | None = None) -> None:
        self._book = _Book(folder=folder)
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._serve, name="smtp-sink", daemon=True)
        self._listening = threading.Event()
        self._sessions: list[SMTP] = []
        self.host, self.port = self._socket.getsockname()

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    @property
    def taken(self) -> tuple[Taken, ...]:
        """The mails so far, in the order of their final dots."""
        with self._book.arrived:
            return tuple(self._book.taken)

    def to(self, address: str) -> tuple[Taken, ...]:
        """The mails so far to this address."""
        return tuple(mail for mail in self.taken if address in mail.recipients)

    def wait_for(self, count: int, seconds: float = 10) -> tuple[Taken, ...]:
        """Returns when `count` mails have come; raises AssertionError after `seconds`."""
        deadline = time.monotonic() + seconds
        with self._book.arrived:
            while len(self._book.taken) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{len(self._book.taken)} of {count} mails came within {seconds} s")
                self._book.arrived.wait(left)
            return tuple(self._book.taken)

    def refuse(self, address: str, reply: str = "550 5.1.1 No such user") -> None:
        """Answers RCPT for this address with `reply` from now on."""
        self._book.refused[address] = reply

    def accept(self, address: str) -> None:
        """Takes mail for this address again."""
        self._book.refused.pop(address, None)

    def __enter__(self) -> "Sink":
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the SMTP server of the tests did not start")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(self._session, sock=self._socket))
        self._listening.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.run_until_complete(self._close_sessions())
            self._loop.close()

    def _session(self) -> SMTP:
        session = SMTP(_Handler(self._book), loop=self._loop, hostname="sink.example", ident="Sink", data_size_limit=0)
        self._sessions.append(session)
        return session

    async def _close_sessions(self) -> None:
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
