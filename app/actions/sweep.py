"""Sweep: small regular work: leases kept and lost, candidates forgotten, heartbeats.

Owns nothing but their order. Each is one short transaction.
"""

from __future__ import annotations

import json

from app.core.instants import MINUTE, Span
from app.store import claims, ledgers, messages, people
from app.world import World


def renew(world: World, owner: str, lease: Span) -> int:
    """Keep what this worker holds."""
    with world.transaction("write") as session:
        return claims.renew_leases(session, owner, world.wall() + lease)


def expire_leases(world: World) -> int:
    """Claims whose owner cannot be asked become uncertain, never queued again."""
    with world.transaction("write") as session:
        lost = claims.expire(session, world.wall(), world.now())
        people.wake(session, {each.subscriber_id for each in lost}, world.now())
    return len(lost)


RESEND_AFTER: Span = 15 * MINUTE
"""A late answer may still come; after this nobody will tell any more."""


def resend_uncertain(world: World) -> int:
    """Where the setting says `resend`: once, under the same Message-ID, what is not known to have arrived."""
    if world.settings.uncertain != "resend":
        return 0
    now = world.now()
    with world.transaction("write") as session:
        return len(claims.requeue_uncertain(session, claims.to_resend(session, now - RESEND_AFTER), now))


def beat(world: World, node: str) -> None:
    """Say that this worker lives, and how late it is."""
    now = world.now()
    with world.transaction("write") as session:
        due = people.next_due(session)
        oldest = messages.oldest_due(session, now)
        lag = max(0, now - min(at for at in (due, oldest, now) if at is not None))
        detail = json.dumps({"people_due_at": due, "mail_due_at": oldest})
        ledgers.beat(session, ledgers.Heartbeat("worker", node, world.wall(), lag, detail))
