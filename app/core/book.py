"""The book: everything that is live, as one value the engine decides by.

Owns `Book`: site, ladder, campaigns with their versions and standing, what is known of mails.
Must not be built piecemeal by anybody but the reader of a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.core.campaign import Campaign, CampaignState
from app.core.conditions.view import Rules
from app.core.instants import Instant
from app.core.offers import Offer
from app.core.site import Ladder, Site


class Standing(StrEnum):
    """What a campaign may do now: its file's state, or a command that outlasts the file."""

    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    RETIRED = "retired"
    STOPPED = "stopped"


class Resumption(StrEnum):
    """What becomes of waits when a paused campaign goes on."""

    KEEP_DATES = "keep_dates"
    """They end when they would have ended; what is overdue is spread."""
    RESTART = "restart"
    """The wait stood in begins anew."""
    COUNT_ACTIVE = "count_active"
    """What was left of a wait is still left."""


@dataclass(frozen=True, slots=True)
class MailKnown:
    """What deciding has to know of a mail: whether the person's own act asked for it."""

    key: str
    is_service: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """One book is equal to itself only: what is worked out from it is kept beside it (core/index)."""

    site: Site
    ladder: Ladder
    rules: Rules
    campaigns: Mapping[str, Campaign]
    digest: str = ""
    ladder_digest: str = ""
    older: Mapping[tuple[str, str], Campaign] = field(default_factory=lambda: MappingProxyType({}))
    """(campaign, digest) → a version some run still follows."""
    standings: Mapping[str, Standing] = field(default_factory=lambda: MappingProxyType({}))
    """What commands say; a campaign not named here stands as its file says."""
    since: Mapping[str, Instant] = field(default_factory=lambda: MappingProxyType({}))
    """Campaign → when it was first published: it sees no date before that."""
    mails: Mapping[str, MailKnown] = field(default_factory=lambda: MappingProxyType({}))
    offers: Mapping[str, Offer] = field(default_factory=lambda: MappingProxyType({}))
    is_paused: bool = False
    policies: Mapping[str, Resumption] = field(default_factory=lambda: MappingProxyType({}))
    """Campaign → what becomes of its waits when it is resumed; dates are kept where nothing is said."""

    def standing(self, key: str) -> Standing:
        """A pause by command outlasts the file; a campaign gone from the files is retired."""
        if key in self.standings:
            return self.standings[key]
        campaign = self.campaigns.get(key)
        return Standing((campaign.state if campaign else CampaignState.RETIRED).value)

    def version(self, key: str, digest: str) -> Campaign | None:
        """The campaign as of a version, the live one when that version is not kept."""
        live = self.campaigns.get(key)
        if live is not None and live.digest == digest:
            return live
        return self.older.get((key, digest), live)

    def is_service(self, mail: str) -> bool:
        known = self.mails.get(mail)
        return known is not None and known.is_service
