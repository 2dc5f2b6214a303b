"""Letters: everything a message needs to be written, read in a fixed number of queries for a whole batch.

Owns the reading side of a hand-over: the message with its person, her attributes and the event behind the run.
Must not change any state and must not judge whether a letter may leave.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.facts import Fields
from app.core.instants import Instant
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.store.codec import fields_from_json, value_of
from app.store.messages import MessageRow
from app.store.people import AttributeRow, SubscriberRow
from app.store.releases import LiveMailRow, MailVersionRow
from app.store.runs import RunRow


@dataclass(frozen=True, slots=True)
class Letter:
    """One message and the person it is for, as they are stored now."""

    id: int
    public_id: bytes
    mail: str
    mail_class: MailClass
    subscriber_id: int
    subscriber_public_id: bytes
    address: str
    """Whom it goes to: the subscriber, or our own people for team mail."""
    subscriber_address: str
    locale: str
    timezone: str
    attributes: Fields
    stage: str
    kind: str
    state: SubscriberState
    campaign: str
    step: str
    event: Fields
    subject: str
    offer: str
    data: Mapping[str, str]
    attempts: int
    claim_no: int
    wanted_at: Instant
    lane: str = ""
    fresh_until: Instant | None = None
    address_key: str = ""
    """The subscriber's, as suppression knows it."""


def letters(session: Session, ids: Sequence[int]) -> list[Letter]:
    """The letters of these messages, in id order."""
    if not ids:
        return []
    query = (
        select(MessageRow, SubscriberRow, RunRow.event)
        .join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
        .outerjoin(RunRow, RunRow.id == MessageRow.run_id)
        .where(MessageRow.id.in_(ids))
        .order_by(MessageRow.id)
        .execution_options(populate_existing=True)
    )
    rows = session.execute(query).all()
    attributes = _attributes(session, {person.id for _, person, _ in rows})
    return [_letter(message, person, event, attributes[person.id]) for message, person, event in rows]


def _attributes(session: Session, ids: set[int]) -> Mapping[int, Fields]:
    found: dict[int, dict[str, object]] = defaultdict(dict)
    for row in session.scalars(select(AttributeRow).where(AttributeRow.subscriber_id.in_(ids))):
        found[row.subscriber_id][row.key] = value_of(row.text, row.number, row.sort)
    return found  # type: ignore[return-value]


def _letter(message: MessageRow, person: SubscriberRow, event: str | None, attributes: Fields) -> Letter:
    return Letter(
        id=message.id,
        public_id=message.public_id,
        mail=message.mail_key,
        mail_class=MailClass(message.mail_class),
        subscriber_id=person.id,
        subscriber_public_id=person.public_id,
        address=message.recipient or person.address,
        subscriber_address=person.address,
        locale=person.locale,
        timezone=person.tz,
        attributes=attributes,
        stage=person.stage,
        kind=person.kind,
        state=SubscriberState(person.state),
        campaign=message.campaign,
        step=message.step,
        event=fields_from_json(event or "{}"),
        subject=message.subject,
        offer=message.offer,
        data=json.loads(message.data),
        attempts=message.attempts,
        claim_no=message.claim_no,
        wanted_at=message.wanted_at,
        lane=message.lane,
        fresh_until=message.fresh_until,
        address_key=person.address_key,
    )


def live_mails(session: Session) -> dict[str, dict[str, int]]:
    """Mail → locale → the id of its live version."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in session.scalars(select(LiveMailRow)):
        found[row.mail][row.locale] = row.version_id
    return found


def compiled(session: Session, version_id: int) -> str:
    """The stored form of one mail version, as JSON text."""
    return session.scalars(select(MailVersionRow.compiled).filter_by(id=version_id)).one()
