"""The queue of one story: the messages due and their settling, one by one.

Owns what a rehearsal needs of the message table; delivery for real claims in batches (store.messages).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MessageState
from app.store.messages import MessageRow
from app.store.people import wake
from app.store.runs import RunRow

_OPEN = (MessageState.QUEUED.value, MessageState.WAITING.value)
_SERVICE_FIRST = (MessageRow.mail_class == "marketing").asc()


def due(session: Session, now: Instant, limit: int) -> list[int]:
    """Messages that may leave now, what was asked for first."""
    rows = select(MessageRow.id).where(MessageRow.state.in_(_OPEN), MessageRow.due_at <= now)
    return list(session.scalars(rows.order_by(_SERVICE_FIRST, MessageRow.due_at, MessageRow.id).limit(limit)))


def next_due(session: Session) -> Instant | None:
    return session.scalar(select(func.min(MessageRow.due_at)).where(MessageRow.state.in_(_OPEN)))


def put_off(session: Session, message_id: int, until: Instant) -> None:
    session.execute(update(MessageRow).where(MessageRow.id == message_id).values(due_at=until))


def settle(session: Session, message_id: int, state: MessageState, at: Instant, reason: str) -> None:
    """Settle a message and let the engine look at its person."""
    values = {"state": state.value, "settled_at": at, "reason": reason}
    session.execute(update(MessageRow).where(MessageRow.id == message_id).values(values))
    subscriber_id = session.scalar(select(MessageRow.subscriber_id).where(MessageRow.id == message_id))
    if subscriber_id is not None:
        wake(session, [subscriber_id], at)


def runs_of(session: Session, subscriber_id: int) -> list[RunStanding]:
    """Every run a person ever had, oldest first."""
    rows = session.scalars(
        select(RunRow).where(RunRow.subscriber_id == subscriber_id).order_by(RunRow.entered_at, RunRow.id)
    )
    return [RunStanding(row.campaign, row.state, row.result or "", row.step, row.reason) for row in rows]


@dataclass(frozen=True, slots=True)
class RunStanding:
    """Where one run stands, or how it ended."""

    campaign: str
    state: str
    result: str
    step: str
    reason: str


def withdraw_causes(session: Session, prefix: str, at: Instant) -> None:
    """Take back messages without a run whose cause begins so, as long as they are ours."""
    ours = update(MessageRow).where(
        MessageRow.cause_key.startswith(prefix, autoescape=True), MessageRow.state.in_(_OPEN)
    )
    session.execute(ours.values(state=MessageState.WITHDRAWN.value, settled_at=at, reason="answered"))
