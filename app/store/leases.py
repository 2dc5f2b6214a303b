"""Leases: who holds what, and until when they said so; and the end of those that nobody keeps any more.

Owns looking at held claims and calling them uncertain. Whether a lease is over is judged by whoever watched it, not by
the times written here: clocks of two machines differ. Must not queue anything again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select, tuple_, update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MessageState
from app.store.base import table_of
from app.store.claims import Settled
from app.store.messages import IS_CLAIMED, MessageRow


@dataclass(frozen=True, slots=True)
class Held:
    """One claim and the end of its lease as its owner last wrote it: as long as that changes, the owner lives."""

    id: int
    claim_no: int
    lease_until: Instant


def held(session: Session, limit: int = 10_000) -> list[Held]:
    """Everything that is claimed, from its partial index."""
    message = table_of(MessageRow)
    query = select(message.c.id, message.c.claim_no, message.c.lease_until).where(IS_CLAIMED)
    rows = session.execute(query.order_by(message.c.lease_until).limit(limit))
    return [Held(row.id, row.claim_no, row.lease_until or 0) for row in rows]


def expire(session: Session, over: Sequence[Held], at: Instant) -> list[Settled]:
    """Claims nobody renewed become `uncertain` as of `at`, unless they changed since they were looked at."""
    if not over:
        return []
    message = table_of(MessageRow)
    keys = [(each.id, each.claim_no, each.lease_until) for each in over]
    same = tuple_(message.c.id, message.c.claim_no, message.c.lease_until).in_(keys)
    free = select(message.c.id).where(IS_CLAIMED, same).with_for_update(skip_locked=True)
    values = {"state": MessageState.UNCERTAIN.value, "settled_at": at, "reason": "lease", "lease_until": None}
    losing = update(message).where(and_(message.c.id.in_(free), IS_CLAIMED, same)).values(values)
    rows = session.execute(losing.returning(message.c.id, message.c.subscriber_id, message.c.state))
    return [Settled(row.id, row.subscriber_id, MessageState(row.state)) for row in sorted(rows)]
