"""Small ledgers: used tokens, rate-limit buckets, the outbox of webhooks, counters, heartbeats.

Owns the tables that keep the web honest and the reports cheap. Every row here is one key and what it adds up to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Float,
    Index,
    Integer,
    LargeBinary,
    Select,
    String,
    Text,
    case,
    cast,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import DAY, Instant, Span
from app.store.base import At, Base, Id, RowId, partial_index, table_of, upsert
from app.store.hot import HotRows


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

    __table_args__ = (Index("ix_bucket_at", "at"),)


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


partial_index("ix_outbox_due", OutboxRow.due_at, OutboxRow.id, where=OutboxRow.state == "open")
partial_index(
    "ix_outbox_open", OutboxRow.endpoint, OutboxRow.subscriber_id, OutboxRow.id, where=OutboxRow.state == "open"
)


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


# ── Used tokens and rate limits ──────────────────────────────────────────────────────────────────────────────────────


def use_token_once(session: Session, kind: str, nonce: bytes, expires_at: Instant) -> bool:
    """Mark a token as used; False when it was used before. Remembered until it expires by itself."""
    statement = upsert(session, TokenUsedRow).on_conflict_do_nothing().returning(TokenUsedRow.expires_at)
    return session.scalar(statement.values(kind=kind, nonce=nonce, expires_at=expires_at)) is not None


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: `burst` at once, then one more every `each`."""

    burst: int
    each: Span


def take_token(session: Session, scope: str, key: str, rate: Rate, wall: Instant) -> bool:
    """One from the bucket of (scope, key), shared by all processes; False when it is empty, which changes nothing.

    One statement: what was earned since the last taking is added and one is taken, both by the row's own numbers.
    A wall clock that was set back earns nothing and takes nothing away.
    """
    spent = case((BucketRow.at < wall, wall - BucketRow.at), else_=0)
    earned = BucketRow.tokens + cast(spent, Float) / float(rate.each)
    full = case((earned > rate.burst, float(rate.burst)), else_=earned)
    statement = upsert(session, BucketRow).values(scope=scope, key=key, tokens=float(rate.burst - 1), at=wall)
    statement = statement.on_conflict_do_update(
        index_elements=["scope", "key"],
        set_={"tokens": full - 1.0, "at": case((BucketRow.at < wall, wall), else_=BucketRow.at)},
        where=full >= 1.0,
    )
    return rate.burst >= 1 and session.scalar(statement.returning(BucketRow.at)) is not None


def sweep(session: Session, wall: Instant, idle: Span = DAY, limit: int = 1_000) -> int:
    """Forget what no longer matters, a little at a time: expired tokens, buckets untouched for `idle`.

    Choose `idle` longer than the slowest bucket takes to fill. Returns how many rows went; call again when `limit`.
    """
    tokens = select(TokenUsedRow.kind, TokenUsedRow.nonce).where(TokenUsedRow.expires_at <= wall).limit(limit)
    buckets = select(BucketRow.scope, BucketRow.key).where(BucketRow.at <= wall - idle).limit(limit)
    gone = _delete(session, TokenUsedRow, (TokenUsedRow.kind, TokenUsedRow.nonce), tokens)
    return gone + _delete(session, BucketRow, (BucketRow.scope, BucketRow.key), buckets)


def _delete(session: Session, model: type[Base], keys: tuple[Any, ...], which: Select[str, Any]) -> int:
    found = session.execute(which).all()
    if found:
        session.execute(delete(table_of(model)).where(tuple_(*keys).in_([tuple(row) for row in found])))
    return len(found)


# ── Counters ─────────────────────────────────────────────────────────────────────────────────────────────────────────

StepCount: TypeAlias = tuple[int, str, str, str, str]
"""(day, campaign, step, arm, metric); days are counted from 1970 UTC"""
BoxCount: TypeAlias = tuple[int, str, str, str, str]
"""(day, box, arm, page key, metric)"""
StageCount: TypeAlias = tuple[int, str, str]
"""(day, before, after)"""


def add_counts(session: Session, steps: Mapping[StepCount, int]) -> None:
    """Add to the counters of campaigns; a negative number takes away, as when a verdict changes."""
    _bump(session, CountRow, ("day", "campaign", "step", "arm", "metric"), steps)


def add_box_counts(session: Session, boxes: Mapping[BoxCount, int]) -> None:
    _bump(session, BoxCountRow, ("day", "box", "arm", "page_key", "metric"), boxes)


def add_stage_counts(session: Session, stages: Mapping[StageCount, int]) -> None:
    _bump(session, StageCountRow, ("day", "before", "after"), stages)


def _bump(session: Session, model: type[Base], keys: tuple[str, ...], counts: Mapping[Any, int]) -> None:
    """Sorted, so that two workers never lock the same counters in opposite order."""
    rows = [(*key, value) for key, value in sorted(counts.items()) if value]
    for at in range(0, len(rows), _AT_ONCE):
        _bumping(model, keys).rows(session, rows[at : at + _AT_ONCE])


_AT_ONCE = 200


@cache
def _bumping(model: type[Base], keys: tuple[str, ...]) -> HotRows:
    table = table_of(model)
    sorts = {name: "integer" if name == "day" else "text" for name in keys} | {"value": "bigint"}
    more = f"value = {table.name}.value + excluded.value"
    return HotRows(
        sorts,
        f"INSERT INTO {table.name} ({', '.join(sorts)}) SELECT * FROM news WHERE true"  # noqa: S608 - our own names
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {more}",
    )


def arm_counts(session: Session, arms: Sequence[str]) -> dict[tuple[str, str, str], int]:
    """(box, arm, metric) → number of all days, for arms of tests."""
    row = table_of(BoxCountRow).c
    query = select(row.box, row.arm, row.metric, func.sum(row.value)).where(row.arm.in_(arms))
    found = session.execute(query.group_by(row.box, row.arm, row.metric))
    return {(box, arm, metric): int(number) for box, arm, metric, number in found}


# ── Heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life: who, when by the wall clock, how far behind (microseconds), and what else is worth showing."""

    role: str
    node: str
    at: Instant
    lag: Span = 0
    detail: str = "{}"


def beat(session: Session, sign: Heartbeat) -> None:
    statement = upsert(session, HeartbeatRow)
    values = {"role": sign.role, "node": sign.node, "at": sign.at, "lag": sign.lag, "detail": sign.detail}
    new = {name: statement.excluded[name] for name in ("at", "lag", "detail")}
    session.execute(statement.values(values).on_conflict_do_update(index_elements=["role", "node"], set_=new))


def heartbeats(session: Session) -> list[Heartbeat]:
    """The newest sign of every role on every node, newest first."""
    table = table_of(HeartbeatRow)
    rows = session.execute(select(table).order_by(table.c.at.desc(), table.c.role, table.c.node))
    return [Heartbeat(row.role, row.node, row.at, row.lag, row.detail) for row in rows]
