"""The door: asks for one message or many whether they may leave, on what is stored at this moment.

Owns the way from rows to `core.delivery`. Must not hand anything over and must not change anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.core.book import Standing
from app.core.delivery import Answer, AtTheDoor, Site, may_leave
from app.core.instants import Instant
from app.core.windows import zone_of
from app.store import doors, releases
from app.store.doors import Door


def leave(session: Session, shelved: Shelved, message_id: int, now: Instant) -> Answer:
    """Whether one message may leave now."""
    return leaving(session, shelved, [message_id], now)[message_id]


def leaving(session: Session, shelved: Shelved, ids: Sequence[int], now: Instant) -> dict[int, Answer]:
    """Whether each of these messages may leave now, in three queries for all of them."""
    control = releases.control(session)
    site = Site(control.is_killed, control.is_paused, shelved.book.site.contact.quiet)
    return {door.message_id: _answer(shelved, door, site, now) for door in doors.doors(session, ids, now)}


def _answer(shelved: Shelved, door: Door, site: Site, now: Instant) -> Answer:
    at = AtTheDoor(
        is_confirmation=door.is_confirmation,
        mail_class=door.mail_class,
        cause_at=door.cause_at,
        fresh_until=door.fresh_until,
        subscriber=door.subscriber,
        is_woken=door.is_woken,
        run_state=door.run_state,
        standing=shelved.book.standing(door.campaign) if door.campaign else Standing.LIVE,
    )
    return may_leave(at, site, zone_of(door.subscriber.timezone, shelved.book.site.timezone), now)
