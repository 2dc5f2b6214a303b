"""Intake: what a group of signups asks of the store and leaves there, in a few statements whatever its size.

Owns the set-based form of what store/signups, ledgers and permissions do for one person. Locks are taken in the order
of keys, so that groups of several processes wait for each other but never in a ring. Must not decide who gets what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from sqlalchemy import bindparam, func, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.facts import Fact, Fields, Value
from app.core.instants import Instant
from app.core.person import MessageState
from app.core.subscriber import SubscriberState
from app.store.base import Base, is_sqlite, table_of
from app.store.codec import stored, value_of
from app.store.events import EventRow, NewsRow, fact_row
from app.store.ledgers import BucketRow, TokenUsedRow
from app.store.messages import MessageRow, NewMessage
from app.store.people import AttributeRow, NewSubscriber, SubscriberRow
from app.store.permissions import Consent, ConsentRow, SuppressionRow
from app.store.rows import ONCE, Rows, over

_BUCKET = table_of(BucketRow).c
_TOKEN = table_of(TokenUsedRow).c
_PERSON = table_of(SubscriberRow).c
_ATTRIBUTE = table_of(AttributeRow).c
_MESSAGE = table_of(MessageRow).c
_CONSENT = table_of(ConsentRow).c
_SUPPRESSION = table_of(SuppressionRow).c
_OPEN = frozenset({MessageState.QUEUED.value, MessageState.WAITING.value})
_DEAD = frozenset({MessageState.SKIPPED.value, MessageState.WITHDRAWN.value})
_WANTED: Any = bindparam("wanted", expanding=True)


def _blank(model: type[Base]) -> dict[str, Any]:
    """What a row holds where nothing is said."""
    return {column.name: getattr(column.default, "arg", None) for column in table_of(model).columns}


# ── Buckets and used tokens ──────────────────────────────────────────────────────────────────────────────────────────

BucketKey: TypeAlias = tuple[str, str]
"""(scope, key)"""
Filling: TypeAlias = tuple[float, Instant]
"""(tokens, as of when)"""


_FULL_BUCKETS = Rows(BucketRow, ("scope", "key", "tokens", "at"), ONCE)
_PUT_BUCKETS = Rows(BucketRow, ("scope", "key", "tokens", "at"), over(("scope", "key"), ("tokens", "at")))
_HOLD_BUCKETS = (
    select(_BUCKET.scope, _BUCKET.key, _BUCKET.tokens, _BUCKET.at)
    .where(tuple_(_BUCKET.scope, _BUCKET.key).in_(_WANTED))
    .order_by(_BUCKET.scope, _BUCKET.key)
    .with_for_update()
)
_USE_TOKENS = {
    make: make(table_of(TokenUsedRow)).on_conflict_do_nothing().returning(_TOKEN.nonce)
    for make in (sqlite.insert, postgresql.insert)
}
_SUPPRESSED = select(_SUPPRESSION.address_hash).where(_SUPPRESSION.address_hash.in_(_WANTED))


def hold_buckets(session: Session, full: Mapping[BucketKey, Filling]) -> dict[BucketKey, Filling]:
    """How full some buckets are, held until the transaction ends. `full`: what each is when nobody asked it before."""
    keys = sorted(full)
    if not is_sqlite(session):  # a row that is not there yet cannot be held
        _FULL_BUCKETS.write(session, [_bucket(key, full[key]) for key in keys])
    found = session.connection().execute(_HOLD_BUCKETS, {"wanted": keys})
    return dict(full) | {(scope, key): (tokens, at) for scope, key, tokens, at in found}


def put_buckets(session: Session, changed: Mapping[BucketKey, Filling]) -> None:
    """Write back buckets that are held."""
    _PUT_BUCKETS.write(session, [_bucket(key, changed[key]) for key in sorted(changed)])


def _bucket(key: BucketKey, filling: Filling) -> dict[str, Any]:
    return {"scope": key[0], "key": key[1], "tokens": filling[0], "at": filling[1]}


def use_tokens_once(session: Session, kind: str, tokens: Mapping[bytes, Instant]) -> set[bytes]:
    """Mark tokens as used; the ones that were not used before. Each is remembered until its own end."""
    if not tokens:
        return set()
    rows = [{"kind": kind, "nonce": nonce, "expires_at": tokens[nonce]} for nonce in sorted(tokens)]
    statement = _USE_TOKENS[sqlite.insert if is_sqlite(session) else postgresql.insert]
    return set(session.connection().scalars(statement, rows))


def suppressed(session: Session, hashes: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the addresses that get nothing."""
    return frozenset(session.connection().scalars(_SUPPRESSED, {"wanted": sorted(hashes)}))


# ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Held:
    """A person as a signup finds her, locked until the transaction ends."""

    id: int
    public_id: bytes
    state: str
    confirmed_at: Instant | None
    is_suppressed: bool
    is_new: bool


_BLANK_PERSON = _blank(SubscriberRow)
_PERSON_COLUMNS = tuple(name for name in _blank(SubscriberRow) if name != "id")
_NEW_PEOPLE = Rows(SubscriberRow, _PERSON_COLUMNS, ONCE)
_HOLD_PEOPLE = (
    select(
        _PERSON.address_key, _PERSON.id, _PERSON.public_id, _PERSON.state, _PERSON.confirmed_at, _PERSON.is_suppressed
    )
    .where(_PERSON.address_key.in_(_WANTED))
    .order_by(_PERSON.id)
    .with_for_update(key_share=True)
)


def hold_or_create_all(session: Session, new: Iterable[NewSubscriber]) -> dict[str, Held]:
    """The people with these addresses, by address key; who was not there is now. No address may come twice."""
    wanted = {each.address_key: each for each in new}
    if not wanted:
        return {}
    keys = sorted(wanted)
    _NEW_PEOPLE.write(session, [_person(wanted[key]) for key in keys])
    found = session.connection().execute(_HOLD_PEOPLE, {"wanted": keys})
    return {
        key: Held(id_, public_id, state, at, bool(is_out), public_id == wanted[key].public_id)
        for key, id_, public_id, state, at, is_out in found
    }


def _person(new: NewSubscriber) -> dict[str, Any]:
    return _BLANK_PERSON | {
        "public_id": new.public_id,
        "address": new.address,
        "address_key": new.address_key,
        "locale": new.locale,
        "tz": new.timezone,
        "country": new.country,
        "source": new.source,
        "box": new.box,
        "is_referred": new.is_referred,
        "stage": new.stage,
        "furthest_stage": new.stage,
        "stage_since": new.at,
        "created_at": new.at,
        "due_at": new.at,
    }


def activate(session: Session, ids: Iterable[int], now: Instant) -> None:
    """Pending people of boxes that ask for no confirmation."""
    if wanted := sorted(ids):
        active = {"state": SubscriberState.ACTIVE.value, "confirmed_at": now}
        session.connection().execute(update(SubscriberRow).where(_PERSON.id.in_(wanted)).values(active))


# ── What hangs on them ───────────────────────────────────────────────────────────────────────────────────────────────


_NEW_CONSENTS = Rows(ConsentRow, tuple(_blank(ConsentRow)))
_LAST_CONSENT = select(func.coalesce(func.max(_CONSENT.id), 0))
_NEXT_CONSENTS = text("SELECT nextval(pg_get_serial_sequence('consent', 'id')) FROM generate_series(1, :number)")


def append_consents(session: Session, lines: Sequence[Consent]) -> list[int]:
    """Write lines of the ledger and return their ids, in the same order."""
    if not lines:
        return []
    ids = _next_consents(session, len(lines))
    rows = [_consent(line) | {"id": id_} for line, id_ in zip(lines, ids, strict=True)]
    _NEW_CONSENTS.write(session, rows)
    return ids


def _next_consents(session: Session, number: int) -> list[int]:
    """Ids for new lines, known before they are written: rows that have to tell theirs are written one by one."""
    connection = session.connection()
    if is_sqlite(session):  # nobody else writes before we end
        last: int = connection.scalar(_LAST_CONSENT) or 0
        return list(range(last + 1, last + 1 + number))
    return sorted(connection.scalars(_NEXT_CONSENTS, {"number": number}))


def _consent(line: Consent) -> dict[str, Any]:
    wording = line.wording
    return {
        "subscriber_id": line.subscriber_id,
        "kind": line.kind,
        "answer": line.answer,
        "wording": wording,
        "wording_digest": blake2b(wording.encode(), digest_size=16).hexdigest() if wording else "",
        "box": line.box,
        "box_version": line.box_version,
        "page": line.page,
        "network": line.network,
        "at": line.at,
    }


_BLANK_FACT = _blank(EventRow)
_NEW_FACTS = Rows(EventRow, tuple(_BLANK_FACT))
_NEWS = Rows(NewsRow, tuple(_blank(NewsRow)))


def append_facts(session: Session, facts: Sequence[tuple[int, Fact]]) -> None:
    """Keep what happened to people and put it before the engine; the ids must be new ones.

    Whoever is not due now is woken by the caller.
    """
    rows = [_BLANK_FACT | fact_row(subscriber_id, fact) for subscriber_id, fact in facts]
    _NEW_FACTS.write(session, rows)
    _NEWS.write(session, rows)


_ATTRIBUTES = select(
    _ATTRIBUTE.subscriber_id, _ATTRIBUTE.key, _ATTRIBUTE.text, _ATTRIBUTE.number, _ATTRIBUTE.sort
).where(_ATTRIBUTE.subscriber_id.in_(_WANTED))
_PUT_ATTRIBUTES = Rows(
    AttributeRow,
    ("subscriber_id", "key", "text", "number", "sort", "at"),
    over(("subscriber_id", "key"), ("text", "number", "sort", "at")),
)


def attributes_of(session: Session, ids: Iterable[int]) -> dict[int, dict[str, Value]]:
    """What is known of people, by id; who has nothing is missing."""
    found: dict[int, dict[str, Value]] = {}
    for id_, key, plain, number, sort in session.connection().execute(_ATTRIBUTES, {"wanted": sorted(ids)}):
        found.setdefault(id_, {})[key] = value_of(plain, number, sort)
    return found


def put_attributes_all(session: Session, values: Mapping[int, Fields], at: Instant) -> None:
    """Write values over what was known of people under the same keys."""
    rows = [
        {"subscriber_id": id_, "key": key, "at": at, **stored(value)}
        for id_, fields in sorted(values.items())
        for key, value in sorted(fields.items())
    ]
    _PUT_ATTRIBUTES.write(session, rows)


# ── Their service mails ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ServiceMail:
    """A mail that asked for confirmation or kept a promise: `is_open` may still be moved, `is_dead` never left."""

    id: int
    cause: str
    due_at: Instant
    created_at: Instant
    is_open: bool
    is_dead: bool


_SERVICE_MAILS = (
    select(
        _MESSAGE.subscriber_id,
        _MESSAGE.id,
        _MESSAGE.cause_key,
        _MESSAGE.due_at,
        _MESSAGE.created_at,
        _MESSAGE.state,
    )
    .where(_MESSAGE.subscriber_id.in_(_WANTED))
    .where(_MESSAGE.cause_key.like("confirm:%") | _MESSAGE.cause_key.like("deliver:%"))
    .order_by(_MESSAGE.due_at, _MESSAGE.id)
)


def service_mails(session: Session, ids: Iterable[int]) -> dict[int, list[ServiceMail]]:
    """The confirmations and kept promises of people, by id, the earliest due first."""
    found: dict[int, list[ServiceMail]] = {}
    rows = session.connection().execute(_SERVICE_MAILS, {"wanted": sorted(ids)})
    for id_, message, cause, due_at, created_at, state in rows:
        mail = ServiceMail(message, cause, due_at, created_at, state in _OPEN, state in _DEAD)
        found.setdefault(id_, []).append(mail)
    return found


_BLANK_MESSAGE = _blank(MessageRow) | {"state": MessageState.QUEUED.value}
_QUEUE = Rows(MessageRow, tuple(name for name in _BLANK_MESSAGE if name != "id"), ONCE)


def queue_all(session: Session, mails: Sequence[tuple[NewMessage, Instant]]) -> None:
    """Queue mails, each to leave at its own instant. A cause that has a mail already gets none more."""
    _QUEUE.write(session, [_message(new, due_at) for new, due_at in mails])


def _message(new: NewMessage, due_at: Instant) -> dict[str, Any]:
    return _BLANK_MESSAGE | {
        "public_id": new.public_id,
        "subscriber_id": new.subscriber_id,
        "recipient": new.recipient,
        "cause_key": new.cause_key,
        "mail_key": new.mail,
        "mail_class": new.mail_class.value,
        "lane": new.lane,
        "rank": new.rank,
        "data": new.data,
        "wanted_at": new.at,
        "slot_at": due_at,
        "due_at": due_at,
        "fresh_until": new.fresh_until,
        "created_at": new.at,
    }


def bring_forward(session: Session, ids: Iterable[int], now: Instant) -> None:
    """Let mails that are still ours leave now."""
    if wanted := sorted(ids):
        mine = _MESSAGE.id.in_(wanted) & _MESSAGE.state.in_(sorted(_OPEN))
        session.connection().execute(update(MessageRow).where(mine).values(due_at=now, slot_at=now))
