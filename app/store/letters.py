"""Letters: everything a message needs to be written, read in a fixed number of queries for a whole batch.

Owns the reading side of a hand-over: the message with its person, her attributes and the event behind the run.
Must not change any state and must not judge whether a letter may leave.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
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
        select(*_COLUMNS)
        .join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
        .outerjoin(RunRow, RunRow.id == MessageRow.run_id)
        .where(MessageRow.id.in_(ids))
        .order_by(MessageRow.id)
    )
    rows: list[Row[Any]] = list(session.execute(query))
    attributes = _attributes(session, {row.subscriber_id for row in rows})
    return [_letter(row, attributes[row.subscriber_id]) for row in rows]


_COLUMNS = (
    MessageRow.id,
    MessageRow.public_id,
    MessageRow.mail_key,
    MessageRow.mail_class,
    MessageRow.subscriber_id,
    SubscriberRow.public_id.label("person"),
    MessageRow.recipient,
    SubscriberRow.address,
    SubscriberRow.address_key,
    SubscriberRow.locale,
    SubscriberRow.tz,
    SubscriberRow.stage,
    SubscriberRow.kind,
    SubscriberRow.state,
    MessageRow.campaign,
    MessageRow.step,
    RunRow.event,
    MessageRow.subject,
    MessageRow.offer,
    MessageRow.data,
    MessageRow.attempts,
    MessageRow.claim_no,
    MessageRow.wanted_at,
    MessageRow.lane,
    MessageRow.fresh_until,
)


def _attributes(session: Session, ids: set[int]) -> Mapping[int, Fields]:
    found: dict[int, dict[str, object]] = defaultdict(dict)
    columns = (AttributeRow.subscriber_id, AttributeRow.key, AttributeRow.text, AttributeRow.number, AttributeRow.sort)
    for row in session.execute(select(*columns).where(AttributeRow.subscriber_id.in_(ids))):
        found[row.subscriber_id][row.key] = value_of(row.text, row.number, row.sort)
    return found  # type: ignore[return-value]


def _letter(row: Row[Any], attributes: Fields) -> Letter:
    return Letter(
        id=row.id,
        public_id=row.public_id,
        mail=row.mail_key,
        mail_class=MailClass(row.mail_class),
        subscriber_id=row.subscriber_id,
        subscriber_public_id=row.person,
        address=row.recipient or row.address,
        subscriber_address=row.address,
        locale=row.locale,
        timezone=row.tz,
        attributes=attributes,
        stage=row.stage,
        kind=row.kind,
        state=SubscriberState(row.state),
        campaign=row.campaign,
        step=row.step,
        event=fields_from_json(row.event) if row.event else {},
        subject=row.subject,
        offer=row.offer,
        data=json.loads(row.data) if row.data != "{}" else {},
        attempts=row.attempts,
        claim_no=row.claim_no,
        wanted_at=row.wanted_at,
        lane=row.lane,
        fresh_until=row.fresh_until,
        address_key=row.address_key,
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
