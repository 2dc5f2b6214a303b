"""Sweep: small regular work: leases kept and lost, candidates forgotten, heartbeats.

Owns nothing but their order. Each is one short transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from app.core.instants import MINUTE, SECOND, Span
from app.store import claims, leases, ledgers, people, waiting
from app.world import World


def renew(world: World, owner: str, lease: Span) -> int:
    """Keep what this worker holds."""
    with world.transaction("write") as session:
        return claims.renew_leases(session, owner, world.wall() + lease)


LOOKS = 4
"""A lease is over when it stayed the same over so many looks, a lease's length apart from first to last."""


class LeaseWatch:
    """Whether owners still renew, as one worker sees it: by its own clock since boot, which nobody sets.

    A clock that was set, or one that differs from another machine's, ends no lease and keeps none alive. While the
    database is away nobody can renew and nobody looks: several looks are needed, so that owners have their turn first.
    """

    def __init__(self) -> None:
        self._seen: dict[leases.Held, tuple[float, int]] = {}

    def look(self, found: Sequence[leases.Held], at: float, lease: Span) -> list[leases.Held]:
        """Take note of what is held at this second; returns what nobody renewed for a whole lease."""
        self._seen = {held: self._again(held, at) for held in found}
        return [held for held, (since, looks) in self._seen.items() if looks >= LOOKS and at - since >= lease / SECOND]

    def _again(self, held: leases.Held, at: float) -> tuple[float, int]:
        since, looks = self._seen.get(held, (at, 0))
        return since, looks + 1


def expire_leases(world: World, watch: LeaseWatch, lease: Span) -> int:
    """Claims whose owner cannot be asked become uncertain, never queued again."""
    with world.transaction("read") as session:
        over = watch.look(leases.held(session), world.monotonic(), lease)
    if not over:
        return 0
    with world.transaction("write") as session:
        lost = leases.expire(session, over[:500], world.now())
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


def beat(world: World, node: str, words: Mapping[str, object]) -> None:
    """Say that this worker lives, how late it is, and what else it has to tell."""
    now = world.now()
    with world.transaction("write") as session:
        due = people.next_due(session)
        oldest = waiting.oldest_due(session, now)
        lag = max(0, now - min(at for at in (due, oldest, now) if at is not None))
        detail = json.dumps({"people_due_at": due, "mail_due_at": oldest} | dict(words))
        ledgers.beat(session, ledgers.Heartbeat("worker", node, world.wall(), lag, detail))
