"""Reports: what pages show of many people and of one, read by index and in pages.

Owns reading only. Lists go by key, never by offset; what would count a large table is capped or left to counters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.orm import Session

from app.core.facts import Value
from app.core.instants import Instant
from app.core.subscriber import SubscriberState
from app.store.base import BETWEEN, clean
from app.store.codec import value_of
from app.store.events import EventRow, PointsRow, PurchaseRow
from app.store.messages import DeliveryRow, MessageRow
from app.store.people import NOT_ACTIVE, AttributeRow, SegmentMemberRow, SubscriberRow, TagRow
from app.store.permissions import ConsentRow
from app.store.runs import DecisionRow, RunRow, StageChangeRow

COUNT_CAP = 10_000
"""Beyond this a list says "more than"; a list by one membership alone goes no further either."""

# ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which people a list shows. Empty fields do not restrict; `matches` is a condition already turned into SQL."""

    text: str = ""
    stage: str = ""
    kind: str = ""
    state: str = ""
    tag: str = ""
    segment: str = ""
    campaign: str = ""
    step: str = ""
    attribute: tuple[str, str] = ("", "")
    is_in_list: bool = False
    """The attribute holds lists: whoever has the value among others is meant."""
    matches: ColumnElement[bool] | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list of people."""

    id: int
    public_id: bytes
    address: str
    name: str
    state: str
    stage: str
    kind: str
    weight: float
    landmark: Instant
    orders: int
    revenue: int
    created_at: Instant
    last_signal_at: Instant | None
    is_suppressed: bool
    paused_until: Instant | None


def people(session: Session, wanted: Wanted, before: int | None, limit: int) -> list[Listed]:
    """The newest people first; `before` is the id the last page ended at."""
    query = select(SubscriberRow).where(*_conditions(session, wanted))
    if before is not None:
        query = query.where(SubscriberRow.id < before)
    rows = session.scalars(query.order_by(SubscriberRow.id.desc()).limit(limit)).all()
    names = _names(session, [row.id for row in rows])
    return [_listed(row, names.get(row.id, "")) for row in rows]


def count_people(session: Session, wanted: Wanted, cap: int = COUNT_CAP) -> int:
    """How many there are; `cap` + 1 means more than `cap`."""
    inner = select(SubscriberRow.id).where(*_conditions(session, wanted)).limit(cap + 1).subquery()
    return session.scalar(select(func.count()).select_from(inner)) or 0


def next_ids(session: Session, wanted: Wanted, after: int, limit: int) -> list[int]:
    """The next people by id, for whoever goes through all of them."""
    query = select(SubscriberRow.id).where(SubscriberRow.id > after, *_conditions(session, wanted))
    return list(session.scalars(query.order_by(SubscriberRow.id).limit(limit)))


def _conditions(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state and wanted.state != SubscriberState.ACTIVE.value:
        found.append(cast("ColumnElement[bool]", NOT_ACTIVE))
    for column, value in (
        (SubscriberRow.stage, wanted.stage),
        (SubscriberRow.kind, wanted.kind),
        (SubscriberRow.state, wanted.state),
    ):
        if value:
            found.append(column == value)
    memberships = _memberships(session, wanted)
    is_alone = len(memberships) == 1 and not (found or wanted.text or wanted.matches is not None)
    found += [SubscriberRow.id.in_(ids.limit(COUNT_CAP + 1) if is_alone else ids) for ids in memberships]
    if wanted.text:
        found.append(_said(wanted.text))
    if wanted.matches is not None:
        found.append(wanted.matches)
    return found


def _memberships(session: Session, wanted: Wanted) -> list[Select[Any]]:
    found: list[Select[Any]] = []
    if wanted.tag:
        found.append(select(TagRow.subscriber_id).where(TagRow.tag == wanted.tag))
    if wanted.segment:
        found.append(select(SegmentMemberRow.subscriber_id).where(SegmentMemberRow.segment == wanted.segment))
    if wanted.campaign:
        live = select(RunRow.subscriber_id).where(IS_LIVE, RunRow.campaign == wanted.campaign)
        at = RunRow.version.in_(list(_versions(session, wanted.campaign))) & (RunRow.step == wanted.step)
        found.append(live.where(at) if wanted.step else live)
    if wanted.attribute[0]:
        found.append(_has(*wanted.attribute, is_in_list=wanted.is_in_list))
    return found


def _has(key: str, value: str, *, is_in_list: bool) -> Select[Any]:
    """Who has an attribute that begins so, is that number, or lists that word."""
    value = clean(value)
    spelt = [_begins(AttributeRow.text, way) for way in dict.fromkeys((value, value.casefold(), value.title()))]
    if is_in_list:
        spelt = [AttributeRow.text.contains(f"{BETWEEN}{value}{BETWEEN}", autoescape=True)]
    if value.isascii() and value.removeprefix("-").isdigit() and len(value) < 16:
        spelt.append(AttributeRow.number == float(value))
    return select(AttributeRow.subscriber_id).where(AttributeRow.key == key, or_(*spelt))


IS_LIVE = text("run.state != 'ended'")
"""Written out, so that the partial index of live runs is seen to serve."""


def _versions(session: Session, campaign: str) -> Iterator[str]:
    """The versions live runs of a campaign follow, by hopping over the index from one to the next."""
    mine = (RunRow.campaign == campaign, IS_LIVE)
    found = session.scalar(select(func.min(RunRow.version)).where(*mine))
    while found is not None:
        yield found
        found = session.scalar(select(func.min(RunRow.version)).where(*mine, RunRow.version > found))


def _said(words: str) -> ColumnElement[bool]:
    """An address that begins so, or a name that does, in the spellings people use."""
    lowered = words.casefold()
    named = or_(*(_begins(AttributeRow.text, way) for way in dict.fromkeys((words, lowered, words.title()))))
    ids = select(AttributeRow.subscriber_id).where(AttributeRow.key.in_(_NAMES), named)
    return or_(_begins(SubscriberRow.address_key, lowered), SubscriberRow.id.in_(ids))


_NAMES = ("first_name", "last_name", "name")


def _begins(column: Any, words: str) -> ColumnElement[bool]:
    """A prefix as a range, which an index serves on both databases."""
    return and_(column >= words, column < words + "\U0010fffd")


def _names(session: Session, ids: Sequence[int]) -> dict[int, str]:
    query = select(AttributeRow.subscriber_id, AttributeRow.text).where(
        AttributeRow.subscriber_id.in_(ids), AttributeRow.key == "first_name"
    )
    return {row.subscriber_id: row.text or "" for row in session.execute(query)}


def _listed(row: SubscriberRow, name: str) -> Listed:
    return Listed(
        id=row.id,
        public_id=row.public_id,
        address=row.address,
        name=name,
        state=row.state,
        stage=row.stage,
        kind=row.kind,
        weight=row.weight,
        landmark=row.landmark,
        orders=row.orders,
        revenue=row.revenue,
        created_at=row.created_at,
        last_signal_at=row.last_signal_at,
        is_suppressed=row.is_suppressed,
        paused_until=row.paused_until,
    )


def newest(session: Session, limit: int) -> list[Listed]:
    return people(session, Wanted(), None, limit)


# ── One person ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Portrait:
    """Everything a person's page shows beside the timeline."""

    listed: Listed
    locale: str
    timezone: str
    country: str
    source: str
    box: str
    stage_since: Instant
    confirmed_at: Instant | None
    unsubscribed_at: Instant | None
    dormant_at: Instant | None
    due_at: Instant | None
    fit: int
    error: str
    attributes: Mapping[str, Value]
    tags: tuple[str, ...]
    segments: tuple[str, ...]


def portrait(session: Session, public_id: bytes) -> Portrait | None:
    row = session.scalar(select(SubscriberRow).where(SubscriberRow.public_id == public_id))
    if row is None:
        return None
    attributes = session.scalars(select(AttributeRow).where(AttributeRow.subscriber_id == row.id))
    known = {one.key: value_of(one.text, one.number, one.sort) for one in attributes}
    tags = session.scalars(select(TagRow.tag).where(TagRow.subscriber_id == row.id).order_by(TagRow.tag))
    member = select(SegmentMemberRow.segment).where(SegmentMemberRow.subscriber_id == row.id)
    segments = session.scalars(member.order_by(SegmentMemberRow.segment))
    return Portrait(
        listed=_listed(row, str(known.get("first_name", ""))),
        locale=row.locale,
        timezone=row.tz,
        country=row.country,
        source=row.source,
        box=row.box,
        stage_since=row.stage_since,
        confirmed_at=row.confirmed_at,
        unsubscribed_at=row.unsubscribed_at,
        dormant_at=row.dormant_at,
        due_at=row.due_at,
        fit=row.fit,
        error=row.error,
        attributes=known,
        tags=tuple(tags),
        segments=tuple(segments),
    )


@dataclass(frozen=True, slots=True)
class History:
    """The rows of one stretch of a person's time, newest first, each sort by itself."""

    events: Sequence[EventRow]
    consents: Sequence[ConsentRow]
    messages: Sequence[MessageRow]
    changes: Sequence[StageChangeRow]
    decisions: Sequence[DecisionRow]
    points: Mapping[bytes, int]
    """Fact → the points it earned."""
    mails: Mapping[int, MessageRow]
    """Message id → the message, for opens and clicks."""
    until: Instant | None
    """Nothing at or before this instant was read; None: this is all there is."""


def history(session: Session, subscriber_id: int, before: Instant, limit: int) -> History:
    """At most `limit` rows of each sort before an instant, cut where the first sort ran out of room."""
    found = [_newest_of(session, model, subscriber_id, before, limit) for model in _SORTS]
    until = max((rows[-1].at for rows in found if len(rows) == limit), default=None)
    events, consents, changes, decisions = [[row for row in rows if until is None or row.at > until] for rows in found]
    messages = _messages(session, subscriber_id, before, until, limit)
    return History(
        events=events,
        consents=consents,
        messages=messages,
        changes=changes,
        decisions=decisions,
        points=_points(session, subscriber_id),
        mails=_touched(session, events),
        until=until,
    )


_SORTS: tuple[Any, ...] = (EventRow, ConsentRow, StageChangeRow, DecisionRow)


def _newest_of(session: Session, model: Any, subscriber_id: int, before: Instant, limit: int) -> list[Any]:
    query = select(model).where(model.subscriber_id == subscriber_id, model.at < before)
    order = model.id.desc() if hasattr(model, "id") else model.fact_id
    return list(session.scalars(query.order_by(model.at.desc(), order).limit(limit)))


def _messages(
    session: Session, subscriber_id: int, before: Instant, until: Instant | None, limit: int
) -> list[MessageRow]:
    at = func.coalesce(MessageRow.settled_at, MessageRow.created_at)
    query = select(MessageRow).where(MessageRow.subscriber_id == subscriber_id, at < before)
    if until is not None:
        query = query.where(at > until)
    return list(session.scalars(query.order_by(MessageRow.id.desc()).limit(limit)))


def _points(session: Session, subscriber_id: int) -> dict[bytes, int]:
    """An even share per fact of each bucket: exact where the cap was not reached."""
    earned: dict[bytes, int] = {}
    for row in session.scalars(select(PointsRow).where(PointsRow.subscriber_id == subscriber_id)):
        facts = json.loads(row.facts)
        left = row.points
        each = -(-row.points // max(1, len(facts)))
        for _, fact in facts:
            share = min(each, left) if left > 0 else max(each, left)
            earned[bytes.fromhex(fact)] = earned.get(bytes.fromhex(fact), 0) + share
            left -= share
    return earned


def _touched(session: Session, events: Sequence[EventRow]) -> dict[int, MessageRow]:
    ids = {row.message_id for row in events if row.message_id}
    return {row.id: row for row in session.scalars(select(MessageRow).where(MessageRow.id.in_(ids)))}


def runs(session: Session, subscriber_id: int, limit: int = 50) -> list[RunRow]:
    """A person's runs, live ones first, then the newest."""
    query = select(RunRow).where(RunRow.subscriber_id == subscriber_id)
    return list(session.scalars(query.order_by((RunRow.state == "ended"), RunRow.id.desc()).limit(limit)))


def open_messages(session: Session, subscriber_id: int) -> list[MessageRow]:
    """What is still to be sent to a person, the earliest first."""
    waiting = MessageRow.state.in_(("queued", "waiting", "claimed"))
    query = select(MessageRow).where(MessageRow.subscriber_id == subscriber_id, waiting)
    return list(session.scalars(query.order_by(MessageRow.due_at).limit(50)))


def message(session: Session, message_id: int) -> MessageRow | None:
    return session.get(MessageRow, message_id)


def attempts(session: Session, message_id: int) -> list[DeliveryRow]:
    query = select(DeliveryRow).where(DeliveryRow.message_id == message_id).order_by(DeliveryRow.attempt)
    return list(session.scalars(query))


def purchases(session: Session, subscriber_id: int, limit: int = 50) -> list[PurchaseRow]:
    query = select(PurchaseRow).where(PurchaseRow.subscriber_id == subscriber_id)
    return list(session.scalars(query.order_by(PurchaseRow.at.desc()).limit(limit)))


# ── Many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


def stage_totals(session: Session) -> dict[tuple[str, str], int]:
    """(stage, kind) → people who are not erased. Reads a whole index: ask seldom."""
    query = select(SubscriberRow.stage, SubscriberRow.kind, func.count().label("number"))
    rows = session.execute(query.group_by(SubscriberRow.stage, SubscriberRow.kind))
    return {(row.stage, row.kind): row.number for row in rows}


@dataclass(frozen=True, slots=True)
class StandingAt:
    """How many live runs stand at one place of a campaign, in one state."""

    campaign: str
    sequence: str
    step: str
    state: str
    number: int


def standing_runs(session: Session) -> list[StandingAt]:
    """Where live runs stand, of all campaigns. Reads all live runs: ask seldom."""
    query = select(RunRow.campaign, RunRow.sequence, RunRow.step, RunRow.state, func.count().label("number"))
    query = query.where(RunRow.state != "ended", RunRow.is_ghost.is_(False))
    rows = session.execute(query.group_by(RunRow.campaign, RunRow.sequence, RunRow.step, RunRow.state))
    return [StandingAt(row.campaign, row.sequence, row.step, row.state, row.number) for row in rows]


def whose(session: Session, message_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Message → the key of its mail and the public id of its person, in hex."""
    query = (
        select(MessageRow.id, MessageRow.mail_key, SubscriberRow.public_id)
        .join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
        .where(MessageRow.id.in_(message_ids))
    )
    return {row.id: (row.mail_key, row.public_id.hex()) for row in session.execute(query)}


def segment_sizes(session: Session) -> dict[str, int]:
    """Segment → how many are in it. Reads the memberships: ask seldom."""
    query = select(SegmentMemberRow.segment, func.count().label("number")).group_by(SegmentMemberRow.segment)
    return {row.segment: row.number for row in session.execute(query)}
