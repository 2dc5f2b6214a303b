"""Waking: after a publish, exactly the people it concerns are looked at, in small steps.

Owns the table of publications whose people are not all woken yet. A publish writes one row; the worker wakes a
stretch of ids whenever nobody else is due, so that no transaction is long, nobody's click waits behind a publish, and
a crash in between forgets nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import BigInteger, Text, delete, false, func, or_, select, true, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.book import Book
from app.core.campaign import ByChange, Entry, Once, Yearly
from app.core.conditions import Condition
from app.core.instants import Instant
from app.store.base import At, Base, Id, table_of
from app.store.clauses import Asking
from app.store.operands import Expression, NotInSqlError
from app.store.people import AttributeRow, SubscriberRow, wake
from app.store.runs import RunRow
from app.store.segments import asking, where

STRETCH = 1_000
"""Subscribers looked through in one step."""


class WakingRow(Base):
    __tablename__ = "waking"

    id: Mapped[Id]
    what: Mapped[str] = mapped_column(Text, default="{}")
    """JSON: the campaigns that changed, or everybody."""
    after_id: Mapped[int] = mapped_column(BigInteger, default=0)
    """Subscribers up to this id are woken."""
    at: Mapped[At]


_PERSON = table_of(SubscriberRow).c
_RUN = table_of(RunRow).c
_ATTRIBUTE = table_of(AttributeRow).c
_WAKING = table_of(WakingRow)


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a publish concerns: those whom changed campaigns concern, or everybody (a new ladder, a new site)."""

    campaigns: frozenset[str] = frozenset()
    is_everybody: bool = False


def begin(session: Session, concerned: Concerned, now: Instant) -> None:
    """Note whom to wake, in the transaction of the publish. Costs the same for ten people and for ten million."""
    if concerned.is_everybody or concerned.campaigns:
        what = {"campaigns": sorted(concerned.campaigns), "everybody": concerned.is_everybody}
        session.add(WakingRow(what=json.dumps(what), after_id=0, at=now))
        session.flush()


def is_under_way(session: Session) -> bool:
    return session.scalar(select(func.count()).select_from(_WAKING)) != 0


def wake_some(session: Session, book: Book, now: Instant, stretch: int = STRETCH) -> int | None:
    """Wake whom the oldest unfinished publish concerns among the next subscribers. None when nothing is left to do.

    Returns how many were woken, which may be none in this stretch. Call it when nobody is due, then decide about them.
    """
    oldest = select(WakingRow).order_by(WakingRow.id).limit(1).with_for_update(skip_locked=True)
    row = session.scalar(oldest.execution_options(populate_existing=True))
    if row is None:
        return None
    last = _end_of_stretch(session, row.after_id, stretch)
    if last is None:
        session.execute(delete(_WAKING).where(_WAKING.c.id == row.id))
        return 0
    within = (_PERSON.id > row.after_id) & (_PERSON.id <= last)
    ids = session.scalars(select(_PERSON.id).where(within, _whom(session, _read(row.what), book, now))).all()
    wake(session, ids, now)
    session.execute(update(_WAKING).where(_WAKING.c.id == row.id).values(after_id=last))
    return len(ids)


def _read(what: str) -> Concerned:
    plain = json.loads(what)
    return Concerned(frozenset(plain["campaigns"]), bool(plain["everybody"]))


def _end_of_stretch(session: Session, after_id: int, stretch: int) -> int | None:
    """The last id of the next stretch, None when there is nobody behind."""
    next_ids = select(_PERSON.id).where(_PERSON.id > after_id).order_by(_PERSON.id).limit(stretch).subquery()
    last: int | None = session.scalar(select(func.max(next_ids.c.id)))
    return last


# ── Whom a change concerns ───────────────────────────────────────────────────────────────────────────────────────────


def _whom(session: Session, concerned: Concerned, book: Book, now: Instant) -> Expression:
    if concerned.is_everybody:
        return true()
    given = asking(session, now, book.rules, later=True)
    campaigns = sorted(concerned.campaigns)
    entries = (entry for key in campaigns if key in book.campaigns for entry in book.campaigns[key].entries)
    newly = (clause for entry in entries for clause in _by_time(entry, given))
    return or_(false(), _under_way(campaigns), *newly)


def _under_way(campaigns: list[str]) -> Expression:
    """People on their way through a campaign that changed: versions, goals, pauses."""
    live = (_RUN.state != "ended") & _RUN.campaign.in_(campaigns)
    return _PERSON.id.in_(select(_RUN.subscriber_id).where(live))


def _by_time(entry: Entry, given: Asking) -> Iterator[Expression]:
    """People whom an entry may take with no new fact of theirs. A new fact wakes its person anyway."""
    match entry.rule:
        case ByChange(when):
            if when.names().lapses or when.names().names or when.names().segments:
                yield _could_come_to(when, given)
        case Once(who=who):
            yield true() if who is None else _could_come_to(who, given)
        case Yearly(attribute):
            yield _PERSON.id.in_(select(_ATTRIBUTE.subscriber_id).where(_ATTRIBUTE.key == attribute))
        case _:
            pass


def _could_come_to(condition: Condition, given: Asking) -> Expression:
    try:
        return where(condition, given)
    except NotInSqlError:
        return true()
