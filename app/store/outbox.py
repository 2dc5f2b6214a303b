"""The outbox: calls of webhooks that wait, in the order they were asked for, each with its tries.

Owns taking, settling and putting off. A call is taken by moving its due time on, so that a worker that dies leaves it
to the next one. Must not call anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.base import table_of, upsert
from app.store.ledgers import OutboxRow
from app.store.people import SubscriberRow


@dataclass(frozen=True, slots=True)
class Waiting:
    """One call: to which endpoint, about whom, and what it says (JSON). `attempts` counts this one too."""

    id: int
    endpoint: str
    key: str
    payload: str
    attempts: int
    person: str = ""
    """Public id in hex; empty when it is about nobody."""
    address: str = ""


def put(session: Session, endpoint: str, key: str, payload: str, at: Instant) -> None:
    """Ask for a call about nobody, once for each key."""
    row = {"endpoint": endpoint, "subscriber_id": None, "key": key[:300], "payload": payload, "state": "open"}
    statement = upsert(session, OutboxRow).values(row | {"due_at": at, "attempts": 0})
    session.execute(statement.on_conflict_do_nothing())


def take(session: Session, now: Instant, until: Instant, limit: int = 20) -> list[Waiting]:
    """Calls that are due, none before an older one of the same endpoint and person; nobody else gets them `until`."""
    row, older = table_of(OutboxRow), table_of(OutboxRow).alias()
    same = (older.c.endpoint == row.c.endpoint) & (older.c.subscriber_id == row.c.subscriber_id)
    first = ~exists(select(older.c.id).where(older.c.state == "open", same, older.c.id < row.c.id))
    due = select(row.c.id).where(row.c.state == "open", row.c.due_at <= now, first).order_by(row.c.due_at, row.c.id)
    ids = due.limit(limit).with_for_update(skip_locked=True, of=row)
    taking = update(row).where(row.c.id.in_(ids)).values(due_at=until, attempts=row.c.attempts + 1)
    taken = session.execute(
        taking.returning(row.c.id, row.c.endpoint, row.c.key, row.c.payload, row.c.attempts, row.c.subscriber_id)
    ).all()
    whom = {each.subscriber_id for each in taken if each.subscriber_id is not None}
    person = table_of(SubscriberRow)
    rows = session.execute(select(person.c.id, person.c.public_id, person.c.address).where(person.c.id.in_(whom))).all()
    known = {each.id: (each.public_id.hex(), each.address) for each in rows}
    return [
        Waiting(r.id, r.endpoint, r.key, r.payload, r.attempts, *known.get(r.subscriber_id, ("", "")))
        for r in sorted(taken, key=lambda each: each.id)
    ]


def put_off(session: Session, call_id: int, until: Instant) -> None:
    session.execute(update(OutboxRow).where(OutboxRow.id == call_id, OutboxRow.state == "open").values(due_at=until))


def settle(session: Session, call_id: int, state: str) -> None:
    """`done`, or `given_up`."""
    session.execute(update(OutboxRow).where(OutboxRow.id == call_id, OutboxRow.state == "open").values(state=state))
