"""Troubles: finding mails that wait or need a decision, by state, campaign, lane, reason and age.

Owns one form of question, asked of the small partial indexes of what is not settled. Must not change anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store import waiting
from app.store.base import is_sqlite
from app.store.messages import IS_CLAIMED, IS_OPEN, IS_TROUBLED, MessageRow
from app.store.people import SubscriberRow

NEED_DECISION = ("uncertain", "parked")
LISTED = (*NEED_DECISION, "waiting", "queued", "claimed")
"""What can be listed: everything that is not settled."""
_INDEXES = {
    "uncertain": IS_TROUBLED,
    "parked": IS_TROUBLED,
    "waiting": IS_OPEN,
    "queued": IS_OPEN,
    "claimed": IS_CLAIMED,
}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which mails are meant; what is left empty does not count. `before`: since when at the latest they are so."""

    states: tuple[str, ...] = NEED_DECISION
    campaign: str | None = None
    lane: str = ""
    reason: str = ""
    before: Instant | None = None
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that is not settled. `at`: since when it is uncertain or parked, else when it is due."""

    id: int
    state: str
    mail: str
    campaign: str
    lane: str
    reason: str
    reply: str
    at: Instant
    attempts: int
    address: str
    message_id: str
    """The part of its Message-ID before the @, to be looked for in a relay's log."""


def find(session: Session, sought: Sought, limit: int, most: int = 0) -> tuple[list[Mail], int]:
    """The mails that are meant, in the order they were queued, and how many more there are, counted up to `most`."""
    ids = _first_ids(session, sought, limit + most)
    wanted = MessageRow.id.in_(ids[:limit])
    query = select(MessageRow, SubscriberRow.address).join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
    rows = session.execute(query.where(wanted).order_by(MessageRow.id))
    return [_mail(message, address) for message, address in rows], max(0, len(ids) - limit)


def _first_ids(session: Session, sought: Sought, limit: int) -> list[int]:
    """The lowest ids that are meant, each kind of state along its own index."""
    found: list[int] = []
    for condition in dict.fromkeys(_INDEXES[state] for state in sought.states):
        mine = tuple(state for state in sought.states if _INDEXES[state] is condition)
        found += _ids_of_kind(session, replace(sought, states=mine), limit)
    return sorted(found)[:limit]


def _ids_of_kind(session: Session, sought: Sought, limit: int) -> list[int]:
    first = _dense_from(session, sought)
    if first is not None:
        state = func.coalesce(MessageRow.state, "").in_(sought.states)  # hidden, or the planner would hop about
        query = select(MessageRow.id).where(MessageRow.id >= first, state, *_asked(sought)).order_by(MessageRow.id)
    elif is_sqlite(session) and not set(sought.states) & set(NEED_DECISION):
        # ordered by the bare id, SQLite would read all messages there ever were
        query = select(MessageRow.id).where(_meant(sought)).order_by(MessageRow.id + 0)
    else:
        query = select(MessageRow.id).where(_meant(sought)).order_by(MessageRow.id)
    return list(session.scalars(query.limit(limit)))


def _dense_from(session: Session, sought: Sought) -> int | None:
    """From which id on to read row by row, when so many mails wait that their index would be the longer way."""
    if sought.ids or not is_sqlite(session) or not set(sought.states) & {"queued", "waiting"}:
        return None
    number, first = waiting.extent(session, sought.lane)
    return first if waiting.is_dense(session, first, number) else None


def _mail(row: MessageRow, address: str) -> Mail:
    where = row.state, row.mail_key, row.campaign, row.lane, row.reason, row.reply
    recipient = row.recipient or address
    return Mail(row.id, *where, row.settled_at or row.due_at, row.attempts, recipient, row.public_id.hex())


def count(session: Session, sought: Sought) -> Counter[tuple[str, str, str]]:
    """(state, campaign, mail) → how many are meant."""
    columns = MessageRow.state, MessageRow.campaign, MessageRow.mail_key
    query = select(*columns, func.count().label("n")).where(_meant(sought)).group_by(*columns)
    return Counter({(row.state, row.campaign, row.mail_key): row.n for row in session.execute(query)})


def ids_of(session: Session, sought: Sought, after: int, limit: int) -> list[int]:
    """The ids of the mails that are meant, from after an id on, at most `limit`."""
    query = select(MessageRow.id).where(_meant(sought), MessageRow.id > after)
    return list(session.scalars(query.order_by(MessageRow.id).limit(limit)))


def states_of(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """The state of each of these mails, settled or not; unknown ids are left out."""
    query = select(MessageRow.id, MessageRow.state).where(MessageRow.id.in_(ids))
    return {row.id: row.state for row in session.execute(query)}


def _meant(sought: Sought) -> ColumnElement[bool]:
    """Written per state with the words of its index, so that the index is seen to serve."""
    states = [and_(_INDEXES[state], MessageRow.state == state) for state in sought.states]
    return and_(or_(*states), *_asked(sought))


def _asked(sought: Sought) -> list[ColumnElement[bool]]:
    """Everything but the states."""
    asked: list[ColumnElement[bool]] = []
    if sought.campaign is not None:
        asked.append(MessageRow.campaign == sought.campaign)
    if sought.lane:
        asked.append(MessageRow.lane == sought.lane)
    if sought.reason:
        words = sought.reason.lower()
        in_words = and_(MessageRow.reply != "", func.lower(MessageRow.reply).contains(words, autoescape=True))
        asked.append(or_(MessageRow.reason == sought.reason, in_words))
    if sought.before is not None:
        asked.append(func.coalesce(MessageRow.settled_at, MessageRow.due_at) <= sought.before)
    if sought.ids:
        asked.append(MessageRow.id.in_(sought.ids))
    return asked
