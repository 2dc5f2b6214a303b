"""Tagging: small changes and questions about one person's labels and about one suppressed address.

Owns single statements by key. Must not wake anybody: the caller's action does.
"""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.store.people import AttributeRow, TagRow
from app.store.permissions import SuppressionRow


def has_tag(session: Session, subscriber_id: int, tag: str) -> bool:
    return session.get(TagRow, (subscriber_id, tag), populate_existing=True) is not None


def add_tag(session: Session, subscriber_id: int, tag: str) -> None:
    if not has_tag(session, subscriber_id, tag):
        session.add(TagRow(subscriber_id=subscriber_id, tag=tag))
        session.flush()


def remove_tag(session: Session, subscriber_id: int, tag: str) -> None:
    session.execute(delete(TagRow).where(TagRow.subscriber_id == subscriber_id, TagRow.tag == tag))


def forget_attribute(session: Session, subscriber_id: int, key: str) -> None:
    session.execute(delete(AttributeRow).where(AttributeRow.subscriber_id == subscriber_id, AttributeRow.key == key))


def suppression_reason(session: Session, address_hash: bytes) -> str:
    """Why an address gets nothing; "" when it is not on the list."""
    query = select(SuppressionRow.reason).where(SuppressionRow.address_hash == address_hash)
    return session.scalar(query) or ""
