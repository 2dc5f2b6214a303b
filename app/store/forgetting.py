"""Forgetting: raw opens, clicks and visits that are older than they may be, deleted a page at a time.

Owns which facts go together, and the mark up to which counters can no longer be held against facts.
Must not touch counters, scores, stages, or facts that somebody still has to judge or decide about.
"""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from app.core.instants import DAY, Instant
from app.store.base import table_of, upsert
from app.store.events import EventRow, NewsRow
from app.store.ledgers import CountRow

Place: TypeAlias = tuple[Instant, bytes]
"""Where a fact lies: its instant and id."""
KINDS = ("opened", "clicked", "visited", "event")
"""Of events only those of browsers nobody knows; whoever is known keeps what she told her shop."""
_MARK = "facts:forgotten"


def old_facts(session: Session, kind: str, before: Instant, after: Place, limit: int) -> list[Place]:
    """The next facts of a kind that may go, oldest first, from behind `after`.

    A mail is judged by all its opens and clicks, so they go together: once the newest of them is old.
    """
    row = EventRow
    query = select(row.at, row.fact_id).where(row.kind == kind, row.at < before, row.verdict_due_at.is_(None))
    query = query.where(or_(row.at > after[0], and_(row.at == after[0], row.fact_id > after[1])))
    query = query.where(row.subscriber_id.is_(None)) if kind == "event" else query
    query = query.where(~_is_news(), ~_is_touched_since(before))
    return [(at, fact_id) for at, fact_id in session.execute(query.order_by(row.at, row.fact_id).limit(limit))]


def _is_news() -> ColumnElement[bool]:
    hers = NewsRow.subscriber_id == EventRow.subscriber_id
    return exists().where(hers, NewsRow.at == EventRow.at, NewsRow.fact_id == EventRow.fact_id)


def _is_touched_since(before: Instant) -> ColumnElement[bool]:
    newer = aliased(EventRow)
    return exists().where(newer.message_id == EventRow.message_id, newer.at >= before)


def delete_facts(session: Session, places: list[Place]) -> None:
    event = table_of(EventRow)
    session.execute(delete(event).where(tuple_(event.c.at, event.c.fact_id).in_(places)))


def put_mark(session: Session, before: Instant) -> None:
    """Remember that facts before this day may be gone. In the transaction of the deletion."""
    key = {"day": before // DAY, "campaign": "", "step": "", "arm": "", "metric": _MARK}
    session.execute(upsert(session, CountRow).values({**key, "value": 1}).on_conflict_do_nothing())


def first_whole_day(session: Session) -> int:
    """The first day (number from 1970 UTC) whose facts are all kept; 0 when nothing was ever forgotten."""
    return session.scalar(select(func.max(CountRow.day)).where(CountRow.metric == _MARK)) or 0
