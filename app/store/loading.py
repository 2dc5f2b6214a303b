"""Loading: a batch of people as the engine decides about them, in a number of queries that does not grow with it.

Owns the way from rows to `Person`. Must not write, and must not ask for facts nobody asks about.
Rows come as plain tuples: a tick reads thousands of them, and nobody changes what is read here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Row,
    Select,
    String,
    Text,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.orm import Session

from app.core.facts import Fact, FactKind, FactLog, RunKey
from app.core.person import (
    Bucket,
    BucketKey,
    Candidate,
    Finish,
    Finished,
    MailClass,
    Message,
    MessageKey,
    MessageState,
    PastRun,
    PausedBy,
    Person,
    Run,
    RunResult,
    RunState,
)
from app.core.subscriber import Subscriber, SubscriberState
from app.store.base import Base, is_sqlite, table_of
from app.store.codec import bucket_from_json, cursors_from_json, fact_of, fields_from_json, value_of
from app.store.events import EventRow, NewsRow, PointsRow
from app.store.messages import MessageRow
from app.store.people import AttributeRow, ConditionTimerRow, OfferEndRow, SegmentMemberRow, SubscriberRow, TagRow
from app.store.runs import CandidateRow, FinishedRow, RunRow

NEWEST = 1_000
"""So many of the newest facts of one kind, and of the newest messages, are seen of one person."""

_ENDED = RunState.ENDED.value
_LEFT = frozenset({MessageState.SENT.value, MessageState.UNCERTAIN.value})
_TEAM = MailClass.TEAM.value


@dataclass(frozen=True, slots=True)
class Loaded:
    """One person with what saving has to know: the wake counter seen, and the address's lane."""

    person: Person
    news: tuple[Fact, ...]
    wake: int
    address: str
    attempts: int


def load_people(session: Session, ids: Sequence[int], kinds: Iterable[FactKind]) -> list[Loaded]:
    """The people of these ids, in id order. `kinds` are the sorts of facts the live rules ask for."""
    if not ids:
        return []
    batch = _Batch(session, ids)
    parts = _Parts(batch, frozenset(kinds))
    return [parts.person(row) for row in batch.rows(_queries(batch.is_sqlite).subscribers)]


# ── The queries, each made once ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Queries:
    """One query for each part, over the people of the parameter `ids`."""

    subscribers: Select[Any]
    attributes: Select[Any]
    tags: Select[Any]
    segments: Select[Any]
    timers: Select[Any]
    offer_ends: Select[Any]
    candidates: Select[Any]
    runs: Select[Any]
    points: Select[Any]
    finished: Select[Any]
    news: Select[Any]
    messages: Select[Any]
    events: Select[Any]


@lru_cache
def _queries(for_sqlite: bool) -> _Queries:
    def of(model: type[Base]) -> Select[Any]:
        return select(table_of(model)).where(_among(table_of(model).c.subscriber_id, for_sqlite))

    subscriber, run = table_of(SubscriberRow), table_of(RunRow)
    return _Queries(
        subscribers=select(subscriber).where(_among(subscriber.c.id, for_sqlite)).order_by(subscriber.c.id),
        attributes=of(AttributeRow),
        tags=of(TagRow),
        segments=of(SegmentMemberRow),
        timers=of(ConditionTimerRow),
        offer_ends=of(OfferEndRow),
        candidates=of(CandidateRow),
        runs=of(RunRow).order_by(run.c.id),
        points=of(PointsRow),
        finished=_finished(for_sqlite),
        news=_news(for_sqlite),
        messages=_messages(for_sqlite),
        events=_events(for_sqlite),
    )


def _among(column: Column[Any], for_sqlite: bool, name: str = "ids", sort: Any = BigInteger) -> ColumnElement[bool]:
    """Whether a column is one of a list that comes as one parameter, so that the statement never changes."""
    if for_sqlite:
        given = func.json_each(bindparam(name, type_=Text)).table_valued("value")
        return column.in_(select(given.c.value))
    return column == any_(bindparam(name, type_=ARRAY(sort)))


def _finished(for_sqlite: bool) -> Select[Any]:
    """What live runs have behind them; of ended ones nobody asks."""
    run, finished = table_of(RunRow), table_of(FinishedRow)
    joined = select(finished).join(run, run.c.id == finished.c.run_id)
    return joined.where(_among(run.c.subscriber_id, for_sqlite), run.c.state != _ENDED)


def _news(for_sqlite: bool) -> Select[Any]:
    news, event = table_of(NewsRow), table_of(EventRow)
    same = (news.c.at == event.c.at) & (news.c.fact_id == event.c.fact_id)
    mine = select(*_EVENT_COLUMNS).select_from(news.join(event, same))
    return mine.where(_among(news.c.subscriber_id, for_sqlite)).order_by(event.c.at, event.c.fact_id)


_EVENT_NAMES = "at fact_id subscriber_id kind name path message_id link topic value products verdict is_quiet payload"
_EVENT_COLUMNS = tuple(table_of(EventRow).c[name] for name in _EVENT_NAMES.split())
_MESSAGE_NAMES = (
    "id public_id subscriber_id recipient run_id step cause_key mail_key mail_class rank state subject offer "
    "wanted_at slot_at fresh_until settled_at reason"
)
_MESSAGE_COLUMNS = tuple(table_of(MessageRow).c[name] for name in _MESSAGE_NAMES.split())


def _messages(for_sqlite: bool) -> Select[Any]:
    message = table_of(MessageRow)
    place = func.row_number().over(partition_by=message.c.subscriber_id, order_by=message.c.id.desc())
    mine = select(*_MESSAGE_COLUMNS, place.label("place")).where(_among(message.c.subscriber_id, for_sqlite)).subquery()
    return select(mine).where(mine.c.place <= bindparam("newest")).order_by(mine.c.id)


def _events(for_sqlite: bool) -> Select[Any]:
    """The newest facts of each person and kind, those judged to be a machine's left out."""
    event = table_of(EventRow)
    place = func.row_number().over(partition_by=(event.c.subscriber_id, event.c.kind), order_by=event.c.at.desc())
    asked = _among(event.c.subscriber_id, for_sqlite), _among(event.c.kind, for_sqlite, "kinds", String)
    human = event.c.verdict.in_(("", "human"))
    mine = select(*_EVENT_COLUMNS, place.label("place")).where(*asked, human).subquery()
    return select(mine).where(mine.c.place <= bindparam("newest"))


# ── A batch ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Batch:
    """The people of one call, as parameters."""

    def __init__(self, session: Session, ids: Sequence[int]) -> None:
        session.flush()
        self._connection = session.connection()
        self.is_sqlite = is_sqlite(session)
        self._ids = self._list(list(ids))

    def rows(self, query: Select[Any], **more: object) -> Sequence[Row[Any]]:
        return self._connection.execute(query, {"ids": self._ids, **more}).all()

    def grouped(self, query: Select[Any], **more: object) -> dict[int, list[Row[Any]]]:
        groups: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in self.rows(query, **more):
            groups[row.subscriber_id].append(row)
        return groups

    def events(self, query: Select[Any], kinds: list[str]) -> dict[int, list[Row[Any]]]:
        return self.grouped(query, kinds=self._list(kinds), newest=NEWEST)

    def _list(self, values: list[Any]) -> object:
        return json.dumps(values) if self.is_sqlite else values


class _Parts:
    """Everything about a batch of people, grouped by subscriber id."""

    def __init__(self, batch: _Batch, kinds: frozenset[FactKind]) -> None:
        queries = _queries(batch.is_sqlite)
        self.attributes = batch.grouped(queries.attributes)
        self.tags = batch.grouped(queries.tags)
        self.segments = batch.grouped(queries.segments)
        self.timers = batch.grouped(queries.timers)
        self.offer_ends = batch.grouped(queries.offer_ends)
        self.candidates = batch.grouped(queries.candidates)
        self.runs = batch.grouped(queries.runs)
        self.keys = {row.id: RunKey(row.campaign, row.run_key, row.turn) for rows in self.runs.values() for row in rows}
        self.finished = _finished_of(batch.rows(queries.finished)) if self.runs else {}
        self.messages = batch.grouped(queries.messages, newest=NEWEST)
        self.message_runs = {row.id: row.run_id for rows in self.messages.values() for row in rows}
        self.news = batch.grouped(queries.news)
        self.points = batch.grouped(queries.points) if self.news else {}
        stored = sorted(kind.value for kind in kinds if kind is not FactKind.RECEIVED)
        self.events = batch.events(queries.events, stored) if stored else {}

    # ── One person ───────────────────────────────────────────────────────────────────────────────────────────────────

    def person(self, row: Row[Any]) -> Loaded:
        news = tuple(self._fact(event) for event in self.news.get(row.id, ()))
        runs = self.runs.get(row.id, ())
        person = Person(
            subscriber=self._subscriber(row),
            facts=self._facts(row.id, frozenset(fact.id for fact in news)),
            runs=tuple(self._run(run) for run in runs if run.state != _ENDED),
            past=tuple(_past(run) for run in runs if run.state == _ENDED),
            messages=tuple(self._message(message) for message in self.messages.get(row.id, ())),
            candidates=tuple(map(_candidate, self.candidates.get(row.id, ()))),
            buckets=self._buckets(row.id),
        )
        return Loaded(person, news, row.wake, row.address, row.attempts)

    def _subscriber(self, row: Row[Any]) -> Subscriber:
        attributes = self.attributes.get(row.id, ())
        return Subscriber(
            id=row.id,
            public_id=row.public_id,
            stage=row.stage,
            stage_since=row.stage_since,
            furthest_stage=row.furthest_stage,
            created_at=row.created_at,
            state=SubscriberState(row.state),
            locale=row.locale,
            timezone=row.tz,
            country=row.country,
            source=row.source,
            box=row.box,
            kind=row.kind,
            weight=row.weight,
            landmark=row.landmark,
            fit=row.fit,
            orders=row.orders,
            revenue=row.revenue,
            referrals=row.referrals,
            is_referred=row.is_referred,
            confirmed_at=row.confirmed_at,
            unsubscribed_at=row.unsubscribed_at,
            dormant_at=row.dormant_at,
            looked_at=row.looked_at,
            ladder_digest=row.ladder_digest,
            last_signal_at=row.last_signal_at,
            paused_until=row.paused_until,
            is_suppressed=row.is_suppressed,
            fell_from=json.loads(row.fell_from) if row.fell_from != "{}" else {},
            attributes={a.key: value_of(a.text, a.number, a.sort) for a in attributes},
            tags=frozenset(tag.tag for tag in self.tags.get(row.id, ())),
            segments={member.segment: member.since for member in self.segments.get(row.id, ())},
            offer_ends={offer.offer: offer.ends_at for offer in self.offer_ends.get(row.id, ())},
            timers={timer.condition_digest: timer.true_since for timer in self.timers.get(row.id, ())},
        )

    def _facts(self, subscriber_id: int, without: frozenset[bytes]) -> FactLog:
        happened = (self._fact(row) for row in self.events.get(subscriber_id, ()) if row.fact_id not in without)
        received = (self._received(row) for row in self.messages.get(subscriber_id, ()) if _was_received(row))
        return FactLog((*happened, *received))

    def _fact(self, row: Row[Any]) -> Fact:
        run_id = self.message_runs.get(row.message_id) if row.message_id else None
        return fact_of(row, self.keys.get(run_id) if run_id else None)

    def _received(self, row: Row[Any]) -> Fact:
        run = self.keys.get(row.run_id) if row.run_id else None
        return Fact(row.public_id, FactKind.RECEIVED, row.settled_at or row.slot_at, name=row.mail_key, run=run)

    def _run(self, row: Row[Any]) -> Run:
        return Run(
            key=self.keys[row.id],
            version=row.version,
            entered_at=row.entered_at,
            id=row.id,
            state=RunState(row.state),
            result=RunResult(row.result) if row.result else None,
            is_ghost=row.is_ghost,
            sequence=row.sequence,
            cursors=cursors_from_json(row.cursors),
            finished=self.finished.get(row.id, {}),
            began_at=row.began_at,
            until=row.until,
            due_at=row.due_at,
            reason=row.reason,
            rank=row.rank,
            event=fields_from_json(row.event),
            paused_by=PausedBy(row.paused_by) if row.paused_by else None,
            paused_at=row.paused_at,
            rested_at=row.rested_at,
            ended_at=row.ended_at,
            attempts=row.attempts,
            error=row.error,
        )

    def _message(self, row: Row[Any]) -> Message:
        return Message(
            key=MessageKey(self.keys.get(row.run_id) if row.run_id else None, row.step or row.cause_key or ""),
            mail=row.mail_key,
            state=MessageState(row.state),
            mail_class=MailClass(row.mail_class),
            wanted_at=row.wanted_at,
            slot_at=row.slot_at,
            rank=row.rank,
            fresh_until=row.fresh_until,
            settled_at=row.settled_at,
            subject=row.subject,
            offer=row.offer,
            recipient=row.recipient,
            reason=row.reason,
            id=row.id,
        )

    def _buckets(self, subscriber_id: int) -> dict[BucketKey, Bucket]:
        rows = self.points.get(subscriber_id, ())
        return {(row.rule, row.bucket): bucket_from_json(row.facts) for row in rows}


# ── Small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _finished_of(rows: Iterable[Row[Any]]) -> dict[int, dict[str, Finished]]:
    found: dict[int, dict[str, Finished]] = defaultdict(dict)
    for row in rows:
        found[row.run_id][row.step_id] = Finished(Finish(row.finish), row.at, row.branch)
    return found


def _was_received(row: Row[Any]) -> bool:
    return row.state in _LEFT and row.mail_class != _TEAM


def _past(row: Row[Any]) -> PastRun:
    key = RunKey(row.campaign, row.run_key, row.turn)
    return PastRun(key, row.ended_at if row.ended_at is not None else row.entered_at, row.rested_at)


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(row.campaign, row.entry, row.run_key, row.until, fields_from_json(row.event))
