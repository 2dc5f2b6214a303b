"""Routes: which relays may carry a mail, by its campaign, its recipient's domain, and whether it is service mail.

Owns what a relay's options `campaigns`, `domains` and `mail` mean, and fitting a relay of one provider to its lane.
Must not weigh relays or know how they fare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from app.mail.lanes import Lanes
from app.mail.smtp_url import Relay, SmtpRelay, Takes

_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Mailing:
    """What a route asks of a mail. `campaign` is empty for a mail without one; `domain` is the recipient's A-label."""

    campaign: str
    domain: str
    is_service: bool = False


class Routes:
    """The routes of some relays. Asked for each mail, so answers are remembered."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._routed = tuple((relay.name, relay.takes) for relay in relays if relay.takes)
        self.are_any = bool(self._routed)
        """Whether it matters which mail it is."""
        self._others = tuple(relay.name for relay in relays if not relay.takes) if self._routed else ()
        self._of = lru_cache(_REMEMBERED)(self._find)

    def of(self, mailing: Mailing) -> tuple[str, ...]:
        """The relays that may carry it: those whose options fit, else those without any; empty means any relay."""
        return self._of(mailing) if self._routed else ()

    def _find(self, mailing: Mailing) -> tuple[str, ...]:
        return tuple(name for name, takes in self._routed if _fits(takes, mailing)) or self._others


def _fits(takes: Takes, mailing: Mailing) -> bool:
    """All of the options that are given; within one of them any word."""
    if takes.mail and (takes.mail == "service") is not mailing.is_service:
        return False
    if takes.campaigns and not any(_is_campaign(word, mailing.campaign) for word in takes.campaigns):
        return False
    return not takes.domains or any(_is_domain(word, mailing.domain.lower()) for word in takes.domains)


def _is_campaign(word: str, campaign: str) -> bool:
    return campaign.startswith(word[:-1]) if word.endswith("*") else campaign == word


def _is_domain(word: str, domain: str) -> bool:
    return domain.endswith(word[1:]) if word.startswith("*.") else domain == word


def fit_to_lanes(relays: Iterable[Relay], lanes: Lanes) -> tuple[Relay, ...]:
    """Relays for the domains of one provider keep to its connections and its mails on a connection."""
    return tuple(_fitted(relay, lanes) if isinstance(relay, SmtpRelay) else relay for relay in relays)


def _fitted(relay: SmtpRelay, lanes: Lanes) -> SmtpRelay:
    own = {lanes.of(word.removeprefix("*.")).name for word in relay.takes.domains}
    if len(own) != 1:
        return relay
    lane, limits = lanes.lanes[own.pop()], relay.limits
    connections, each = min(limits.connections, lane.connections), min(limits.per_connection, lane.per_connection)
    return replace(relay, limits=replace(limits, connections=connections, per_connection=each))
