"""Dossiers: what was stored about one person's decisions, runs, slots and score, for whoever explains them.

Owns reading only. Must not interpret what it reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.core.explaining import Reason, Slot
from app.core.instants import Instant
from app.core.person import Bucket
from app.store.codec import bucket_from_json
from app.store.events import PointsRow
from app.store.messages import MessageRow
from app.store.people import AttributeRow, SubscriberRow
from app.store.runs import DecisionRow, RunRow, StageChangeRow


@dataclass(frozen=True, slots=True)
class Card:
    """Who somebody is, and when the engine looks at her next."""

    id: int
    public_id: bytes
    address: str
    name: str
    timezone: str
    due_at: Instant | None


@dataclass(frozen=True, slots=True)
class RunCard:
    id: int
    campaign: str
    state: str
    result: str
    reason: str
    entered_at: Instant
    ended_at: Instant | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of stage as it was stored."""

    at: Instant
    before: str
    after: str
    rule: str
    score: float


def find(session: Session, address: str) -> Card | None:
    """The person of an address, as typed or by its key."""
    typed = address.strip()
    for asked in (SubscriberRow.address_key == typed.casefold(), SubscriberRow.address == typed):
        card = _card(session, asked)
        if card:
            return card
    return None


def card_of(session: Session, subscriber_id: int) -> Card | None:
    return _card(session, SubscriberRow.id == subscriber_id)


def card_of_public(session: Session, public_id: bytes) -> Card | None:
    return _card(session, SubscriberRow.public_id == public_id)


def _card(session: Session, asked: ColumnElement[bool]) -> Card | None:
    row = session.scalar(select(SubscriberRow).where(asked))
    if row is None:
        return None
    name = select(AttributeRow.text).where(AttributeRow.subscriber_id == row.id, AttributeRow.key == "first_name")
    return Card(row.id, row.public_id, row.address, session.scalar(name) or "", row.tz, row.due_at)


def reasons(session: Session, subscriber_id: int, campaign: str, until: Instant) -> tuple[Reason, ...]:
    """The stored decisions about a person and a campaign up to an instant, in the order they were made."""
    rows = session.scalars(
        select(DecisionRow)
        .where(DecisionRow.subscriber_id == subscriber_id, DecisionRow.at <= until, DecisionRow.campaign == campaign)
        .order_by(DecisionRow.id)
    )
    return tuple(
        Reason(r.at, r.campaign, r.step, r.code, json.loads(r.seen), r.run_id or 0, r.release_id or 0) for r in rows
    )


def runs(session: Session, subscriber_id: int, until: Instant) -> list[RunCard]:
    """Every run entered up to an instant, oldest first, as it stands now."""
    rows = session.scalars(
        select(RunRow)
        .where(RunRow.subscriber_id == subscriber_id, RunRow.entered_at <= until)
        .order_by(RunRow.entered_at, RunRow.id)
    )
    return [RunCard(r.id, r.campaign, r.state, r.result or "", r.reason, r.entered_at, r.ended_at) for r in rows]


def slots(session: Session, subscriber_id: int) -> tuple[Slot, ...]:
    """Marketing mails that take a slot, oldest first."""
    rows = session.scalars(
        select(MessageRow).where(
            MessageRow.subscriber_id == subscriber_id,
            MessageRow.mail_class == "marketing",
            MessageRow.state.in_(("queued", "claimed", "waiting", "sent", "uncertain")),
        )
    )
    found = (Slot(row.settled_at if row.settled_at is not None else row.slot_at, row.mail_key) for row in rows)
    return tuple(sorted(found, key=lambda slot: slot.at))


def changes(session: Session, subscriber_id: int, until: Instant) -> Sequence[Change]:
    """Changes of stage up to an instant, oldest first."""
    mine = select(StageChangeRow).where(StageChangeRow.subscriber_id == subscriber_id, StageChangeRow.at <= until)
    rows = session.scalars(mine.order_by(StageChangeRow.at, StageChangeRow.id))
    return [Change(r.at, r.before, r.after, r.rule, r.score) for r in rows]


def buckets(session: Session, subscriber_id: int) -> list[tuple[str, Bucket]]:
    """(scoring rule, the facts that earn in one of its buckets), as stored."""
    rows = session.scalars(select(PointsRow).where(PointsRow.subscriber_id == subscriber_id).order_by(PointsRow.rule))
    return [(row.rule, bucket_from_json(row.facts)) for row in rows]
