"""Stepwise: what came back of the mails of each step, and how late they left, from the newest rows only.

Owns reading short ranges of events and messages. Must not count large tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.instants import Instant, Span
from app.store.base import table_of
from app.store.events import EventRow
from app.store.messages import DeliveryRow, MessageRow

KINDS = ("unsubscribed", "complained", "bounced")
MOST_EVENTS = 3_000
NEWEST_MAILS = 30_000

Place = tuple[str, str]
"""(campaign, step)"""


def returns(session: Session, since: Instant) -> Counter[tuple[str, str, str]]:
    """(campaign, step, kind) → people who left, complained or whose address failed for good, by the mail behind it."""
    found: Counter[tuple[str, str, str]] = Counter()
    for kind in KINDS:
        for campaign, step in _behind(session, kind, since):
            found[campaign, step, kind] += 1
    return found


def _behind(session: Session, kind: str, since: Instant) -> Iterator[Place]:
    event, message = table_of(EventRow), table_of(MessageRow)
    query = select(event.c.subscriber_id, event.c.message_id, event.c.name, event.c.payload)
    query = query.where(event.c.kind == kind, event.c.at > since, event.c.subscriber_id.is_not(None))
    for row in session.execute(query.order_by(event.c.at.desc()).limit(MOST_EVENTS)).all():
        if kind == "bounced" and '"class": "hard"' not in row.payload:
            continue
        mine = message.c.subscriber_id == row.subscriber_id
        by = message.c.id == row.message_id if row.message_id else (message.c.mail_key == row.name) & mine
        newest = select(message.c.campaign, message.c.step).where(by).order_by(message.c.id.desc()).limit(1)
        place = session.execute(newest).one_or_none()
        if place is not None and place.campaign:
            yield place.campaign, place.step


def lateness(session: Session) -> dict[Place, list[Span]]:
    """(campaign, step) → how long after they were wanted the newest mails left, in microseconds."""
    message = table_of(MessageRow)
    last = session.scalar(select(func.max(message.c.id))) or 0
    late = message.c.settled_at - message.c.wanted_at
    query = select(message.c.campaign, message.c.step, late.label("late")).where(
        message.c.id > last - NEWEST_MAILS, message.c.state == "sent", message.c.campaign != ""
    )
    found: dict[Place, list[Span]] = {}
    for row in session.execute(query):
        found.setdefault((row.campaign, row.step), []).append(max(0, int(row.late or 0)))
    return found


@dataclass(frozen=True, slots=True)
class Clicks:
    """Clicks judged human on one link, and the people behind them."""

    clicks: int
    people: int


NEWEST_CLICKS = 50_000


def clicks_by_link(session: Session, place: Place, since: Instant) -> dict[int, Clicks]:
    """Link number → clicks on it, of one step's mails. Of all steps together only the newest clicks are read."""
    event = table_of(EventRow)
    columns = (event.c.campaign, event.c.step, event.c.link_number, event.c.subscriber_id, event.c.verdict)
    newest = select(*columns).where(event.c.kind == "clicked", event.c.at > since)
    recent = newest.order_by(event.c.at.desc()).limit(NEWEST_CLICKS).subquery()
    mine = (recent.c.campaign == place[0]) & (recent.c.step == place[1]) & (recent.c.verdict == "human")
    people = func.count(recent.c.subscriber_id.distinct())
    query = select(recent.c.link_number, func.count().label("clicks"), people.label("people")).where(mine)
    rows = session.execute(query.group_by(recent.c.link_number))
    return {row.link_number: Clicks(row.clicks, row.people) for row in rows if row.link_number is not None}


NEWEST_ATTEMPTS = 200


def attempts_since(session: Session, since: Instant) -> tuple[int, int]:
    """Of the newest attempts since an instant: how many there were, and how many got no answer about their mail."""
    newest = select(DeliveryRow.outcome, DeliveryRow.at).order_by(DeliveryRow.id.desc()).limit(NEWEST_ATTEMPTS)
    outcomes = [row.outcome for row in session.execute(newest) if row.at >= since]
    return len(outcomes), sum(outcome not in ("sent", "refused") for outcome in outcomes)
