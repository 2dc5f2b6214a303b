"""Returns: which message something that came back is about, and what was held against its address before.

Owns the lookups that bounces, complaints and replies need. Must not judge or suppress.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MailClass, MessageState
from app.store.events import EventRow
from app.store.messages import MessageRow
from app.store.people import SubscriberRow


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that went out, and to whom. `message_id` 0: only the person is known."""

    message_id: int
    mail: str
    state: MessageState | None
    is_team: bool
    subscriber_id: int
    public_id: bytes
    """The person's."""
    address_key: str


def by_message(session: Session, message_id: int) -> Sent | None:
    return _one(session, _query().where(MessageRow.id == message_id))


def by_public_id(session: Session, public_id: bytes) -> Sent | None:
    """By what a Message-ID begins with."""
    return _one(session, _query().where(MessageRow.public_id == public_id))


def by_address(session: Session, address_key: str) -> Sent | None:
    """The person with this address, without a message."""
    row = session.scalar(select(SubscriberRow).where(SubscriberRow.address_key == address_key))
    return None if row is None else Sent(0, "", None, False, row.id, row.public_id, row.address_key)


def _query() -> Select[MessageRow, SubscriberRow]:
    return select(MessageRow, SubscriberRow).join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)


def _one(session: Session, query: Select[MessageRow, SubscriberRow]) -> Sent | None:
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    message, person = row
    is_team = message.mail_class == MailClass.TEAM.value
    state = MessageState(message.state)
    return Sent(message.id, message.mail_key, state, is_team, person.id, person.public_id, person.address_key)


def is_known(session: Session, fact_id: bytes, subscriber_id: int) -> bool:
    """Whether this person's fact is kept already, whatever its instant."""
    mine = (EventRow.subscriber_id == subscriber_id) & (EventRow.fact_id == fact_id)
    return session.scalar(select(EventRow.at).where(mine).limit(1)) is not None


# ── Soft bounces ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Soft:
    """Different mails of one person that bounced softly since the last one that did not."""

    messages: int = 0
    first_at: Instant = 0
    last_at: Instant = 0


def soft_since_success(session: Session, subscriber_id: int) -> Soft:
    """Her soft bounces since a mail was taken and did not come back."""
    bounced = (EventRow.subscriber_id == subscriber_id) & text("event.kind = 'bounced'")
    came_back = select(EventRow.message_id).where(bounced, EventRow.message_id.is_not(None))
    success = select(func.max(MessageRow.settled_at)).where(
        MessageRow.subscriber_id == subscriber_id,
        MessageRow.state == MessageState.SENT.value,
        MessageRow.mail_class != MailClass.TEAM.value,
        MessageRow.id.not_in(came_back),
    )
    since = session.scalar(success) or 0
    rows = session.execute(
        select(EventRow.message_id, EventRow.at, EventRow.payload).where(bounced, EventRow.at > since)
    ).all()
    soft = [row for row in rows if '"class": "soft"' in row.payload or '"class": "unknown"' in row.payload]
    if not soft:
        return Soft()
    return Soft(len({row.message_id for row in soft}), min(row.at for row in soft), max(row.at for row in soft))
