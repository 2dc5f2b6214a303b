"""People: subscribers with attributes, tags, segments and timers.

Owns finding, creating and waking a subscriber. What a fact changes is written by store/saving after the core decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    Update,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.core.subscriber import NO_KIND, SubscriberState
from app.store.base import At, Base, Id, Key16, RowId, clean, is_sqlite, partial_index
from app.store.hot import Hot


class SubscriberRow(Base):
    __tablename__ = "subscriber"

    id: Mapped[Id]
    public_id: Mapped[Key16] = mapped_column(LargeBinary(16), unique=True)
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320), unique=True)
    state: Mapped[str] = mapped_column(String(16), default=SubscriberState.PENDING.value)
    locale: Mapped[str] = mapped_column(String(16), default="")
    tz: Mapped[str] = mapped_column(String(64), default="")
    country: Mapped[str] = mapped_column(String(2), default="")
    source: Mapped[str] = mapped_column(String(64), default="")
    box: Mapped[str] = mapped_column(String(64), default="")
    stage: Mapped[str] = mapped_column(String(64))
    stage_since: Mapped[At]
    furthest_stage: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64), default=NO_KIND)
    weight: Mapped[float] = mapped_column(Float(53), default=0.0)
    landmark: Mapped[At] = mapped_column(BigInteger, default=0)
    fit: Mapped[int] = mapped_column(Integer, default=0)
    orders: Mapped[int] = mapped_column(Integer, default=0)
    revenue: Mapped[int] = mapped_column(BigInteger, default=0)
    referrals: Mapped[int] = mapped_column(Integer, default=0)
    is_referred: Mapped[bool] = mapped_column(Boolean, default=False)
    confirmed_at: Mapped[int | None] = mapped_column(BigInteger)
    unsubscribed_at: Mapped[int | None] = mapped_column(BigInteger)
    dormant_at: Mapped[int | None] = mapped_column(BigInteger)
    last_signal_at: Mapped[int | None] = mapped_column(BigInteger)
    paused_until: Mapped[int | None] = mapped_column(BigInteger)
    looked_at: Mapped[int | None] = mapped_column(BigInteger)
    ladder_digest: Mapped[str] = mapped_column(String(64), default="")
    is_suppressed: Mapped[bool] = mapped_column(Boolean, default=False)
    fell_from: Mapped[str] = mapped_column(Text, default="{}")
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    """When this person is decided about next, whatever the cause: the ladder, an entry, a run, or a new fact."""
    wake: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[At]

    __table_args__ = (
        Index("ix_subscriber_stage", "stage", "id"),
        Index("ix_subscriber_kind", "kind", "id"),
        Index("ix_subscriber_weight", "landmark", "weight"),
    )


partial_index("ix_subscriber_state", SubscriberRow.state, SubscriberRow.id, where=SubscriberRow.state != "active")
partial_index("ix_subscriber_referrals", SubscriberRow.referrals, SubscriberRow.id, where=SubscriberRow.referrals > 0)
NOT_ACTIVE = text("subscriber.state != 'active'")
"""Written out, so that the index above is seen to serve."""
partial_index("ix_subscriber_parked", SubscriberRow.attempts, SubscriberRow.id, where=SubscriberRow.attempts > 0)
partial_index("ix_subscriber_due", SubscriberRow.due_at, SubscriberRow.id, where=SubscriberRow.due_at.is_not(None))


class AttributeRow(Base):
    """One value: texts as text, lists as `listed` lays them out, numbers as a number, so that SQL can compare them."""

    __tablename__ = "attribute"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str | None] = mapped_column(Text)
    number: Mapped[float | None] = mapped_column(Float(53))
    sort: Mapped[str] = mapped_column(String(8))
    """What the value was: text, int, float, bool or list."""
    at: Mapped[At]

    __table_args__ = (
        Index("ix_attribute_text", "key", "text", "subscriber_id"),
        Index("ix_attribute_number", "key", "number", "subscriber_id"),
    )


class TagRow(Base):
    __tablename__ = "tag"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)

    __table_args__ = (Index("ix_tag_tag", "tag", "subscriber_id"),)


class SegmentMemberRow(Base):
    __tablename__ = "segment_member"

    segment: Mapped[str] = mapped_column(String(64), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[At]

    __table_args__ = (Index("ix_segment_member_subscriber", "subscriber_id"),)


class ConditionTimerRow(Base):
    __tablename__ = "condition_timer"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    condition_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    true_since: Mapped[At]


class OfferEndRow(Base):
    """When an offer ends for one person: set by the first hand-over, never later."""

    __tablename__ = "offer_end"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    offer: Mapped[str] = mapped_column(String(64), primary_key=True)
    ends_at: Mapped[At]


# ── Finding, creating, waking ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """Somebody seen for the first time."""

    public_id: bytes
    address: str
    address_key: str
    stage: str
    at: Instant
    locale: str = ""
    timezone: str = ""
    country: str = ""
    source: str = ""
    box: str = ""
    is_referred: bool = False


def find(session: Session, address_key: str) -> SubscriberRow | None:
    return session.scalar(select(SubscriberRow).where(SubscriberRow.address_key == address_key))


def find_public(session: Session, public_id: bytes) -> SubscriberRow | None:
    return session.scalar(select(SubscriberRow).where(SubscriberRow.public_id == public_id))


def create(session: Session, new: NewSubscriber) -> SubscriberRow:
    """A pending subscriber at the foot of the ladder."""
    row = SubscriberRow(
        public_id=new.public_id,
        address=new.address,
        address_key=new.address_key,
        locale=new.locale,
        tz=new.timezone,
        country=new.country,
        source=new.source,
        box=new.box,
        is_referred=new.is_referred,
        stage=new.stage,
        furthest_stage=new.stage,
        stage_since=new.at,
        created_at=new.at,
        due_at=new.at,
    )
    session.add(row)
    session.flush()
    return row


def wake(session: Session, ids: Iterable[int], now: Instant) -> None:
    """Let the engine look at these people as soon as it can. A wake during a decision is not lost: `wake` tells.

    Who is due already stays due as early as before. Rows are locked in the order of ids, so that two who wake the
    same people never wait for each other.
    """
    if wanted := sorted(set(ids)):
        _WAKE.rows(session, ids=wanted, now=now)


_WAKEN = "UPDATE subscriber SET wake = wake + 1, due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END"
_WAKE = Hot(
    f"{_WAKEN} WHERE id IN :ids",
    f"{_WAKEN} WHERE id = ANY(ARRAY(SELECT id FROM subscriber WHERE id IN :ids ORDER BY id FOR NO KEY UPDATE))",  # noqa: S608
)


def mark_suppressed(session: Session, subscriber_id: int) -> None:
    """Mark that this person's address gets nothing any more."""
    _run(session, update(SubscriberRow).where(SubscriberRow.id == subscriber_id).values(is_suppressed=True))


def _run(session: Session, statement: Update) -> None:
    session.execute(statement, execution_options={"synchronize_session": False})


def lock(session: Session, ids: Iterable[int]) -> None:
    """Hold people until the transaction ends. Rows that point at them may still be written (PostgreSQL)."""
    if not is_sqlite(session):
        people = select(SubscriberRow.id).where(SubscriberRow.id.in_(sorted(ids))).order_by(SubscriberRow.id)
        session.execute(people.with_for_update(key_share=True))


def take_due(session: Session, now: Instant, limit: int) -> list[int]:
    """The ids of people due, locked until the transaction ends (PostgreSQL skips what another worker holds)."""
    due = select(SubscriberRow.id).where(SubscriberRow.due_at <= now).order_by(SubscriberRow.due_at, SubscriberRow.id)
    return sorted(session.scalars(due.limit(limit).with_for_update(skip_locked=True, key_share=True)))


def next_due(session: Session) -> Instant | None:
    """The earliest instant anybody is due."""
    return session.scalar(select(func.min(SubscriberRow.due_at)).where(SubscriberRow.due_at.is_not(None)))


def park(session: Session, subscriber_id: int, error: str, again_at: Instant | None) -> None:
    """Set a person aside whose decision failed: shown, and tried again later."""
    values = {"attempts": SubscriberRow.attempts + 1, "error": clean(error)[:2000], "due_at": again_at}
    _run(session, update(SubscriberRow).where(SubscriberRow.id == subscriber_id).values(values))


def parked(session: Session, limit: int = 100) -> Sequence[SubscriberRow]:
    """People whose last decision failed, the most often tried first."""
    query = select(SubscriberRow).where(text("subscriber.attempts > 0"))
    return session.scalars(query.order_by(SubscriberRow.attempts.desc(), SubscriberRow.id).limit(limit)).all()
