"""Doors: what is stored about messages about to leave that can still stop them.

Owns one reading query for a batch: message, run and the permission side of its person. Must not judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.hot import Hot


class Door(NamedTuple):
    """As the columns stand: for every mail that leaves there is one."""

    message_id: int
    cause_key: str | None
    mail_class: str
    campaign: str
    created_at: Instant
    fresh_until: Instant | None
    run_state: str | None
    entered_at: Instant | None
    state: str
    timezone: str
    confirmed_at: Instant | None
    unsubscribed_at: Instant | None
    is_suppressed: bool
    dormant_at: Instant | None
    paused_until: Instant | None
    due_at: Instant | None


COLUMNS: Final = """m.id, m.cause_key, m.mail_class, m.campaign, m.created_at, m.fresh_until, r.state, r.entered_at,
 s.state, s.tz, s.confirmed_at, s.unsubscribed_at, s.is_suppressed, s.dormant_at, s.paused_until, s.due_at"""
_TABLES: Final = "message m JOIN subscriber s ON s.id = m.subscriber_id LEFT JOIN run r ON r.id = m.run_id"
# One by one, each by its key, whatever PostgreSQL thinks of their number: a worker keeps its plans, and one made while
# there were a thousand people reads all of them for each load when there are a million, until they are counted again.
_ONE_BY_ONE: Final = """unnest(CAST(:ids AS bigint[])) AS wanted(id)
 CROSS JOIN LATERAL (SELECT * FROM message WHERE message.id = wanted.id OFFSET 0) AS m
 CROSS JOIN LATERAL (SELECT * FROM subscriber WHERE subscriber.id = m.subscriber_id OFFSET 0) AS s
 LEFT JOIN LATERAL (SELECT * FROM run WHERE run.id = m.run_id OFFSET 0) AS r ON true"""


def by_message(columns: str) -> Hot:
    """Columns of messages (m), their people (s) and runs (r), of the `ids` handed in; the first is the message's id."""
    return Hot(f"SELECT {columns} FROM {_TABLES} WHERE m.id IN :ids", f"SELECT {columns} FROM {_ONE_BY_ONE}")  # noqa: S608


_DOORS = by_message(COLUMNS)


def doors(session: Session, ids: Sequence[int]) -> list[Door]:
    """The doors of these messages, as stored now."""
    return list(map(Door._make, _DOORS.rows(session, ids=list(ids))))
