"""Loading: a batch of people as the engine decides about them, in a number of queries that does not grow with it.

Owns the way from rows to `Person`. Must not write, and must not ask for facts nobody asks about.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
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
from app.store.codec import bucket_from_json, cursors_from_json, fact_of, fields_from_json, value_of
from app.store.events import EventRow, NewsRow, PointsRow
from app.store.messages import MessageRow
from app.store.people import AttributeRow, ConditionTimerRow, OfferEndRow, SegmentMemberRow, SubscriberRow, TagRow
from app.store.runs import CandidateRow, FinishedRow, RunRow

NEWEST = 500
"""So many of the newest facts of one kind, and of the newest messages, are seen of one person."""

_ENDED = RunState.ENDED.value


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
    parts = _Parts(session, ids, frozenset(kinds))
    rows = session.scalars(select(SubscriberRow).where(SubscriberRow.id.in_(ids)).order_by(SubscriberRow.id))
    return [parts.person(row) for row in rows]


class _Parts:
    """Everything about a batch of people, grouped by subscriber id."""

    def __init__(self, session: Session, ids: Sequence[int], kinds: frozenset[FactKind]) -> None:
        self._session = session
        self._ids = ids
        self.attributes = self._of(AttributeRow)
        self.tags = self._of(TagRow)
        self.segments = self._of(SegmentMemberRow)
        self.timers = self._of(ConditionTimerRow)
        self.offer_ends = self._of(OfferEndRow)
        self.candidates = self._of(CandidateRow)
        self.runs = self._of(RunRow)
        self.keys = {row.id: RunKey(row.campaign, row.run_key, row.turn) for rows in self.runs.values() for row in rows}
        self.finished = self._finished()
        self.messages = _grouped(session.scalars(_newest(MessageRow, ids, MessageRow.id)))
        self.message_runs = {m.id: m.run_id for rows in self.messages.values() for m in rows}
        self.news = self._news()
        self.points = self._of(PointsRow) if self.news else {}
        self.events = self._events(kinds)

    def _of(self, table: Any) -> dict[int, list[Any]]:
        return _grouped(self._session.scalars(select(table).where(table.subscriber_id.in_(self._ids))))

    def _finished(self) -> dict[int, dict[str, Finished]]:
        live = [row.id for rows in self.runs.values() for row in rows if row.state != _ENDED]
        found: dict[int, dict[str, Finished]] = defaultdict(dict)
        if live:
            for row in self._session.scalars(select(FinishedRow).where(FinishedRow.run_id.in_(live))):
                found[row.run_id][row.step_id] = Finished(Finish(row.finish), row.at, row.branch)
        return found

    def _news(self) -> dict[int, list[EventRow]]:
        fresh = (NewsRow.at == EventRow.at) & (NewsRow.fact_id == EventRow.fact_id)
        query = select(EventRow).join(NewsRow, fresh).where(NewsRow.subscriber_id.in_(self._ids))
        return _grouped(self._session.scalars(query.order_by(EventRow.at, EventRow.fact_id)))

    def _events(self, kinds: frozenset[FactKind]) -> dict[int, list[EventRow]]:
        stored = [kind.value for kind in kinds if kind is not FactKind.RECEIVED]
        if not stored:
            return {}
        ranked = _newest(EventRow, self._ids, EventRow.at, EventRow.kind)
        judged = ranked.where(EventRow.kind.in_(stored), EventRow.verdict.in_(("", "human")))
        return _grouped(self._session.scalars(judged))

    # ── One person ───────────────────────────────────────────────────────────────────────────────────────────────────

    def person(self, row: SubscriberRow) -> Loaded:
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

    def _subscriber(self, row: SubscriberRow) -> Subscriber:
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
            fell_from=json.loads(row.fell_from),
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

    def _fact(self, row: EventRow) -> Fact:
        run_id = self.message_runs.get(row.message_id) if row.message_id else None
        return fact_of(row, self.keys.get(run_id) if run_id else None)

    def _received(self, row: MessageRow) -> Fact:
        run = self.keys.get(row.run_id) if row.run_id else None
        return Fact(row.public_id, FactKind.RECEIVED, row.settled_at or row.slot_at, name=row.mail_key, run=run)

    def _run(self, row: RunRow) -> Run:
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

    def _message(self, row: MessageRow) -> Message:
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

_Row = TypeVar("_Row")


def _grouped(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    groups: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[row.subscriber_id].append(row)  # type: ignore[attr-defined]
    return groups


def _newest(table: Any, ids: Sequence[int], order: Any, *partition: Any) -> Select[Any]:
    """The newest rows of each person (and partition), at most NEWEST."""
    keys = list(table.__table__.primary_key.columns)
    number = func.row_number().over(partition_by=(table.subscriber_id, *partition), order_by=order.desc())
    ranked = select(*keys, number.label("number")).where(table.subscriber_id.in_(ids)).subquery()
    same = [table.__table__.c[key.name] == ranked.c[key.name] for key in keys]
    return select(table).join(ranked, _all(same)).where(ranked.c.number <= NEWEST)


def _all(conditions: list[Any]) -> Any:
    first, *rest = conditions
    for condition in rest:
        first = first & condition
    return first


def _was_received(row: MessageRow) -> bool:
    is_gone = row.state in (MessageState.SENT.value, MessageState.UNCERTAIN.value)
    return is_gone and row.mail_class != MailClass.TEAM.value


def _past(row: RunRow) -> PastRun:
    key = RunKey(row.campaign, row.run_key, row.turn)
    return PastRun(key, row.ended_at if row.ended_at is not None else row.entered_at, row.rested_at)


def _candidate(row: CandidateRow) -> Candidate:
    return Candidate(row.campaign, row.entry, row.run_key, row.until, fields_from_json(row.event))
