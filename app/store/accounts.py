"""Accounts: who may enter the dashboard, their sessions, one-time links, and the log of what they changed.

Owns five small tables. Passwords arrive hashed, tokens as digests: nothing here opens a door by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.store.base import At, Base, Id, RowId, clean


class AccountRow(Base):
    __tablename__ = "account"

    id: Mapped[Id]
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(Text)
    """An Argon2id hash with its parameters (RFC 9106)."""
    totp_secret: Mapped[str] = mapped_column(String(200), default="")
    """Sealed with a key of the site's secret; empty: no second step."""
    totp_step: Mapped[int] = mapped_column(BigInteger, default=0)
    """The last step a code was taken for: no code serves twice (RFC 6238, 5.2)."""
    created_at: Mapped[At]
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCodeRow(Base):
    __tablename__ = "recovery_code"

    account_id: Mapped[int] = mapped_column(RowId, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)


class AccountSessionRow(Base):
    __tablename__ = "account_session"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account_id: Mapped[int] = mapped_column(RowId, ForeignKey("account.id", ondelete="CASCADE"))
    created_at: Mapped[At]
    seen_at: Mapped[At]
    expires_at: Mapped[At]
    proved_at: Mapped[At]
    """When the password was last given."""
    agent: Mapped[str] = mapped_column(String(200), default="")
    network: Mapped[str] = mapped_column(String(64), default="")

    __table_args__ = (Index("ix_account_session_account", "account_id"),)


class EntryLinkRow(Base):
    """A one-time link that makes an account, or sets a new password for one."""

    __tablename__ = "entry_link"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    account_id: Mapped[int | None] = mapped_column(RowId, ForeignKey("account.id", ondelete="CASCADE"))
    expires_at: Mapped[At]


class AuditRow(Base):
    """Append-only: who changed what, when. Outlives the account."""

    __tablename__ = "audit"

    id: Mapped[Id]
    at: Mapped[At]
    account_id: Mapped[int | None] = mapped_column(RowId)
    who: Mapped[str] = mapped_column(String(320))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(320), default="")
    detail: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index("ix_audit_subject", "subject", "id"),)


# ── Accounts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def account(session: Session, account_id: int) -> AccountRow | None:
    return session.get(AccountRow, account_id)


def account_by_key(session: Session, address_key: str) -> AccountRow | None:
    return session.scalar(select(AccountRow).where(AccountRow.address_key == address_key))


def accounts(session: Session) -> Sequence[AccountRow]:
    return session.scalars(select(AccountRow).order_by(AccountRow.id)).all()


def owners(session: Session) -> int:
    """How many owners may enter: the last one must not be locked out."""
    query = select(func.count()).where(AccountRow.role == "owner", AccountRow.disabled_at.is_(None))
    return session.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class NewAccount:
    address: str
    address_key: str
    name: str
    role: str
    password: str


def create(session: Session, new: NewAccount, at: Instant) -> AccountRow:
    row = AccountRow(
        address=clean(new.address),
        address_key=new.address_key,
        name=clean(new.name)[:100],
        role=new.role,
        password=new.password,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return row


def take_step(session: Session, account_id: int, step: int) -> bool:
    """Spend a step of the second factor; False when it, or a later one, was spent before."""
    mine = (AccountRow.id == account_id) & (AccountRow.totp_step < step)
    done = update(AccountRow).where(mine).values(totp_step=step).returning(AccountRow.id)
    return session.scalar(done) is not None


# ── Recovery codes ───────────────────────────────────────────────────────────────────────────────────────────────────


def set_recovery_codes(session: Session, account_id: int, digests: Sequence[bytes]) -> None:
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account_id))
    session.add_all(RecoveryCodeRow(account_id=account_id, digest=digest) for digest in digests)
    session.flush()


def take_recovery_code(session: Session, account_id: int, digest: bytes) -> bool:
    """Spend a code; False when there is none such."""
    mine = (RecoveryCodeRow.account_id == account_id) & (RecoveryCodeRow.digest == digest)
    return session.scalar(delete(RecoveryCodeRow).where(mine).returning(RecoveryCodeRow.account_id)) is not None


def recovery_codes_left(session: Session, account_id: int) -> int:
    return session.scalar(select(func.count()).where(RecoveryCodeRow.account_id == account_id)) or 0


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NewSession:
    digest: bytes
    account_id: int
    at: Instant
    expires_at: Instant
    agent: str = ""
    network: str = ""
    is_proved: bool = True
    """Whether a password was given for it just now."""


def open_session(session: Session, new: NewSession) -> None:
    session.add(
        AccountSessionRow(
            digest=new.digest,
            account_id=new.account_id,
            created_at=new.at,
            seen_at=new.at,
            proved_at=new.at if new.is_proved else 0,
            expires_at=new.expires_at,
            agent=clean(new.agent)[:200],
            network=new.network[:64],
        )
    )
    session.flush()


def session_of(session: Session, digest: bytes, wall: Instant) -> tuple[AccountSessionRow, AccountRow] | None:
    """A session that has not run out, with its account, unless that may not enter any more."""
    query = (
        select(AccountSessionRow, AccountRow)
        .join(AccountRow, AccountRow.id == AccountSessionRow.account_id)
        .where(AccountSessionRow.digest == digest, AccountSessionRow.expires_at > wall)
        .where(AccountRow.disabled_at.is_(None))
    )
    found = session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def sessions_of(session: Session, account_id: int, wall: Instant) -> Sequence[AccountSessionRow]:
    mine = (AccountSessionRow.account_id == account_id) & (AccountSessionRow.expires_at > wall)
    return session.scalars(select(AccountSessionRow).where(mine).order_by(AccountSessionRow.seen_at.desc())).all()


def close_sessions(session: Session, account_id: int, but: bytes = b"", only: bytes = b"") -> int:
    """End an account's sessions: all, all but one, or only one."""
    gone = delete(AccountSessionRow).where(AccountSessionRow.account_id == account_id)
    if but:
        gone = gone.where(AccountSessionRow.digest != but)
    if only:
        gone = gone.where(AccountSessionRow.digest == only)
    return len(session.execute(gone.returning(AccountSessionRow.digest)).all())


def forget_expired(session: Session, wall: Instant) -> None:
    session.execute(delete(AccountSessionRow).where(AccountSessionRow.expires_at <= wall))
    session.execute(delete(EntryLinkRow).where(EntryLinkRow.expires_at <= wall))


# ── One-time links ───────────────────────────────────────────────────────────────────────────────────────────────────


def add_link(session: Session, digest: bytes, role: str, account_id: int | None, expires_at: Instant) -> None:
    session.add(EntryLinkRow(digest=digest, role=role, account_id=account_id, expires_at=expires_at))
    session.flush()


def link(session: Session, digest: bytes, wall: Instant) -> EntryLinkRow | None:
    return session.scalar(select(EntryLinkRow).where(EntryLinkRow.digest == digest, EntryLinkRow.expires_at > wall))


def take_link(session: Session, digest: bytes) -> bool:
    gone = delete(EntryLinkRow).where(EntryLinkRow.digest == digest).returning(EntryLinkRow.role)
    return session.scalar(gone) is not None


# ── The log ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Deed:
    """One line: who (an account's address, or `demo`, or `cli`), what, about whom or what, and the words for it."""

    at: Instant
    who: str
    action: str
    subject: str = ""
    detail: str = ""
    account_id: int | None = None


def note(session: Session, deed: Deed) -> None:
    session.add(
        AuditRow(
            at=deed.at,
            account_id=deed.account_id,
            who=clean(deed.who)[:320],
            action=deed.action[:64],
            subject=clean(deed.subject)[:320],
            detail=clean(deed.detail)[:4000],
        )
    )
    session.flush()


def deeds(session: Session, before: int | None, limit: int, subject: str = "") -> Sequence[AuditRow]:
    """The newest lines first."""
    query = select(AuditRow)
    if before is not None:
        query = query.where(AuditRow.id < before)
    if subject:
        query = query.where(AuditRow.subject == subject)
    return session.scalars(query.order_by(AuditRow.id.desc()).limit(limit)).all()
