"""Offers: codes in their pools, who was given which, when that ends, and what was redeemed.

Owns these rows and the one rule that matters: a code goes to one person, ever, and a person keeps hers. Taking is a
conditional UPDATE under a unique key, so that two workers can never give the same one. Must not choose an offer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.core.offering import code_key
from app.core.person import MessageState
from app.store.base import At, Base, Id, RowId, is_sqlite, partial_index, table_of, upsert
from app.store.messages import MessageRow
from app.store.people import OfferEndRow


class CodeRow(Base):
    """One code of a pool. Once taken it is never free again, whatever becomes of the person."""

    __tablename__ = "code"

    id: Mapped[Id]
    pool: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(String(64))
    text_key: Mapped[str] = mapped_column(String(64), unique=True)
    """As it is compared. Unique over all pools: at the counter a code must mean one thing."""
    taken_at: Mapped[int | None] = mapped_column(BigInteger)
    offer: Mapped[str] = mapped_column(String(64), default="")
    """Written when its holder is erased, with the end: what the counter has to know, and nobody's name."""
    ends_at: Mapped[int | None] = mapped_column(BigInteger)


partial_index("ix_code_free", CodeRow.pool, CodeRow.id, where=CodeRow.taken_at.is_(None))
Index("ix_code_pool", CodeRow.pool)


class GrantRow(Base):
    """What one person was given of one offer: hers ever after."""

    __tablename__ = "offer_grant"

    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    offer: Mapped[str] = mapped_column(String(64), primary_key=True)
    code_id: Mapped[int | None] = mapped_column(RowId, ForeignKey("code.id"), unique=True)
    """None: a shared code, or none at all."""
    code: Mapped[str] = mapped_column(String(64), default="")
    given_at: Mapped[At]
    is_running: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether a mail with it has left: from then on its end stands."""
    withdrawn_at: Mapped[int | None] = mapped_column(BigInteger)
    """Taken back: no later mail promises it, and the counter refuses it."""

    __table_args__ = (Index("ix_offer_grant_offer", "offer"),)


class PoolRow(Base):
    """A pool in kept numbers, and what was said about it: told low, or empty since."""

    __tablename__ = "pool"

    pool: Mapped[str] = mapped_column(String(64), primary_key=True)
    low_at: Mapped[int | None] = mapped_column(BigInteger)
    empty_at: Mapped[int | None] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(Integer, default=0)
    taken: Mapped[int] = mapped_column(Integer, default=0)


class OfferStockRow(Base):
    """How many were ever given an offer, and how much of its stock went elsewhere.

    Also the row that sellers of the last seats queue up for. A seat once given stays given: an erased person's too.
    """

    __tablename__ = "offer_stock"

    offer: Mapped[str] = mapped_column(String(64), primary_key=True)
    sold_elsewhere: Mapped[int] = mapped_column(Integer, default=0)
    given: Mapped[int] = mapped_column(Integer, default=0)


_CODE, _GRANT, _MESSAGE, _END = map(table_of, (CodeRow, GrantRow, MessageRow, OfferEndRow))
Pair: TypeAlias = tuple[int, str]
"""(subscriber id, offer key)"""
_LEFT = (MessageState.SENT.value, MessageState.UNCERTAIN.value)


# ── Filling pools ────────────────────────────────────────────────────────────────────────────────────────────────────


def add_codes(session: Session, pool: str, codes: Sequence[str]) -> list[str]:
    """Put codes into a pool. Returns those that were new; one known in any pool is left where it is."""
    rows = {code_key(text): {"pool": pool, "text": text, "text_key": code_key(text)} for text in codes}
    if not rows:
        return []
    statement = upsert(session, CodeRow).on_conflict_do_nothing(index_elements=["text_key"])
    new = list(session.connection().scalars(statement.returning(_CODE.c.text), list(rows.values())))
    _count_pool(session, pool, total=len(new))
    return new


def _count_pool(session: Session, pool: str, *, total: int = 0, taken: int = 0) -> None:
    """Keep a pool's numbers in the transaction that changes them."""
    if not total and not taken:
        return
    statement = upsert(session, PoolRow).values(pool=pool, total=total, taken=taken)
    more = {"total": PoolRow.total + total, "taken": PoolRow.taken + taken}
    session.execute(statement.on_conflict_do_update(index_elements=["pool"], set_=more))


def forget_warnings(session: Session, pool: str) -> None:
    """New codes came: the next shortage is news again."""
    session.execute(update(PoolRow).where(PoolRow.pool == pool).values(low_at=None, empty_at=None))


def release_held(session: Session, offers: Iterable[str], now: Instant) -> int:
    """Mails that wait for a code may leave as soon as they would have."""
    held = (_MESSAGE.c.state == "queued") & (_MESSAGE.c.due_at > now) & (_MESSAGE.c.slot_at <= now)
    ours = update(_MESSAGE).where(held, _MESSAGE.c.offer.in_(sorted(offers)), _MESSAGE.c.offer != "")
    return len(session.execute(ours.values(due_at=now).returning(_MESSAGE.c.id)).all())


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool in numbers."""

    pool: str
    total: int
    free: int
    empty_at: Instant | None = None
    """Since when mails have waited for its codes."""
    low_at: Instant | None = None
    """When its owner was told that it runs low."""


def pools(session: Session) -> list[Pool]:
    """Every pool that has or had codes, by name."""
    rows = session.execute(select(table_of(PoolRow)).order_by(PoolRow.pool))
    return [Pool(row.pool, row.total, row.total - row.taken, row.empty_at, row.low_at) for row in rows]


def free_codes(session: Session, pool: str, up_to: int) -> int:
    """How many codes are free, counted no further than `up_to`."""
    some = select(_CODE.c.id).where(_CODE.c.pool == pool, _CODE.c.taken_at.is_(None)).limit(up_to).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def tell_once(session: Session, pool: str, what: str, now: Instant) -> bool:
    """Note that a pool is `low` or `empty`; True for the first one who notes it since it was filled."""
    column = {"low": PoolRow.low_at, "empty": PoolRow.empty_at}[what]
    statement = upsert(session, PoolRow).values({"pool": pool, column.key: now})
    once = statement.on_conflict_do_update(index_elements=["pool"], set_={column.key: now}, where=column.is_(None))
    return session.scalar(once.returning(PoolRow.pool)) is not None


# ── Giving ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person holds of an offer. `ends_at` is None before her clock was ever set, or without an end."""

    subscriber_id: int
    offer: str
    code: str
    is_running: bool
    ends_at: Instant | None
    is_withdrawn: bool = False


def grants(session: Session, pairs: Iterable[Pair]) -> dict[Pair, Grant]:
    """What these people hold."""
    wanted = sorted(set(pairs))
    if not wanted:
        return {}
    same = (_END.c.subscriber_id == _GRANT.c.subscriber_id) & (_END.c.offer == _GRANT.c.offer)
    rows = session.execute(
        select(_GRANT.c.subscriber_id, _GRANT.c.offer, _GRANT.c.code, _GRANT.c.is_running, _END.c.ends_at)
        .add_columns(_GRANT.c.withdrawn_at.is_not(None))
        .select_from(_GRANT.outerjoin(_END, same))
        .where(tuple_(_GRANT.c.subscriber_id, _GRANT.c.offer).in_(wanted))
    )
    return {(row.subscriber_id, row.offer): Grant(*row) for row in rows}


def take_from_pool(session: Session, pool: str, pairs: Sequence[Pair], now: Instant) -> list[Pair]:
    """Give each pair a code of the pool, as far as it reaches. Returns the pairs that hold a grant now.

    Two workers never take the same code (the row is free or it is not), and of two who serve one person at once one
    gets through and the other puts its code back.
    """
    wanted = sorted(set(pairs))
    codes = _take(session, pool, len(wanted), now)
    rows = [
        {"subscriber_id": pair[0], "offer": pair[1], "code_id": id_, "code": text, "given_at": now, "is_running": False}
        for pair, (id_, text) in zip(wanted, codes, strict=False)
    ]
    given = _grant(session, rows)
    _put_back(session, pool, [row["code_id"] for row in rows if (row["subscriber_id"], row["offer"]) not in given])
    return [pair for pair, _ in zip(wanted, codes, strict=False)]


def _take(session: Session, pool: str, count: int, now: Instant) -> list[tuple[int, str]]:
    free = _CODE.c.taken_at.is_(None)
    some = select(_CODE.c.id).where(_CODE.c.pool == pool, free).order_by(_CODE.c.id).limit(count)
    chosen = some.with_for_update(skip_locked=True).cte("chosen") if not is_sqlite(session) else some.cte("chosen")
    taking = update(_CODE).where(_CODE.c.id.in_(select(chosen.c.id)), free).values(taken_at=now)
    taken = sorted((row.id, row.text) for row in session.execute(taking.returning(_CODE.c.id, _CODE.c.text)))
    _count_pool(session, pool, taken=len(taken))
    return taken


def lose_codes(session: Session, pool: str, count: int, now: Instant) -> int:
    """Let free codes of a pool be taken by nobody here, at most so many. Returns how many were."""
    return len(_take(session, pool, count, now)) if count > 0 else 0


def _put_back(session: Session, pool: str, ids: list[object]) -> None:
    """Codes taken in this very transaction for somebody who turned out to have one; nobody ever saw them."""
    if ids:
        session.execute(update(_CODE).where(_CODE.c.id.in_(ids)).values(taken_at=None))
        _count_pool(session, pool, taken=-len(ids))


def give_shared(session: Session, code: str, pairs: Sequence[Pair], now: Instant) -> None:
    """Note that these people hold a code everybody may hold, or none at all (an empty text)."""
    _grant(
        session,
        [
            {"subscriber_id": who, "offer": offer, "code_id": None, "code": code, "given_at": now, "is_running": False}
            for who, offer in sorted(set(pairs))
        ],
    )


def _grant(session: Session, rows: list[dict[str, object]]) -> set[Pair]:
    if not rows:
        return set()
    statement = upsert(session, GrantRow).on_conflict_do_nothing(index_elements=["subscriber_id", "offer"])
    found = session.connection().execute(statement.returning(_GRANT.c.subscriber_id, _GRANT.c.offer), rows)
    given = {(row.subscriber_id, row.offer) for row in found}
    for offer, count in sorted(Counter(offer for _, offer in given).items()):
        stock = upsert(session, OfferStockRow).values(offer=offer, sold_elsewhere=0, given=count)
        more = {"given": OfferStockRow.given + count}
        session.execute(stock.on_conflict_do_update(index_elements=["offer"], set_=more))
    return given


# ── Clocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def under_way(session: Session, pairs: Iterable[Pair], but: Iterable[int]) -> set[Pair]:
    """Pairs of which a mail has left, may have left, or is leaving in other hands; `but` are the messages asked for.

    One that is sent again by choice of the operator may have arrived before: it counts as well.
    """
    wanted, own = sorted(set(pairs)), sorted(set(but))
    if not wanted:
        return set()
    has_left = _MESSAGE.c.state.in_(_LEFT)
    in_other_hands = (_MESSAGE.c.state == MessageState.CLAIMED.value) & _MESSAGE.c.id.not_in(own)
    again = _MESSAGE.c.reason == "resend"
    query = select(_MESSAGE.c.subscriber_id, _MESSAGE.c.offer).where(
        tuple_(_MESSAGE.c.subscriber_id, _MESSAGE.c.offer).in_(wanted), or_(has_left, in_other_hands, again)
    )
    return {(row.subscriber_id, row.offer) for row in session.execute(query.distinct())}


def set_running(session: Session, pairs: Iterable[Pair]) -> None:
    """From now on these clocks are never set again."""
    wanted = sorted(set(pairs))
    if wanted:
        mine = tuple_(_GRANT.c.subscriber_id, _GRANT.c.offer).in_(wanted)
        session.execute(update(_GRANT).where(mine, _GRANT.c.is_running.is_(False)).values(is_running=True))


def set_ends(session: Session, ends: Mapping[Pair, Instant]) -> None:
    """Write down what the mails leaving now say. The caller has made sure that no earlier one said otherwise."""
    rows = [{"subscriber_id": who, "offer": offer, "ends_at": at} for (who, offer), at in sorted(ends.items())]
    if rows:
        statement = upsert(session, OfferEndRow)
        new = {"ends_at": statement.excluded.ends_at}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["subscriber_id", "offer"], set_=new), rows
        )


def ends_of(session: Session, subscriber_id: int) -> dict[str, Instant]:
    """The ends of one person's offers."""
    rows = session.execute(select(_END.c.offer, _END.c.ends_at).where(_END.c.subscriber_id == subscriber_id))
    return {row.offer: row.ends_at for row in rows}


# ── Seats ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def hold_stock(session: Session, offer: str) -> tuple[int, int]:
    """How many hold the offer, and how many places went elsewhere; nobody else gives any until the transaction ends."""
    session.execute(upsert(session, OfferStockRow).values(offer=offer).on_conflict_do_nothing())
    row = session.execute(_stock_of(offer).with_for_update()).one()
    return row.given, row.sold_elsewhere


def stock(session: Session, offer: str) -> tuple[int, int]:
    """The same without holding anybody up."""
    row = session.execute(_stock_of(offer)).one_or_none()
    return (0, 0) if row is None else (row.given, row.sold_elsewhere)


def _stock_of(offer: str) -> Select[int, int]:
    return select(OfferStockRow.given, OfferStockRow.sold_elsewhere).where(OfferStockRow.offer == offer)


def stocks(session: Session) -> dict[str, tuple[int, int]]:
    """Offer → how many were given it, how many places went elsewhere."""
    rows = session.execute(select(OfferStockRow.offer, OfferStockRow.given, OfferStockRow.sold_elsewhere))
    return {row.offer: (row.given, row.sold_elsewhere) for row in rows}


# ── Taking back, and who is gone ─────────────────────────────────────────────────────────────────────────────────────


def withdraw_grants(session: Session, subscriber_id: int, offers: Iterable[str], now: Instant) -> list[str]:
    """Take back what a person was given of these offers. Returns those that stood until now."""
    mine = (_GRANT.c.subscriber_id == subscriber_id) & _GRANT.c.offer.in_(sorted(offers))
    taking = update(_GRANT).where(mine, _GRANT.c.withdrawn_at.is_(None)).values(withdrawn_at=now)
    return sorted(session.scalars(taking.returning(_GRANT.c.offer)))


def part_with(session: Session, subscriber_id: int) -> None:
    """Before a person is erased: her codes keep their offer and end, for they may still be used. Her seats stay hers,
    and no code becomes free.
    """
    same = (_END.c.subscriber_id == _GRANT.c.subscriber_id) & (_END.c.offer == _GRANT.c.offer)
    query = select(_GRANT.c.code_id, _GRANT.c.offer, _END.c.ends_at).select_from(_GRANT.outerjoin(_END, same))
    stands = _GRANT.c.code_id.is_not(None) & _GRANT.c.withdrawn_at.is_(None)
    mine = query.where(_GRANT.c.subscriber_id == subscriber_id, stands)
    for row in session.execute(mine).all():
        session.execute(update(_CODE).where(_CODE.c.id == row.code_id).values(offer=row.offer, ends_at=row.ends_at))


def set_sold_elsewhere(session: Session, offer: str, sold: int) -> None:
    """So many places of an offer went through other channels."""
    statement = upsert(session, OfferStockRow).values(offer=offer, sold_elsewhere=sold)
    new = {"sold_elsewhere": statement.excluded.sold_elsewhere}
    session.execute(statement.on_conflict_do_update(index_elements=["offer"], set_=new))
