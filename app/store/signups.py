"""Signups: what the pages for visitors and readers ask and write, one person at a time.

Owns locking a person by address or public id, her attributes and tags, and what a person's own page shows. Groups of
signups are intake's. Must not decide who gets what: that is the actions' matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core.facts import FactKind, Fields, Value
from app.core.instants import Instant
from app.core.person import MessageState
from app.core.subscriber import SubscriberState
from app.store.base import upsert
from app.store.codec import fields_from_json, stored, value_of
from app.store.events import EventRow
from app.store.messages import MessageRow, burn
from app.store.offers import part_with
from app.store.people import AttributeRow, SubscriberRow, TagRow
from app.store.permissions import ConsentRow

_OPEN = (MessageState.QUEUED.value, MessageState.WAITING.value)

# ── One person, held until the transaction ends ──────────────────────────────────────────────────────────────────────


def hold(session: Session, public_id: bytes) -> SubscriberRow | None:
    """The person with this public id."""
    return _held(session, SubscriberRow.public_id == public_id)


def _held(session: Session, condition: object) -> SubscriberRow | None:
    query = select(SubscriberRow).where(condition)  # type: ignore[arg-type]
    return session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))


def erase(session: Session, subscriber_id: int) -> None:
    """Delete a person with everything that hangs on her; facts without a person stay for the counts."""
    part_with(session, subscriber_id)
    burn(session, subscriber_id)
    keys = EventRow.subscriber_id == subscriber_id
    session.execute(update(EventRow).where(keys).values(subscriber_id=None, payload="{}", agent="", network_hash=None))
    session.execute(delete(SubscriberRow).where(SubscriberRow.id == subscriber_id))


def expired_signups(session: Session, before: Instant, limit: int) -> Sequence[int]:
    """People who never confirmed, first seen before an instant."""
    query = select(SubscriberRow.id).where(
        SubscriberRow.state == SubscriberState.PENDING.value,
        SubscriberRow.confirmed_at.is_(None),
        SubscriberRow.created_at < before,
    )
    return session.scalars(query.order_by(SubscriberRow.id).limit(limit)).all()


# ── Attributes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def attributes(session: Session, subscriber_id: int) -> dict[str, Value]:
    rows = session.scalars(select(AttributeRow).where(AttributeRow.subscriber_id == subscriber_id))
    return {row.key: value_of(row.text, row.number, row.sort) for row in rows}


def put_attributes(session: Session, subscriber_id: int, values: Fields, at: Instant) -> None:
    """Write values over what was known under the same keys."""
    if not values:
        return
    mine = (AttributeRow.subscriber_id == subscriber_id) & AttributeRow.key.in_(values)
    session.execute(delete(AttributeRow).where(mine))
    rows = [{"subscriber_id": subscriber_id, "key": key, "at": at, **stored(value)} for key, value in values.items()]
    session.execute(upsert(session, AttributeRow), rows)


def tags(session: Session, subscriber_id: int) -> frozenset[str]:
    return frozenset(session.scalars(select(TagRow.tag).where(TagRow.subscriber_id == subscriber_id)))


def set_tags(session: Session, subscriber_id: int, changes: Mapping[str, bool]) -> None:
    """Put tags on (True) or take them off (False)."""
    off = [tag for tag, is_on in changes.items() if not is_on]
    if off:
        session.execute(delete(TagRow).where(TagRow.subscriber_id == subscriber_id, TagRow.tag.in_(off)))
    rows = [{"subscriber_id": subscriber_id, "tag": tag} for tag, is_on in changes.items() if is_on]
    if rows:
        session.execute(upsert(session, TagRow).on_conflict_do_nothing(), rows)


# ── Signups and their confirmations ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Signup:
    """One signup as it was recorded. `arms` is `experiment:arm` for each test the visitor's page took part in."""

    fact_id: bytes
    at: Instant
    box: str
    page: str
    arms: tuple[str, ...]
    fields: Mapping[str, Value]


def signups(session: Session, subscriber_id: int) -> list[Signup]:
    """All signups of a person, oldest first."""
    query = select(EventRow).where(EventRow.subscriber_id == subscriber_id, EventRow.kind == FactKind.SIGNED_UP.value)
    return [_signup(row) for row in session.scalars(query.order_by(EventRow.at, EventRow.fact_id))]


def _signup(row: EventRow) -> Signup:
    arms = tuple(row.link.split(",")) if row.link else ()
    return Signup(row.fact_id, row.at, row.name, row.path, arms, fields_from_json(row.payload))


ANSWERS = "answers:"
"""Begins the name of a fact that holds answers given after the address, before it was confirmed."""


def typed(session: Session, subscriber_id: int, since: Instant) -> dict[str, Value]:
    """All that was typed into boxes for a person since an instant; of one question the last answer."""
    is_answers = (EventRow.kind == FactKind.CHANGED.value) & EventRow.name.like(f"{ANSWERS}%")
    query = select(EventRow.payload).where(
        EventRow.subscriber_id == subscriber_id,
        EventRow.at >= since,
        (EventRow.kind == FactKind.SIGNED_UP.value) | is_answers,
    )
    found: dict[str, Value] = {}
    for payload in session.scalars(query.order_by(EventRow.at, EventRow.fact_id)):
        found.update(fields_from_json(payload))
    return found


def consent_of(session: Session, consent_id: int, subscriber_id: int) -> ConsentRow | None:
    """A line of the ledger, if it is this person's."""
    query = select(ConsentRow).where(ConsentRow.id == consent_id, ConsentRow.subscriber_id == subscriber_id)
    return session.scalar(query)


def withdraw_confirmations(session: Session, subscriber_id: int, reason: str) -> None:
    """Nobody who has answered is asked again."""
    mine = (MessageRow.subscriber_id == subscriber_id) & MessageRow.cause_key.like(f"confirm:{subscriber_id}:%")
    gone = update(MessageRow).where(mine, MessageRow.state.in_(_OPEN))
    session.execute(gone.values(state=MessageState.WITHDRAWN.value, reason=reason))


# ── What pages show ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Received:
    """One mail of a person's list: what it was, in which class, when, and where it stands."""

    mail: str
    mail_class: str
    campaign: str
    state: str
    at: Instant


def received(session: Session, subscriber_id: int, limit: int) -> list[Received]:
    """The newest mails of a person, newest first."""
    query = select(MessageRow).where(MessageRow.subscriber_id == subscriber_id, MessageRow.recipient == "")
    rows = session.scalars(query.order_by(MessageRow.id.desc()).limit(limit))
    return [Received(row.mail_key, row.mail_class, row.campaign, row.state, row.due_at) for row in rows]


def message_mail(session: Session, message_id: int, subscriber_id: int) -> Received | None:
    """One mail of this person."""
    query = select(MessageRow).where(MessageRow.id == message_id, MessageRow.subscriber_id == subscriber_id)
    row = session.scalar(query)
    return None if row is None else Received(row.mail_key, row.mail_class, row.campaign, row.state, row.due_at)


def events_of(session: Session, subscriber_id: int, limit: int) -> list[dict[str, object]]:
    """What we know a person did, newest first, for her own copy."""
    query = select(EventRow).where(EventRow.subscriber_id == subscriber_id).order_by(EventRow.at.desc()).limit(limit)
    return [
        {
            "at": row.at,
            "kind": row.kind,
            "name": row.name,
            "path": row.path,
            "fields": dict(fields_from_json(row.payload)),
        }
        for row in session.scalars(query)
    ]
