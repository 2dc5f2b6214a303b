"""An SMTP server for tests that is correct by default and as hostile as a rule tells it to be.

It keeps every mail it said 250 to, so that a test can compare what a client believes with what a server has.
A rule belongs to a stage and answers instead of the server: bytes to send, a wait, a drip, a close.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Wait:
    """Say nothing for a while, or until the server is closed."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """Send byte by byte."""

    data: bytes
    gap: float


@dataclass(frozen=True)
class Close:
    """End the connection; `hard` sends a reset."""

    hard: bool = False


@dataclass(frozen=True)
class Take:
    """Keep the mail as taken, and say nothing of it."""


Step = bytes | Wait | Drip | Close | Take
Answer = Step | list[Step] | tuple[Step, ...]


@dataclass
class Mail:
    """One mail the server took."""

    sender: str
    recipient: str
    data: bytes
    mail_line: str
    rcpt_line: str
    connection: int


@dataclass
class Talk:
    """What one connection has said so far; a rule may look."""

    number: int
    mail_line: str = ""
    rcpt_line: str = ""
    ehlo: str = ""
    is_encrypted: bool = False
    login: str = ""
    mails: int = 0
    lines: list[str] = field(default_factory=list)


Rule = Callable[[Talk, str], "Answer | None"]
"""Gets the connection and the line (the mail's text at `final`); None leaves the answer to the server."""

DEFAULT_FEATURES = ("PIPELINING", "SIZE 10240000", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES")


class SmtpServer:
    """Listens on a free loopback port from creation; use it in a `with`."""

    FEATURES = DEFAULT_FEATURES

    def __init__(
        self,
        rules: dict[str, Rule] | None = None,
        *,
        features: Sequence[str] = DEFAULT_FEATURES,
        tls: ssl.SSLContext | None = None,
        is_implicit: bool = False,
        users: dict[str, str] | None = None,
        keep: Callable[[Mail], None] | None = None,
        port: int = 0,
    ) -> None:
        self.rules = rules or {}
        self.features = tuple(features)
        self.users = users or {}
        self.mails: list[Mail] = []
        self.talks: list[Talk] = []
        self._tls = tls
        self._is_implicit = is_implicit
        self._keep = keep
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        with self._lock:
            sockets = tuple(self._sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def hang_up(self) -> None:
        """Close every connection, keep listening."""
        with self._lock:
            sockets = tuple(self._sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not self._sockets & set(sockets))

    @property
    def bodies(self) -> list[bytes]:
        with self._lock:
            return [mail.data for mail in self.mails]

    @property
    def recipients(self) -> list[str]:
        with self._lock:
            return [mail.recipient for mail in self.mails]

    def take(self, mail: Mail) -> None:
        with self._lock:
            if self._keep:
                self._keep(mail)
            self.mails.append(mail)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                talk = Talk(len(self.talks) + 1)
                self.talks.append(talk)
                self._sockets.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, talk), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, talk: Talk) -> None:
        connection = _Connection(self, sock, talk)
        try:
            if self._is_implicit and self._tls:
                connection.encrypt(self._tls)
            connection.run()
        except (OSError, _Gone):
            pass
        finally:
            with self._lock:
                self._sockets.discard(sock)
            connection.close()

    def wait(self, seconds: float) -> None:
        self._closing.wait(seconds)

    @property
    def tls(self) -> ssl.SSLContext | None:
        return self._tls


class _Gone(Exception):
    pass


class _Connection:
    def __init__(self, server: SmtpServer, sock: socket.socket, talk: Talk) -> None:
        self._server = server
        self._socket = sock
        self._talk = talk
        self._buffer = b""
        self._out: list[bytes] = []

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def encrypt(self, context: ssl.SSLContext) -> None:
        self._socket = context.wrap_socket(self._socket, server_side=True)
        self._talk.is_encrypted = True

    def run(self) -> None:
        self._answer("connect", "", b"220 test.invalid ESMTP\r\n")
        while (line := self._line()) is not None:
            self._talk.lines.append(line)
            verb = line.split(" ")[0].upper().rstrip(":")
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                self._answer("other", line, b"500 5.5.1 unknown\r\n")
            elif handler(line):
                return

    # ---- commands; True ends the connection

    def _on_ehlo(self, line: str) -> bool:
        self._talk.ehlo = line
        features = [one for one in self._server.features if one != "STARTTLS" or not self._talk.is_encrypted]
        lines = ["test.invalid", *features]
        text = "".join(f"250{'-' if n + 1 < len(lines) else ' '}{one}\r\n" for n, one in enumerate(lines))
        self._answer("ehlo", line, text.encode())
        return False

    def _on_helo(self, line: str) -> bool:
        self._talk.ehlo = line
        self._answer("helo", line, b"250 test.invalid\r\n")
        return False

    def _on_starttls(self, line: str) -> bool:
        self._answer("starttls", line, b"220 go\r\n")
        self._flush()
        if self._server.tls:
            self.encrypt(self._server.tls)
        return False

    def _on_auth(self, line: str) -> bool:
        self._answer("auth", line, b"" if "auth" in self._server.rules else self._log_in(line))
        return False

    def _log_in(self, line: str) -> bytes:
        user, given = _LOGINS[line.split(" ")[1].upper()](self, line)
        if callable(given):
            is_right = given(self._server.users.get(user, ""))
        else:
            is_right = bool(given) and self._server.users.get(user) == given
        self._talk.login = user if is_right else ""
        return b"235 2.7.0 in\r\n" if is_right else b"535 5.7.8 no\r\n"

    def ask(self, challenge: bytes) -> bytes:
        self._send(b"334 " + base64.b64encode(challenge) + b"\r\n")
        self._flush()
        return base64.b64decode(self._line() or "")

    def _on_mail(self, line: str) -> bool:
        if self._talk.mail_line:
            self._send(b"503 5.5.1 nested MAIL\r\n")
            return False
        if self._answer("mail", line, b"250 2.1.0 ok\r\n"):
            self._talk.mail_line, self._talk.rcpt_line = line, ""
        return False

    def _on_rcpt(self, line: str) -> bool:
        if not self._talk.mail_line:
            self._send(b"503 5.5.1 need MAIL\r\n")
        elif self._answer("rcpt", line, b"250 2.1.5 ok\r\n"):
            self._talk.rcpt_line = line
        return False

    def _on_data(self, line: str) -> bool:
        if not self._talk.rcpt_line and "data" not in self._server.rules:
            self._send(b"554 5.5.1 no valid recipients\r\n")
            return False
        self._answer("data", line, b"354 go ahead\r\n")
        if not self._last.startswith(b"354"):
            return False
        text = self._text()
        talk = self._talk
        mail = Mail(_path(talk.mail_line), _path(talk.rcpt_line), text, talk.mail_line, talk.rcpt_line, talk.number)
        had_recipient = bool(talk.rcpt_line)
        talk.mail_line = talk.rcpt_line = ""
        talk.mails += 1
        if not had_recipient:
            self._send(b"554 5.5.1 no valid recipients\r\n")
            return False
        self._answer("final", text.decode("utf-8", "replace"), b"250 2.0.0 taken\r\n", mail)
        return False

    def _on_rset(self, line: str) -> bool:
        self._talk.mail_line = self._talk.rcpt_line = ""
        self._answer("rset", line, b"250 2.0.0 ok\r\n")
        return False

    def _on_noop(self, line: str) -> bool:
        self._answer("noop", line, b"250 2.0.0 ok\r\n")
        return False

    def _on_quit(self, line: str) -> bool:
        self._answer("quit", line, b"221 2.0.0 bye\r\n")
        self._flush()
        return True

    # ---- bytes

    _last = b""

    def _answer(self, stage: str, line: str, usual: bytes, mail: Mail | None = None) -> bool:
        """Send the rule's answer or the usual one; True when it is a 2xx."""
        rule = self._server.rules.get(stage)
        answer = rule(self._talk, line) if rule else None
        steps: Sequence[Step] = (
            [usual] if answer is None else [answer] if not isinstance(answer, list | tuple) else answer
        )
        self._last = b"".join(
            step if isinstance(step, bytes) else step.data if isinstance(step, Drip) else b"" for step in steps
        )
        is_good = self._last.startswith(b"2")
        if mail and (is_good or any(isinstance(step, Take) for step in steps)):
            self._server.take(mail)
        for step in steps:
            self._do(step)
        return is_good

    def _do(self, step: Step) -> None:
        if isinstance(step, bytes):
            self._send(step)
            return
        if isinstance(step, Take):
            return
        self._flush()
        if isinstance(step, Wait):
            self._server.wait(step.seconds)
        elif isinstance(step, Drip):
            for byte in step.data:
                self._socket.sendall(bytes((byte,)))
                self._server.wait(step.gap)
        else:
            if step.hard:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Gone

    def _send(self, data: bytes) -> None:
        self._out.append(data)

    def _flush(self) -> None:
        if self._out:
            data, self._out = b"".join(self._out), []
            self._socket.sendall(data)

    def _line(self) -> str | None:
        while b"\n" not in self._buffer:
            if not self._more():
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def _text(self) -> bytes:
        pieces = bytearray(b"\r\n" + self._buffer)
        end, looked = pieces.find(_END), 0
        while end < 0:
            self._buffer = b""
            if not self._more():
                raise _Gone
            looked = max(len(pieces) - len(_END), 0)
            pieces += self._buffer
            end = pieces.find(_END, looked)
        self._buffer = bytes(pieces[end + len(_END) :])
        return bytes(pieces[: end + 2]).replace(b"\r\n..", b"\r\n.")[2:]

    def _more(self) -> bool:
        self._flush()
        data = self._socket.recv(65_536)
        self._buffer += data
        return bool(data)


_END = b"\r\n.\r\n"


def _path(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


def _plain(connection: _Connection, line: str) -> tuple[str, str]:
    _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
    return user, password


def _login(connection: _Connection, line: str) -> tuple[str, str]:
    return connection.ask(b"Username:").decode(), connection.ask(b"Password:").decode()


def _cram(connection: _Connection, line: str) -> tuple[str, Callable[[str], bool]]:
    challenge = b"<1896.697170952@test.invalid>"
    user, _, digest = connection.ask(challenge).decode().rpartition(" ")

    def check(password: str) -> bool:
        return hmac.compare_digest(hmac.new(password.encode(), challenge, hashlib.md5).hexdigest(), digest)

    return user, check


def _xoauth2(connection: _Connection, line: str) -> tuple[str, str]:
    parts = base64.b64decode(line.split(" ")[2]).decode().split("\1")
    user, token = parts[0].removeprefix("user="), parts[1].removeprefix("auth=Bearer ")
    if connection._server.users.get(user) != token:
        connection.ask(b'{"status":"401"}')
    return user, token


_LOGINS: dict[str, Callable[[_Connection, str], tuple[str, str | Callable[[str], bool]]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram,
    "XOAUTH2": _xoauth2,
}


def nth(number: int, answer: Answer) -> Rule:
    """A rule that answers the n-th time it is asked (from 1) and else leaves it to the server."""
    lock = threading.Lock()
    asked = 0

    def rule(talk: Talk, line: str) -> Answer | None:
        nonlocal asked
        with lock:
            asked += 1
            return answer if asked == number else None

    return rule


def always(answer: Answer) -> Rule:
    return lambda talk, line: answer


def for_recipient(part: str, answer: Answer) -> Rule:
    """A rule for RCPT lines (or texts) that hold `part`."""
    return lambda talk, line: answer if part in line else None


def wait_until(what: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Ask until it is so, briefly."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
