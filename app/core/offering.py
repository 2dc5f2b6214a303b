"""Offering: when an offer ends for one person, what is left of it, and whether a redemption is right.

Owns these rules as pure functions. Must not hand out codes or know where a clock that runs is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from app.core.calendar import parse_date
from app.core.instants import Instant
from app.core.offers import FixedEnd, Offer, PersonalEnd
from app.core.windows import Zone, after_days, at_local


@dataclass(frozen=True, slots=True)
class Zones:
    """The person's own zone, by which personal ends count, and the site's, by which fixed ones do."""

    person: Zone
    site: Zone


def end_from(offer: Offer, at: Instant, zones: Zones) -> Instant | None:
    """The end when the offer's clock starts at an instant; None for an offer without one."""
    match offer.ends:
        case None:
            return None
        case PersonalEnd(days, clock):
            return after_days(at, days, clock, zones.person)
        case FixedEnd(date, clock):
            return at_local(parse_date(date), clock, zones.site)
        case _:
            assert_never(offer.ends)


def known_end(offer: Offer, running: Mapping[str, Instant], site: Zone) -> Instant | None:
    """The end as it stands: a fixed one always, a personal one once its clock runs."""
    if isinstance(offer.ends, FixedEnd):
        return at_local(parse_date(offer.ends.date), offer.ends.at, site)
    return running.get(offer.key) if offer.ends is not None else None


def end_at_hand_over(offer: Offer, running: Instant | None, now: Instant, zones: Zones) -> Instant | None:
    """The end a mail leaving now tells: a personal clock that runs already is never set again."""
    if isinstance(offer.ends, PersonalEnd) and running is not None:
        return running
    return end_from(offer, now, zones)


def is_over(end: Instant | None, at: Instant) -> bool:
    """Whether the offer has ended at an instant; the end itself is too late."""
    return end is not None and at >= end


def left(seats: int, taken: int, sold_elsewhere: int = 0) -> int:
    """How many places are left: never below nothing, and never fewer than there are."""
    return max(0, seats - taken - sold_elsewhere)


class Redeemed(StrEnum):
    """What a code at the counter turned out to be."""

    GOOD = "good"
    AGAIN = "again"  # it was used for another order before
    LATE = "late"  # used after its end
    STRANGER = "stranger"  # used by another person than it was given to
    NOT_GIVEN = "not_given"  # in a pool, but never handed out
    WITHDRAWN = "withdrawn"  # what it thanked for turned out to be none
    UNKNOWN = "unknown"  # no code of ours


@dataclass(frozen=True, slots=True)
class Handed:
    """What is known of a code that was handed out. `orders` are those it was used for, as far as they were good.

    `subscriber_id` is None when its holder was erased: the code is hers still, and nobody can be told apart from her.
    """

    subscriber_id: int | None
    ends_at: Instant | None
    orders: frozenset[str]
    is_shared: bool = False
    is_withdrawn: bool = False


def judge(handed: Handed, buyer: int | None, order_id: str, at: Instant) -> Redeemed:
    """A redemption of a code by a buyer (None: not known to us) for an order. A shared code may be used by many."""
    if not handed.is_shared and handed.orders - {order_id}:
        return Redeemed.AGAIN
    if handed.is_withdrawn:
        return Redeemed.WITHDRAWN
    if is_over(handed.ends_at, at):
        return Redeemed.LATE
    holder = handed.subscriber_id
    if not handed.is_shared and buyer is not None and holder is not None and buyer != holder:
        return Redeemed.STRANGER
    return Redeemed.GOOD


def code_key(text: str) -> str:
    """The form in which codes are compared: without blanks, in capitals."""
    return "".join(text.split()).upper()
