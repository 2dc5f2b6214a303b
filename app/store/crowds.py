"""Crowds: changes of many people at once, by their ids, each telling what it really changed so that it can go back.

Owns set-based statements on tags, pauses and suppression. Must not choose whom, and must not wake anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.core.facts import Value
from app.core.instants import Instant
from app.store.base import table_of, upsert
from app.store.codec import value_of
from app.store.errands import ErrandPartRow
from app.store.people import AttributeRow, SubscriberRow, TagRow
from app.store.permissions import Suppression, SuppressionRow, address_hash, suppress

_UNSYNCED = {"synchronize_session": False}


def tag(session: Session, ids: Sequence[int], word: str) -> list[int]:
    """Put a tag on; the ids of those who did not have it."""
    rows = [{"subscriber_id": each, "tag": word} for each in ids]
    if not rows:
        return []
    statement = upsert(session, TagRow).values(rows).on_conflict_do_nothing()
    return sorted(session.scalars(statement.returning(table_of(TagRow).c.subscriber_id)))


def untag(session: Session, ids: Sequence[int], word: str) -> list[int]:
    """Take a tag off; the ids of those who had it."""
    gone = delete(TagRow).where(TagRow.subscriber_id.in_(ids), TagRow.tag == word).returning(TagRow.subscriber_id)
    return sorted(session.scalars(gone, execution_options=_UNSYNCED))


def pause(session: Session, ids: Sequence[int], until: Instant) -> dict[int, Instant | None]:
    """Let people rest at least until an instant; whom that changed, with the pause they had before."""
    shorter = or_(SubscriberRow.paused_until.is_(None), SubscriberRow.paused_until < until)
    mine = SubscriberRow.id.in_(ids)
    found = session.execute(select(SubscriberRow.id, SubscriberRow.paused_until).where(mine, shorter))
    former = {row.id: row.paused_until for row in found}
    changed = update(SubscriberRow).where(SubscriberRow.id.in_(former))
    session.execute(changed.values(paused_until=until), execution_options=_UNSYNCED)
    return former


def unpause(session: Session, former: Mapping[int, Instant | None], until: Instant) -> list[int]:
    """Give people the pause back they had, where nobody changed it since."""
    mine = SubscriberRow.id.in_(former), SubscriberRow.paused_until == until
    ids = sorted(session.scalars(select(SubscriberRow.id).where(*mine)))
    for each in ids:
        row = update(SubscriberRow).where(SubscriberRow.id == each)
        session.execute(row.values(paused_until=former[each]), execution_options=_UNSYNCED)
    return ids


def suppress_people(session: Session, ids: Sequence[int], secret: bytes, at: Instant) -> list[int]:
    """Put addresses on the list; the ids of those who were not on it."""
    wanted = select(SubscriberRow.id, SubscriberRow.address_key).where(
        SubscriberRow.id.in_(ids), SubscriberRow.is_suppressed.is_(False), SubscriberRow.address_key != ""
    )
    rows = session.execute(wanted).all()
    suppress(session, *(Suppression(address_hash(secret, row.address_key), "manual", at) for row in rows))
    changed = [row.id for row in rows]
    _mark(session, changed, is_suppressed=True)
    return changed


def release_people(session: Session, ids: Sequence[int], secret: bytes) -> list[int]:
    """Take addresses off the list again that stand there by hand alone."""
    rows = session.execute(select(SubscriberRow.id, SubscriberRow.address_key).where(SubscriberRow.id.in_(ids))).all()
    hashes = {address_hash(secret, row.address_key): row.id for row in rows}
    by_hand = (SuppressionRow.address_hash.in_(hashes)) & (SuppressionRow.reason == "manual")
    gone = session.scalars(delete(SuppressionRow).where(by_hand).returning(SuppressionRow.address_hash))
    changed = sorted(hashes[each] for each in gone)
    _mark(session, changed, is_suppressed=False)
    return changed


def _mark(session: Session, ids: Sequence[int], *, is_suppressed: bool) -> None:
    rows = update(SubscriberRow).where(SubscriberRow.id.in_(ids))
    session.execute(rows.values(is_suppressed=is_suppressed), execution_options=_UNSYNCED)


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def tags_of(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in session.scalars(select(TagRow).where(TagRow.subscriber_id.in_(ids)).order_by(TagRow.tag)):
        found.setdefault(row.subscriber_id, []).append(row.tag)
    return found


def attributes_of(session: Session, ids: Sequence[int]) -> dict[int, dict[str, Value]]:
    found: dict[int, dict[str, Value]] = {}
    for row in session.scalars(select(AttributeRow).where(AttributeRow.subscriber_id.in_(ids))):
        found.setdefault(row.subscriber_id, {})[row.key] = value_of(row.text, row.number, row.sort)
    return found


def next_number(session: Session, errand_id: int, side: str) -> int:
    """The number of the next part of an errand, behind those an interrupted try left."""
    mine = (ErrandPartRow.errand_id == errand_id) & (ErrandPartRow.side == side)
    return (session.scalar(select(func.max(ErrandPartRow.number)).where(mine)) or 0) + 1
