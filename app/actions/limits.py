"""Limits: how often a network, a box, a mailbox, a domain and the whole site may sign up, counted for all processes.

Owns the order of the buckets and what an empty one means: work to be proved, a later try, or silence. Must not look at
who is known: everybody is answered alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.orm import Session

from app.core.instants import HOUR, MINUTE, SECOND, Instant
from app.mail.addresses import Address
from app.store.ledgers import Rate, take_token

SHARDS = 8
"""The site's and a box's bucket are kept in so many parts, so that signups do not queue up for one row."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is usual. `network` and `flood` count per /24 or /48; a part of `site` and `box` is a SHARDS-th."""

    network: Rate = Rate(5, 2 * MINUTE)
    flood: Rate = Rate(60, 10 * SECOND)
    mailbox: Rate = Rate(4, 6 * HOUR)
    domain: Rate = Rate(30, 20 * SECOND)
    provider: Rate = Rate(2_000, SECOND // 20)
    box: Rate = Rate(40, 8 * SECOND)
    site: Rate = Rate(100, 2 * SECOND)
    later: Rate = Rate(30, 10 * SECOND)
    """Everything else a visitor may post: "send again", later questions, counts."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks: a hashed network, the box, the address, and the level of the work proved (0: none)."""

    network: str
    box: str
    address: Address
    work: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """Prove some work first; the level says how much: 1 for a busy network, 2 for a busy box, 3 for a busy site."""

    level: int


@dataclass(frozen=True, slots=True)
class TooMany:
    """Come back later."""

    after: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Answer as if all were well, and do nothing: this mailbox has been asked for often enough."""


Refused: TypeAlias = Work | TooMany | Silent


def take(session: Session, limits: Limits, claim: Claim, wall: Instant) -> Refused | None:
    """Take one from every bucket; None when the signup may go on. Whoever proved enough work passes the soft ones."""
    if not take_token(session, "flood", claim.network, limits.flood, wall):
        return TooMany(int(limits.flood.each // SECOND) * 6)
    level = _level_wanted(session, limits, claim, wall)
    if level > claim.work:
        return Work(level)
    if not take_token(session, "mailbox", claim.address.rate_key[:128], limits.mailbox, wall):
        return Silent()
    return None


def _level_wanted(session: Session, limits: Limits, claim: Claim, wall: Instant) -> int:
    """The hardest of what the soft buckets ask for. All are asked, so that the time tells nothing."""
    shard = sum(claim.network.encode()) % SHARDS
    address = claim.address
    is_large = address.provider != address.domain
    full = (
        (1, take_token(session, "network", claim.network, limits.network, wall)),
        (2, take_token(session, "box", f"{claim.box}:{shard}", limits.box, wall)),
        (
            2,
            take_token(session, "domain", address.provider[:128], limits.provider if is_large else limits.domain, wall),
        ),
        (3, take_token(session, "site", str(shard), limits.site, wall)),
    )
    return max((level for level, has_room in full if not has_room), default=0)


def may_post(session: Session, limits: Limits, network: str, wall: Instant) -> bool:
    """Whether a network may post something small once more."""
    return take_token(session, "later", network, limits.later, wall)
