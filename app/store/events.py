"""Events: every fact as it came, what is still to be decided about, points, purchases, and how far spools are read.

Owns append-only facts and their exactly-once ingest. Repeats are kept raw and judged, never dropped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.facts import Fact
from app.store.base import At, Base, RowId, partial_index


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
    network_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    method: Mapped[str] = mapped_column(String(8), default="")
    agent: Mapped[str] = mapped_column(Text, default="")
    provider: Mapped[str] = mapped_column(String(32), default="")
    value: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(String(3), default="")
    products: Mapped[str] = mapped_column(Text, default="")
    """What an order held, each product between two unit separators, so that one can be looked for in SQL."""
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


partial_index("ix_event_message", EventRow.message_id, EventRow.at, where=EventRow.kind.in_(("opened", "clicked")))
partial_index("ix_event_network", EventRow.network_hash, EventRow.at, where=EventRow.kind == "clicked")
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


def record(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Keep facts; one whose (at, fact_id) is known already is left as it is."""
    if rows:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        statement = (sqlite.insert if is_sqlite else postgresql.insert)(cast(Table, EventRow.__table__))
        session.connection().execute(statement.on_conflict_do_nothing(), [_BLANK | row for row in rows])


def announce(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Put facts before the engine; the caller wakes the people."""
    if rows:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        statement = (sqlite.insert if is_sqlite else postgresql.insert)(cast(Table, NewsRow.__table__))
        keys = ("subscriber_id", "at", "fact_id")
        news = [{key: row[key] for key in keys} for row in rows]
        session.connection().execute(statement.on_conflict_do_nothing(), news)


_BLANK: dict[str, Any] = {
    "subscriber_id": None,
    "anonymous_id": "",
    "name": "",
    "path": "",
    "message_id": None,
    "link": "",
    "link_number": None,
    "topic": "",
    "network_hash": None,
    "method": "",
    "agent": "",
    "provider": "",
    "value": 0,
    "currency": "",
    "verdict": "",
    "verdict_reason": "",
    "verdict_rules": 0,
    "verdict_due_at": None,
    "is_quiet": False,
    "payload": "{}",
}


def fact_row(subscriber_id: int, fact: Fact, **more: Any) -> dict[str, Any]:
    """A core fact as an event row."""
    return {
        "at": fact.at,
        "fact_id": fact.id,
        "subscriber_id": subscriber_id,
        "kind": fact.kind.value,
        "name": fact.name,
        "path": fact.path,
        "link": fact.link,
        "topic": fact.topic,
        "value": fact.value,
        "is_quiet": fact.is_quiet,
        "payload": json.dumps(_payload(fact), ensure_ascii=False, sort_keys=True),
        **more,
    }


def _payload(fact: Fact) -> dict[str, Any]:
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in fact.fields.items()}
    return plain | ({"products": list(fact.products)} if fact.products else {})
