"""The door: asks for one message or many whether they may leave, on what is stored at this moment.

Owns the way from rows to `core.delivery`. Must not hand anything over and must not change anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.core.book import Standing
from app.core.delivery import Answer, AtTheDoor, Site, may_leave
from app.core.instants import Instant
from app.core.person import MailClass, RunState
from app.core.subscriber import Subscriber, SubscriberState
from app.core.windows import zone_of
from app.store import doors, releases
from app.store.doors import Door
from app.store.releases import Control


def leave(session: Session, shelved: Shelved, message_id: int, now: Instant) -> Answer:
    """Whether one message may leave now."""
    return leaving(session, shelved, [message_id], now)[message_id]


def leaving(session: Session, shelved: Shelved, ids: Sequence[int], now: Instant) -> dict[int, Answer]:
    """Whether each of these messages may leave now, in two queries for all of them."""
    return judge(shelved, doors.doors(session, ids), releases.control(session), now)


def judge(shelved: Shelved, found: Iterable[Door], control: Control, now: Instant) -> dict[int, Answer]:
    """Whether each may leave, by message. Those about whom the same is stored are judged once."""
    site = Site(control.is_killed, control.is_paused, shelved.book.site.contact.quiet)
    known: dict[tuple[object, ...], Answer] = {}
    answers: dict[int, Answer] = {}
    for door in found:
        case = telling(door, now)
        if case not in known:
            known[case] = _answer(shelved, door, site, now)
        answers[door.message_id] = known[case]
    return answers


def telling(door: Door, now: Instant) -> tuple[object, ...]:
    """Everything of a door that `core.delivery` looks at: two doors that tell the same have the same answer."""
    return (
        door.mail_class,
        door.campaign,
        door.state,
        door.timezone,
        door.run_state,
        door.is_suppressed,
        door.confirmed_at is None,
        door.dormant_at is None,
        door.paused_until,
        door.fresh_until is not None and now > door.fresh_until,
        door.due_at is not None and door.due_at <= now,
        door.cause_key is not None and door.cause_key.startswith(_CONFIRMS),
        door.unsubscribed_at is not None and (door.unsubscribed_at, door.created_at, door.entered_at),
    )


_CONFIRMS = "confirm:"


def _answer(shelved: Shelved, door: Door, site: Site, now: Instant) -> Answer:
    at = AtTheDoor(
        is_confirmation=(door.cause_key or "").startswith(_CONFIRMS),
        mail_class=MailClass(door.mail_class),
        cause_at=door.created_at if door.entered_at is None else door.entered_at,
        fresh_until=door.fresh_until,
        subscriber=_permission(door),
        is_woken=door.due_at is not None and door.due_at <= now,
        run_state=None if door.run_state is None else RunState(door.run_state),
        standing=shelved.book.standing(door.campaign) if door.campaign else Standing.LIVE,
    )
    return may_leave(at, site, zone_of(door.timezone, shelved.book.site.timezone), now)


def _permission(door: Door) -> Subscriber:
    """Permission, pause and zone only; the rest is blank."""
    return Subscriber(
        id=0,
        public_id=b"",
        stage="",
        stage_since=0,
        furthest_stage="",
        created_at=0,
        state=SubscriberState(door.state),
        timezone=door.timezone,
        confirmed_at=door.confirmed_at,
        unsubscribed_at=door.unsubscribed_at,
        dormant_at=door.dormant_at,
        paused_until=door.paused_until,
        is_suppressed=bool(door.is_suppressed),
    )
