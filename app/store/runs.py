"""Runs: where each person stands in each campaign, which steps are finished, and why things were decided.

Owns the tables run, finished, candidate and decision. Cursors and values are opaque to SQL.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import At, Base, Id, RowId, partial_index


class RunRow(Base):
    __tablename__ = "run"

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    campaign: Mapped[str] = mapped_column(String(64))
    run_key: Mapped[str] = mapped_column(String(128), default="")
    turn: Mapped[int] = mapped_column(Integer, default=1)
    version: Mapped[str] = mapped_column(String(64))
    is_ghost: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(16))
    result: Mapped[str | None] = mapped_column(String(16))
    sequence: Mapped[str] = mapped_column(String(64), default="")
    step: Mapped[str] = mapped_column(String(200), default="")
    """The step stood at, copied out of the cursors for counting."""
    cursors: Mapped[str] = mapped_column(Text, default="{}")
    event: Mapped[str] = mapped_column(Text, default="{}")
    began_at: Mapped[int | None] = mapped_column(BigInteger)
    until: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(32), default="")
    rank: Mapped[int] = mapped_column(Integer, default=0)
    paused_by: Mapped[str | None] = mapped_column(String(16))
    paused_at: Mapped[int | None] = mapped_column(BigInteger)
    rested_at: Mapped[int | None] = mapped_column(BigInteger)
    entered_at: Mapped[At]
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index("uq_run_turn", "campaign", "subscriber_id", "run_key", "turn", unique=True),
        Index("ix_run_subscriber", "subscriber_id"),
        {"postgresql_with": {"fillfactor": 80}},
    )


_is_live = RunRow.state != "ended"
Index(
    "uq_run_live",
    RunRow.campaign,
    RunRow.subscriber_id,
    RunRow.run_key,
    unique=True,
    sqlite_where=_is_live,
    postgresql_where=_is_live,
)
partial_index("ix_run_live_subscriber", RunRow.subscriber_id, where=_is_live)
partial_index("ix_run_standing", RunRow.campaign, RunRow.version, RunRow.step, where=_is_live)


class FinishedRow(Base):
    __tablename__ = "finished"

    run_id: Mapped[int] = mapped_column(RowId, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    step_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    finish: Mapped[str] = mapped_column(String(16))
    branch: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[At]


class CandidateRow(Base):
    __tablename__ = "candidate"

    campaign: Mapped[str] = mapped_column(String(64), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    run_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    entry: Mapped[int] = mapped_column(Integer)
    event: Mapped[str] = mapped_column(Text, default="{}")
    until: Mapped[At]

    __table_args__ = (Index("ix_candidate_until", "until"), Index("ix_candidate_subscriber", "subscriber_id"))


class DecisionRow(Base):
    """Why. Append-only: a code, the values seen, and the release by which it was decided."""

    __tablename__ = "decision"

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(RowId)
    at: Mapped[At]
    campaign: Mapped[str] = mapped_column(String(64), default="")
    step: Mapped[str] = mapped_column(String(200), default="")
    code: Mapped[str] = mapped_column(String(32))
    seen: Mapped[str] = mapped_column(Text, default="{}")
    release_id: Mapped[int | None] = mapped_column(RowId)

    __table_args__ = (Index("ix_decision_subscriber", "subscriber_id", "at"), Index("ix_decision_run", "run_id", "at"))


class StageChangeRow(Base):
    __tablename__ = "stage_change"

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    before: Mapped[str] = mapped_column(String(64))
    after: Mapped[str] = mapped_column(String(64))
    cause: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    rule: Mapped[str] = mapped_column(String(80))
    score: Mapped[float] = mapped_column(Float(53), default=0.0)
    receipt: Mapped[str] = mapped_column(Text, default="[]")
    at: Mapped[At]

    __table_args__ = (
        Index("ix_stage_change_subscriber", "subscriber_id", "at"),
        Index("ix_stage_change_at", "at", "after"),
    )
