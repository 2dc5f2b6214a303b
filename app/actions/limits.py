"""Limits: how often a network, a box, a mailbox, a domain and the whole site may sign up, counted for all processes.

Owns the order of the buckets and what an empty one means: work to be proved, a later try, or silence. Must not look at
who is known: everybody is answered alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.orm import Session

from app.core.instants import HOUR, MINUTE, SECOND, Instant
from app.mail.addresses import Address
from app.store.intake import BucketKey, Filling, hold_buckets, put_buckets
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


@dataclass(frozen=True, slots=True)
class Proof:
    """Work that was proved: its level, and the challenge it answers, which serves once until it ends."""

    level: int
    nonce: bytes
    until: Instant


# ── Judging a group ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Buckets:
    """What buckets hold while a group is judged, one claim after another; `changed` is to be written back."""

    held: dict[BucketKey, Filling]
    wall: Instant
    changed: dict[BucketKey, Filling] = field(default_factory=dict)

    def take(self, asked: _Asked) -> bool:
        """One from a bucket; False when it is empty, which changes nothing. As `ledgers.take_token` does in SQL."""
        key, rate = asked
        tokens, at = self.held[key]
        full = min(float(rate.burst), tokens + max(0, self.wall - at) / float(rate.each))
        if full < 1.0:
            return False
        self.held[key] = self.changed[key] = (full - 1.0, max(at, self.wall))
        return True


_Asked: TypeAlias = tuple[BucketKey, Rate]


def judge(session: Session, limits: Limits, claims: Sequence[Claim], wall: Instant) -> list[Refused | None]:
    """Take one from every bucket for each claim, in their order; None for a signup that may go on.

    Three statements whatever the number of claims. Whoever proved enough work passes the soft buckets.
    """
    asked = [_asked(limits, claim) for claim in claims]
    full = {key: (float(rate.burst), wall) for each in asked for key, rate in each.values()}
    buckets = Buckets(hold_buckets(session, full), wall)
    found = [_judge(buckets, claim, each) for claim, each in zip(claims, asked, strict=True)]
    put_buckets(session, buckets.changed)
    return found


def _asked(limits: Limits, claim: Claim) -> dict[str, _Asked]:
    """The buckets of one claim by what they are called."""
    shard = sum(claim.network.encode()) % SHARDS
    address = claim.address
    provider = address.provider
    domain = limits.provider if provider != address.domain else limits.domain
    return {
        "flood": (("flood", claim.network), limits.flood),
        "network": (("network", claim.network), limits.network),
        "box": (("box", f"{claim.box}:{shard}"), limits.box),
        "domain": (("domain", provider[:128]), domain),
        "site": (("site", str(shard)), limits.site),
        "mailbox": (("mailbox", address.rate_key[:128]), limits.mailbox),
    }


_LEVELS = {"network": 1, "box": 2, "domain": 2, "site": 3}
"""The soft buckets, and the level of the work an empty one asks for."""


def _judge(buckets: Buckets, claim: Claim, asked: dict[str, _Asked]) -> Refused | None:
    flood = asked["flood"]
    if not buckets.take(flood):
        return TooMany(int(flood[1].each // SECOND) * 6)
    level = max((level for name, level in _LEVELS.items() if not buckets.take(asked[name])), default=0)
    if level > claim.work:
        return Work(level)
    return None if buckets.take(asked["mailbox"]) else Silent()


def may_post(session: Session, limits: Limits, network: str, wall: Instant) -> bool:
    """Whether a network may post something small once more."""
    return take_token(session, "later", network, limits.later, wall)
