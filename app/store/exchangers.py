"""Exchangers: recipients' domains with where their mail is taken in, when that was looked up, and how it ended.

Owns one table of domains and the moving of what waits from lane to lane. No address is kept here, only what stands
behind the @. Must not ask the DNS, and must not know which lane is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text, bindparam, delete, func, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.exchangers import Told
from app.core.instants import Instant
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.store.base import Base, table_of, upsert
from app.store.messages import IS_OPEN, MessageRow
from app.store.people import SubscriberRow


class DomainRow(Base):
    __tablename__ = "mail_domain"

    domain: Mapped[str] = mapped_column(String(255), primary_key=True)
    people: Mapped[int] = mapped_column(Integer)
    """Who may still be written to there, as of the last count."""
    told: Mapped[str] = mapped_column(String(16), default="")
    hosts: Mapped[str] = mapped_column(Text, default="")
    """Those of the best preference and what they are aliases of, apart by spaces."""
    lane: Mapped[str] = mapped_column(String(32))
    """Where what waits for this domain was brought to last."""
    told_at: Mapped[int | None] = mapped_column(BigInteger)
    asked_at: Mapped[int | None] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """How often in a row nothing was told; what was told before is kept."""
    fault: Mapped[str] = mapped_column(String(200), default="")
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    """When it is asked about next; never, when its name says enough."""

    __table_args__ = (Index("ix_mail_domain_due", "due_at"),)


_DOMAIN = table_of(DomainRow)
_MESSAGE = table_of(MessageRow)
_PERSON = table_of(SubscriberRow)


@dataclass(frozen=True, slots=True)
class Domain:
    """One row, as it is read."""

    domain: str
    people: int
    lane: str
    told: Told = Told.NOTHING
    hosts: tuple[str, ...] = ()
    told_at: Instant | None = None
    asked_at: Instant | None = None
    failures: int = 0
    fault: str = ""
    due_at: Instant | None = None


def _read(row: Any) -> Domain:
    told = Told(row.told), tuple(row.hosts.split())
    asked = row.told_at, row.asked_at, row.failures, row.fault, row.due_at
    return Domain(row.domain, row.people, row.lane, *told, *asked)


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def hosts_of(session: Session, domains: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The hosts that take the mail of these domains, as far as any are known."""
    wanted = sorted(set(domains))
    if not wanted:
        return {}
    query = select(_DOMAIN.c.domain, _DOMAIN.c.hosts).where(_DOMAIN.c.domain.in_(wanted), _DOMAIN.c.hosts != "")
    return {domain: tuple(hosts.split()) for domain, hosts in session.execute(query)}


def find(session: Session, domains: Iterable[str]) -> dict[str, Domain]:
    """What is known of these domains."""
    rows = session.execute(select(_DOMAIN).where(_DOMAIN.c.domain.in_(sorted(set(domains)))))
    return {row.domain: _read(row) for row in rows}


def after(session: Session, domain: str, limit: int) -> list[Domain]:
    """The next domains by name, from behind one."""
    query = select(_DOMAIN).where(_DOMAIN.c.domain > domain).order_by(_DOMAIN.c.domain).limit(limit)
    return [_read(row) for row in session.execute(query)]


def largest(session: Session, limit: int) -> list[Domain]:
    """Those with the most people. Reads the whole table: for somebody who looks."""
    query = select(_DOMAIN).order_by(_DOMAIN.c.people.desc(), _DOMAIN.c.domain).limit(limit)
    return [_read(row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class Tally:
    """Domains of one lane that were told the same. `is_named`: nobody asks about them, their names say enough."""

    lane: str
    told: Told
    is_named: bool
    domains: int
    people: int
    asked_at: Instant | None


def tally(session: Session) -> list[Tally]:
    """How many domains and people each lane has, and why. Reads the whole table: for somebody who looks."""
    is_named = _DOMAIN.c.due_at.is_(None)
    sums = func.count().label("n"), func.sum(_DOMAIN.c.people).label("people"), func.max(_DOMAIN.c.asked_at)
    query = select(_DOMAIN.c.lane, _DOMAIN.c.told, is_named, *sums).group_by(_DOMAIN.c.lane, _DOMAIN.c.told, is_named)
    return sorted(
        (
            Tally(lane, Told(told), bool(named), int(n), int(people), at)
            for lane, told, named, n, people, at in session.execute(query)
        ),
        key=lambda each: (each.lane, each.told, each.is_named),
    )


# ── Counting people ──────────────────────────────────────────────────────────────────────────────────────────────────

_GONE = (SubscriberState.UNSUBSCRIBED.value, SubscriberState.ERASED.value)


def people_after(session: Session, subscriber_id: int, limit: int) -> tuple[int, Counter[str]]:
    """Domain → how many of the next people may still be written to; the last id looked at, 0 behind the last one."""
    row = _PERSON.c
    query = select(row.id, row.address_key, row.state, row.is_suppressed).where(row.id > subscriber_id)
    rows = session.execute(query.order_by(row.id).limit(limit)).all()
    found: Counter[str] = Counter(
        key.rpartition("@")[2] for _, key, state, is_out in rows if state not in _GONE and not is_out
    )
    found.pop("", None)
    return (rows[-1].id if rows else 0), found


def put(session: Session, domains: Sequence[Domain]) -> None:
    """Write the number of people, the lane and the due time; what was told stays."""
    if not domains:
        return
    rows = [
        {"domain": each.domain, "people": each.people, "lane": each.lane, "due_at": each.due_at} | _BLANK
        for each in domains
    ]
    statement = upsert(session, DomainRow)
    news = {name: statement.excluded[name] for name in ("people", "lane", "due_at")}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["domain"], set_=news), rows)


def put_new(session: Session, domains: Sequence[Domain]) -> None:
    """Take in domains nobody has seen before; those that are there stay as they are."""
    if domains:
        rows = [
            {"domain": each.domain, "people": each.people, "lane": each.lane, "due_at": each.due_at} | _BLANK
            for each in domains
        ]
        session.connection().execute(upsert(session, DomainRow).on_conflict_do_nothing(), rows)


_BLANK = {"told": "", "hosts": "", "failures": 0, "fault": ""}


def drop(session: Session, domains: Sequence[str]) -> None:
    """Forget domains nobody has any more."""
    if domains:
        session.execute(delete(_DOMAIN).where(_DOMAIN.c.domain.in_(domains)))


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def due(session: Session, now: Instant, limit: int) -> list[Domain]:
    """The domains due, those with most people first."""
    query = select(_DOMAIN).where(_DOMAIN.c.due_at <= now).order_by(_DOMAIN.c.people.desc(), _DOMAIN.c.domain)
    return [_read(row) for row in session.execute(query.limit(limit))]


def take(session: Session, domains: Iterable[str], now: Instant, until: Instant) -> set[str]:
    """Those of them that are still due are ours until then; nobody else gets them meanwhile."""
    wanted = sorted(domains)
    if not wanted:
        return set()
    mine = update(_DOMAIN).where(_DOMAIN.c.domain.in_(wanted), _DOMAIN.c.due_at <= now).values(due_at=until)
    return set(session.scalars(mine.returning(_DOMAIN.c.domain)))


def record(session: Session, answers: Sequence[Domain]) -> None:
    """Write down how asking ended."""
    if answers:
        session.connection().execute(_RECORD, [_answer(each) for each in answers])


_RECORDED = ("told", "hosts", "told_at", "asked_at", "failures", "fault", "due_at")
_RECORD = (
    update(_DOMAIN).where(_DOMAIN.c.domain == bindparam("b_domain")).values({n: bindparam(f"b_{n}") for n in _RECORDED})
)


def _answer(each: Domain) -> dict[str, Any]:
    return {
        "b_domain": each.domain,
        "b_told": each.told.value,
        "b_hosts": " ".join(each.hosts),
        "b_told_at": each.told_at,
        "b_asked_at": each.asked_at,
        "b_failures": each.failures,
        "b_fault": each.fault[:200],
        "b_due_at": each.due_at,
    }


def brought(session: Session, lanes: Mapping[str, str]) -> None:
    """Remember the lane to which what waits for each of these domains was brought."""
    if lanes:
        rows = [{"b_domain": domain, "b_lane": lane} for domain, lane in sorted(lanes.items())]
        session.connection().execute(_BROUGHT, rows)


_BROUGHT = update(_DOMAIN).where(_DOMAIN.c.domain == bindparam("b_domain")).values(lane=bindparam("b_lane"))


# ── Moving what waits ────────────────────────────────────────────────────────────────────────────────────────────────

Place = tuple[int, Instant, int]
"""Where a mail stands in its lane: rank, due time, id."""


def waiting_after(session: Session, lane: str, after: Place | None, limit: int) -> Iterator[tuple[Place, str]]:
    """The next marketing mails that wait in a lane, each with its person's domain, along the lane's index."""
    place = _MESSAGE.c.rank, _MESSAGE.c.due_at, _MESSAGE.c.id
    mine = (_MESSAGE.c.mail_class == MailClass.MARKETING.value) & (_MESSAGE.c.lane == lane)
    query = select(*place, _PERSON.c.address_key).join(_PERSON, _PERSON.c.id == _MESSAGE.c.subscriber_id)
    query = query.where(IS_OPEN, mine) if after is None else query.where(IS_OPEN, mine, tuple_(*place) > tuple_(*after))
    for rank, due_at, id_, key in session.execute(query.order_by(*place).limit(limit)):
        yield (rank, due_at, id_), key.rpartition("@")[2]


def move(session: Session, ids: Sequence[int], lane: str, to: str) -> int:
    """Bring mails that still wait in one lane into another; what is claimed, or in somebody's hands at this moment,
    stays. Returns how many came along.
    """
    free = select(_MESSAGE.c.id).where(_MESSAGE.c.id.in_(ids), IS_OPEN, _MESSAGE.c.lane == lane)
    found = list(session.scalars(free.order_by(_MESSAGE.c.id).with_for_update(skip_locked=True)))
    if found:
        session.execute(update(_MESSAGE).where(_MESSAGE.c.id.in_(found)).values(lane=to))
    return len(found)
