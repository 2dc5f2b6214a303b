"""Offers at the desk: the end of an offer as it stands for the person being decided about.

Owns this one look-up. Must not start a clock: a hand-over does.
"""

from __future__ import annotations

from app.core.instants import Instant
from app.core.nurture.desk import Desk
from app.core.offering import known_end
from app.core.windows import zone_of


def offer_end(desk: Desk, key: str) -> Instant | None:
    """When the offer ends for this person; None when it has no end, or her clock has not started."""
    offer = desk.book.offers.get(key)
    running = desk.subscriber.offer_ends
    if offer is None:
        return running.get(key)
    return known_end(offer, running, zone_of("", desk.book.site.timezone))
