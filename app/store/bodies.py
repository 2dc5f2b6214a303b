"""Bodies: what was sent to the letter, compressed, for "view in browser" and for whoever asks what a person got.

Owns keeping and reading them; retention is a sweep of its own.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.base import upsert
from app.store.messages import BodyRow, MessageRow
from app.store.releases import MailVersionRow

_BY_TEMPLATE = b"\x01"
"""Marks a body packed with its template as the dictionary (RFC 1950 preset); without it a whole zlib stream follows."""
_WINDOW = 32_768


def pack(html: bytes, version_id: int, template: str) -> bytes:
    """A body as it is kept. Most of it stands in the template, which never changes: a quarter of the size and work."""
    packer = _primed(version_id, template).copy()
    return _BY_TEMPLATE + packer.compress(html) + packer.flush()


@lru_cache(maxsize=256)
def _primed(_version_id: int, template: str) -> zlib._Compress:
    dictionary = template.encode()[-_WINDOW:]
    return zlib.compressobj(1, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, dictionary)


def _unpack(blob: bytes, template: str) -> str:
    if not blob.startswith(_BY_TEMPLATE):
        return zlib.decompress(blob).decode()
    unpacker = zlib.decompressobj(-15, zdict=template.encode()[-_WINDOW:])
    return (unpacker.decompress(blob[1:]) + unpacker.flush()).decode()


def keep(session: Session, bodies: Mapping[int, bytes], at: Instant) -> None:
    """Keep compressed bodies by message id; one kept already stays as it is."""
    rows = [{"message_id": message_id, "blob": blob, "at": at} for message_id, blob in sorted(bodies.items())]
    if rows:
        session.connection().execute(upsert(session, BodyRow).on_conflict_do_nothing(), rows)


def html_of(session: Session, message_id: int) -> str | None:
    """The HTML that was sent, or None when it is not kept (any more)."""
    query = (
        select(BodyRow.blob, MailVersionRow.compiled)
        .join(MessageRow, MessageRow.id == BodyRow.message_id)
        .outerjoin(MailVersionRow, MailVersionRow.id == MessageRow.mail_version_id)
        .where(BodyRow.message_id == message_id)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else _unpack(row.blob, json.loads(row.compiled or "{}").get("html", ""))


def forget(session: Session, before: Instant, limit: int = 1_000) -> int:
    """Delete bodies older than an instant, a batch at a time."""
    ids = session.scalars(select(BodyRow.message_id).where(BodyRow.at < before).limit(limit)).all()
    if ids:
        session.execute(delete(BodyRow).where(BodyRow.message_id.in_(ids)))
    return len(ids)
