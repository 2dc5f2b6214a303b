"""Stopping: the days on which the breakers would have stopped a campaign of a simulation.

Owns the look back over what was counted. A simulation goes on, for a person would have looked: it says when she had to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from app.actions.breakers import LEAST
from app.core.simulating.summary import Harm
from app.core.site import Guards


@dataclass(frozen=True, slots=True)
class Stop:
    """The first day a breaker would have stopped a campaign: what happened, how often, of how many mails that day."""

    campaign: str
    what: str
    day: int
    number: int
    sent: int
    days: int
    """How many days it would have happened on in all."""


def stops_of(harm: Counter[Harm], guards: Guards) -> Iterator[Stop]:
    """The first stop of each campaign for each reason, by the guards of the site, counted by calendar day."""
    most = {"complaints": guards.complaints, "hard_bounces": guards.hard_bounces, "unsubscribes": guards.unsubscribes}
    found: dict[tuple[str, str], list[Stop]] = {}
    for (what, campaign, day), number in sorted(harm.items(), key=lambda each: each[0][2]):
        sent = harm["sent", campaign, day]
        if what in most and number >= LEAST[what] and number > most[what] * sent:
            found.setdefault((campaign, what), []).append(Stop(campaign, what, day, number, sent, 0))
    for (campaign, what), stops in sorted(found.items()):
        first = stops[0]
        yield Stop(campaign, what, first.day, first.number, first.sent, len(stops))
