"""Referring: when a friend who was brought counts.

Owns the judgement and its numbers. Must not know where anything is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.address import rate_key
from app.core.instants import DAY, Span

STAYS_FOR: Final[Span] = DAY
"""A friend counts who has confirmed and is still here so much later."""
SAME_NETWORK: Final = 1
"""So many friends from one network count; the referrer's own is a network like any other. A family may share one."""
BURST: Final = 20
"""More friends than this within BURST_WITHIN are looked at by a person, not counted by a machine."""
BURST_WITHIN: Final[Span] = DAY


class Reason(StrEnum):
    """Why a friend does not count."""

    SELF = "self"  # the same mailbox under another spelling
    DISPOSABLE = "disposable"  # an address made to be thrown away
    NETWORK = "same_network"  # more friends from one place than live there
    BURST = "burst"  # too many at once
    GONE = "gone"  # left or was forgotten within the day
    COMPLAINED = "complained"  # called our mail spam
    REFERRER_GONE = "referrer_gone"  # who brought them is no longer here


@dataclass(frozen=True, slots=True)
class Bringing:
    """A friend and who brought her, a day after she confirmed."""

    referrer: str
    friend: str
    is_disposable: bool = False
    is_here: bool = True
    has_complained: bool = False
    is_referrer_here: bool = True
    from_own_network: bool = False
    same_network: int = 0
    """Other friends of the same referrer from the same network."""
    recent: int = 0
    """Other friends of the same referrer within BURST_WITHIN."""


def objection(bringing: Bringing) -> Reason | None:
    """Why this friend does not count; None when she does."""
    if not bringing.is_referrer_here:
        return Reason.REFERRER_GONE
    if bringing.has_complained:
        return Reason.COMPLAINED
    if not bringing.is_here:
        return Reason.GONE
    if mailbox(bringing.referrer) == mailbox(bringing.friend):
        return Reason.SELF
    if bringing.is_disposable:
        return Reason.DISPOSABLE
    if bringing.same_network + int(bringing.from_own_network) > SAME_NETWORK:
        return Reason.NETWORK
    return Reason.BURST if bringing.recent >= BURST else None


def mailbox(address: str) -> str:
    """The mailbox behind an address: without what stands after a plus, without dots where they mean nothing."""
    local, _, domain = address.rpartition("@")
    return rate_key(local, domain)
