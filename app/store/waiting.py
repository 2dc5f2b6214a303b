"""Waiting: how much waits in each lane and since when, and how much is under way or in trouble.

Owns counting along the queue's own index, which a million mails that wait do not make slow: a mail's row is looked at
only for whether it was put off. Must not change anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MailClass, MessageState
from app.store.base import is_sqlite, table_of
from app.store.messages import IS_CLAIMED, IS_OPEN, IS_TROUBLED, MessageRow

_MESSAGE = table_of(MessageRow)
_GROUP = _MESSAGE.c.mail_class, _MESSAGE.c.lane, _MESSAGE.c.rank
_ID = _MESSAGE.c.id
_LAST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Head:
    """What is first of one class, lane and rank."""

    mail_class: str
    lane: str
    rank: int
    due_at: Instant


def heads(session: Session) -> Iterator[Head]:
    """The first of each class, lane and rank, found by hopping over the index from one to the next."""
    place, after = tuple_(*_GROUP, _MESSAGE.c.due_at), ("", "", -(2**15), 0)
    order = (*_GROUP, _MESSAGE.c.due_at, _ID)
    while True:
        query = select(*_GROUP, _MESSAGE.c.due_at).where(IS_OPEN, place > tuple_(*after)).order_by(*order).limit(1)
        row = session.execute(query).first()
        if row is None:
            return
        yield Head(*row)
        after = (row.mail_class, row.lane, row.rank, _LAST)


def oldest_due(session: Session, now: Instant) -> Instant | None:
    """Since when the most belated message could have left; None when none is due."""
    oldest = min((head.due_at for head in heads(session)), default=now + 1)
    return oldest if oldest <= now else None


# ── By lane ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Queued:
    """What waits in one lane: due now, due later, and of both those that were put off after an answer."""

    lane: str
    due: int
    later: int
    deferred: int
    oldest: Instant | None
    """Since when the most belated one could have left."""


def queue(session: Session, now: Instant) -> list[Queued]:
    """The open queue by lane. Reads the index of all that waits, and who was put off: ask seldom."""
    due: Counter[str] = Counter()
    later: Counter[str] = Counter()
    oldest: dict[str, Instant] = {}
    first = _LAST
    for head in heads(session):
        oldest[head.lane] = min(head.due_at, oldest.get(head.lane, _LAST))
        for counter, when in ((due, _MESSAGE.c.due_at <= now), (later, _MESSAGE.c.due_at > now)):
            number, lowest = _counted(session, head, when)
            counter[head.lane] += number
            first = min(first, lowest)
    deferred = _deferred(session, first, due.total() + later.total())
    return [
        Queued(lane, due[lane], later[lane], deferred[lane], at if at <= now else None)
        for lane, at in sorted(oldest.items())
    ]


def _counted(session: Session, head: Head, when: ColumnElement[bool]) -> tuple[int, int]:
    """How many, and the lowest id; from the index alone."""
    mail_class, lane, rank = _GROUP
    mine = (mail_class == head.mail_class) & (lane == head.lane) & (rank == head.rank)
    number, lowest = session.execute(select(func.count(), func.min(_ID)).where(IS_OPEN, mine, when)).one()
    return int(number), _LAST if lowest is None else int(lowest)


def _deferred(session: Session, first: int, number: int) -> Counter[str]:
    """Lane → how many were put off, by whatever is sooner read."""
    lane, state = _MESSAGE.c.lane, _MESSAGE.c.state
    query = select(lane, func.count()).group_by(lane)
    if is_dense(session, first, number):
        query = query.where(first <= _ID, func.coalesce(state, "") == MessageState.WAITING.value)
    else:
        query = query.where(IS_OPEN, state == MessageState.WAITING.value)
    return Counter({name: int(n) for name, n in session.execute(query)})


def extent(session: Session, lane: str = "") -> tuple[int, int]:
    """How many mails wait, of one lane or of all, and the lowest id of them (SQLite: from the index alone)."""
    query = select(func.count(), func.min(_ID)).where(IS_OPEN)
    if lane:
        classes = [each.value for each in MailClass]
        query = query.where(_MESSAGE.c.mail_class.in_(classes), _MESSAGE.c.lane == lane)
    number, first = session.execute(query).one()
    return int(number), first or 0


SPARSE: Final = 6
"""A row found through an index costs as much as so many read one after another (SQLite)."""


def is_dense(session: Session, first: int, number: int) -> bool:
    """Whether so many rows, from an id on, are found sooner by reading all rows from there: SQLite has no figures to
    judge by, PostgreSQL judges itself.
    """
    if not number or not is_sqlite(session):
        return False
    last = session.scalar(select(func.max(_ID))) or 0
    return last - first < SPARSE * number


# ── All together ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many mails wait, are on their way, or need a decision."""

    waiting: int
    under_way: int
    uncertain: int
    parked: int


def numbers(session: Session) -> Numbers:
    """Counted from the small partial indexes, never from all messages."""
    waiting, under_way = (
        session.scalar(select(func.count()).select_from(_MESSAGE).where(condition)) or 0
        for condition in (IS_OPEN, IS_CLAIMED)
    )
    state = _MESSAGE.c.state
    rows = session.execute(select(state, func.count()).where(IS_TROUBLED).group_by(state))
    troubled = {name: int(number) for name, number in rows}
    uncertain, parked = (troubled.get(each.value, 0) for each in (MessageState.UNCERTAIN, MessageState.PARKED))
    return Numbers(waiting, under_way, uncertain, parked)
