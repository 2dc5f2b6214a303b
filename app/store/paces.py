"""Paces: the figures a lane's pace is judged by: what was tried and how it ended, what is under way.

Owns the counters of (sending domain, lane, day), kept beside those of campaigns. Must not judge them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.instants import DAY, Instant
from app.core.person import MailClass
from app.store.base import table_of
from app.store.ledgers import CountRow, StepCount, add_counts
from app.store.messages import IS_CLAIMED, MessageRow

PREFIX = "lane:"
ANYBODY = "*"
"""In place of a sending domain: a complaint counts against each of ours."""


def lane_counts(domain: str, found: Mapping[tuple[str, str], int], at: Instant) -> dict[StepCount, int]:
    """(lane, what) → how many, as counters of the instant's day."""
    return {
        (at // DAY, "", f"{domain}/{lane}"[:200], "", f"{PREFIX}{what}"): number
        for (lane, what), number in found.items()
    }


def count_lanes(session: Session, domain: str, found: Mapping[tuple[str, str], int], at: Instant) -> None:
    """Add to the counters of lanes."""
    add_counts(session, lane_counts(domain, found, at))


def lanes_by_day(session: Session, domain: str, first: int, last: int) -> dict[tuple[str, int, str], int]:
    """(lane, day, what) → how many, from day to day, the last one included."""
    row = table_of(CountRow)
    mine = row.c.step.startswith(f"{domain}/", autoescape=True) & row.c.metric.startswith(PREFIX, autoescape=True)
    days = (row.c.day >= first) & (row.c.day <= last) & (row.c.campaign == "")
    rows = session.execute(select(row.c.day, row.c.step, row.c.metric, row.c.value).where(days, mine))
    return {
        (each.step.rpartition("/")[2], each.day, each.metric.removeprefix(PREFIX)): int(each.value) for each in rows
    }


def first_day(session: Session, domain: str) -> int | None:
    """The first day on which this domain sent anything; days are counted from 1970 UTC."""
    row = table_of(CountRow)
    mine = row.c.step.startswith(f"{domain}/", autoescape=True) & row.c.metric.startswith(PREFIX, autoescape=True)
    found: int | None = session.scalar(select(func.min(row.c.day)).where(row.c.campaign == "", mine))
    return found


def under_way(session: Session) -> Counter[str]:
    """Lane → how many marketing mails are claimed by anybody."""
    message = table_of(MessageRow)
    query = select(message.c.lane, func.count().label("n")).where(
        IS_CLAIMED, message.c.mail_class == MailClass.MARKETING.value
    )
    return Counter({row.lane: int(row.n) for row in session.execute(query.group_by(message.c.lane))})
