"""Visitors: browsers that agreed to be remembered, and whose they turned out to be.

Owns the link from a browser's own random id to a person. A link is claimed (an address was typed) or proven (a link of
one of our mails was followed); only a proven one gives a person what the browser did before. Every link can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ForeignKey, Index, String, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.store.base import At, Base, RowId, partial_index, upsert
from app.store.events import EventRow
from app.store.people import SubscriberRow

CLAIMED, PROVEN, UNDONE = "claimed", "proven", "undone"
BY_MAIL, BY_BOX = "mail", "box"


class VisitorRow(Base):
    __tablename__ = "visitor"

    anonymous_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    proof: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    message_id: Mapped[int | None] = mapped_column(RowId)
    at: Mapped[At] = mapped_column(BigInteger)
    merged_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_visitor_subscriber", "subscriber_id"),)


partial_index("ix_visitor_claimed", VisitorRow.at, where=VisitorRow.state == "claimed")


@dataclass(frozen=True, slots=True)
class Linked:
    """A browser's id said to be a person's: by which proof, since when."""

    anonymous_id: str
    subscriber_id: int
    proof: str
    state: str
    at: Instant
    message_id: int | None = None


def link_visitors(session: Session, links: Sequence[Linked]) -> list[str]:
    """Keep links; returns the ids that are proven by this and were not before.

    The first person keeps a browser: a later claim or proof for somebody else changes nothing, and a link that was
    undone stays so.
    """
    proven: list[str] = []
    for link in sorted(links, key=lambda each: (each.anonymous_id, each.at)):
        values = {name: getattr(link, name) for name in Linked.__dataclass_fields__}
        once = upsert(session, VisitorRow).values(values).on_conflict_do_nothing().returning(VisitorRow.at)
        is_new = session.scalar(once) is not None
        if link.state == PROVEN and (is_new or _prove(session, link)):
            proven.append(link.anonymous_id)
    return proven


def _prove(session: Session, link: Linked) -> bool:
    same = (VisitorRow.anonymous_id == link.anonymous_id) & (VisitorRow.subscriber_id == link.subscriber_id)
    row = update(VisitorRow).where(same, VisitorRow.state == CLAIMED)
    values = {"state": PROVEN, "proof": link.proof, "message_id": link.message_id}
    done = session.execute(
        row.values(values).returning(VisitorRow.at), execution_options={"synchronize_session": False}
    )
    return done.first() is not None


def find_visitors(session: Session, ids: Iterable[str]) -> dict[str, VisitorRow]:
    query = select(VisitorRow).where(VisitorRow.anonymous_id.in_(sorted(set(ids))))
    return {row.anonymous_id: row for row in session.scalars(query.execution_options(populate_existing=True))}


def confirmed_claims(session: Session, limit: int) -> list[str]:
    """Claims whose person confirmed the address after it was typed: that proves them. Marks them proven."""
    claimed = text("visitor.state = 'claimed'")
    query = (
        select(VisitorRow.anonymous_id)
        .join(SubscriberRow, SubscriberRow.id == VisitorRow.subscriber_id)
        .where(claimed, SubscriberRow.confirmed_at >= VisitorRow.at)
        .order_by(VisitorRow.at)
        .limit(limit)
    )
    ids = list(session.scalars(query))
    if ids:
        rows = update(VisitorRow).where(VisitorRow.anonymous_id.in_(ids)).values(state=PROVEN)
        session.execute(rows, execution_options={"synchronize_session": False})
    return ids


def set_state(session: Session, anonymous_id: str, state: str) -> None:
    rows = update(VisitorRow).where(VisitorRow.anonymous_id == anonymous_id).values(state=state)
    session.execute(rows, execution_options={"synchronize_session": False})


def set_merged(session: Session, anonymous_id: str, at: Instant) -> None:
    rows = update(VisitorRow).where(VisitorRow.anonymous_id == anonymous_id).values(merged_at=at)
    session.execute(rows, execution_options={"synchronize_session": False})


def facts_of_visitor(session: Session, anonymous_id: str, since: Instant) -> Sequence[EventRow]:
    """What a browser did since an instant, oldest first."""
    known = text("event.anonymous_id <> ''")
    query = select(EventRow).where(known, EventRow.anonymous_id == anonymous_id, EventRow.at >= since)
    return session.scalars(
        query.order_by(EventRow.at, EventRow.fact_id).execution_options(populate_existing=True)
    ).all()


def give_facts(session: Session, rows: Sequence[EventRow], subscriber_id: int | None) -> None:
    """Attribute facts to a person, quietly, or take them back from her (None)."""
    for row in rows:
        one = update(EventRow).where(EventRow.at == row.at, EventRow.fact_id == row.fact_id)
        values = {"subscriber_id": subscriber_id, "is_quiet": True}
        session.execute(one.values(values), execution_options={"synchronize_session": False})
