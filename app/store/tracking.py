"""Tracking's own questions to the store: whom a mail was for, what may be kept, what has to be judged and corrected.

Owns the ledger of corrected verdicts and the queries of ingest and judging. Must not judge and must not decide.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    TextualSelect,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import DAY, MINUTE, SECOND, Instant
from app.core.person import Bucket, MessageState
from app.store.base import At, Base, Id, RowId, is_sqlite, table_of, upsert
from app.store.events import EventRow, NewsRow, PointsRow
from app.store.ledgers import CountRow, StepCount
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from app.store.permissions import TRACKING, ConsentRow
from app.store.releases import MailVersionRow
from app.store.runs import StageChangeRow

TOUCHES = ("opened", "clicked")


class CorrectionRow(Base):
    """A verdict that was changed after it had stood, and the points that came or went with it. Append-only."""

    __tablename__ = "correction"

    id: Mapped[Id]
    subscriber_id: Mapped[int | None] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    fact_at: Mapped[At] = mapped_column(BigInteger)
    fact_id: Mapped[bytes] = mapped_column(LargeBinary(16))
    before: Mapped[str] = mapped_column(String(48))
    """`human plain`"""
    after: Mapped[str] = mapped_column(String(48))
    rules: Mapped[int] = mapped_column(SmallInteger)
    cause: Mapped[str] = mapped_column(String(16))
    """later_fact | recompute | unmerged"""
    points: Mapped[int] = mapped_column(Integer, default=0)
    at: Mapped[At] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_correction_subscriber", "subscriber_id", "at"), Index("ix_correction_at", "at"))


# ── Whom a mail was for ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Mailed:
    """What tracking needs of a message. `version` is the mail version it was rendered with, None before that."""

    id: int
    subscriber_id: int
    address: str
    mail: str
    campaign: str
    step: str
    arm: str
    version: int | None
    handed_over_at: Instant | None
    is_team: bool


_GONE = (MessageState.SENT.value, MessageState.UNCERTAIN.value)


def mailed(session: Session, ids: Iterable[int]) -> dict[int, Mailed]:
    """Messages by id; those of people who were erased are not there any more."""
    row = MessageRow
    columns = (row.id, row.subscriber_id, SubscriberRow.address, row.mail_key, row.campaign, row.step, row.arm)
    more = (row.mail_version_id, row.settled_at, row.state, row.recipient)
    query = select(*columns, *more).join(SubscriberRow, SubscriberRow.id == row.subscriber_id)
    found = {}
    for m in session.execute(query.where(row.id.in_(sorted(set(ids))))):
        handed_over_at = m.settled_at if m.state in _GONE else None
        step = m.step or m.mail_key
        names = (m.address, m.mail_key, m.campaign, step, m.arm)
        found[m.id] = Mailed(m.id, m.subscriber_id, *names, m.mail_version_id, handed_over_at, bool(m.recipient))
    return found


@dataclass(frozen=True, slots=True)
class LinkOfMail:
    """Link `number` of a mail version; `url` is None when it leads elsewhere for each person."""

    number: int
    url: str | None
    name: str = ""
    topic: str = ""


def links_of_versions(session: Session, ids: Iterable[int]) -> dict[int, tuple[LinkOfMail, ...]]:
    """The numbered links of mail versions."""
    query = select(MailVersionRow.id, MailVersionRow.links).where(MailVersionRow.id.in_(sorted(set(ids))))
    return {row.id: tuple(map(_link, json.loads(row.links))) for row in session.execute(query)}


def _link(plain: dict[str, object]) -> LinkOfMail:
    url = plain.get("url")
    names = str(plain.get("name") or ""), str(plain.get("topic") or "")
    return LinkOfMail(int(str(plain["number"])), None if url is None else str(url), *names)


def targets_of_version(session: Session, version: int) -> tuple[str | None, ...] | None:
    """Where the links of a mail version lead, by number: what a node asks for once. None: no such version."""
    links = links_of_versions(session, (version,)).get(version)
    if links is None:
        return None
    by_number = {link.number: link.url for link in links}
    return tuple(by_number.get(number) for number in range(max(by_number, default=-1) + 1))


def tracking_answers(session: Session, subscriber_ids: Iterable[int]) -> dict[int, str]:
    """The newest answer of each person to "may we track?"; who was never asked is not there."""
    line = ConsentRow
    query = select(line.subscriber_id, line.answer).where(
        line.kind == TRACKING, line.subscriber_id.in_(sorted(set(subscriber_ids)))
    )
    return {row.subscriber_id: row.answer for row in session.execute(query.order_by(line.at, line.id))}


def people_by_public_id(session: Session, ids: Iterable[bytes]) -> dict[bytes, tuple[int, str]]:
    """Public id → (id, address)."""
    row = SubscriberRow
    query = select(row.public_id, row.id, row.address).where(row.public_id.in_(sorted(set(ids))))
    return {found.public_id: (found.id, found.address) for found in session.execute(query)}


# ── What has to be judged ────────────────────────────────────────────────────────────────────────────────────────────

_JUDGES = 0x7061727661720002
"""The number of our advisory lock on PostgreSQL: one judge at a time, so that no change is counted twice."""


def judge_alone(session: Session) -> None:
    """Wait until no other transaction judges. On SQLite a writing transaction is alone anyway."""
    if not is_sqlite(session):
        session.execute(select(func.pg_advisory_xact_lock(_JUDGES)))


def facts_of_mails(session: Session, message_ids: Iterable[int]) -> Sequence[EventRow]:
    """Every open and click of these mails, what they led to on our pages and what was done there, oldest first."""
    query = select(EventRow).where(_is_one_of(_OF_MAILS), EventRow.message_id.in_(message_ids))
    return session.scalars(query.order_by(EventRow.at, EventRow.fact_id)).all()


def facts_until(session: Session, message_id: int, until: Instant) -> Sequence[EventRow]:
    """The same of one mail, up to an instant."""
    mine = (EventRow.message_id == message_id) & (EventRow.at <= until)
    query = select(EventRow).where(_is_one_of(_OF_MAILS), mine)
    return session.scalars(query.order_by(EventRow.at, EventRow.fact_id)).all()


def facts_counted(session: Session, message_ids: Iterable[int], most: int) -> dict[int, int]:
    """How many facts there are of each mail, counted up to `most` and one."""
    mine = select(EventRow.at).where(EventRow.message_id == bindparam("mail")).limit(most + 1)
    query = select(func.count()).select_from(mine.subquery())
    return {id_: session.scalar(query, {"mail": id_}) or 0 for id_ in sorted(set(message_ids))}


def floods(session: Session, message_ids: Iterable[int], most: int) -> dict[int, Instant]:
    """Mails with more facts than `most`, and the instant of the last one that is still looked at."""
    ids = [id_ for id_, count in facts_counted(session, message_ids, most).items() if count > most]
    row = EventRow
    nth = select(row.at).where(row.message_id == bindparam("mail")).order_by(row.at).offset(most - 1).limit(1)
    return {id_: session.scalars(nth, {"mail": id_}).one() for id_ in ids}


def put_back(session: Session, keys: Iterable[tuple[Instant, bytes]], until: Instant) -> None:
    """Facts that are due are due later."""
    _update_events(session, keys, {"verdict_due_at": until})


_OF_MAILS = (*TOUCHES, "visited", "event")


def _is_one_of(kinds: Sequence[str]) -> ColumnElement[bool]:
    """Wrapped, so that SQLite does not search by the kind, which most rows share, but by what the query is about."""
    return func.coalesce(table_of(EventRow).c.kind, "").in_(kinds)


@dataclass(frozen=True, slots=True)
class Near:
    """A stretch of time seen from one network."""

    network: bytes
    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class ClickFrom:
    """A click as its neighbours see it."""

    message_id: int
    group: str
    network: bytes
    at: Instant


def clicks_near(session: Session, stretches: Sequence[Near], *, standing: bool = False) -> list[ClickFrom]:
    """Clicks from networks in stretches of time; those whose mail was forgotten are left out.

    Of the clicks of one mail from one network within one second the first and the last stand for all, so that a flood
    costs no more than its seconds. Stretches near each other are asked for together: more than was asked may come.
    `standing`: only those that were judged and are not a machine's.
    """
    found: set[tuple[int, str, bytes, Instant]] = set()
    clicks = _CLICKS[is_sqlite(session), standing]
    for networks, since, until in _together(stretches):
        given = {"networks": sorted(networks), "since": since, "until": until}
        for message_id, campaign, name, network, first, last in session.connection().execute(clicks, given):
            group = campaign or f"mail {name}"
            found |= {(message_id, group, network, first), (message_id, group, network, last)}
    return [ClickFrom(*each) for each in sorted(found)]


def _clicks_by(by_sqlite: bool, standing: bool) -> TextualSelect:
    """Written out, for SQLite has to be told by which index."""
    table = "event INDEXED BY ix_event_network" if by_sqlite else "event"
    where = "kind = 'clicked' AND network_hash IN :networks AND at BETWEEN :since AND :until AND message_id IS NOT NULL"
    where += " AND verdict IN ('human', 'unknown')" if standing else ""
    names = ("message_id", "campaign", "name", "network_hash")
    group = f"{', '.join(names)}, at / {SECOND}"
    asked = f"SELECT {', '.join(names)}, min(at) AS f, max(at) AS l FROM {table} WHERE {where} GROUP BY {group}"  # noqa: S608
    given = text(asked).bindparams(bindparam("networks", expanding=True))
    event = table_of(EventRow)
    plain = (column(name, event.c[name].type) for name in names)
    return given.columns(*plain, column("f", BigInteger), column("l", BigInteger))


_CLICKS = {
    (by_sqlite, standing): _clicks_by(by_sqlite, standing) for by_sqlite in (False, True) for standing in (False, True)
}

_SPAN = 10 * MINUTE
_NETWORKS = 400


def _together(stretches: Sequence[Near]) -> list[tuple[set[bytes], Instant, Instant]]:
    """Groups of stretches that lie within ten minutes, of at most so many networks."""
    groups: list[tuple[set[bytes], Instant, Instant]] = []
    for each in sorted(set(stretches), key=lambda one: (one.since, one.until, one.network)):
        if groups:
            networks, since, until = groups[-1]
            latest = max(until, each.until)
            if latest - since <= _SPAN and len(networks) < _NETWORKS:
                networks.add(each.network)
                groups[-1] = networks, since, latest
                continue
        groups.append(({each.network}, each.since, each.until))
    return groups


def next_mails_touched(session: Session, since: Instant, after: int, limit: int) -> list[int]:
    """Ids of messages with an open or click since an instant, in order of ids, behind `after`."""
    mine = (EventRow.message_id > after) & (EventRow.at >= since)
    touched = select(EventRow.message_id).where(_is_one_of(TOUCHES), mine).distinct()
    return [found for found in session.scalars(touched.order_by(EventRow.message_id).limit(limit)) if found is not None]


def put_off(session: Session, keys: Iterable[tuple[Instant, bytes]]) -> None:
    """Take facts off the list of what has to be judged, leaving their verdicts as they are."""
    _update_events(session, keys, {"verdict_due_at": None})


def make_quiet(session: Session, keys: Iterable[tuple[Instant, bytes]]) -> None:
    """Facts that were judged again: they move the ladder and enter nobody anywhere."""
    _update_events(session, keys, {"is_quiet": True})


def forget_mail(session: Session, keys: Iterable[tuple[Instant, bytes]]) -> None:
    """Facts kept without a person: after the verdict nothing on them says which mail it was."""
    _update_events(session, keys, {"message_id": None, "network_hash": None, "agent": ""})


def _update_events(session: Session, keys: Iterable[tuple[Instant, bytes]], values: Mapping[str, object]) -> None:
    rows = [{"b_at": at, "b_fact_id": fact_id} for at, fact_id in sorted(keys)]
    if rows:
        event = table_of(EventRow)
        one = (event.c.at == bindparam("b_at")) & (event.c.fact_id == bindparam("b_fact_id"))
        session.connection().execute(update(event).where(one).values(values), rows)


# ── Correcting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def record_corrections(session: Session, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        session.connection().execute(insert(table_of(CorrectionRow)), list(rows))


def corrections(session: Session, subscriber_id: int) -> Sequence[CorrectionRow]:
    """What was corrected of one person, oldest first."""
    query = select(CorrectionRow).where(CorrectionRow.subscriber_id == subscriber_id)
    return session.scalars(query.order_by(CorrectionRow.at, CorrectionRow.id)).all()


def points_of(session: Session, subscriber_id: int) -> dict[tuple[str, int], Bucket]:
    """The receipts of one person: which facts earn points, by rule and bucket."""
    query = select(PointsRow.rule, PointsRow.bucket, PointsRow.facts).where(PointsRow.subscriber_id == subscriber_id)
    return {
        (row.rule, row.bucket): tuple((at, bytes.fromhex(fact)) for at, fact in json.loads(row.facts))
        for row in session.execute(query)
    }


def put_points(session: Session, subscriber_id: int, key: tuple[str, int], bucket: Bucket, points: int) -> None:
    """Write one receipt anew; an empty one goes."""
    rule, number = key
    if not bucket:
        mine = (PointsRow.subscriber_id == subscriber_id) & (PointsRow.rule == rule) & (PointsRow.bucket == number)
        session.execute(delete(PointsRow).where(mine), execution_options={"synchronize_session": False})
        return
    facts = json.dumps([[at, fact.hex()] for at, fact in bucket], separators=(",", ":"))
    statement = upsert(session, PointsRow)
    new = {"points": statement.excluded.points, "facts": statement.excluded.facts}
    once = statement.on_conflict_do_update(index_elements=["subscriber_id", "rule", "bucket"], set_=new)
    row = {"subscriber_id": subscriber_id, "rule": rule, "bucket": number, "points": points, "facts": facts}
    session.connection().execute(once, [row])


def facts_between(
    session: Session, subscriber_id: int, kind: str, since: Instant, until: Instant
) -> Sequence[EventRow]:
    """Facts of one kind that count (human, or of a kind nobody judges) and were decided about, oldest first."""
    undecided = select(NewsRow.at).where(NewsRow.at == EventRow.at, NewsRow.fact_id == EventRow.fact_id)
    query = select(EventRow).where(
        EventRow.subscriber_id == subscriber_id,
        EventRow.kind == kind,
        EventRow.at >= since,
        EventRow.at < until,
        EventRow.verdict.in_(("", "human")),
        ~undecided.exists(),
    )
    ordered = query.order_by(EventRow.at, EventRow.fact_id)
    return session.scalars(ordered.execution_options(populate_existing=True)).all()


def newest_signal(session: Session, subscriber_id: int, kinds: Iterable[str]) -> Instant | None:
    """When this person last acted, by the facts that count."""
    query = select(func.max(EventRow.at)).where(
        EventRow.subscriber_id == subscriber_id, EventRow.kind.in_(sorted(kinds)), EventRow.verdict.in_(("", "human"))
    )
    return session.scalar(query)


def subscriber(session: Session, subscriber_id: int) -> SubscriberRow | None:
    """One person as she is now."""
    return session.get(SubscriberRow, subscriber_id, populate_existing=True)


def correct_subscriber(session: Session, subscriber_id: int, values: Mapping[str, object]) -> None:
    rows = update(SubscriberRow).where(SubscriberRow.id == subscriber_id).values(dict(values))
    session.execute(rows, execution_options={"synchronize_session": False})


def stage_changes(session: Session, subscriber_id: int) -> Sequence[StageChangeRow]:
    """Every change of one person's stage, oldest first."""
    query = select(StageChangeRow).where(StageChangeRow.subscriber_id == subscriber_id)
    return session.scalars(query.order_by(StageChangeRow.at, StageChangeRow.id)).all()


def record_stage_change(session: Session, row: Mapping[str, object]) -> None:
    session.connection().execute(insert(table_of(StageChangeRow)), [{"receipt": "[]", **row}])


# ── Counters against facts ───────────────────────────────────────────────────────────────────────────────────────────


def kept_counts(session: Session, since_day: int, until_day: int) -> dict[StepCount, int]:
    """Tracking's counters of some days as they are kept, zeros left out."""
    row = table_of(CountRow)
    mine = [row.c.metric == kind for kind in TOUCHES] + [row.c.metric.startswith(f"{kind}:") for kind in TOUCHES]
    query = select(row).where(row.c.day >= since_day, row.c.day < until_day, or_(*mine))
    return {(r.day, r.campaign, r.step, r.arm, r.metric): r.value for r in session.execute(query) if r.value}


def counted_facts(session: Session, since_day: int, until_day: int) -> dict[StepCount, int]:
    """The same counters, counted from the facts of those days."""
    counts: dict[StepCount, int] = defaultdict(int)
    for key, number in _by_verdict(session, since_day, until_day):
        day, campaign, step, arm, kind, verdict, reason = key
        place = (day, campaign, step, arm)
        counts[(*place, kind)] += number
        if verdict != "pending":
            counts[(*place, f"{kind}:{verdict}")] += number
            counts[(*place, f"{kind}:{reason}")] += number
    for metric, is_human in (("mails", False), ("people", True)):
        for (day, campaign, step, arm, kind), number in _by_mail(session, since_day, until_day, is_human):
            counts[day, campaign, step, arm, f"{kind}:{metric}"] += number
    return {key: value for key, value in counts.items() if value}


def _day_of(at: ColumnElement[int]) -> ColumnElement[int]:
    """The number is written out: as a parameter PostgreSQL would not see that it groups by what it selects."""
    return at // literal_column(str(DAY), BigInteger)


def _by_verdict(
    session: Session, since_day: int, until_day: int
) -> Iterable[tuple[tuple[int, str, str, str, str, str, str], int]]:
    event = table_of(EventRow)
    day = _day_of(event.c.at)
    columns = (day, event.c.campaign, event.c.step, event.c.arm, event.c.kind, event.c.verdict, event.c.verdict_reason)
    query = select(*columns, func.count()).where(
        event.c.kind.in_(TOUCHES), event.c.at >= since_day * DAY, event.c.at < until_day * DAY
    )
    for row in session.execute(query.group_by(*columns)):
        yield tuple(row[:-1]), row[-1]


def _by_mail(
    session: Session, since_day: int, until_day: int, is_human: bool
) -> Iterable[tuple[tuple[int, str, str, str, str], int]]:
    """Mails first touched on a day: each counts once, whatever the number of its touches."""
    event = table_of(EventRow)
    judged = event.c.verdict == "human" if is_human else event.c.verdict != "pending"
    place = (event.c.campaign, event.c.step, event.c.arm, event.c.kind)
    touched = _is_one_of(TOUCHES)
    in_days = (event.c.at >= since_day * DAY) & (event.c.at < until_day * DAY)
    mails = select(event.c.message_id).where(event.c.kind.in_(TOUCHES), event.c.message_id.is_not(None), in_days)
    firsts = (
        select(event.c.message_id, *place, func.min(event.c.at).label("first"))
        .where(touched, event.c.message_id.in_(mails), judged)
        .group_by(event.c.message_id, *place)
        .subquery()
    )
    day = _day_of(firsts.c.first)
    columns = (day, firsts.c.campaign, firsts.c.step, firsts.c.arm, firsts.c.kind)
    query = select(*columns, func.count()).where(firsts.c.first >= since_day * DAY, firsts.c.first < until_day * DAY)
    for row in session.execute(query.group_by(*columns)):
        yield tuple(row[:-1]), row[-1]
