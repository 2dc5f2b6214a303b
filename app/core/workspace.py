"""The workspace: everything one reading of the files yields, as one value.

Owns `Workspace` and what a mail is known by outside the mail room. Must not read, check or publish anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from app.core.boxes import Box
from app.core.campaign import Campaign, Steps
from app.core.offers import Content, Offer, Survey
from app.core.scenario import Person, Scenario
from app.core.site import Ladder, Site
from app.core.text import NOWHERE, Place

T = TypeVar("T")


def _none() -> Mapping[str, T]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MailFacts:
    """What rules must know of one mail in one locale; the mail room reads it and the action hands it in.

    `links` and `subjects` are names, `topics` keys of topics, `variables` the root names with their first attribute
    (`offer`, `event.total`, `survey`, `subscriber.first_name`).
    """

    key: str
    locale: str
    links: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    is_service: bool = False
    variables: frozenset[str] = frozenset()
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Allowance:
    """A finding that is accepted, with the reason, from line to line of one file (`until`: ISO date or "")."""

    finding: str
    because: str
    until: str
    place: Place
    first_line: int
    last_line: int

    def covers(self, code: str, file: str, line: int) -> bool:
        return code == self.finding and file == self.place.file and self.first_line <= line <= self.last_line


@dataclass(frozen=True, slots=True)
class Workspace:
    """All files, read and complete: steps have ids, fragments are put in, defaults applied.

    `mails` maps a mail's key to its locales and their paths; the locale is "" for a bare name.
    """

    site: Site
    ladder: Ladder
    boxes: Mapping[str, Box] = field(default_factory=_none)
    offers: Mapping[str, Offer] = field(default_factory=_none)
    surveys: Mapping[str, Survey] = field(default_factory=_none)
    fragments: Mapping[str, Steps] = field(default_factory=_none)
    people: Mapping[str, Person] = field(default_factory=_none)
    content: Mapping[str, Content] = field(default_factory=_none)
    campaigns: Mapping[str, Campaign] = field(default_factory=_none)
    scenarios: tuple[Scenario, ...] = ()
    mails: Mapping[str, Mapping[str, str]] = field(default_factory=_none)
    allowed: tuple[Allowance, ...] = ()
    fragment_places: Mapping[str, Place] = field(default_factory=_none)

    def live(self) -> Iterator[Campaign]:
        """Campaigns that people may be in: all but drafts and retired ones."""
        return (campaign for campaign in self.campaigns.values() if campaign.state in ("live", "paused"))
