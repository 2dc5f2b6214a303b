"""Names: one question to the DNS that the standard library cannot ask: the TXT records of a name (RFC 1035).

Owns the bytes of question and answer. For a doctor's look only: nothing in sending depends on it.
"""

from __future__ import annotations

import secrets
import socket
import struct
from pathlib import Path

_TXT = 16
_SECONDS = 3.0
_HEAD = struct.Struct(">HHHHHH")


class NoAnswer(Exception):
    """The DNS could not be asked, or what it said cannot be read."""


def txt(name: str, server: str = "") -> tuple[str, ...]:
    """The TXT records of a name, each joined of its strings; empty when there is none. Raises NoAnswer."""
    number = secrets.randbelow(65_536)
    question = _HEAD.pack(number, 0x0100, 1, 0, 0, 0) + _labels(name) + struct.pack(">HH", _TXT, 1)
    try:
        answer = _over_tcp(question, server or _server())
        return _read(answer, number)
    except (OSError, struct.error, IndexError, ValueError) as fault:
        raise NoAnswer(f"{name}: {type(fault).__name__}: {fault}") from fault


def _labels(name: str) -> bytes:
    parts = [part.encode("idna") for part in name.rstrip(".").split(".")]
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def _server() -> str:
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    return next((line.split()[1] for line in lines if line.startswith("nameserver ")), "127.0.0.1")


def _over_tcp(question: bytes, server: str) -> bytes:
    """TCP, for keys are longer than one datagram."""
    host, _, port = server.partition("#")
    with socket.create_connection((host, int(port or 53)), _SECONDS) as wire:
        wire.settimeout(_SECONDS)
        wire.sendall(struct.pack(">H", len(question)) + question)
        with wire.makefile("rb") as reading:
            (length,) = struct.unpack(">H", reading.read(2))
            return reading.read(length)


def _read(answer: bytes, number: int) -> tuple[str, ...]:
    given, flags, questions, answers, _, _ = _HEAD.unpack_from(answer)
    code = flags & 0xF
    if given != number or code not in (0, 3):
        raise ValueError(f"the name server answered with code {code}")
    at = _HEAD.size
    for _ in range(questions):
        at = _after_name(answer, at) + 4
    found = []
    for _ in range(answers):
        at = _after_name(answer, at)
        kind, _class, _ttl, length = struct.unpack_from(">HHIH", answer, at)
        at += 10
        if kind == _TXT:
            found.append(_strings(answer[at : at + length]))
        at += length
    return tuple(found)


def _after_name(answer: bytes, at: int) -> int:
    while length := answer[at]:
        if length >= 0xC0:
            return at + 2
        at += length + 1
    return at + 1


def _strings(data: bytes) -> str:
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += data[at] + 1
    return b"".join(parts).decode("utf-8", "replace")
