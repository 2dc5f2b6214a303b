"""Names: what the DNS says: the TXT records of a name, and who takes the mail of a domain.

Owns dnspython, and what its many faults come to. Must not remember an answer or draw conclusions from one; nothing on
the way of a mail waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.exchangers import MOST_HOSTS, Exchangers, Told

if TYPE_CHECKING:
    from dns.resolver import Answer, Resolver

_TRY = 2.0
"""Seconds one name server may take; a lost datagram is sent again."""
PATIENCE = 5.0
"""Seconds for a question, all tries together."""
_DATAGRAM: Final = 1232
"""Bytes of an answer that fit any path (DNS flag day 2020); a longer one is fetched over TCP."""


class NoAnswer(Exception):
    """The DNS could not be asked, or what it said cannot be read. `is_silent`: nobody answered at all."""

    def __init__(self, words: str, *, is_silent: bool = False) -> None:
        super().__init__(words)
        self.is_silent = is_silent


def txt(name: str, server: str = "") -> tuple[str, ...]:
    """The TXT records of a name, each joined of its strings; empty when there is none. Raises NoAnswer."""
    answer = _ask(name, "TXT", server)
    records = answer.rrset or () if answer else ()
    return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in records)


def exchangers(domain: str, server: str = "", patience: float = PATIENCE) -> Exchangers:
    """Who takes the mail of a domain (an A-label). Raises NoAnswer.

    Only hosts of the best preference: the others are for the hours when those are away.
    """
    answer = _ask(domain, "MX", server, patience)
    if answer is None:
        return Exchangers(Told.MISSING)
    records = [(record.preference, _plain(record.exchange)) for record in answer.rrset or ()]
    if not records:
        return Exchangers(Told.ADDRESS)
    hosts = [(preference, host) for preference, host in records if host]
    if not hosts:
        return Exchangers(Told.NULL)
    best = min(preference for preference, _ in hosts)
    found = sorted(host for preference, host in hosts if preference == best)
    return Exchangers(Told.FOUND, tuple(found[:MOST_HOSTS]))


def canonical(host: str, server: str = "", patience: float = PATIENCE) -> str:
    """What a host's name is an alias of (an MX should lead to none, RFC 2181 section 10.3, but some do), else the
    name itself. Raises NoAnswer.
    """
    answer = _ask(host, "A", server, patience)
    return _plain(answer.canonical_name) if answer else host


def _plain(name: object) -> str:
    return str(name).lower().rstrip(".")


def _ask(name: str, kind: str, server: str, patience: float = PATIENCE) -> Answer | None:
    """The answer, which may hold no record; None when there is no such name. Raises NoAnswer."""
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN

    try:
        return _resolver(server).resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=patience)
    except NXDOMAIN:
        return None
    except (DNSException, OSError, UnicodeError, ValueError) as fault:
        raise _no_answer(name, fault) from fault


def _resolver(server: str) -> Resolver:
    """Asks `server` (an address, perhaps with #port), else whom this machine asks."""
    from dns.resolver import Resolver

    found = Resolver(configure=not server)
    if server:
        host, _, port = server.partition("#")
        found.nameservers, found.port = [host], int(port or 53)
    found.timeout = _TRY
    found.use_edns(0, 0, _DATAGRAM)
    return found


def _no_answer(name: str, fault: Exception) -> NoAnswer:
    from dns.resolver import LifetimeTimeout, NoNameservers, NoResolverConfiguration

    match fault:
        case NoNameservers():
            codes = sorted({_code(response) for *_, response in fault.kwargs.get("errors", ()) if response})
            if codes:
                return NoAnswer(f"{name}: the name server says {', '.join(codes)}")
            return NoAnswer(f"{name}: no name server can be reached", is_silent=True)
        case LifetimeTimeout():
            return NoAnswer(f"{name}: nobody answered in time", is_silent=True)
        case NoResolverConfiguration():
            return NoAnswer(f"{name}: this machine knows no name server", is_silent=True)
        case OSError():
            return NoAnswer(f"{name}: {fault.strerror or 'the name server cannot be reached'}", is_silent=True)
        case _:
            return NoAnswer(f"{name}: {_unaskable(fault)}")


def _unaskable(fault: Exception) -> str:
    """What was wrong with the question, or with an answer nobody can read."""
    from dns.name import EmptyLabel, IDNAException, LabelTooLong, NameTooLong

    match fault:
        case LabelTooLong():
            return "a part of this name is longer than 63 signs"
        case EmptyLabel():
            return "a part of this name is empty, between two dots"
        case NameTooLong():
            return "this name is longer than 253 signs"
        case IDNAException() | UnicodeError():
            return "this name holds signs no name may have"
        case ValueError():
            return "this is no name server's address; write 192.0.2.53, with a port 192.0.2.53#5353"
        case _:
            return "what the name server said cannot be read"


def _code(response: object) -> str:
    from dns.message import Message
    from dns.rcode import to_text

    return to_text(response.rcode()) if isinstance(response, Message) else "nothing readable"
