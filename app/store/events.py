"""Events: every fact as it came, what is still to be decided about, points, purchases, and how far spools are read.

Owns append-only facts and their exactly-once ingest. Repeats are kept raw and judged, never dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.facts import Fact, Value
from app.core.instants import Instant
from app.store.base import At, Base, RowId, clean, listed, partial_index, table_of, upsert
from app.store.people import wake


class EventRow(Base):
    __tablename__ = "event"

    at: Mapped[At] = mapped_column(BigInteger, primary_key=True)
    fact_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    subscriber_id: Mapped[int | None] = mapped_column(RowId)
    anonymous_id: Mapped[str] = mapped_column(String(64), default="")
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200), default="")
    path: Mapped[str] = mapped_column(Text, default="")
    message_id: Mapped[int | None] = mapped_column(RowId)
    link: Mapped[str] = mapped_column(String(200), default="")
    link_number: Mapped[int | None] = mapped_column(SmallInteger)
    topic: Mapped[str] = mapped_column(String(64), default="")
    campaign: Mapped[str] = mapped_column(String(64), default="")
    """For opens and clicks what the mail belonged to, copied so that counting needs no join and outlives erasure."""
    step: Mapped[str] = mapped_column(String(200), default="")
    arm: Mapped[str] = mapped_column(String(64), default="")
    network_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    method: Mapped[str] = mapped_column(String(8), default="")
    agent: Mapped[str] = mapped_column(Text, default="")
    provider: Mapped[str] = mapped_column(String(32), default="")
    value: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(String(3), default="")
    products: Mapped[str] = mapped_column(Text, default="")
    """What an order held, as `listed` lays it out."""
    verdict: Mapped[str] = mapped_column(String(8), default="")
    """Empty for facts nobody judges; pending, human, machine or unknown for opens, clicks and visits."""
    verdict_reason: Mapped[str] = mapped_column(String(32), default="")
    verdict_rules: Mapped[int] = mapped_column(SmallInteger, default=0)
    verdict_due_at: Mapped[int | None] = mapped_column(BigInteger)
    is_quiet: Mapped[bool] = mapped_column(Boolean, default=False)
    payload: Mapped[str] = mapped_column(Text, default="{}")

    __table_args__ = (
        Index("ix_event_subscriber", "subscriber_id", "kind", "at"),
        Index("ix_event_kind", "kind", "at"),
    )


partial_index("ix_event_message", EventRow.message_id, EventRow.at, where=EventRow.message_id.is_not(None))
partial_index("ix_event_network", EventRow.network_hash, EventRow.at, where=EventRow.kind == "clicked")
partial_index("ix_event_anonymous", EventRow.anonymous_id, EventRow.at, where=EventRow.anonymous_id != "")
partial_index("ix_event_verdict_due", EventRow.verdict_due_at, where=EventRow.verdict_due_at.is_not(None))


class NewsRow(Base):
    """A fact the engine has not decided about yet. Written with the fact, removed by the decision."""

    __tablename__ = "news"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[At] = mapped_column(BigInteger, primary_key=True)
    fact_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)


class PointsRow(Base):
    """The receipt: which facts earn points of a rule in one of its buckets."""

    __tablename__ = "points"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(100), primary_key=True)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True)
    points: Mapped[int] = mapped_column(Integer)
    facts: Mapped[str] = mapped_column(Text, default="[]")


class PurchaseRow(Base):
    __tablename__ = "purchase"

    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    order_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    subscriber_id: Mapped[int | None] = mapped_column(RowId)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), default="")
    refunded: Mapped[int] = mapped_column(BigInteger, default=0)
    credited_message_id: Mapped[int | None] = mapped_column(RowId)
    at: Mapped[At]

    __table_args__ = (Index("ix_purchase_subscriber", "subscriber_id", "at"), Index("ix_purchase_at", "at"))


class SpoolPositionRow(Base):
    __tablename__ = "spool_position"

    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    segment: Mapped[str] = mapped_column(String(128), primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger)


# ── Recording ────────────────────────────────────────────────────────────────────────────────────────────────────────


def record(session: Session, rows: Sequence[dict[str, Any]]) -> set[bytes]:
    """Keep facts; one whose (at, fact_id) is known already is left as it is. Returns the ids of the new ones."""
    if not rows:
        return set()
    statement = upsert(session, EventRow).on_conflict_do_nothing().returning(EventRow.fact_id)
    return set(session.connection().scalars(statement, [_BLANK | row for row in rows]))


def announce(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Put facts before the engine; the caller wakes the people. A fact decided about must not be announced again."""
    if rows:
        keys = ("subscriber_id", "at", "fact_id")
        news = [{key: row[key] for key in keys} for row in rows]
        session.connection().execute(upsert(session, NewsRow).on_conflict_do_nothing(), news)


def forget_news(session: Session, keys: Iterable[tuple[Instant, bytes]], subscriber_id: int) -> None:
    """Take facts back from before the engine, for they turned out to be somebody else's."""
    rows = [{"b_at": at, "b_fact_id": fact_id} for at, fact_id in sorted(keys)]
    if rows:
        news = table_of(NewsRow)
        one = (news.c.subscriber_id == subscriber_id) & (news.c.at == bindparam("b_at"))
        session.connection().execute(delete(news).where(one, news.c.fact_id == bindparam("b_fact_id")), rows)


def record_facts(session: Session, subscriber_id: int, facts: Iterable[Fact], now: Instant) -> int:
    """Keep what happened to one person, put it before the engine and wake her. Returns how many facts were new.

    A fact that comes twice (the same instant and id) is neither kept nor decided about again.
    """
    rows = [fact_row(subscriber_id, fact) for fact in facts]
    new = record(session, rows)
    announce(session, [row for row in rows if row["fact_id"] in new])
    if new:
        wake(session, (subscriber_id,), now)
    return len(new)


_BLANK: dict[str, Any] = {
    "subscriber_id": None,
    "anonymous_id": "",
    "name": "",
    "path": "",
    "message_id": None,
    "link": "",
    "link_number": None,
    "topic": "",
    "campaign": "",
    "step": "",
    "arm": "",
    "network_hash": None,
    "method": "",
    "agent": "",
    "provider": "",
    "value": 0,
    "currency": "",
    "products": "",
    "verdict": "",
    "verdict_reason": "",
    "verdict_rules": 0,
    "verdict_due_at": None,
    "is_quiet": False,
    "payload": "{}",
}


def fact_row(subscriber_id: int | None, fact: Fact, **more: Any) -> dict[str, Any]:
    """A core fact as an event row. What a machine did is kept, and judged so."""
    return {
        "at": fact.at,
        "fact_id": fact.id,
        "subscriber_id": subscriber_id,
        "kind": fact.kind.value,
        "name": clean(fact.name),
        "path": clean(fact.path),
        "link": clean(fact.link),
        "topic": clean(fact.topic),
        "value": fact.value,
        "products": listed(fact.products),
        "verdict": "" if fact.is_human else "machine",
        "is_quiet": fact.is_quiet,
        "payload": json.dumps(_payload(fact), ensure_ascii=False, sort_keys=True),
        **more,
    }


def _payload(fact: Fact) -> dict[str, Any]:
    return {clean(key): _plain(value) for key, value in fact.fields.items()}


def _plain(value: Value) -> object:
    if isinstance(value, tuple):
        return [clean(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return clean(value) if isinstance(value, str) else value


# ── Verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one fact, by which rules, and when to ask again (None: it stands)."""

    at: Instant
    fact_id: bytes
    verdict: str
    reason: str = ""
    rules: int = 0
    due_at: Instant | None = None


def verdicts_due(session: Session, now: Instant, limit: int) -> Sequence[EventRow]:
    """Facts whose grace is over, oldest first, locked against other judges."""
    query = select(EventRow).where(EventRow.verdict_due_at <= now).order_by(EventRow.verdict_due_at).limit(limit)
    return session.scalars(query.with_for_update(skip_locked=True)).all()


def set_verdicts(session: Session, judged: Sequence[Judged]) -> None:
    """Write verdicts down. Facts are not announced by this: the caller announces those that became human."""
    rows = [
        {
            "b_at": each.at,
            "b_fact_id": each.fact_id,
            "b_verdict": each.verdict,
            "b_reason": each.reason,
            "b_rules": each.rules,
            "b_due_at": each.due_at,
        }
        for each in sorted(judged, key=lambda each: (each.at, each.fact_id))
    ]
    if rows:
        event = table_of(EventRow)
        one = (event.c.at == bindparam("b_at")) & (event.c.fact_id == bindparam("b_fact_id"))
        values: dict[str, BindParameter[Any]] = {
            "verdict": bindparam("b_verdict"),
            "verdict_reason": bindparam("b_reason"),
            "verdict_rules": bindparam("b_rules"),
            "verdict_due_at": bindparam("b_due_at"),
        }
        session.connection().execute(update(event).where(one).values(values), rows)


# ── Purchases ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order of one shop; amounts in the currency's smallest unit."""

    source: str
    order_id: str
    subscriber_id: int | None
    amount: int
    at: Instant
    currency: str = ""
    refunded: int = 0
    credited_message_id: int | None = None


def upsert_purchase(session: Session, purchase: Purchase) -> bool:
    """Keep an order, or what became of it: the newest amount, the largest refund, the first credit. True when new."""
    values = {name: getattr(purchase, name) for name in Purchase.__dataclass_fields__}
    fresh = upsert(session, PurchaseRow).values(values).on_conflict_do_nothing().returning(PurchaseRow.at)
    if session.scalar(fresh) is not None:
        return True
    row, refunded = table_of(PurchaseRow), purchase.refunded
    more = {
        "amount": purchase.amount,
        "refunded": case((row.c.refunded < refunded, refunded), else_=row.c.refunded),
        "subscriber_id": func.coalesce(row.c.subscriber_id, purchase.subscriber_id),
        "credited_message_id": func.coalesce(row.c.credited_message_id, purchase.credited_message_id),
    }
    one = (row.c.source == purchase.source) & (row.c.order_id == purchase.order_id)
    session.execute(update(row).where(one).values(more))
    return False


# ── Spools ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def spool_positions(session: Session, node: str) -> dict[str, int]:
    """How far each segment of a node is read: the offset behind the last fact that is committed."""
    row = table_of(SpoolPositionRow)
    query = select(row.c.segment, row.c.offset).where(row.c.node == node)
    return {found.segment: found.offset for found in session.execute(query)}


def put_spool_positions(session: Session, node: str, positions: Mapping[str, int]) -> None:
    """Remember positions, in the transaction that keeps their facts. A position never goes back."""
    rows = [{"node": node, "segment": segment, "offset": at} for segment, at in sorted(positions.items())]
    if rows:
        statement, row = upsert(session, SpoolPositionRow), table_of(SpoolPositionRow)
        new = {"offset": statement.excluded.offset}
        further = row.c.offset < statement.excluded.offset
        keys = ["node", "segment"]
        once = statement.on_conflict_do_update(index_elements=keys, set_=new, where=further)
        session.connection().execute(once, rows)


def forget_spool_segments(session: Session, node: str, segments: Iterable[str]) -> None:
    """Drop the positions of segments that are deleted from the disk already."""
    row = table_of(SpoolPositionRow)
    session.execute(delete(row).where(row.c.node == node, row.c.segment.in_(sorted(segments))))
