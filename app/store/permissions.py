"""Permissions: the ledger of consent, append-only, and the list of addresses that get nothing.

Owns what was asked with which words and answered, and suppression by keyed hash, which outlives erasure.
Must not judge whether a mail may leave: core/consent does, with what is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.store.base import At, Base, Id, RowId, upsert

MAIL = "mail"
TRACKING = "tracking"


class ConsentRow(Base):
    """The ledger: what was asked with which wording, what was answered, where and when. Append-only."""

    __tablename__ = "consent"

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(80))
    """mail | tracking | topic:<key>"""
    answer: Mapped[str] = mapped_column(String(16))
    """asked | given | confirmed | refused | withdrawn"""
    wording: Mapped[str] = mapped_column(Text, default="")
    wording_digest: Mapped[str] = mapped_column(String(64), default="")
    box: Mapped[str] = mapped_column(String(64), default="")
    box_version: Mapped[str] = mapped_column(String(64), default="")
    page: Mapped[str] = mapped_column(Text, default="")
    network: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[At] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_consent_subscriber", "subscriber_id", "kind", "at"),)


class SuppressionRow(Base):
    """Addresses that get nothing, by keyed hash, so that the list outlives erasure."""

    __tablename__ = "suppression"

    address_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    scope: Mapped[str] = mapped_column(String(32), default="all")
    message_id: Mapped[int | None] = mapped_column(RowId)
    at: Mapped[At] = mapped_column(BigInteger)


# ── Consent ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Consent:
    """One line of the ledger. `kind` is mail, tracking or topic:<key>; `answer` as in the table."""

    subscriber_id: int
    kind: str
    answer: str
    at: Instant
    wording: str = ""
    box: str = ""
    box_version: str = ""
    page: str = ""
    network: str = ""


def append_consent(session: Session, consent: Consent) -> int:
    """Write a line and return its id. Lines are never changed."""
    row = ConsentRow(
        subscriber_id=consent.subscriber_id,
        kind=consent.kind,
        answer=consent.answer,
        wording=consent.wording,
        wording_digest=blake2b(consent.wording.encode(), digest_size=16).hexdigest() if consent.wording else "",
        box=consent.box,
        box_version=consent.box_version,
        page=consent.page,
        network=consent.network,
        at=consent.at,
    )
    session.add(row)
    session.flush()
    return row.id


def latest_consents(session: Session, subscriber_id: int) -> dict[str, ConsentRow]:
    """The newest line of each kind; of one instant the one written last."""
    rows = session.scalars(
        select(ConsentRow)
        .where(ConsentRow.subscriber_id == subscriber_id)
        .order_by(ConsentRow.kind, ConsentRow.at, ConsentRow.id)
    )
    return {row.kind: row for row in rows}


def consents(session: Session, subscriber_id: int) -> Sequence[ConsentRow]:
    """The whole ledger of one person, oldest first."""
    query = select(ConsentRow).where(ConsentRow.subscriber_id == subscriber_id)
    return session.scalars(query.order_by(ConsentRow.at, ConsentRow.id)).all()


# ── Suppression ──────────────────────────────────────────────────────────────────────────────────────────────────────


def address_hash(secret: bytes, address_key: str) -> bytes:
    """An address as the suppression list knows it: keyed BLAKE2b (RFC 7693), 32 bytes.

    Without the secret nobody can try addresses against a leaked list.
    """
    key = blake2b(secret, digest_size=32, person=b"parvar suppress").digest()
    return blake2b(address_key.encode(), key=key, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address gets nothing (hard_bounce, complaint, unsubscribed, erased, manual …) and by which message."""

    address_hash: bytes
    reason: str
    at: Instant
    scope: str = "all"
    message_id: int | None = None


def suppress(session: Session, *suppressions: Suppression) -> int:
    """Put addresses on the list; the first reason stays. Returns how many are new."""
    if not suppressions:
        return 0
    rows = [
        {
            "address_hash": each.address_hash,
            "reason": each.reason,
            "scope": each.scope,
            "message_id": each.message_id,
            "at": each.at,
        }
        for each in sorted(suppressions, key=lambda each: each.address_hash)
    ]
    statement = upsert(session, SuppressionRow).on_conflict_do_nothing().returning(SuppressionRow.at)
    return len(session.execute(statement.values(rows)).all())


def suppressed(session: Session, hashes: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the addresses that are on the list."""
    query = select(SuppressionRow.address_hash).where(SuppressionRow.address_hash.in_(sorted(set(hashes))))
    return frozenset(session.scalars(query))


def is_suppressed(session: Session, hash_: bytes) -> bool:
    return bool(suppressed(session, (hash_,)))


def release(session: Session, hash_: bytes) -> bool:
    """Take an address off the list again, on the person's own wish; False when it is not there."""
    gone = delete(SuppressionRow).where(SuppressionRow.address_hash == hash_).returning(SuppressionRow.at)
    return session.scalar(gone) is not None


def suppression_counts(session: Session) -> dict[str, int]:
    """How many addresses are on the list for each reason."""
    query = select(SuppressionRow.reason, func.count().label("number")).group_by(SuppressionRow.reason)
    return {row.reason: row.number for row in session.execute(query)}
