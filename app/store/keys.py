"""Keys of the HTTP API: a readable prefix and the SHA-256 of the whole; the key itself is shown once and never kept.

Owns making a key's row, finding it by prefix, and ending it. A key has 256 random bits, so a plain digest is enough.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from sqlalchemy import BigInteger, LargeBinary, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import MINUTE, Instant
from app.store.base import At, Base, Id

PREFIX = 12
"""Characters of a key that are kept readable, to tell keys apart."""


class ApiKeyRow(Base):
    __tablename__ = "api_key"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[At]
    used_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


def add_key(session: Session, name: str, key: str, at: Instant) -> ApiKeyRow:
    """Keep what is needed to know a key again."""
    row = ApiKeyRow(name=name[:64], prefix=key[:PREFIX], digest=_digest(key), created_at=at)
    session.add(row)
    session.flush()
    return row


def find_key(session: Session, key: str) -> ApiKeyRow | None:
    """The key's row when it is known and not revoked."""
    row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.prefix == key[:PREFIX], ApiKeyRow.revoked_at.is_(None)))
    return row if row is not None and hmac.compare_digest(row.digest, _digest(key)) else None


def is_stale(row: ApiKeyRow, at: Instant) -> bool:
    """Whether the last use noted is a minute old: more often it is not written down."""
    return row.used_at is None or at - row.used_at >= MINUTE


def touch_key(session: Session, row: ApiKeyRow, at: Instant) -> None:
    """Note the use of a key."""
    session.execute(update(ApiKeyRow).where(ApiKeyRow.id == row.id).values(used_at=at))


def keys(session: Session) -> Sequence[ApiKeyRow]:
    """All keys, revoked ones too, oldest first."""
    return session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id)).all()


def revoke_key(session: Session, prefix: str, at: Instant) -> bool:
    """End a key by its prefix; False when no living key has it."""
    ended = update(ApiKeyRow).where(ApiKeyRow.prefix == prefix[:PREFIX], ApiKeyRow.revoked_at.is_(None))
    return session.scalar(ended.values(revoked_at=at).returning(ApiKeyRow.id)) is not None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
