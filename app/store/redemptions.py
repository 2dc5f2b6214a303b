"""Redemptions: codes at the counter, and what each turned out to be.

Owns these rows and finding a code again. Must not judge: core/offering does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Index, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.core.offering import Handed, Redeemed, code_key
from app.store import sums
from app.store.base import At, Base, RowId, partial_index, table_of, upsert
from app.store.offers import CodeRow, GrantRow
from app.store.people import OfferEndRow, SubscriberRow


class RedemptionRow(Base):
    """A code used for an order, and what it turned out to be."""

    __tablename__ = "redemption"

    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    order_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    code_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    offer: Mapped[str] = mapped_column(String(64), default="")
    subscriber_id: Mapped[int | None] = mapped_column(RowId)
    verdict: Mapped[str] = mapped_column(String(16))
    at: Mapped[At]

    __table_args__ = (Index("ix_redemption_code", "code_key"), Index("ix_redemption_offer", "offer", "verdict"))


partial_index(
    "ix_redemption_misused",
    RedemptionRow.at,
    RedemptionRow.order_id,
    where=RedemptionRow.verdict != "good",
)

_CODE, _GRANT, _END = map(table_of, (CodeRow, GrantRow, OfferEndRow))


@dataclass(frozen=True, slots=True)
class Found:
    """A code somebody used: of which offer, and who was given it. No offer: it lies in a pool, never handed out."""

    offer: str
    handed: Handed | None


def find_code(session: Session, text: str) -> Found | None:
    """A code of a pool, held until the transaction ends, so that two orders cannot both be its first."""
    key = code_key(text)
    codes = select(_CODE.c.id, _CODE.c.offer, _CODE.c.ends_at).where(_CODE.c.text_key == key)
    row = session.execute(codes.with_for_update()).first()
    if row is None:
        return None
    if row.offer:
        return Found(row.offer, Handed(None, row.ends_at, good_orders(session, key)))
    same = (_END.c.subscriber_id == _GRANT.c.subscriber_id) & (_END.c.offer == _GRANT.c.offer)
    query = select(_GRANT.c.subscriber_id, _GRANT.c.offer, _GRANT.c.withdrawn_at, _END.c.ends_at)
    query = query.select_from(_GRANT.outerjoin(_END, same))
    grant = session.execute(query.where(_GRANT.c.code_id == row.id)).first()
    if grant is None:
        return Found("", None)
    is_withdrawn = grant.withdrawn_at is not None
    handed = Handed(grant.subscriber_id, grant.ends_at, good_orders(session, key), is_withdrawn=is_withdrawn)
    return Found(grant.offer, handed)


def good_orders(session: Session, key: str) -> frozenset[str]:
    """The orders a code was rightly used for."""
    rows = session.scalars(
        select(RedemptionRow.order_id).where(
            RedemptionRow.code_key == key, RedemptionRow.verdict == Redeemed.GOOD.value
        )
    )
    return frozenset(rows)


@dataclass(frozen=True, slots=True)
class Redemption:
    """A code used for an order, by whom (None: not known to us), and what it turned out to be."""

    source: str
    order_id: str
    code: str
    offer: str
    subscriber_id: int | None
    verdict: Redeemed
    at: Instant


def record_redemption(session: Session, used: Redemption) -> bool:
    """Keep a redemption; the same order told again changes nothing and is False."""
    values = {"code_key": code_key(used.code)[:64], "offer": used.offer, "subscriber_id": used.subscriber_id}
    statement = upsert(session, RedemptionRow).values(
        source=used.source, order_id=used.order_id, verdict=used.verdict.value, at=used.at, **values
    )
    is_new = session.scalar(statement.on_conflict_do_nothing().returning(RedemptionRow.at)) is not None
    if is_new:
        sums.add(session, {(metric_of(used.verdict), used.offer): 1})
    return is_new


def metric_of(verdict: Redeemed) -> str:
    """The sum, by offer, of what codes at the counter turned out to be."""
    return f"code:{verdict.value}"


def verdict_of(session: Session, order_id: str) -> str:
    """What the coupon of an order turned out to be, whoever told of it; "" for an order without one."""
    query = select(RedemptionRow.verdict).where(RedemptionRow.order_id == order_id).order_by(RedemptionRow.at.desc())
    return session.scalar(query.limit(1)) or ""


def redemptions(session: Session, offer: str = "") -> dict[str, int]:
    """How often each verdict was given, of one offer or of all."""
    query = select(RedemptionRow.verdict, func.count()).group_by(RedemptionRow.verdict)
    query = query.where(RedemptionRow.offer == offer) if offer else query
    return {row[0]: row[1] for row in session.execute(query)}


@dataclass(frozen=True, slots=True)
class Misuse:
    """A code used in another way than it was meant, and by whom, as far as we know."""

    code: str
    offer: str
    verdict: str
    order_id: str
    at: Instant
    person: bytes | None
    address: str


def newest_misuses(session: Session, limit: int) -> list[Misuse]:
    """The newest, with who it was."""
    rows = misused(session, limit)
    ids = {row.subscriber_id for row in rows if row.subscriber_id is not None}
    query = select(SubscriberRow.id, SubscriberRow.public_id, SubscriberRow.address).where(SubscriberRow.id.in_(ids))
    known = {row.id: (row.public_id, row.address) for row in session.execute(query)} if ids else {}
    return [
        Misuse(
            row.code_key, row.offer, row.verdict, row.order_id, row.at, *known.get(row.subscriber_id or 0, (None, ""))
        )
        for row in rows
    ]


def misused(session: Session, limit: int = 50) -> Sequence[RedemptionRow]:
    """Codes used in another way than they were meant, newest first."""
    query = select(RedemptionRow).where(RedemptionRow.verdict != Redeemed.GOOD.value)
    return session.scalars(query.order_by(RedemptionRow.at.desc(), RedemptionRow.order_id).limit(limit)).all()
