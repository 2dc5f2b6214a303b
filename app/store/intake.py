"""Intake: what a group of signups asks of the store and leaves there, in a few statements whatever its size.

Owns the set-based form of what store/signups, ledgers and permissions do for one person. Locks are taken in the order
of keys, so that groups of several processes wait for each other but never in a ring. Must not decide who gets what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.orm import Session

from app.core.facts import Fact, Fields, Value
from app.core.instants import Instant
from app.core.person import MessageState
from app.core.subscriber import NO_KIND, SubscriberState
from app.store.base import is_sqlite, table_of, upsert
from app.store.codec import stored, value_of
from app.store.events import announce, fact_row, record
from app.store.ledgers import BucketRow, TokenUsedRow
from app.store.messages import MessageRow, NewMessage
from app.store.people import AttributeRow, NewSubscriber, SubscriberRow
from app.store.permissions import Consent, ConsentRow

_BUCKET = table_of(BucketRow)
_TOKEN = table_of(TokenUsedRow)
_PERSON = table_of(SubscriberRow)
_ATTRIBUTE = table_of(AttributeRow)
_MESSAGE = table_of(MessageRow)
_OPEN = frozenset({MessageState.QUEUED.value, MessageState.WAITING.value})
_DEAD = frozenset({MessageState.SKIPPED.value, MessageState.WITHDRAWN.value})

# ── Buckets and used tokens ──────────────────────────────────────────────────────────────────────────────────────────

BucketKey: TypeAlias = tuple[str, str]
"""(scope, key)"""
Filling: TypeAlias = tuple[float, Instant]
"""(tokens, as of when)"""


def hold_buckets(session: Session, full: Mapping[BucketKey, Filling]) -> dict[BucketKey, Filling]:
    """How full some buckets are, held until the transaction ends. `full`: what each is when nobody asked it before."""
    if not is_sqlite(session):  # a row that is not there yet cannot be held
        new = upsert(session, BucketRow).on_conflict_do_nothing()
        session.connection().execute(new, [_bucket(key, full[key]) for key in sorted(full)])
    row = _BUCKET.c
    query = select(row.scope, row.key, row.tokens, row.at).where(tuple_(row.scope, row.key).in_(sorted(full)))
    found = session.connection().execute(query.order_by(row.scope, row.key).with_for_update())
    return dict(full) | {(scope, key): (tokens, at) for scope, key, tokens, at in found}


def put_buckets(session: Session, changed: Mapping[BucketKey, Filling]) -> None:
    """Write back buckets that are held."""
    if changed:
        statement = upsert(session, BucketRow)
        new = {name: statement.excluded[name] for name in ("tokens", "at")}
        once = statement.on_conflict_do_update(index_elements=["scope", "key"], set_=new)
        session.connection().execute(once, [_bucket(key, changed[key]) for key in sorted(changed)])


def _bucket(key: BucketKey, filling: Filling) -> dict[str, Any]:
    return {"scope": key[0], "key": key[1], "tokens": filling[0], "at": filling[1]}


def use_tokens_once(session: Session, kind: str, tokens: Mapping[bytes, Instant]) -> set[bytes]:
    """Mark tokens as used; the ones that were not used before. Each is remembered until its own end."""
    if not tokens:
        return set()
    rows = [{"kind": kind, "nonce": nonce, "expires_at": tokens[nonce]} for nonce in sorted(tokens)]
    statement = upsert(session, TokenUsedRow).on_conflict_do_nothing().returning(_TOKEN.c.nonce)
    return set(session.connection().scalars(statement, rows))


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


_NEW_PERSON: dict[str, Any] = {
    "state": SubscriberState.PENDING.value,
    "kind": NO_KIND,
    "weight": 0.0,
    "landmark": 0,
    "fit": 0,
    "orders": 0,
    "revenue": 0,
    "referrals": 0,
    "ladder_digest": "",
    "is_suppressed": False,
    "fell_from": "{}",
    "wake": 0,
    "attempts": 0,
    "error": "",
}


def hold_or_create_all(session: Session, new: Iterable[NewSubscriber]) -> dict[str, Held]:
    """The people with these addresses, by address key; who was not there is now. No address may come twice."""
    wanted = {each.address_key: each for each in new}
    if not wanted:
        return {}
    statement = upsert(session, SubscriberRow).on_conflict_do_nothing()
    session.connection().execute(statement, [_person(wanted[key]) for key in sorted(wanted)])
    row = _PERSON.c
    columns = (row.address_key, row.id, row.public_id, row.state, row.confirmed_at, row.is_suppressed)
    query = select(*columns).where(row.address_key.in_(sorted(wanted))).order_by(row.id)
    found = session.connection().execute(query.with_for_update(key_share=True))
    return {
        key: Held(id_, public_id, state, at, bool(is_out), public_id == wanted[key].public_id)
        for key, id_, public_id, state, at, is_out in found
    }


def _person(new: NewSubscriber) -> dict[str, Any]:
    return _NEW_PERSON | {
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
        session.connection().execute(update(_PERSON).where(_PERSON.c.id.in_(wanted)).values(active))


# ── What hangs on them ───────────────────────────────────────────────────────────────────────────────────────────────


def append_consents(session: Session, lines: Sequence[Consent]) -> list[int]:
    """Write lines of the ledger and return their ids, in the same order."""
    if not lines:
        return []
    statement = insert(table_of(ConsentRow)).returning(ConsentRow.id, sort_by_parameter_order=True)
    return list(session.connection().scalars(statement, [_consent(line) for line in lines]))


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


def append_facts(session: Session, facts: Sequence[tuple[int, Fact]]) -> None:
    """Keep what happened to people and put it before the engine. Whoever is not due now is woken by the caller."""
    rows = [fact_row(subscriber_id, fact) for subscriber_id, fact in facts]
    record(session, rows)
    announce(session, rows)


def attributes_of(session: Session, ids: Iterable[int]) -> dict[int, dict[str, Value]]:
    """What is known of people, by id; who has nothing is missing."""
    row, found = _ATTRIBUTE.c, dict[int, dict[str, Value]]()
    query = select(row.subscriber_id, row.key, row.text, row.number, row.sort)
    for id_, key, text, number, sort in session.connection().execute(query.where(row.subscriber_id.in_(sorted(ids)))):
        found.setdefault(id_, {})[key] = value_of(text, number, sort)
    return found


def put_attributes_all(session: Session, values: Mapping[int, Fields], at: Instant) -> None:
    """Write values over what was known of people under the same keys."""
    rows = [
        {"subscriber_id": id_, "key": key, "at": at, **stored(value)}
        for id_, fields in sorted(values.items())
        for key, value in sorted(fields.items())
    ]
    if rows:
        statement = upsert(session, AttributeRow)
        new = {name: statement.excluded[name] for name in ("text", "number", "sort", "at")}
        once = statement.on_conflict_do_update(index_elements=["subscriber_id", "key"], set_=new)
        session.connection().execute(once, rows)


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


def service_mails(session: Session, ids: Iterable[int]) -> dict[int, list[ServiceMail]]:
    """The confirmations and kept promises of people, by id, the earliest due first."""
    row, found = _MESSAGE.c, dict[int, list[ServiceMail]]()
    by_cause = row.cause_key.like("confirm:%") | row.cause_key.like("deliver:%")
    query = select(row.subscriber_id, row.id, row.cause_key, row.due_at, row.created_at, row.state)
    query = query.where(row.subscriber_id.in_(sorted(ids)), by_cause).order_by(row.due_at, row.id)
    for id_, message, cause, due_at, created_at, state in session.connection().execute(query):
        mail = ServiceMail(message, cause, due_at, created_at, state in _OPEN, state in _DEAD)
        found.setdefault(id_, []).append(mail)
    return found


_NEW_MESSAGE: dict[str, Any] = {
    "step": "",
    "campaign": "",
    "arm": "",
    "state": MessageState.QUEUED.value,
    "subject": "",
    "offer": "",
    "claim_no": 0,
    "attempts": 0,
    "reason": "",
    "reply": "",
}


def queue_all(session: Session, mails: Sequence[tuple[NewMessage, Instant]]) -> None:
    """Queue mails, each to leave at its own instant. A cause that has a mail already gets none more."""
    if mails:
        statement = upsert(session, MessageRow).on_conflict_do_nothing()
        session.connection().execute(statement, [_message(new, due_at) for new, due_at in mails])


def _message(new: NewMessage, due_at: Instant) -> dict[str, Any]:
    return _NEW_MESSAGE | {
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
        mine = _MESSAGE.c.id.in_(wanted) & _MESSAGE.c.state.in_(sorted(_OPEN))
        session.connection().execute(update(_MESSAGE).where(mine).values(due_at=now, slot_at=now))
