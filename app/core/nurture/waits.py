"""Waits: the instant a timed wait ends for one person.

Owns the meaning of `wait:` rules as instants. Must not move a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias, assert_never

from app.core.calendar import CalendarName, parse_date, parse_yearly_day
from app.core.campaign import Campaign, ForCondition, ForDate, ForDay, ForDays, ForSpan, IfPast, Send, WaitRule
from app.core.instants import Instant
from app.core.nurture.desk import Desk
from app.core.nurture.offers import offer_end
from app.core.windows import Shift, Workdays, after_days, local, on_date, on_day


@dataclass(frozen=True, slots=True)
class Until:
    """The wait ends at an instant; one in the past is due."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Leave:
    """The date is past and the file says: exit."""


End: TypeAlias = Until | Leave


def wait_end(desk: Desk, campaign: Campaign, rule: WaitRule, began_at: Instant) -> End:
    """When a wait that began at an instant ends. A condition ends at its limit here; coming true is asked elsewhere."""
    match rule:
        case ForSpan():
            return Until(began_at + rule.span)
        case ForDays():
            return Until(after_days(began_at, rule.days, rule.at, desk.zone))
        case ForDay():
            return Until(_on_day(desk, rule, began_at))
        case ForCondition():
            return Until(began_at + rule.at_most)
        case ForDate():
            return _on_date(desk, campaign, rule, began_at)
        case _:
            assert_never(rule)


def _on_day(desk: Desk, rule: ForDay, began_at: Instant) -> Instant:
    site = desk.book.site
    day = Workdays(site.weekend, site.contact.quiet.days) if rule.day is None else rule.day
    found = on_day(began_at, day, rule.at, desk.zone)
    return began_at if found is None else found


def _on_date(desk: Desk, campaign: Campaign, rule: ForDate, began_at: Instant) -> End:
    anchor = _anchor(desk, campaign, rule, began_at)
    if anchor is None:
        return Until(began_at)
    at = on_date(anchor, Shift(rule.days, rule.at, rule.before), desk.zone)
    if at < began_at and rule.if_past is IfPast.EXIT:
        return Leave()
    return Until(at)


def _anchor(desk: Desk, campaign: Campaign, rule: ForDate, began_at: Instant) -> date | Instant | None:
    """The date meant; None when this person has none (then the wait is over at once)."""
    if rule.is_offer_end:
        return _offer_end(desk, campaign)
    if rule.attribute:
        return _attribute_date(desk, rule.attribute, began_at)
    return parse_date(rule.date)


def _offer_end(desk: Desk, campaign: Campaign) -> Instant | None:
    """The end of the offer this campaign sent last; of several the one whose mail left most recently."""
    offers = [step.offer for step in campaign.steps() if isinstance(step, Send) and step.offer]
    sent = {m.offer: m.settled_at or 0 for m in desk.messages.values() if m.offer in offers and m.settled_at}
    latest = sorted(dict.fromkeys(offers), key=lambda offer: -sent.get(offer, 0))
    return next((end for offer in latest if (end := offer_end(desk, offer)) is not None), None)


def _attribute_date(desk: Desk, key: str, began_at: Instant) -> date | None:
    value = desk.subscriber.attributes.get(key)
    attribute = desk.book.site.attributes.get(key)
    if not isinstance(value, str) or attribute is None:
        return None
    try:
        if attribute.type == "day":
            day = parse_yearly_day(value, CalendarName(attribute.calendar))
            return day.next_from(local(began_at, desk.zone).date())
        return parse_date(value)
    except ValueError:
        return None
