"""Warmth: what waits in a lane in the order of how lately its people were active, for domains that may send little.

Owns the one reading that puts the most engaged first, and taking exactly those. A claim by this order would look
through the whole lane each time, so whoever claims remembers what was found. Must not know of allowances.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MailClass
from app.store.claims import Claim, Wanted
from app.store.hot import Hot

# Whoever opened, clicked, bought, answered or confirmed most lately; what machines did is no signal. The lane is read
# by its partial index, and the database keeps no more rows than the limit while it does.
_PICK = """SELECT m.id FROM message m JOIN subscriber s ON s.id = m.subscriber_id
 WHERE m.state IN ('queued', 'waiting') AND m.mail_class = :mail_class AND m.lane = :lane AND m.due_at <= :now
 ORDER BY {lately} DESC, m.rank DESC, m.due_at, m.id LIMIT :limit"""
_SEEN = "coalesce(s.last_signal_at, 0), coalesce(s.confirmed_at, 0)"
_MOST_ENGAGED = Hot(_PICK.format(lately=f"max({_SEEN})"), _PICK.format(lately=f"greatest({_SEEN})"))

# coalesce hides the state from the planners: by the lane's partial index they would read the whole lane for a few ids
_STANDS = (
    """coalesce(state, '') IN ('queued', 'waiting') AND mail_class = :mail_class AND lane = :lane AND due_at <= :now"""
)
_TAKE = """UPDATE message SET state = 'claimed', owner = :owner, lease_until = :lease_until, claim_no = claim_no + 1
 WHERE {chosen} RETURNING id, claim_no"""
_CHOSEN = f"id IN :ids AND {_STANDS}"
_LOCKED = f"id IN (SELECT id FROM message WHERE {_CHOSEN} ORDER BY id FOR UPDATE SKIP LOCKED)"  # noqa: S608 - our own words
_TAKE_THESE = Hot(_TAKE.format(chosen=_CHOSEN), _TAKE.format(chosen=_LOCKED))


def most_engaged(session: Session, lane: str, now: Instant, limit: int) -> list[int]:
    """The marketing mails due in a lane of those who were active most lately, at most `limit`.

    Looks at everything due in the lane: ask seldom.
    """
    marketing = MailClass.MARKETING.value
    rows = _MOST_ENGAGED.rows(session, mail_class=marketing, lane=lane, now=now, limit=limit)
    return [int(id_) for (id_,) in rows]


def claim_these(session: Session, owner: str, wanted: Wanted, ids: Sequence[int]) -> list[Claim]:
    """Take of these what still waits and is due, in their order. Nobody else gets the same message."""
    if not ids:
        return []
    rows = _TAKE_THESE.rows(
        session,
        ids=list(ids),
        mail_class=wanted.mail_class.value,
        lane=wanted.lane,
        now=wanted.now,
        owner=owner,
        lease_until=wanted.lease_until,
    )
    numbers = dict(map(tuple, rows))
    return [Claim(id_, numbers[id_]) for id_ in ids if id_ in numbers]
