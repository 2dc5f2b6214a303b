"""Messages: mails to be, under way, and gone; each attempt at delivering them; what was sent to the letter.

Owns the states of a message in rows: queued → claimed → sent | waiting | refused | skipped | withdrawn | uncertain |
parked. Every write after a claim names owner and claim number: no row changed means the truth moved on.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import At, Base, Id, Key16, RowId, partial_index


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
        Index("uq_message_step", "run_id", "step", unique=True),
        Index("ix_message_subscriber", "subscriber_id", "id"),
        {"postgresql_with": {"fillfactor": 80}},
    )


_without_run = MessageRow.run_id.is_(None)
Index(
    "uq_message_cause",
    MessageRow.cause_key,
    unique=True,
    sqlite_where=_without_run,
    postgresql_where=_without_run,
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
partial_index("ix_message_owner", MessageRow.owner, where=MessageRow.state == "claimed")
partial_index("ix_message_lease", MessageRow.lease_until, where=MessageRow.state == "claimed")
partial_index(
    "ix_message_slot",
    MessageRow.subscriber_id,
    MessageRow.slot_at,
    where=(MessageRow.mail_class == "marketing")
    & MessageRow.state.in_(("queued", "claimed", "waiting", "sent", "uncertain")),
)
partial_index(
    "ix_message_troubled", MessageRow.state, MessageRow.id, where=MessageRow.state.in_(("uncertain", "parked"))
)


class DeliveryRow(Base):
    """One attempt: which relay, how far it got, what it said."""

    __tablename__ = "delivery"

    id: Mapped[Id]
    message_id: Mapped[int] = mapped_column(RowId, ForeignKey("message.id", ondelete="CASCADE"))
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
    """What was sent to the letter, compressed; kept apart so that its retention can be shorter."""

    __tablename__ = "body"

    message_id: Mapped[int] = mapped_column(RowId, ForeignKey("message.id", ondelete="CASCADE"), primary_key=True)
    blob: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[At]
