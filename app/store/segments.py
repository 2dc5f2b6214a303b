"""Segments: who of the whole list meets a condition, and whether the memberships kept step by step are right.

Owns asking a condition of everybody, and the nightly proof. Must not decide about anybody: a person whose membership
is wrong is woken, and the engine mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.conditions import Condition, Rules
from app.core.instants import Instant
from app.store.base import is_sqlite, table_of
from app.store.clauses import Asking, clause
from app.store.operands import Expression, NotInSqlError
from app.store.people import SegmentMemberRow, SubscriberRow

__all__ = ["Drift", "NotInSqlError", "asking", "count", "drift", "members", "select_where", "where"]

_PERSON = table_of(SubscriberRow).c
_MEMBER = table_of(SegmentMemberRow).c


def members(session: Session, condition: Condition, now: Instant, rules: Rules) -> Select[int]:
    """A query for the ids of all people for whom the condition is true at an instant.

    Facts not decided about yet count too, so a person who is due may differ from what the engine last saw.
    Raises NotInSqlError for conditions that only make sense within a run.
    """
    return select_where(condition, asking(session, now, rules))


def select_where(condition: Condition, given: Asking) -> Select[int]:
    """The same, with what is asked with at hand."""
    return select(_PERSON.id).where(where(condition, given))


def count(session: Session, condition: Condition, now: Instant, rules: Rules) -> int:
    """How many people meet the condition."""
    found = where(condition, asking(session, now, rules))
    return session.scalar(select(func.count()).select_from(table_of(SubscriberRow)).where(found)) or 0


def where(condition: Condition, given: Asking) -> Expression:
    """The condition as an expression over `subscriber`."""
    return clause(condition.tree, given)


def asking(session: Session, now: Instant, rules: Rules, *, later: bool = False) -> Asking:
    """What conditions are asked with: `later` asks who could come to meet them by time alone."""
    return Asking(now, rules, tuple(_landmarks(session)), is_sqlite(session), later)


def _landmarks(session: Session) -> Iterator[Instant]:
    """All landmarks in use, by hopping over the index from one to the next."""
    found = session.scalar(select(func.min(_PERSON.landmark)))
    while found is not None:
        yield found
        found = session.scalar(select(func.min(_PERSON.landmark)).where(_PERSON.landmark > found))


# ── The nightly proof ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Drift:
    """How one segment's kept members differ from the full answer: people missing, and people too many (ids)."""

    segment: str
    missing: tuple[int, ...]
    surplus: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)


def drift(
    session: Session, segments: Mapping[str, Condition], now: Instant, rules: Rules, most: int = 1_000
) -> list[Drift]:
    """For every segment, where what is kept by what changed differs from the full answer; at most `most` ids a side.

    People who are due are left out: they are about to be decided about anyway. Wake the others and report them.
    Memberships of segments that no longer exist are surplus.
    """
    given = asking(session, now, rules)
    known = set(session.scalars(select(_MEMBER.segment).distinct()))
    found = [_drift(session, key, where(condition, given), now, most) for key, condition in sorted(segments.items())]
    return found + [_drift(session, key, None, now, most) for key in sorted(known - segments.keys())]


def _drift(session: Session, key: str, wanted: Expression | None, now: Instant, most: int) -> Drift:
    settled = _PERSON.due_at.is_(None) | (_PERSON.due_at > now)
    kept = _PERSON.id.in_(select(_MEMBER.subscriber_id).where(_MEMBER.segment == key))
    people = select(_PERSON.id).where(settled).order_by(_PERSON.id).limit(most)
    if wanted is None:
        return Drift(key, (), tuple(session.scalars(people.where(kept))))
    holds = func.coalesce(wanted, False)
    missing = session.scalars(people.where(holds, ~kept))
    return Drift(key, tuple(missing), tuple(session.scalars(people.where(kept, ~holds))))
