"""Mail exchangers: where the mail of a domain is taken in, as the DNS tells it, and when to ask again.

Owns the answers there can be, names nobody need ask about, and the pace of asking. Must not ask anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.instants import DAY, HOUR, Span


class Told(StrEnum):
    """What the DNS said of a domain."""

    NOTHING = ""
    """It has not been asked yet, or never answered."""
    FOUND = "found"
    ADDRESS = "address"
    """No MX: the domain's own address takes its mail (RFC 5321 section 5.1)."""
    NULL = "null"
    """A null MX: this domain takes no mail (RFC 7505)."""
    MISSING = "missing"
    """There is no such domain."""


@dataclass(frozen=True, slots=True)
class Exchangers:
    """One answer. `hosts` are those of the best preference, in small letters without the last dot, and the names they
    are aliases of; empty unless some were found.
    """

    told: Told
    hosts: tuple[str, ...] = ()


MOST_HOSTS: Final = 8
"""So many hosts of a domain are kept."""

# RFC 2606, RFC 6761, RFC 6762 and RFC 7686: names that never lead to a mailbox on the net
_RESERVED: Final = frozenset({"test", "example", "invalid", "localhost", "local", "onion", "internal"})
_EXAMPLES: Final = frozenset({"example.com", "example.net", "example.org"})


def is_reserved(domain: str) -> bool:
    """Whether the name is kept for examples, tests or a network of one's own: nobody is asked about it."""
    labels = domain.split(".")
    return len(labels) < 2 or labels[-1] in _RESERVED or ".".join(labels[-2:]) in _EXAMPLES


FRESH: Final[Span] = 7 * DAY
_AGAIN: Final[tuple[Span, ...]] = (HOUR, 4 * HOUR, DAY, 2 * DAY)


def ask_after(failures: int, chance: float) -> Span:
    """How long until a domain is asked about again: days after an answer, less after a failure.

    `chance` from 0 to 1 stretches it by up to a quarter, so that what was asked together is not asked together again.
    """
    span = _AGAIN[min(failures, len(_AGAIN)) - 1] if failures else FRESH
    return span + int(span * chance / 4)
