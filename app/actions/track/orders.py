"""Orders and events of a shop's own program: taken in rows, each once, the broken ones named and the others kept.

Owns idempotence by order id and event key, refunds, and which mail an order is credited to. Records and wakes; the
worker decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.actions.stock import Used, redeem
from app.actions.track.telling import Event, Order, RowError, Whom, read_event, read_order
from app.core.facts import Fact, FactKind, Fields
from app.core.instants import DAY, Instant, Span
from app.core.site import Site
from app.core.tracked import is_late
from app.store import events, shopping
from app.store.events import Purchase
from app.store.ledgers import StepCount, add_counts, use_token_once
from app.store.people import lock
from app.world import World

MOST_ROWS = 500
CHUNK = 50
"""Rows of one transaction."""
CREDIT_FOR: Span = 5 * DAY
"""An order is credited to the mail of the last human click within this time before it."""
REMEMBERED: Span = 400 * DAY
"""So long the key of an event is known again."""


class Status(StrEnum):
    ACCEPTED = "accepted"
    KNOWN = "known"
    """Exactly this was told before; nothing was done."""
    NO_SUBSCRIBER = "no_subscriber"
    """Nobody here has this address. An order is kept for the sums, an event is not kept."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of row number `row`, counted from 0."""

    row: int
    status: Status
    error: str = ""


_T = TypeVar("_T", Order, Event)
_Read = Callable[[object, Site, Instant], _T]
_Write = Callable[[World, Session, _T, int | None], Status]


def take_orders(world: World, shelved: Shelved, rows: Sequence[object]) -> list[Answer]:
    """Keep orders and what became of them. Every row has its answer, in order."""

    def write(world: World, session: Session, order: Order, subscriber_id: int | None) -> Status:
        status = _write_order(world, session, order, subscriber_id)
        if order.coupon:
            redeem(session, shelved, Used(order.source, order.order_id, order.coupon, subscriber_id, order.at))
        return status

    return _take(world, shelved, rows, read_order, write)


def take_events(world: World, shelved: Shelved, rows: Sequence[object]) -> list[Answer]:
    """Keep declared events. Every row has its answer, in order."""
    return _take(world, shelved, rows, read_event, _write_event)


def _take(world: World, shelved: Shelved, rows: Sequence[object], read: _Read[_T], write: _Write[_T]) -> list[Answer]:
    answers: list[Answer] = []
    told: list[tuple[int, _T]] = []
    for number, row in enumerate(rows):
        try:
            told.append((number, read(row, shelved.book.site, world.now())))
        except RowError as error:
            answers.append(Answer(number, Status.REJECTED, str(error)))
    for start in range(0, len(told), CHUNK):
        answers += _chunk(world, told[start : start + CHUNK], write)
    return sorted(answers, key=lambda answer: answer.row)


def _chunk(world: World, told: Sequence[tuple[int, _T]], write: _Write[_T]) -> Iterator[Answer]:
    answers = []
    with world.transaction("write") as session:
        whom = shopping.find_people(session, _keys(told), [one.whom.public_id for _, one in told if one.whom.public_id])
        lock(session, set(whom.values()))
        for number, one in told:
            try:
                answers.append(Answer(number, write(world, session, one, _person(whom, one.whom))))
            except RowError as error:
                answers.append(Answer(number, Status.REJECTED, str(error)))
    yield from answers


def _keys(told: Sequence[tuple[int, Order]] | Sequence[tuple[int, Event]]) -> list[str]:
    return [one.whom.address_key for _, one in told if one.whom.address_key]


def _person(found: Mapping[str | bytes, int], whom: Whom) -> int | None:
    return found.get(whom.public_id or whom.address_key)


# ── Orders ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write_order(world: World, session: Session, order: Order, subscriber_id: int | None) -> Status:
    before = shopping.find_purchase(session, order.source, order.order_id)
    if before is None:
        return _new_order(world, session, order, subscriber_id)
    if before.amount != order.total:
        raise RowError(f"this order was recorded with a total of {before.amount}; tell what was given back as refunded")
    if order.refunded <= before.refunded:
        return Status.KNOWN
    _refund(world, session, before, order.refunded)
    return Status.ACCEPTED


def _new_order(world: World, session: Session, order: Order, subscriber_id: int | None) -> Status:
    credit = None if subscriber_id is None else shopping.last_human_click(session, subscriber_id, order.at, CREDIT_FOR)
    new = Purchase(
        order.source, order.order_id, subscriber_id, order.total, order.at, order.currency, credited_message_id=credit
    )
    events.upsert_purchase(session, new)
    add_counts(session, credit_counts(session, new, orders=1, revenue=new.amount))
    if subscriber_id is not None:
        fact = _ordered(order, is_quiet=is_late(order.at, world.now()))
        events.record_facts(session, subscriber_id, (fact,), world.now())
    if order.refunded:
        _refund(world, session, new, order.refunded)
    return Status.ACCEPTED if subscriber_id is not None else Status.NO_SUBSCRIBER


def _refund(world: World, session: Session, before: Purchase, refunded: int) -> None:
    """More of an order was given back: what is new of it is a fact, and the mail it was credited to loses it."""
    more = refunded - before.refunded
    events.upsert_purchase(session, replace(before, refunded=refunded))
    add_counts(session, credit_counts(session, before, orders=0, revenue=-more))
    if before.subscriber_id is not None:
        fields: Fields = {"order_id": before.order_id, "amount": more}
        key = _key("refund", before.source, before.order_id, str(refunded))
        fact = Fact(key, FactKind.REFUNDED, world.now(), value=more, fields=fields)
        events.record_facts(session, before.subscriber_id, (fact,), world.now())


def _ordered(order: Order, *, is_quiet: bool) -> Fact:
    return Fact(
        id=_key("order", order.source, order.order_id),
        kind=FactKind.ORDERED,
        at=order.at,
        value=order.total,
        products=order.products,
        fields={**order.fields, "order_id": order.order_id, "total": order.total},
        is_quiet=is_quiet,
    )


def _key(*parts: str) -> bytes:
    """The same thing told again has the same fact id."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16, person=b"parvar told").digest()


# ── Credit ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def credit_counts(session: Session, purchase: Purchase, *, orders: int, revenue: int) -> dict[StepCount, int]:
    """What the counters of the mail an order is credited to gain; nothing for an order no mail led to."""
    place = shopping.place_of(session, purchase.credited_message_id)
    if place is None:
        return {}
    day = purchase.at // DAY
    return {(day, *place, "credited:orders"): orders, (day, *place, "credited:revenue"): revenue}


def credit_anew(session: Session, message_ids: Iterable[int]) -> None:
    """Clicks in these mails were taken back: the orders credited to them look for their mail again."""
    for before in shopping.credited_to(session, message_ids):
        if before.subscriber_id is None:
            continue
        found = shopping.last_human_click(session, before.subscriber_id, before.at, CREDIT_FOR)
        if found != before.credited_message_id:
            after = replace(before, credited_message_id=found)
            left = before.amount - before.refunded
            add_counts(session, credit_counts(session, before, orders=-1, revenue=-left))
            add_counts(session, credit_counts(session, after, orders=1, revenue=left))
            shopping.set_credit(session, after)


# ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write_event(world: World, session: Session, event: Event, subscriber_id: int | None) -> Status:
    if subscriber_id is None:
        return Status.NO_SUBSCRIBER
    fact_id = _key("event", event.type.key, event.key) if event.key else world.new_id()
    if event.key and not use_token_once(session, "event", fact_id, world.wall() + REMEMBERED):
        return Status.KNOWN
    is_quiet = is_late(event.at, world.now())
    fact = Fact(fact_id, FactKind.EVENT, event.at, event.type.key, fields=event.fields, is_quiet=is_quiet)
    events.record_facts(session, subscriber_id, (fact,), world.now())
    return Status.ACCEPTED
