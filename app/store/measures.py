"""Measures: sums over kept counters and short ranges of indexed time, for reports of many people.

Owns reading counters, purchases, troubled messages and the suppression list. Must not count large tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func, select, update
from sqlalchemy.orm import Session

from app.core.instants import DAY, Instant
from app.store.events import PurchaseRow
from app.store.ledgers import BoxCountRow, CountRow, OutboxRow, StageCountRow
from app.store.messages import IS_TROUBLED, DeliveryRow, MessageRow
from app.store.people import SubscriberRow
from app.store.permissions import SuppressionRow
from app.store.releases import LiveMailRow, MailVersionRow
from app.store.runs import RunRow, StageChangeRow

DayCount = Mapping[int, int]
"""Day, counted from 1970 UTC → number"""


@dataclass(frozen=True, slots=True)
class Days:
    """A stretch of days, the last one excluded."""

    first: int
    last: int

    @property
    def before(self) -> Days:
        """The same length just before."""
        return Days(self.first - (self.last - self.first), self.first)


# ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────────


def metric_by_day(session: Session, metric: str, days: Days, campaign: str = "") -> dict[int, int]:
    """One counter of campaigns, day by day."""
    query = select(CountRow.day, func.sum(CountRow.value).label("number"))
    query = query.where(CountRow.day >= days.first, CountRow.day < days.last, CountRow.metric == metric)
    if campaign:
        query = query.where(CountRow.campaign == campaign)
    return {row.day: int(row.number) for row in session.execute(query.group_by(CountRow.day))}


def box_metric_by_day(session: Session, metric: str, days: Days) -> dict[int, int]:
    """One counter of all boxes, by page, so that sources and arms are not counted again."""
    rows = select(BoxCountRow.day, func.sum(BoxCountRow.value).label("number"))
    rows = rows.where(BoxCountRow.day >= days.first, BoxCountRow.day < days.last, BoxCountRow.metric == metric)
    rows = rows.where(BoxCountRow.arm == "", BoxCountRow.page_key.not_like("from:%"))
    return {row.day: int(row.number) for row in session.execute(rows.group_by(BoxCountRow.day))}


def moves_by_day(session: Session, days: Days) -> dict[tuple[int, str, str], int]:
    """(day, before, after) → how many changed their stage so."""
    query = select(StageCountRow).where(StageCountRow.day >= days.first, StageCountRow.day < days.last)
    return {(row.day, row.before, row.after): row.value for row in session.scalars(query)}


def revenue_by_day(session: Session, days: Days) -> dict[int, int]:
    """What was bought less what was given back, in the smallest unit; read from the orders of these days only."""
    day = _day_of(PurchaseRow.at)
    query = select(day.label("day"), func.sum(PurchaseRow.amount - PurchaseRow.refunded).label("number"))
    query = query.where(PurchaseRow.at >= days.first * DAY, PurchaseRow.at < days.last * DAY)
    return {int(row.day): int(row.number) for row in session.execute(query.group_by(day))}


def _day_of(at: Any) -> ColumnElement[int]:
    """The number of the UTC day; the remainder is taken off first, so that no database rounds up."""
    return cast((at - at % DAY) / DAY, Integer)


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────────────────────


def step_counts(session: Session, campaign: str, days: Days) -> dict[tuple[str, str], int]:
    """(step, metric) → number, of one campaign."""
    query = select(CountRow.step, CountRow.metric, func.sum(CountRow.value).label("number"))
    query = query.where(CountRow.day >= days.first, CountRow.day < days.last, CountRow.campaign == campaign)
    rows = session.execute(query.group_by(CountRow.step, CountRow.metric))
    return {(row.step, row.metric): int(row.number) for row in rows}


def campaign_counts(session: Session, metrics: Sequence[str], days: Days) -> dict[tuple[str, str], int]:
    """(campaign, metric) → number, of all campaigns."""
    query = select(CountRow.campaign, CountRow.metric, func.sum(CountRow.value).label("number"))
    query = query.where(CountRow.day >= days.first, CountRow.day < days.last, CountRow.metric.in_(metrics))
    rows = session.execute(query.group_by(CountRow.campaign, CountRow.metric))
    return {(row.campaign, row.metric): int(row.number) for row in rows}


def overlap(session: Session, limit: int = 200) -> dict[tuple[str, str], int]:
    """(campaign, campaign) → people under way in both. Reads live runs: ask seldom."""
    one, other = RunRow.__table__.alias(), RunRow.__table__.alias()
    query = (
        select(one.c.campaign, other.c.campaign.label("other"), func.count().label("number"))
        .join(other, (other.c.subscriber_id == one.c.subscriber_id) & (other.c.campaign > one.c.campaign))
        .where(one.c.state.not_in(("ended", "resting")), other.c.state.not_in(("ended", "resting")))
        .group_by(one.c.campaign, other.c.campaign)
        .order_by(func.count().desc())
        .limit(limit)
    )
    return {(row.campaign, row.other): row.number for row in session.execute(query)}


# ── The ladder ───────────────────────────────────────────────────────────────────────────────────────────────────────


def times_to_rise(session: Session, after: str, since: Instant, limit: int = 2_000) -> list[int]:
    """How long the newest who rose to a stage had stood below it, in microseconds, unordered."""
    rose = (
        select(StageChangeRow.subscriber_id, StageChangeRow.at)
        .where(StageChangeRow.at >= since, StageChangeRow.after == after, StageChangeRow.rule == f"rise:{after}")
        .order_by(StageChangeRow.at.desc())
        .limit(limit)
        .subquery()
    )
    before = StageChangeRow.__table__.alias()
    last = (
        select(func.max(before.c.at))
        .where(before.c.subscriber_id == rose.c.subscriber_id, before.c.at < rose.c.at)
        .scalar_subquery()
    )
    query = (
        select(rose.c.at - func.coalesce(last, SubscriberRow.created_at))
        .select_from(rose)
        .join(SubscriberRow, SubscriberRow.id == rose.c.subscriber_id)
    )
    return [int(span) for span in session.scalars(query) if span is not None and span >= 0]


def cohorts(session: Session, weeks: int, this_week: int) -> dict[tuple[int, str], int]:
    """(week of the first sight, stage now) → people, of the newest weeks (weeks counted from 1970 UTC). Ask seldom."""
    week = _week_of()
    query = select(week.label("week"), SubscriberRow.stage, func.count().label("number"))
    query = query.where(SubscriberRow.created_at >= (this_week - weeks + 1) * 7 * DAY)
    rows = session.execute(query.group_by(week, SubscriberRow.stage))
    return {(int(row.week), row.stage): row.number for row in rows}


def _week_of() -> ColumnElement[int]:
    at = SubscriberRow.created_at
    return cast((at - at % (7 * DAY)) / (7 * DAY), Integer)


@dataclass(frozen=True, slots=True)
class Share:
    """What the best buyers bring: their number, their revenue, everybody's."""

    buyers: int
    best: int
    best_revenue: int
    revenue: int


def best_buyers(session: Session, share: float = 0.2) -> Share:
    """The revenue of the best fifth beside everybody's. Reads those who bought: ask seldom."""
    bought = SubscriberRow.orders > 0
    number = session.scalar(select(func.count()).where(bought)) or 0
    best = max(1, round(number * share)) if number else 0
    newest = select(SubscriberRow.revenue).where(bought).order_by(SubscriberRow.revenue.desc()).limit(best).subquery()
    top = session.scalar(select(func.coalesce(func.sum(newest.c.revenue), 0))) or 0
    total = session.scalar(select(func.coalesce(func.sum(SubscriberRow.revenue), 0)).where(bought)) or 0
    return Share(number, best, int(top), int(total))


# ── Boxes and mails ──────────────────────────────────────────────────────────────────────────────────────────────────


def box_counts(session: Session, days: Days) -> dict[tuple[str, str, str, str], int]:
    """(box, arm, page key, metric) → number."""
    keys = (BoxCountRow.box, BoxCountRow.arm, BoxCountRow.page_key, BoxCountRow.metric)
    query = select(*keys, func.sum(BoxCountRow.value).label("number"))
    query = query.where(BoxCountRow.day >= days.first, BoxCountRow.day < days.last).group_by(*keys)
    return {(row.box, row.arm, row.page_key, row.metric): int(row.number) for row in session.execute(query)}


@dataclass(frozen=True, slots=True)
class LiveMail:
    """One live mail in one locale."""

    mail: str
    locale: str
    version_id: int
    is_service: bool
    at: Instant


def live_mails(session: Session) -> list[LiveMail]:
    query = (
        select(
            LiveMailRow.mail, LiveMailRow.locale, LiveMailRow.version_id, MailVersionRow.is_service, MailVersionRow.at
        )
        .join(MailVersionRow, MailVersionRow.id == LiveMailRow.version_id)
        .order_by(LiveMailRow.mail, LiveMailRow.locale)
    )
    return [LiveMail(*row) for row in session.execute(query)]


def live_subjects(session: Session) -> dict[tuple[str, str], str]:
    """(mail, locale) → the usual subject of its live version, as it stands in the template."""
    query = select(LiveMailRow.mail, LiveMailRow.locale, MailVersionRow.compiled)
    rows = session.execute(query.join(MailVersionRow, MailVersionRow.id == LiveMailRow.version_id))
    return {(row.mail, row.locale): str(json.loads(row.compiled).get("subject", "")) for row in rows}


# ── Delivery ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Troubled:
    """One mail that needs a decision: its fate is unknown, or it could not be written."""

    id: int
    mail: str
    campaign: str
    state: str
    reason: str
    reply: str
    at: Instant | None
    person: str
    """Public id in hex."""
    address: str


def troubled(session: Session, state: str, after: int, limit: int) -> list[Troubled]:
    """Uncertain or parked mails, oldest first."""
    query = (
        select(MessageRow, SubscriberRow.public_id, SubscriberRow.address)
        .join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
        .where(IS_TROUBLED, MessageRow.state == state, MessageRow.id > after)
        .order_by(MessageRow.id)
        .limit(limit)
    )
    return [
        Troubled(m.id, m.mail_key, m.campaign, m.state, m.reason, m.reply, m.settled_at, public_id.hex(), address)
        for m, public_id, address in session.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Answer:
    """How attempts of a stretch of time ended at one relay."""

    relay: str
    outcome: str
    number: int


def newest_attempts(session: Session, limit: int = 5_000) -> list[Answer]:
    """The outcomes of the newest attempts, by relay."""
    newest = select(DeliveryRow.relay, DeliveryRow.outcome).order_by(DeliveryRow.id.desc()).limit(limit).subquery()
    query = select(newest.c.relay, newest.c.outcome, func.count().label("n")).group_by(newest.c.relay, newest.c.outcome)
    return [Answer(row.relay, row.outcome, row.n) for row in session.execute(query)]


def webhooks_open(session: Session) -> int:
    """Calls of webhooks that still wait, at most a thousand counted."""
    inner = select(OutboxRow.id).where(OutboxRow.state == "open").limit(1_000).subquery()
    return session.scalar(select(func.count()).select_from(inner)) or 0


def newest_suppressions(session: Session, limit: int = 50) -> Sequence[SuppressionRow]:
    query = select(SuppressionRow).order_by(SuppressionRow.at.desc()).limit(limit)
    return session.scalars(query).all()


def settle_as_sent(session: Session, ids: Sequence[int], at: Instant) -> list[int]:
    """By choice of the operator: take uncertain mails as delivered. Returns the people to wake."""
    taken = update(MessageRow).where(MessageRow.id.in_(ids), MessageRow.state == "uncertain")
    values = {"state": "sent", "settled_at": func.coalesce(MessageRow.settled_at, at), "reason": "taken_as_sent"}
    done = taken.values(values).returning(MessageRow.subscriber_id).execution_options(synchronize_session=False)
    return sorted(set(session.scalars(done)))
