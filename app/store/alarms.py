"""Alarms: the figures sending is judged by: what was sent, what came back, and when we last stopped for it.

Owns the queries of the circuit breakers. Days are counted from 1970 UTC. Must not stop anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.instants import DAY, Instant
from app.core.person import MailClass
from app.store.accounts import AuditRow
from app.store.base import table_of
from app.store.events import EventRow
from app.store.ledgers import CountRow, StepCount, add_counts
from app.store.messages import DeliveryRow, MessageRow
from app.store.people import SubscriberRow
from app.store.releases import CONTROL, ControlRow, LiveRow

PREFIX = "mail:"
BREAKER = "breaker"
"""How a line of the log begins that tells of a stop; and who wrote it."""


def mail_counts(found: Mapping[tuple[str, str], int], at: Instant) -> dict[StepCount, int]:
    """(campaign, outcome) → how many mails, as counters of the instant's day."""
    return {(at // DAY, campaign, "", "", f"{PREFIX}{what}"): number for (campaign, what), number in found.items()}


def count_mails(session: Session, found: Mapping[tuple[str, str], int], at: Instant) -> None:
    """Add what became of mails to the day's counters: (campaign, outcome) → how many."""
    add_counts(session, mail_counts(found, at))


def mails_since(session: Session, since: Instant) -> Counter[tuple[str, str]]:
    """(campaign, outcome) → how many mails, since the day of an instant."""
    row = table_of(CountRow)
    mine = (row.c.day >= since // DAY) & row.c.metric.startswith(PREFIX)
    query = select(row.c.campaign, row.c.metric, func.sum(row.c.value).label("n")).where(mine)
    found: Counter[tuple[str, str]] = Counter()
    for campaign, metric, number in session.execute(query.group_by(row.c.campaign, row.c.metric)):
        found[campaign, metric.removeprefix(PREFIX)] += int(number)
    return found


def returns_since(session: Session, kind: str, since: Instant, limit: int = 5_000) -> list[tuple[str, Instant, int]]:
    """(campaign, when, subscriber) of complaints, hard bounces or farewells since an instant, by the mail behind."""
    event, message = table_of(EventRow), table_of(MessageRow)
    query = (
        select(event.c.at, event.c.subscriber_id, event.c.message_id, event.c.name, event.c.payload)
        .where(event.c.kind == kind, event.c.at > since, event.c.subscriber_id.is_not(None))
        .order_by(event.c.at)
        .limit(limit)
    )
    found = []
    for row in session.execute(query):
        if kind == "bounced" and '"class": "hard"' not in row.payload:
            continue
        mine = (message.c.subscriber_id == row.subscriber_id) & (message.c.mail_class == MailClass.MARKETING.value)
        by = message.c.id == row.message_id if row.message_id else message.c.mail_key == row.name
        newest = select(message.c.campaign).where(mine, by).order_by(message.c.id.desc()).limit(1)
        if campaign := session.scalar(newest):
            found.append((campaign, row.at, row.subscriber_id))
    return found


def last_stops(session: Session, subjects: Iterable[str]) -> dict[str, Instant]:
    """When each of these was last stopped by a breaker or let go on again; "" is everything."""
    query = select(AuditRow.subject, func.max(AuditRow.at).label("at")).where(
        AuditRow.action.in_((BREAKER, "resume", "resume_all")), AuditRow.subject.in_(list(subjects))
    )
    return {row.subject: row.at for row in session.execute(query.group_by(AuditRow.subject))}


def newest_subscriber(session: Session, locale: str) -> int | None:
    """Anybody, best somebody who reads this language: a mail to our own people hangs on somebody's row."""
    alike = select(SubscriberRow.id).where(SubscriberRow.locale == locale).order_by(SubscriberRow.id.desc()).limit(1)
    return session.scalar(alike) or session.scalar(select(func.max(SubscriberRow.id)))


def stopped(session: Session) -> dict[str, tuple[Instant, str]]:
    """Campaigns a breaker stopped that nobody has let go on since, "" when it stopped everything: when (by the
    machine's clock), and the evidence.
    """
    control = session.get(ControlRow, CONTROL, populate_existing=True)
    paused = list(session.scalars(select(LiveRow.campaign).where(LiveRow.standing == "paused")))
    subjects = [*paused, *([""] if control is not None and control.is_paused else [])]
    steps = (BREAKER, "pause", "resume", "pause_all", "resume_all")
    newest = select(func.max(AuditRow.id)).where(AuditRow.subject.in_(subjects), AuditRow.action.in_(steps))
    last = select(AuditRow.subject, AuditRow.at, AuditRow.detail).where(
        AuditRow.id.in_(newest.group_by(AuditRow.subject)), AuditRow.action == BREAKER
    )
    return {row.subject: (row.at, row.detail) for row in session.execute(last.order_by(AuditRow.subject))}


def newest_block(session: Session) -> str:
    """The words of the newest answer that was about us, among the newest attempts; "" when there is none."""
    newest = select(DeliveryRow.message_id, DeliveryRow.text, DeliveryRow.id).order_by(DeliveryRow.id.desc()).limit(200)
    tried = newest.where(DeliveryRow.outcome == "refused").subquery()
    blocked = select(tried.c.text).join(MessageRow, MessageRow.id == tried.c.message_id)
    return session.scalar(blocked.where(MessageRow.reason == "block").order_by(tried.c.id.desc()).limit(1)) or ""
