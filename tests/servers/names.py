"""A name server on loopback, over UDP and TCP on one port: a zone in zone-file words, and bad manners on request."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Asked = tuple[str, str, str]
"""Over what it was asked (`udp` or `tcp`), the name, the kind of record."""


@dataclass
class NameServer:
    """`zone`: lines as `firm.ir MX 10 mx.firm.ir`. What is not in it does not exist.

    `codes` gives names an RCODE instead (`SERVFAIL`); `silent` names get no answer at all; of `long` names the
    datagram is cut and marked so, and TCP tells all. Zone and manners may change while it runs.
    """

    zone: Sequence[str] = ()
    codes: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    long: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._servers = _on_one_port()
        for server in self._servers:
            server.asked_of = self
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1#{self._servers[0].server_address[1]}"

    def names(self, over: str = "") -> list[str]:
        """What was asked about, in turn."""
        return [name for how, name, _ in self.asked if over in ("", how)]

    def answer(self, wire: bytes, over: str) -> bytes | None:
        question = dns.message.from_wire(wire)
        (asked,) = question.question
        name = asked.name.to_text(omit_final_dot=True).lower()
        self.asked.append((over, name, dns.rdatatype.to_text(asked.rdtype)))
        if name in self.silent:
            return None
        answer = dns.message.make_response(question, recursion_available=True)
        if name in self.codes:
            answer.set_rcode(dns.rcode.from_text(self.codes[name]))
        elif over == "udp" and name in self.long:
            answer.flags |= dns.flags.TC
        else:
            self._fill(answer, name, asked.rdtype)
        return answer.to_wire(max_size=0xFFFF)

    def _fill(self, answer: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> None:
        """The records asked for; an alias is followed as a resolver follows it."""
        told = [line.split(maxsplit=2) for line in self.zone]
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            here = [(its, data) for whose, its, data in told if whose == name]
            if not here:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            aliases = [data for its, data in here if its == "CNAME"]
            wanted = "CNAME" if aliases else dns.rdatatype.to_text(kind)
            data = [each for its, each in here if its == wanted]
            if data:
                answer.answer.append(dns.rrset.from_text_list(dns.name.from_text(name), 300, "IN", wanted, data))
            name = aliases[0].rstrip(".") if aliases else name


class _Udp(socketserver.ThreadingUDPServer):
    asked_of: NameServer
    daemon_threads = True


class _Tcp(socketserver.ThreadingTCPServer):
    asked_of: NameServer
    daemon_threads = True
    allow_reuse_address = True


def _on_one_port() -> tuple[_Udp, _Tcp]:
    """A free port of UDP may be taken for TCP: then another one is tried."""
    for _ in range(20):
        udp = _Udp(("127.0.0.1", 0), _Datagram)
        try:
            return udp, _Tcp(("127.0.0.1", udp.server_address[1]), _Stream)
        except OSError:
            udp.server_close()
    raise OSError("no port is free for both UDP and TCP")


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, socket = self.request
        answer = self.server.asked_of.answer(wire, "udp")  # type: ignore[attr-defined]
        if answer is not None:
            socket.sendto(answer, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = self.rfile.read(2)
        if len(head) < 2:
            return
        answer = self.server.asked_of.answer(self.rfile.read(struct.unpack(">H", head)[0]), "tcp")  # type: ignore[attr-defined]
        if answer is not None:
            self.wfile.write(struct.pack(">H", len(answer)) + answer)
