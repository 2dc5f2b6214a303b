"""Messages: mails to be, under way, and gone; each attempt at delivering them; what was sent to the letter.

Owns the states of a message in rows: queued → claimed → sent | waiting | refused | skipped | withdrawn | uncertain |
parked. Every write after a claim names owner and claim number: no row changed means the truth moved on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.core.person import MailClass, MessageState
from app.store.base import At, Base, Id, Key16, RowId, partial_index, upsert


class MessageRow(Base):
    __tablename__ = "message"

    id: Mapped[Id]
    public_id: Mapped[Key16] = mapped_column(LargeBinary(16), unique=True)
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    recipient: Mapped[str] = mapped_column(String(320), default="")
    """For team mail only: whom it goes to. Empty: the subscriber."""
    run_id: Mapped[int | None] = mapped_column(RowId, ForeignKey("run.id", ondelete="SET NULL"))
    step: Mapped[str] = mapped_column(String(200), default="")
    cause_key: Mapped[str | None] = mapped_column(String(200))
    """Without a run: what it was written for, once."""
    campaign: Mapped[str] = mapped_column(String(64), default="")
    arm: Mapped[str] = mapped_column(String(64), default="")
    mail_key: Mapped[str] = mapped_column(String(200))
    mail_version_id: Mapped[int | None] = mapped_column(RowId)
    """Set at the claim: the version it is rendered with."""
    mail_class: Mapped[str] = mapped_column(String(16))
    lane: Mapped[str] = mapped_column(String(32), default="other")
    rank: Mapped[int] = mapped_column(SmallInteger, default=0)
    state: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64), default="")
    offer: Mapped[str] = mapped_column(String(64), default="")
    data: Mapped[str] = mapped_column(Text, default="{}")
    """What a mail without a run needs to be rendered, e.g. the box of a confirmation."""
    wanted_at: Mapped[At]
    slot_at: Mapped[At]
    due_at: Mapped[At]
    fresh_until: Mapped[int | None] = mapped_column(BigInteger)
    owner: Mapped[str | None] = mapped_column(String(64))
    claim_no: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    settled_at: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(64), default="")
    reply: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[At]

    __table_args__ = (
        Index("ix_message_subscriber", "subscriber_id", "id"),
        {"postgresql_with": {"fillfactor": 80}},
    )


# a message is in one of these two only: each index costs every claim and every settling on PostgreSQL an entry
_without_run, _of_a_run = MessageRow.run_id.is_(None), MessageRow.run_id.is_not(None)
Index(
    "uq_message_cause",
    MessageRow.cause_key,
    unique=True,
    sqlite_where=_without_run,
    postgresql_where=_without_run,
)
Index(
    "uq_message_step",
    MessageRow.run_id,
    MessageRow.step,
    unique=True,
    sqlite_where=_of_a_run,
    postgresql_where=_of_a_run,
)
partial_index(
    "ix_message_due",
    MessageRow.mail_class,
    MessageRow.lane,
    MessageRow.rank,
    MessageRow.due_at,
    MessageRow.id,
    where=MessageRow.state.in_(("queued", "waiting")),
)
# each index that mentions the state costs every claim and every settling a rewrite: only three do
partial_index("ix_message_claimed", MessageRow.lease_until, MessageRow.owner, where=MessageRow.state == "claimed")
partial_index(
    "ix_message_troubled", MessageRow.state, MessageRow.id, where=MessageRow.state.in_(("uncertain", "parked"))
)


class DeliveryRow(Base):
    """One attempt: which relay, how far it got, what it said.

    No foreign key, for looking up its message costs each mail that leaves more than writing this row: who writes knows
    that the message is there, and `burn` deletes this with it.
    """

    __tablename__ = "delivery"

    id: Mapped[Id]
    message_id: Mapped[int] = mapped_column(RowId)
    attempt: Mapped[int] = mapped_column(Integer)
    relay: Mapped[str] = mapped_column(String(64), default="")
    stage: Mapped[str] = mapped_column(String(16), default="")
    code: Mapped[int] = mapped_column(Integer, default=0)
    enhanced: Mapped[str] = mapped_column(String(16), default="")
    outcome: Mapped[str] = mapped_column(String(16), default="")
    text: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[At]

    __table_args__ = (Index("uq_delivery_attempt", "message_id", "attempt", unique=True),)


class BodyRow(Base):
    """What was sent to the letter, compressed; kept apart so that its retention can be shorter.

    No foreign key, for the same reason.
    """

    __tablename__ = "body"

    message_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    blob: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[At]


# ── Conditions that the partial indexes above are made for: written out, for a parameter would hide them ─────────────

IS_OPEN = text("message.state IN ('queued', 'waiting')")
IS_CLAIMED = text("message.state = 'claimed'")
IS_TROUBLED = text("message.state IN ('uncertain', 'parked')")


# ── Messages without a run ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that no run asks for: a confirmation, a delivery, a notice, a call of the API."""

    public_id: bytes
    subscriber_id: int
    cause_key: str
    """What it is for, e.g. `confirm:<address key>:<n>`; the same cause is queued once."""
    mail: str
    mail_class: MailClass
    at: Instant
    lane: str = "other"
    recipient: str = ""
    data: str = "{}"
    fresh_until: Instant | None = None
    rank: int = 0


def queue_by_cause(session: Session, new: NewMessage) -> int | None:
    """Queue a message and return its id; None when its cause has one already."""
    statement = upsert(session, MessageRow).values(
        public_id=new.public_id,
        subscriber_id=new.subscriber_id,
        recipient=new.recipient,
        step="",
        cause_key=new.cause_key,
        campaign="",
        arm="",
        mail_key=new.mail,
        mail_class=new.mail_class.value,
        lane=new.lane,
        rank=new.rank,
        state=MessageState.QUEUED.value,
        subject="",
        offer="",
        data=new.data,
        wanted_at=new.at,
        slot_at=new.at,
        due_at=new.at,
        fresh_until=new.fresh_until,
        claim_no=0,
        attempts=0,
        reason="",
        reply="",
        created_at=new.at,
    )
    without_run = text("run_id IS NULL")
    once = statement.on_conflict_do_nothing(index_elements=["cause_key"], index_where=without_run)
    return session.scalar(once.returning(MessageRow.id))


# ── Taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────


def withdraw(session: Session, subscriber_id: int, why: str, classes: Iterable[MailClass]) -> list[int]:
    """Take back this person's messages of some classes that are still ours. Claimed ones are asked at the door."""
    mine = (MessageRow.subscriber_id == subscriber_id) & MessageRow.mail_class.in_([each.value for each in classes])
    gone = update(MessageRow).where(mine, IS_OPEN).values(state=MessageState.WITHDRAWN.value, reason=why[:64])
    return sorted(session.scalars(gone.returning(MessageRow.id).execution_options(synchronize_session=False)))


def burn(session: Session, subscriber_id: int) -> None:
    """Before a person is erased: the attempts and bodies of all her messages, which go with her.

    The messages are locked first. Whoever is recording one of them is waited for, so nothing of hers is left behind;
    whoever comes later finds no message and writes nothing.
    """
    mine = select(MessageRow.id).where(MessageRow.subscriber_id == subscriber_id).order_by(MessageRow.id)
    ids = list(session.scalars(mine.with_for_update()))
    for row in (DeliveryRow, BodyRow):
        session.execute(delete(row).where(row.message_id.in_(ids)), execution_options={"synchronize_session": False})
