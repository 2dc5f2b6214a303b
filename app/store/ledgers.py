"""Small ledgers: used tokens, rate-limit buckets, the outbox of webhooks, counters, heartbeats.

Owns the tables that keep the web honest and the reports cheap. Every row here is one key and what it adds up to.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import At, Base, Id, RowId


class TokenUsedRow(Base):
    __tablename__ = "token_used"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    nonce: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[At]

    __table_args__ = (Index("ix_token_used_expires", "expires_at"),)


class BucketRow(Base):
    """A token bucket: how much is left as of an instant."""

    __tablename__ = "bucket"

    scope: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    tokens: Mapped[float] = mapped_column(Float(53))
    at: Mapped[At]


class OutboxRow(Base):
    __tablename__ = "outbox"

    id: Mapped[Id]
    endpoint: Mapped[str] = mapped_column(String(64))
    subscriber_id: Mapped[int | None] = mapped_column(RowId)
    key: Mapped[str] = mapped_column(String(300), unique=True)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="open")
    due_at: Mapped[At]
    attempts: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (Index("ix_outbox_open", "endpoint", "subscriber_id", "id"),)


class CountRow(Base):
    """Counters by day, campaign, step, arm and metric: kept, not counted."""

    __tablename__ = "counts"

    day: Mapped[int] = mapped_column(Integer, primary_key=True)
    campaign: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[str] = mapped_column(String(200), primary_key=True)
    arm: Mapped[str] = mapped_column(String(64), primary_key=True)
    metric: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class StageCountRow(Base):
    __tablename__ = "stage_counts"

    day: Mapped[int] = mapped_column(Integer, primary_key=True)
    before: Mapped[str] = mapped_column(String(64), primary_key=True)
    after: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class BoxCountRow(Base):
    __tablename__ = "box_counts"

    day: Mapped[int] = mapped_column(Integer, primary_key=True)
    box: Mapped[str] = mapped_column(String(64), primary_key=True)
    arm: Mapped[str] = mapped_column(String(64), primary_key=True)
    page_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    metric: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class HeartbeatRow(Base):
    __tablename__ = "heartbeat"

    role: Mapped[str] = mapped_column(String(32), primary_key=True)
    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[At]
    lag: Mapped[int] = mapped_column(BigInteger, default=0)
    detail: Mapped[str] = mapped_column(Text, default="{}")
