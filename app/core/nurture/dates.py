"""Dates: the rounds of yearly and broadcast entries, in each person's own time.

Owns when such an entry comes due for one person. Must not enter anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.calendar import CalendarName, YearlyDay, parse_date, parse_yearly_day
from app.core.campaign import Campaign, Entry, Once, Yearly
from app.core.instants import Instant
from app.core.nurture.desk import Desk
from app.core.windows import YearBeat, at_local, next_anniversary


@dataclass(frozen=True, slots=True)
class Round:
    """One coming of a date: its instant, and the run key that lets it enter once."""

    at: Instant
    key: str


def due_round(desk: Desk, campaign: Campaign, entry: Entry) -> Round | None:
    """The round that came due since this person was last looked at, not older than the campaign tolerates."""
    after = max(desk.book.since.get(campaign.key, 0), desk.now - campaign.overdue.skip_older_than, _looked_at(desk))
    found = next_round(desk, entry, after + 1)
    return found if found and found.at <= desk.now else None


def next_round(desk: Desk, entry: Entry, since: Instant) -> Round | None:
    """The first round at or after an instant."""
    match entry.rule:
        case Yearly():
            return _yearly(desk, entry.rule, since)
        case Once(date, at, _):
            instant = at_local(parse_date(date), at, desk.zone)
            return Round(instant, "") if instant >= since else None
        case _:
            return None


def _looked_at(desk: Desk) -> Instant:
    subscriber = desk.before.subscriber
    return subscriber.looked_at if subscriber.looked_at is not None else subscriber.created_at


def _yearly(desk: Desk, rule: Yearly, since: Instant) -> Round | None:
    day = _day_of(desk, rule.attribute)
    if day is None:
        return None
    found = next_anniversary(since, YearBeat(day, rule.days, rule.at), desk.zone)
    return Round(found.at, str(found.year))


def _day_of(desk: Desk, key: str) -> YearlyDay | None:
    value = desk.subscriber.attributes.get(key)
    attribute = desk.book.site.attributes.get(key)
    if not isinstance(value, str) or attribute is None:
        return None
    try:
        return parse_yearly_day(value, CalendarName(attribute.calendar))
    except ValueError:
        return None
