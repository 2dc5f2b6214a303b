"""The wire under SMTP: bytes out, replies in, each within its time, plain or TLS.

Owns the socket and the reply reader. Knows exactly how many bytes it handed over when a connection is cut.
Must not know what a command means.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from app.mail.smtp_hub import READ, WRITE, Hub

T = TypeVar("T")

MAX_LINE: Final = 8 * 1024
MAX_REPLY_LINES: Final = 200
_SENDING: Final = socket.SO_SNDTIMEO
_RECEIVING: Final = socket.SO_RCVTIMEO
_TIMEVAL: Final = struct.Struct("@ll")
_TLS_RECORD: Final = 16 * 1024
_SLOWEST: Final = 4_096  # bytes a second below which sending counts as stuck


class WireLost(Exception):
    """The connection is gone or silent. `sent` counts the bytes of the last `send` that were handed over."""

    def __init__(self, text: str, sent: int = 0) -> None:
        super().__init__(text)
        self.sent = sent


class WireGarbage(WireLost):
    """What came is no SMTP reply; the connection cannot be trusted any further."""


class Wire:
    """One connection. `clock` gives monotonic seconds."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._socket = sock
        self._clock = clock
        self._buffer = b""
        self._timeouts: dict[int, float] = {}
        self._hub: Hub | None = None
        self.is_encrypted = False
        sock.settimeout(None)

    @property
    def has_unread(self) -> bool:
        """True when something (or the end) has arrived that nobody asked for yet."""
        if self._buffer:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        with suppress(OSError, ValueError):
            return bool(select.select([self._socket], [], [], 0)[0])
        return True

    def attend(self, hub: Hub | None) -> None:
        """From now on it pauses in this hub where it would wait; with None it waits by itself, as in the beginning."""
        self._hub = hub
        self._timeouts.clear()
        with suppress(OSError):
            self._socket.settimeout(None if hub is None else 0.0)

    def encrypt(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Begin TLS. Raises WireLost; bytes that arrived before the handshake are an attack and refused as
        WireGarbage.
        """
        if self._buffer:
            raise WireGarbage("the server sent commands ahead of the TLS handshake")
        try:
            self._socket.settimeout(timeout)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLCertVerificationError as fault:
            raise WireLost(f"the certificate is not valid for {host}: {fault.verify_message}") from fault
        except (OSError, ValueError) as fault:
            raise WireLost(f"the TLS handshake failed: {_why(fault)}") from fault
        self.is_encrypted = True
        self._timeouts.clear()

    def send(self, timeout: float, *pieces: bytes) -> None:
        """Hand over all of it. Raises WireLost whose `sent` never counts a byte that may still be here."""
        sent = 0
        total = sum(map(len, pieces))
        try:
            self._wait_at_most(_SENDING, timeout)
            if not self.is_encrypted:
                sent = self._send_at_once(pieces)
            if sent < total:
                rest = memoryview(b"".join(pieces))
                deadline = self._clock() + timeout + total / _SLOWEST
                while sent < total:
                    sent += self._send_some(rest[sent:], deadline, timeout)
        except (OSError, ValueError) as fault:
            raise WireLost(_why(fault), sent) from fault
        if self._hub is not None:
            self._hub.give_way()  # what all connections have to say leaves together: the server wakes once for it

    def _send_at_once(self, pieces: tuple[bytes, ...]) -> int:
        try:
            return self._socket.sendmsg(pieces)
        except BlockingIOError:
            if self._hub is None:
                raise
            return 0

    def _send_some(self, data: memoryview, deadline: float, timeout: float) -> int:
        if self._clock() > deadline:
            raise TimeoutError("the server takes the mail too slowly")
        self._wait_at_most(_SENDING, timeout)
        # one TLS record at a time: of a larger write that fails nobody knows how much has left
        part = data[:_TLS_RECORD] if self.is_encrypted else data
        return self._pausing(lambda: self._socket.send(part), WRITE, timeout)

    def _pausing(self, act: Callable[[], T], usual: int, timeout: float) -> T:
        """Do it, as soon as the socket lets us."""
        while True:
            try:
                return act()
            except BlockingIOError:
                self._pause(usual, timeout)
            except ssl.SSLWantReadError:
                self._pause(READ, timeout)
            except ssl.SSLWantWriteError:
                self._pause(WRITE, timeout)

    def _pause(self, what: int, timeout: float) -> None:
        if self._hub is None or not self._hub.wait(self._socket.fileno(), what, timeout):
            raise TimeoutError

    def read_reply(self, timeout: float) -> tuple[bytes, ...]:
        """The lines of the next reply, without line ends. Raises WireLost, or WireGarbage for what is no reply."""
        line = self._line(timeout)
        if line[3:4] != b"-":
            return (line,)
        lines = [line]
        deadline = self._clock() + timeout
        while line[3:4] == b"-":
            line = self._line(max(deadline - self._clock(), 0.001))
            lines.append(line)
            if len(lines) > MAX_REPLY_LINES:
                raise WireGarbage("a reply without end")
        return tuple(lines)

    def take_if(self, *heads: bytes) -> bool:
        """Take the next replies unread, when all of them are here, of one line each, and begin with these bytes.

        A head is a code and the blank behind it: anything that is no reply of one line begins otherwise.
        """
        lines = self._buffer.split(b"\n", len(heads))
        if len(lines) <= len(heads) or not all(map(bytes.startswith, lines, heads)):
            return False
        self._buffer = lines[-1]
        return True

    def _line(self, timeout: float) -> bytes:
        end = self._buffer.find(b"\n")
        if end < 0:
            end = self._receive_line(timeout)
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        if line[-1:] == b"\r":
            line = line[:-1]
        if not line[:3].isdigit() or len(line) < 3 or line[3:4] not in _SEPARATORS:
            raise WireGarbage(f"not a reply: {line[:60].decode('ascii', 'replace')!r}")
        return line

    def _receive_line(self, timeout: float) -> int:
        """Receive until the buffer holds a line end, and return its place. The time is for the whole line, not
        for a byte.
        """
        deadline = self._clock() + timeout
        left = timeout
        while True:
            start = len(self._buffer)
            self._buffer += self._receive(left)
            end = self._buffer.find(b"\n", start)
            if end >= 0:
                return end
            if len(self._buffer) > MAX_LINE:
                raise WireGarbage("a reply line without end")
            left = deadline - self._clock()
            if left <= 0:
                raise WireLost("no complete reply in time")

    def _receive(self, timeout: float) -> bytes:
        try:
            self._wait_at_most(_RECEIVING, timeout)
            data = self._pausing(lambda: self._socket.recv(65_536), READ, timeout)
        except (OSError, ValueError) as fault:
            raise WireLost(_why(fault)) from fault
        if not data:
            raise WireLost("the server closed the connection")
        return data

    def _wait_at_most(self, option: int, timeout: float) -> None:
        """Let the kernel keep the time where it can: Python's own way polls before every read and write."""
        if self._hub is not None or self._timeouts.get(option) == timeout:
            return
        self._timeouts[option] = timeout
        if self.is_encrypted:
            self._timeouts.clear()
            self._socket.settimeout(timeout)
            return
        seconds, rest = divmod(max(int(timeout * 1e6), 1_000), 1_000_000)
        self._socket.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(seconds, rest))

    def wake(self) -> None:
        """Cut the connection from another thread: whoever waits on it returns at once."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()


_SEPARATORS: Final = frozenset((b" ", b"-", b""))


def _why(fault: Exception) -> str:
    if isinstance(fault, BlockingIOError):
        return "no answer in time"
    if isinstance(fault, TimeoutError):
        return "no answer in time" if str(fault) in {"", "timed out", "The read operation timed out"} else str(fault)
    if isinstance(fault, ssl.SSLError):
        return f"TLS: {fault.reason or fault}"
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__


def connect(host: str, port: int, timeout: float, clock: Callable[[], float] = time.monotonic) -> Wire:
    """Open a TCP connection without delay of small writes. Raises WireLost."""
    try:
        sock = socket.create_connection((host, port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except (OSError, UnicodeError) as fault:
        raise WireLost(_why(fault)) from fault
    return Wire(sock, clock)
