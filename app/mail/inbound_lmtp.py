"""LMTP: a mail server on this machine or in this network hands over what came back (RFC 2033).

Owns the conversation; one answer for each recipient after the mail. 250 is said only after `keep` has returned, and 451
when it could not keep: then the mail stays in the other server's queue. Must not read mails and must not keep state.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

Keep = Callable[[bytes, str], None]
"""Keeps one mail for one recipient durably before it returns; raises OSError when it cannot."""

LONGEST_LINE: Final = 2_000
MOST_BYTES: Final = 20 << 20
MOST_RECIPIENTS: Final = 100
MOST_AT_ONCE: Final = 20
SECONDS: Final = 120.0
_PATH: Final = re.compile(r"(?:from|to):\s?<([^<>\s]{0,320})>", re.IGNORECASE)


class LmtpServer:
    """Listens from creation on; `close` ends it. `keep` is called on the connections' threads."""

    def __init__(self, host: str, port: int, keep: Keep) -> None:
        self._server = _Server((host, port), keep)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="lmtp", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], keep: Keep) -> None:
        self.keep = keep
        self.places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Conversation)

    def handle_error(self, *_: object) -> None:
        """A connection that broke is the other side's to open again."""


@dataclass(slots=True)
class _Envelope:
    has_sender: bool = False
    recipients: list[str] = field(default_factory=list)


class _TooLong(Exception):
    """A line or a mail beyond all measure."""


class _Conversation(socketserver.StreamRequestHandler):
    timeout = SECONDS
    server: _Server

    def handle(self) -> None:
        if not self.server.places.acquire(blocking=False):
            self._say("421 4.3.2 too many connections")
            return
        try:
            self._converse()
        except (OSError, _TooLong):
            with suppress(OSError):
                self._say("421 4.7.0 that is too long, or took too long")
        finally:
            self.server.places.release()

    def _converse(self) -> None:
        self._say("220 parvar LMTP")
        envelope = _Envelope()
        while line := self._line():
            word = line[:4].upper().rstrip()
            if word == "QUIT":
                self._say("221 2.0.0 bye")
                return
            if word == "DATA":
                self._data(envelope)
                envelope = _Envelope()
            elif word in ("LHLO", "RSET"):
                envelope = _Envelope()
                self._say(_OFFER if word == "LHLO" else "250 2.0.0 OK")
            else:
                self._say(self._answer(word, line, envelope))

    def _answer(self, word: str, line: str, envelope: _Envelope) -> str:
        match word:
            case "NOOP":
                return "250 2.0.0 OK"
            case "VRFY":
                return "252 2.5.0 send it, and see"
            case "MAIL" if _PATH.search(line) and not envelope.has_sender:
                envelope.has_sender = True
                return "250 2.1.0 OK"
            case "RCPT" if envelope.has_sender and (found := _PATH.search(line)) and found.group(1):
                if len(envelope.recipients) >= MOST_RECIPIENTS:
                    return "452 4.5.3 too many recipients"
                envelope.recipients.append(found.group(1))
                return "250 2.1.5 OK"
            case "MAIL" | "RCPT":
                return "503 5.5.1 not now, or not so"
            case "HELO" | "EHLO":
                return "500 5.5.1 this is LMTP: say LHLO"
            case _:
                return "500 5.5.2 unknown"

    def _data(self, envelope: _Envelope) -> None:
        if not envelope.recipients:
            self._say("503 5.5.1 nobody to give it to")
            return
        self._say("354 go on")
        mail = self._mail()
        for recipient in envelope.recipients:
            self._say(self._keep(mail, recipient))

    def _keep(self, mail: bytes, recipient: str) -> str:
        try:
            self.server.keep(mail, recipient)
        except OSError:
            return "451 4.3.0 not kept, try again later"
        return "250 2.0.0 kept"

    def _mail(self) -> bytes:
        """The lines up to the one with a single dot, with leading dots taken away."""
        lines, size = [], 0
        while (line := self.rfile.readline(MOST_BYTES)) not in (b".\r\n", b".\n"):
            size += len(line)
            if not line or size > MOST_BYTES:
                raise _TooLong
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _line(self) -> str:
        """The next command; empty at the end of the connection."""
        line = self.rfile.readline(LONGEST_LINE)
        if len(line) >= LONGEST_LINE:
            raise _TooLong
        return line.decode("utf-8", "replace").strip() or (" " if line else "")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


_OFFER: Final = "250-parvar\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING"
