"""Bodies: what was sent to the letter, compressed, for "view in browser" and for whoever asks what a person got.

Owns keeping and reading them; retention is a sweep of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.base import upsert
from app.store.messages import BodyRow


def keep(session: Session, bodies: Mapping[int, bytes], at: Instant) -> None:
    """Keep compressed bodies by message id; one kept already stays as it is."""
    rows = [{"message_id": message_id, "blob": blob, "at": at} for message_id, blob in sorted(bodies.items())]
    if rows:
        session.connection().execute(upsert(session, BodyRow).on_conflict_do_nothing(), rows)


def html_of(session: Session, message_id: int) -> str | None:
    """The HTML that was sent, or None when it is not kept (any more)."""
    blob = session.scalar(select(BodyRow.blob).where(BodyRow.message_id == message_id))
    return None if blob is None else zlib.decompress(blob).decode()


def forget(session: Session, before: Instant, limit: int = 1_000) -> int:
    """Delete bodies older than an instant, a batch at a time."""
    ids = session.scalars(select(BodyRow.message_id).where(BodyRow.at < before).limit(limit)).all()
    if ids:
        session.execute(delete(BodyRow).where(BodyRow.message_id.in_(ids)))
    return len(ids)
