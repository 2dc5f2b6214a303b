"""Doors: what is stored about messages about to leave that can still stop them.

Owns one reading query for a batch: message, run and the permission side of its person. Must not judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MailClass, RunState
from app.core.subscriber import Subscriber, SubscriberState
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from app.store.runs import RunRow


@dataclass(frozen=True, slots=True)
class Door:
    message_id: int
    is_confirmation: bool
    mail_class: MailClass
    campaign: str
    cause_at: Instant
    fresh_until: Instant | None
    subscriber: Subscriber
    """Permission, pause and zone only; the rest is blank."""
    is_woken: bool
    run_state: RunState | None


def doors(session: Session, ids: Sequence[int], now: Instant) -> list[Door]:
    """The doors of these messages, as stored now."""
    query = (
        select(
            MessageRow.id,
            MessageRow.cause_key,
            MessageRow.mail_class,
            MessageRow.campaign,
            MessageRow.created_at,
            MessageRow.fresh_until,
            RunRow.state.label("run_state"),
            RunRow.entered_at,
            SubscriberRow.public_id,
            SubscriberRow.state,
            SubscriberRow.tz,
            SubscriberRow.confirmed_at,
            SubscriberRow.unsubscribed_at,
            SubscriberRow.is_suppressed,
            SubscriberRow.dormant_at,
            SubscriberRow.paused_until,
            SubscriberRow.due_at,
            SubscriberRow.id.label("subscriber_id"),
        )
        .join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
        .outerjoin(RunRow, RunRow.id == MessageRow.run_id)
        .where(MessageRow.id.in_(ids))
        .order_by(MessageRow.id)
    )
    return [_door(row, now) for row in session.execute(query)]


def _door(row: object, now: Instant) -> Door:
    stored = row._mapping  # type: ignore[attr-defined]
    return Door(
        message_id=stored["id"],
        is_confirmation=str(stored["cause_key"] or "").startswith("confirm:"),
        mail_class=MailClass(stored["mail_class"]),
        campaign=stored["campaign"],
        cause_at=stored["created_at"] if stored["entered_at"] is None else stored["entered_at"],
        fresh_until=stored["fresh_until"],
        subscriber=_permission(stored),
        is_woken=stored["due_at"] is not None and stored["due_at"] <= now,
        run_state=None if stored["run_state"] is None else RunState(stored["run_state"]),
    )


def _permission(stored: dict[str, object]) -> Subscriber:
    fields = {
        name: stored[name]
        for name in ("confirmed_at", "unsubscribed_at", "is_suppressed", "dormant_at", "paused_until", "public_id")
    }
    blank = {"id": stored["subscriber_id"], "stage": "", "stage_since": 0, "furthest_stage": "", "created_at": 0}
    state = SubscriberState(str(stored["state"]))
    return Subscriber(**blank, **fields, state=state, timezone=str(stored["tz"]))  # type: ignore[arg-type]
