"""Referrals: who was brought by whom, and what became of it.

Owns one row per friend: waiting → counted | refused, and withdrawn from either. A friend is brought once, by the first.
Must not judge: core/referring does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, case, func, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from app.core.instants import Instant
from app.store import sums
from app.store.base import At, Base, Id, RowId, partial_index, table_of, upsert
from app.store.events import EventRow
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from app.store.runs import RunRow


class ReferralRow(Base):
    __tablename__ = "referral"

    id: Mapped[Id]
    referrer_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    friend_id: Mapped[int | None] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="SET NULL"), unique=True)
    """None once the friend asked to be forgotten: what was earned stays."""
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(32), default="")
    network: Mapped[str] = mapped_column(String(64), default="")
    """The keyed hash of where the friend signed up from."""
    confirmed_at: Mapped[At]
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    settled_at: Mapped[int | None] = mapped_column(BigInteger)
    number: Mapped[int | None] = mapped_column(Integer)
    """The how many-th counted friend of the referrer this was; numbers are never given twice."""

    __table_args__ = (
        Index("ix_referral_referrer", "referrer_id", "id"),
        Index("uq_referral_number", "referrer_id", "number", unique=True),
    )


partial_index("ix_referral_counted", ReferralRow.settled_at, where=ReferralRow.state == "counted")
partial_index("ix_referral_objected", ReferralRow.settled_at, where=ReferralRow.state.in_(("refused", "withdrawn")))
partial_index("ix_referral_due", ReferralRow.due_at, ReferralRow.id, where=ReferralRow.due_at.is_not(None))
_REFERRAL = table_of(ReferralRow)


@dataclass(frozen=True, slots=True)
class Brought:
    """A friend who confirmed, by whom, from which network, and when that is to be looked at."""

    referrer_id: int
    friend_id: int
    network: str
    confirmed_at: Instant
    due_at: Instant


@dataclass(frozen=True, slots=True)
class Objected:
    """A friend who does not count: who brought her, whom ("" when she is forgotten), and why."""

    referrer: bytes
    referrer_address: str
    friend_address: str
    state: str
    reason: str
    at: Instant


def note(session: Session, brought: Brought) -> bool:
    """Keep that a friend was brought; False when she was brought before."""
    statement = upsert(session, ReferralRow).values(
        referrer_id=brought.referrer_id,
        friend_id=brought.friend_id,
        state="waiting",
        reason="",
        network=brought.network,
        confirmed_at=brought.confirmed_at,
        due_at=brought.due_at,
    )
    once = statement.on_conflict_do_nothing(index_elements=["friend_id"])
    return session.scalar(once.returning(ReferralRow.id)) is not None


def due(session: Session, now: Instant, limit: int) -> Sequence[ReferralRow]:
    """Referrals to be looked at, oldest first, held until the transaction ends."""
    query = select(ReferralRow).where(ReferralRow.due_at <= now).order_by(ReferralRow.due_at, ReferralRow.id)
    return session.scalars(query.limit(limit).with_for_update(skip_locked=True)).all()


def next_due(session: Session) -> Instant | None:
    return session.scalar(select(func.min(ReferralRow.due_at)))


def settle(session: Session, row: ReferralRow, state: str, reason: str, now: Instant) -> None:
    """Close a referral. A number once given stays with the row, so that it is never given again."""
    before = row.state
    row.state, row.reason, row.settled_at, row.due_at = state, reason, now, None
    session.flush()
    counted = (state == "counted") - (before == "counted")
    sums.add(session, {("friends:counted", ""): counted, ("friends:objected", reason): int(bool(reason))})


def next_number(session: Session, referrer_id: int) -> int:
    """The number of this person's next counted friend. The caller holds the referrer."""
    last = session.scalar(select(func.max(ReferralRow.number)).where(ReferralRow.referrer_id == referrer_id))
    return (last or 0) + 1


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What else came to the same referrer: friends from one network, and friends since an instant."""

    same_network: int
    recent: int


def neighbours(session: Session, row: ReferralRow, since: Instant) -> Neighbours:
    """Others of the same referrer, this one left out."""
    others = (_REFERRAL.c.referrer_id == row.referrer_id) & (_REFERRAL.c.id != row.id)
    near = (_REFERRAL.c.network == row.network) & (_REFERRAL.c.network != "")
    recent = _REFERRAL.c.confirmed_at >= since
    counts = [func.coalesce(func.sum(case((what, 1), else_=0)), 0) for what in (near, recent)]
    same, late = session.execute(select(*counts).where(others)).one()
    return Neighbours(int(same), int(late))


@dataclass(frozen=True, slots=True)
class Friend:
    """A friend on the board: never more of a name than its first letter."""

    initial: str
    state: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Board:
    """What a person's invitations came to."""

    counted: int
    waiting: int
    refused: int
    friends: tuple[Friend, ...] = ()


def board(session: Session, referrer_id: int, newest: int = 20) -> Board:
    """The friends of one person, newest first."""
    mine = select(_REFERRAL.c.state, func.count()).where(_REFERRAL.c.referrer_id == referrer_id)
    counts = {row[0]: row[1] for row in session.execute(mine.group_by(_REFERRAL.c.state))}
    query = (
        select(SubscriberRow.address, ReferralRow.state, ReferralRow.confirmed_at)
        .select_from(ReferralRow)
        .outerjoin(SubscriberRow, SubscriberRow.id == ReferralRow.friend_id)
        .where(ReferralRow.referrer_id == referrer_id, ReferralRow.state.in_(("waiting", "counted")))
        .order_by(ReferralRow.confirmed_at.desc(), ReferralRow.id.desc())
    )
    friends = tuple(
        Friend((address or "·")[0].upper(), state, at) for address, state, at in session.execute(query.limit(newest))
    )
    refused = counts.get("refused", 0) + counts.get("withdrawn", 0)
    return Board(counts.get("counted", 0), counts.get("waiting", 0), refused, friends)


def rewards(session: Session, row: ReferralRow, campaigns: Iterable[str]) -> list[str]:
    """The offers these campaigns promised for exactly this friend: in the runs her number began."""
    runs = select(RunRow.id, RunRow.event).where(
        RunRow.subscriber_id == row.referrer_id, RunRow.campaign.in_(sorted(campaigns))
    )
    hers = [run.id for run in session.execute(runs) if json.loads(run.event).get("number") == row.number]
    mails = select(MessageRow.offer).where(MessageRow.run_id.in_(hers), MessageRow.offer != "")
    return sorted(set(session.scalars(mails.distinct())))


def take_back(session: Session, referrer_id: int) -> None:
    """One friend fewer; the count never falls below nothing."""
    people = update(SubscriberRow).where(SubscriberRow.id == referrer_id, SubscriberRow.referrals > 0)
    session.execute(people.values(referrals=SubscriberRow.referrals - 1))


def boards(session: Session, limit: int) -> list[tuple[bytes, str, int]]:
    """Who brought the most friends who count: public id, address, how many; the most first."""
    people = select(SubscriberRow.public_id, SubscriberRow.address, SubscriberRow.referrals)
    people = people.where(SubscriberRow.referrals > 0)
    rows = session.execute(people.order_by(SubscriberRow.referrals.desc(), SubscriberRow.id).limit(limit))
    return [(row.public_id, row.address, row.referrals) for row in rows]


def objected(session: Session, limit: int) -> list[Objected]:
    """Friends who do not count, newest first."""
    friend, referrer = aliased(SubscriberRow), aliased(SubscriberRow)
    query = (
        select(referrer.public_id, referrer.address, friend.address, ReferralRow.state, ReferralRow.reason)
        .add_columns(ReferralRow.settled_at)
        .select_from(ReferralRow)
        .join(referrer, referrer.id == ReferralRow.referrer_id)
        .outerjoin(friend, friend.id == ReferralRow.friend_id)
        .where(ReferralRow.state.in_(("refused", "withdrawn")))
        .order_by(ReferralRow.settled_at.desc(), ReferralRow.id.desc())
        .limit(limit)
    )
    return [Objected(row[0], row[1], row[2] or "", row[3], row[4], row[5] or 0) for row in session.execute(query)]


def complained(session: Session, since: Instant, limit: int) -> Sequence[ReferralRow]:
    """Counted referrals since an instant whose friend gets nothing any more because she complained; held."""
    spam = select(EventRow.subscriber_id).where(
        EventRow.subscriber_id == ReferralRow.friend_id, EventRow.kind == "complained"
    )
    query = select(ReferralRow).where(ReferralRow.state == "counted", ReferralRow.settled_at >= since, spam.exists())
    return session.scalars(query.order_by(ReferralRow.id).limit(limit).with_for_update(skip_locked=True)).all()
