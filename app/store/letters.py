"""Letters: everything a message needs to be written, read in a fixed number of queries for a whole batch.

Owns the reading side of a hand-over: the message with its person, her attributes and the event behind the run.
Must not change any state and must not judge whether a letter may leave.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.facts import NO_FIELDS, Fields
from app.core.instants import Instant
from app.core.person import MailClass
from app.core.replacing import swift
from app.core.subscriber import SubscriberState
from app.store import doors
from app.store.codec import fields_from_json, value_of
from app.store.doors import Door
from app.store.hot import Hot
from app.store.releases import LiveMailRow, MailVersionRow


@swift
@dataclass(frozen=True, slots=True)
class Letter:
    """One message and the person it is for, as they are stored now."""

    id: int
    public_id: bytes
    mail: str
    mail_class: MailClass
    subscriber_id: int
    subscriber_public_id: bytes
    address: str
    """Whom it goes to: the subscriber, or our own people for team mail."""
    subscriber_address: str
    locale: str
    timezone: str
    attributes: Fields
    stage: str
    kind: str
    state: SubscriberState
    campaign: str
    step: str
    event: Fields
    subject: str
    offer: str
    data: Mapping[str, str]
    attempts: int
    claim_no: int
    wanted_at: Instant
    lane: str = ""
    fresh_until: Instant | None = None
    address_key: str = ""
    """The subscriber's, as suppression knows it."""


# everything of a letter but the attributes, in the order of its fields
_COLUMNS: Final = """m.id, m.public_id, m.mail_key, m.mail_class, m.subscriber_id, s.public_id, m.recipient, s.address,
 s.locale, s.tz, s.stage, s.kind, s.state, m.campaign, m.step, r.event, m.subject, m.offer, m.data, m.attempts,
 m.claim_no, m.wanted_at, m.lane, m.fresh_until, s.address_key"""
_LETTERS = doors.by_message(_COLUMNS)
_BOTH = doors.by_message(f"{doors.COLUMNS}, {_COLUMNS}")
_ATTRIBUTE = "SELECT subscriber_id, key, text, number, sort FROM attribute WHERE subscriber_id"
_ATTRIBUTES = Hot(
    f"{_ATTRIBUTE} IN :ids",
    f"""SELECT a.* FROM unnest(CAST(:ids AS bigint[])) AS wanted(id)
 CROSS JOIN LATERAL ({_ATTRIBUTE} = wanted.id OFFSET 0) AS a""",  # noqa: S608
)
_DOOR = len(Door._fields)
_FIRST = itemgetter(0)
_CLASSES = {each.value: each for each in MailClass}
_STATES = {each.value: each for each in SubscriberState}


class Unread(NamedTuple):
    """A letter as its columns stand, and its door: who may not leave is never read further."""

    door: Door
    columns: Sequence[Any]


def unread(session: Session, ids: Sequence[int]) -> list[Unread]:
    """These messages with their doors, in id order, in one query."""
    rows = _BOTH.rows(session, ids=list(ids)) if ids else ()
    return [Unread(Door._make(row[:_DOOR]), row[_DOOR:]) for row in sorted(rows, key=_FIRST)]


def read(session: Session, chosen: Sequence[Unread]) -> list[Letter]:
    """The letters of these, with the attributes of their people."""
    return _letters(session, [each.columns for each in chosen])


def letters(session: Session, ids: Sequence[int]) -> list[Letter]:
    """The letters of these messages, in id order."""
    return _letters(session, sorted(_LETTERS.rows(session, ids=list(ids)), key=_FIRST)) if ids else []


def _letters(session: Session, rows: Sequence[Sequence[Any]]) -> list[Letter]:
    attributes = _attributes(session, {row[_PERSON] for row in rows})
    return [_letter(row, attributes.get(row[_PERSON], NO_FIELDS)) for row in rows]


_PERSON: Final = 4


def _attributes(session: Session, ids: Collection[int]) -> Mapping[int, Fields]:
    if not ids:
        return {}
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for person, key, text, number, sort in _ATTRIBUTES.rows(session, ids=sorted(ids)):
        found[person][key] = value_of(text, number, sort)
    return found


def _letter(row: Sequence[Any], attributes: Fields) -> Letter:
    (key, public_id, mail, kind_of, person, person_key, recipient, address, locale, zone, stage, kind, state, *rest) = (
        row
    )
    campaign, step, event, subject, offer, data, attempts, claim_no, wanted_at, lane, fresh_until, address_key = rest
    return Letter(
        key, public_id, mail, _CLASSES[kind_of], person, person_key, recipient or address, address, locale, zone,
        attributes, stage, kind, _STATES[state], campaign, step, fields_from_json(event) if event else NO_FIELDS,
        subject, offer, json.loads(data) if data != "{}" else {}, attempts, claim_no, wanted_at, lane, fresh_until,
        address_key,
    )  # fmt: skip


def live_mails(session: Session) -> dict[str, dict[str, int]]:
    """Mail → locale → the id of its live version."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in session.scalars(select(LiveMailRow)):
        found[row.mail][row.locale] = row.version_id
    return found


def compiled(session: Session, version_id: int) -> str:
    """The stored form of one mail version, as JSON text."""
    return session.scalars(select(MailVersionRow.compiled).filter_by(id=version_id)).one()
