"""Errands: long work somebody asked for: what, how far it is, what came of it, and the data it takes or gives.

Owns two tables and the claim by which one worker at a time does an errand. Must not do any.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, LargeBinary, String, Text, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant, Span
from app.store.base import At, Base, Id, RowId, clean, partial_index

OPEN = ("open", "running")


class ErrandRow(Base):
    __tablename__ = "errand"

    id: Mapped[Id]
    sort: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16), default="open")
    """open → running → done | failed | cancelled; back to open when its worker stops or dies."""
    asked: Mapped[str] = mapped_column(Text, default="{}")
    """JSON: what exactly is to be done."""
    place: Mapped[str] = mapped_column(String(300), default="")
    """The page it was asked for on."""
    who: Mapped[str] = mapped_column(String(320))
    account_id: Mapped[int | None] = mapped_column(RowId)
    asked_at: Mapped[At]
    due_at: Mapped[At]
    began_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    is_unwanted: Mapped[bool] = mapped_column(Boolean, default=False)
    """Somebody cancelled it while it was done; the worker stops at its next step."""
    owner: Mapped[str | None] = mapped_column(String(64))
    claim_no: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[int | None] = mapped_column(BigInteger)
    told: Mapped[str] = mapped_column(Text, default="{}")
    """JSON: what came of it."""
    file: Mapped[str] = mapped_column(String(200), default="")
    media: Mapped[str] = mapped_column(String(100), default="")
    undone_by: Mapped[int | None] = mapped_column(RowId)


partial_index("ix_errand_open", ErrandRow.due_at, ErrandRow.id, where=ErrandRow.state.in_(OPEN))


class ErrandPartRow(Base):
    """A piece of what an errand takes (`in`), gives (`out`), or needs to be undone (`back`); compressed."""

    __tablename__ = "errand_part"

    errand_id: Mapped[int] = mapped_column(RowId, ForeignKey("errand.id", ondelete="CASCADE"), primary_key=True)
    side: Mapped[str] = mapped_column(String(8), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NewErrand:
    """`asked` is JSON; nothing begins before `due_at`."""

    sort: str
    asked: str
    who: str
    at: Instant
    due_at: Instant
    account_id: int | None = None
    place: str = ""


def ask(session: Session, new: NewErrand) -> int:
    row = ErrandRow(
        sort=new.sort,
        state="open",
        asked=clean(new.asked),
        place=clean(new.place)[:300],
        who=clean(new.who)[:320],
        account_id=new.account_id,
        asked_at=new.at,
        due_at=new.due_at,
    )
    session.add(row)
    session.flush()
    return row.id


def cancel(session: Session, errand_id: int, at: Instant) -> bool:
    """Take an errand back: at once when nobody does it, else at its worker's next step. False when it is over."""
    waiting = update(ErrandRow).where(ErrandRow.id == errand_id, ErrandRow.state == "open")
    gone = waiting.values(state="cancelled", ended_at=at, is_unwanted=True).returning(ErrandRow.id)
    if session.scalar(gone) is not None:
        return True
    running = update(ErrandRow).where(ErrandRow.id == errand_id, ErrandRow.state == "running")
    return session.scalar(running.values(is_unwanted=True).returning(ErrandRow.id)) is not None


def mark_undone(session: Session, errand_id: int, by: int) -> bool:
    """Note that an errand is being undone; False when it was before."""
    mine = (ErrandRow.id == errand_id) & (ErrandRow.state == "done") & ErrandRow.undone_by.is_(None)
    return session.scalar(update(ErrandRow).where(mine).values(undone_by=by).returning(ErrandRow.id)) is not None


# ── Doing ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Claim:
    """Who does an errand, for the how-manieth time, and until when it is believed without a sign of life."""

    errand_id: int
    owner: str
    number: int


def claim(session: Session, owner: str, wall: Instant, lease: Span) -> Claim | None:
    """Take the errand that is due longest and done by nobody alive; None when there is none."""
    is_left = (ErrandRow.state == "open") | (ErrandRow.lease_until < wall)
    due = select(ErrandRow.id, ErrandRow.claim_no).where(ErrandRow.state.in_(OPEN), ErrandRow.due_at <= wall, is_left)
    found = session.execute(due.order_by(ErrandRow.due_at, ErrandRow.id).limit(1)).one_or_none()
    if found is None:
        return None
    mine = (ErrandRow.id == found.id) & (ErrandRow.claim_no == found.claim_no) & ErrandRow.state.in_(OPEN)
    values = {
        "state": "running",
        "owner": owner,
        "claim_no": found.claim_no + 1,
        "lease_until": wall + lease,
        "began_at": func.coalesce(ErrandRow.began_at, wall),
        "done": 0,
    }
    taken = session.scalar(update(ErrandRow).where(mine).values(values).returning(ErrandRow.id))
    return None if taken is None else Claim(found.id, owner, found.claim_no + 1)


def _held(claim_: Claim):  # type: ignore[no-untyped-def]
    return (
        (ErrandRow.id == claim_.errand_id)
        & (ErrandRow.state == "running")
        & (ErrandRow.owner == claim_.owner)
        & (ErrandRow.claim_no == claim_.number)
    )


def report(session: Session, claim_: Claim, done: int, total: int, lease_until: Instant) -> bool | None:
    """Say how far it is. True to go on, False when it is not wanted any more, None when somebody else has it."""
    values = {"done": done, "total": total, "lease_until": lease_until}
    told = update(ErrandRow).where(_held(claim_)).values(values).returning(ErrandRow.is_unwanted)
    found = session.scalar(told)
    return None if found is None else not found


@dataclass(frozen=True, slots=True)
class Ending:
    """How an errand ended: done, failed, cancelled, or open again; what it tells as JSON; the file it left."""

    state: str
    at: Instant
    told: str = "{}"
    file: str = ""
    media: str = ""


def settle(session: Session, claim_: Claim, end: Ending) -> bool:
    """Write down how it ended; False when somebody else has it by now."""
    is_over = end.state != "open"
    values = {
        "state": end.state,
        "ended_at": end.at if is_over else None,
        "owner": None,
        "lease_until": None,
        "told": clean(end.told),
        "file": end.file,
        "media": end.media,
    }
    return session.scalar(update(ErrandRow).where(_held(claim_)).values(values).returning(ErrandRow.id)) is not None


# ── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def put_part(session: Session, errand_id: int, side: str, number: int, data: bytes) -> None:
    session.add(ErrandPartRow(errand_id=errand_id, side=side, number=number, data=zlib.compress(data, 3)))
    session.flush()


def part(session: Session, errand_id: int, side: str, number: int) -> bytes | None:
    row = session.get(ErrandPartRow, (errand_id, side, number))
    return None if row is None else zlib.decompress(row.data)


def drop_parts(session: Session, errand_id: int, side: str) -> None:
    mine = (ErrandPartRow.errand_id == errand_id) & (ErrandPartRow.side == side)
    session.execute(delete(ErrandPartRow).where(mine))


def forget(session: Session, before: Instant, limit: int = 100) -> int:
    """Drop errands that ended before an instant, with all they hold."""
    old = select(ErrandRow.id).where(ErrandRow.state.not_in(OPEN), ErrandRow.ended_at < before).limit(limit)
    ids = list(session.scalars(old))
    session.execute(delete(ErrandPartRow).where(ErrandPartRow.errand_id.in_(ids)))
    session.execute(delete(ErrandRow).where(ErrandRow.id.in_(ids)))
    return len(ids)


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def errand(session: Session, errand_id: int) -> ErrandRow | None:
    return session.get(ErrandRow, errand_id, populate_existing=True)


def newest(session: Session, before: int | None, limit: int) -> Sequence[ErrandRow]:
    query = select(ErrandRow) if before is None else select(ErrandRow).where(ErrandRow.id < before)
    return session.scalars(query.order_by(ErrandRow.id.desc()).limit(limit)).all()


def newest_done(session: Session, sort: str) -> ErrandRow | None:
    """The last errand of a sort that came to its end."""
    query = select(ErrandRow).where(ErrandRow.sort == sort, ErrandRow.state == "done")
    return session.scalar(query.order_by(ErrandRow.id.desc()).limit(1))


def at_place(session: Session, place: str, since: Instant) -> Iterator[ErrandRow]:
    """Errands asked for on a page that are under way, or ended since an instant; the newest first."""
    recent = select(ErrandRow).order_by(ErrandRow.id.desc()).limit(30)
    for row in session.scalars(recent):
        if row.place == place and (row.state in OPEN or (row.ended_at or 0) >= since):
            yield row


def count_open(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(ErrandRow).where(ErrandRow.state.in_(OPEN))) or 0
