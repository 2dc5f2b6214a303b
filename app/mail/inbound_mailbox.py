"""The bounce mailbox: fetching what came in by IMAP or POP3.

Owns the polling. Nothing is deleted, moved or marked on the server before `store` has returned for it.
Must not read the mails' meaning, and must not keep state: what comes twice has the same event id.
"""

from __future__ import annotations

import imaplib
import poplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted, MailMessageFlags
from imap_tools.errors import ImapToolsError

from app.mail.inbound_parts import MAX_MAIL
from app.mail.smtp_url import is_loopback

Store: TypeAlias = Callable[[bytes], None]
"""Keeps one mail durably before it returns; raises when it can't, and the mail stays on the server."""

TIMEOUT: Final = 60.0
AT_ONCE: Final = 200


class Afterwards(StrEnum):
    """What happens on the server to a mail that has been stored."""

    SEEN = "seen"
    DELETE = "delete"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where bounces and replies are fetched from. `scheme`: imaps, imap (STARTTLS), pop3s, pop3 (STLS)."""

    scheme: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    afterwards: Afterwards = Afterwards.SEEN
    move_to: str = "Processed"
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """How many mails were stored, and what ended the poll early, if anything. `error` is what `store` raised."""

    stored: int
    fault: str = ""
    error: Exception | None = None


_PORTS: Final = {"imaps": 993, "imap": 143, "pop3s": 995, "pop3": 110}


def parse_mailbox(url: str) -> Mailbox | tuple[str, ...]:
    """`imaps://user:password@host/folder?after=seen|delete|move&to=Folder`, `pop3s://…`; else everything that
    is wrong.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("this is no URL (is the port a number, are special characters of the password percent-encoded?)",)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if faults := tuple(_faults(parts, options)):
        return faults
    usual = Afterwards.DELETE if parts.scheme.startswith("pop3") else Afterwards.SEEN
    return Mailbox(
        parts.scheme,
        parts.hostname or "",
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")) or "INBOX",
        Afterwards(options.get("after", usual)),
        options.get("to", "Processed"),
        options.get("ca", ""),
    )


def _faults(parts: SplitResult, options: dict[str, str]) -> Iterator[str]:
    if parts.scheme not in _PORTS:
        yield f"'{parts.scheme or 'no scheme'}' is not known; use imaps://, imap://, pop3s:// or pop3://"
    if not parts.hostname or not parts.username or not parts.password:
        yield "give user, password and host: imaps://user:password@host"
    for key in sorted(set(options) - {"after", "to", "ca"}):
        yield f"the option '{key}' is not known; known are after, to and ca"
    after = options.get("after")
    if after is not None and after not in set(Afterwards):
        yield f"after={after} is not known; use one of: {', '.join(Afterwards)}"
    elif parts.scheme.startswith("pop3") and after not in {None, "delete"}:
        yield "POP3 knows no marks and no folders: a mail is deleted after it was stored"


def poll(mailbox: Mailbox, store: Store, limit: int = AT_ONCE) -> Polled:
    """Fetch up to `limit` mails and store each. Never raises for the server's faults nor for the store's: both
    are told.
    """
    polling = _Polling(store)
    try:
        read = _poll_pop3 if mailbox.scheme.startswith("pop3") else _poll_imap
        read(mailbox, polling, limit)
    except (OSError, EOFError, ImapToolsError, imaplib.IMAP4.error, poplib.error_proto, ValueError) as fault:
        return Polled(polling.stored, _why(fault, mailbox))
    return Polled(polling.stored, "a mail could not be stored" if polling.error else "", polling.error)


def _why(fault: Exception, mailbox: Mailbox) -> str:
    """The server may repeat the command it refuses, password and all."""
    text = " ".join(f"{type(fault).__name__}: {fault}".split())[:300]
    return text.replace(mailbox.password, "…") if mailbox.password else text


class _Polling:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.stored = 0
        self.error: Exception | None = None

    def take(self, raw: bytes) -> bool:
        """True when the mail is kept, so that the server's copy is free."""
        try:
            self._store(raw)
        except Exception as error:  # noqa: BLE001 - handed back in Polled; the connection must be ended in order
            self.error = error
            return False
        self.stored += 1
        return True


def _context(mailbox: Mailbox) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if mailbox.ca_file:
        context.load_verify_locations(mailbox.ca_file)
    return context


# ---------------------------------------------------------------- IMAP


def _poll_imap(mailbox: Mailbox, polling: _Polling, limit: int) -> None:
    box = _open_imap(mailbox)
    try:
        box.login(mailbox.user, mailbox.password, initial_folder=mailbox.folder)
        wanted = "UNSEEN" if mailbox.afterwards is Afterwards.SEEN else "ALL"
        for uid in box.uids(wanted)[:limit]:
            raw = _fetch(box, uid)
            if raw is not None and not polling.take(raw):
                break
            if raw is not None:
                _settle(box, mailbox, uid)
        box.logout()
    finally:
        with suppress(OSError):
            box.client.shutdown()


def _open_imap(mailbox: Mailbox) -> BaseMailBox:
    if mailbox.scheme == "imaps":
        return MailBox(mailbox.host, mailbox.port, timeout=TIMEOUT, ssl_context=_context(mailbox))
    if is_loopback(mailbox.host):
        return MailBoxUnencrypted(mailbox.host, mailbox.port, timeout=TIMEOUT)
    return MailBoxStartTls(mailbox.host, mailbox.port, timeout=TIMEOUT, ssl_context=_context(mailbox))


def _fetch(box: BaseMailBox, uid: str) -> bytes | None:
    """The first megabyte of a mail, unmarked; None when another client has taken it meanwhile."""
    _, data = box.client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_MAIL}>)")
    for item in data or ():
        if isinstance(item, tuple) and len(item) > 1 and isinstance(item[1], bytes):
            return item[1]
    return None


def _settle(box: BaseMailBox, mailbox: Mailbox, uid: str) -> None:
    match mailbox.afterwards:
        case Afterwards.SEEN:
            box.flag(uid, MailMessageFlags.SEEN, True)
        case Afterwards.DELETE:
            box.delete(uid)
        case Afterwards.MOVE:
            box.move(uid, mailbox.move_to)


# ---------------------------------------------------------------- POP3


class _Patient(poplib.POP3):
    """Reads lines as long as a whole mail: the library gives up at 2 KB, and one such mail would hold up all others."""

    file: BinaryIO

    def _getline(self) -> tuple[bytes, int]:
        line = self.file.readline(4 * MAX_MAIL)
        if not line:
            raise poplib.error_proto("-ERR EOF")
        octets = len(line)
        return line.removesuffix(b"\n").removesuffix(b"\r"), octets


class _PatientSsl(_Patient, poplib.POP3_SSL):
    """The same over TLS."""


@contextmanager
def _open_pop3(mailbox: Mailbox) -> Iterator[poplib.POP3]:
    if mailbox.scheme == "pop3s":
        box: poplib.POP3 = _PatientSsl(mailbox.host, mailbox.port, timeout=TIMEOUT, context=_context(mailbox))
    else:
        box = _Patient(mailbox.host, mailbox.port, timeout=TIMEOUT)
    try:
        if mailbox.scheme == "pop3" and not is_loopback(mailbox.host):
            box.stls(_context(mailbox))
        box.user(mailbox.user)
        box.pass_(mailbox.password)
        yield box
        box.quit()  # only now does the server delete
    finally:
        box.close()


def _poll_pop3(mailbox: Mailbox, polling: _Polling, limit: int) -> None:
    with _open_pop3(mailbox) as box:
        for listed in box.list()[1][:limit]:
            number, size = (int(part) for part in listed.split()[:2])
            _, lines, _ = box.top(number, _MAX_LINES) if size > 4 * MAX_MAIL else box.retr(number)
            if not polling.take(b"\r\n".join(lines) + b"\r\n"):
                return
            box.dele(number)


_MAX_LINES: Final = 5_000
