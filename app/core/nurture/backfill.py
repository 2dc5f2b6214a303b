"""Backfill: lets people into a campaign who qualify already, on purpose.

Owns which past fact or present truth counts as an entry then. All rules of entry hold as ever: re-entry, `where`,
permission, the goal. Must not be used by anything but the command of that name.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from app.core.book import Book
from app.core.campaign import ByChange, Campaign
from app.core.instants import Instant
from app.core.nurture import due_again
from app.core.nurture.desk import Advance, Desk
from app.core.nurture.entries import Wish, try_to_enter, wishes_of
from app.core.nurture.standing import pause_and_resume, settle_rivals
from app.core.nurture.steps import walk_runs
from app.core.person import Person
from app.core.replacing import replace


class Anchor(StrEnum):
    ORIGINAL = "original"
    """Waits count from when the fact happened: what is long past is skipped as stale, the rest is spread."""
    NOW = "now"
    """Everybody begins today."""


def let_in(book: Book, person: Person, campaign: str, anchor: Anchor, now: Instant) -> Advance | None:
    """Decide about one person's entry. None when nothing she did or is qualifies."""
    desk = Desk(book, person, now)
    wish = _wish(desk, book.campaigns[campaign], anchor)
    if wish is None:
        return None
    if try_to_enter(desk, wish):
        settle_rivals(desk)
        walk_runs(desk)
        pause_and_resume(desk)
        settle_rivals(desk)
        walk_runs(desk)
    return desk.result(due_again(desk))


def _wish(desk: Desk, campaign: Campaign, anchor: Anchor) -> Wish | None:
    """Her latest qualifying fact, else an entry condition that is true now."""
    found = max(_by_facts(desk, campaign), key=lambda wish: wish.at, default=None)
    if found is None:
        found = next(_by_truth(desk, campaign), None)
    if found is None or anchor is Anchor.ORIGINAL:
        return found
    return replace(found, at=desk.now)


def _by_facts(desk: Desk, campaign: Campaign) -> Iterator[Wish]:
    for fact in desk.facts:
        for _, wish in wishes_of(desk, fact):
            if wish.campaign.key == campaign.key:
                yield wish


def _by_truth(desk: Desk, campaign: Campaign) -> Iterator[Wish]:
    for entry in campaign.entries:
        if isinstance(entry.rule, ByChange) and desk.holds(entry.rule.when):
            yield Wish(campaign, entry.again, "", desk.now, where=entry)
