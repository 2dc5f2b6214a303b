"""Confirm: a reader says that the address is hers; what she was promised leaves at once.

Owns the way from pending to active, and back after a farewell taken back. Must not decide about campaigns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from app.actions.referrals import friend_confirmed
from app.actions.shelf import Shelved
from app.actions.signup import BoxTouch, counts_of, deliver, wanted_product
from app.actions.stock import Waiting, wait_for
from app.core.boxes import Box
from app.core.facts import Fact, FactKind
from app.core.instants import Instant
from app.core.site import Site
from app.core.subscriber import SubscriberState
from app.links import Pass
from app.store import signups
from app.store.events import record_facts
from app.store.ledgers import add_box_counts
from app.store.people import SubscriberRow, find_public
from app.store.permissions import Consent, append_consent
from app.world import World


class Standing(StrEnum):
    """How a confirmation link stands before or after its button was pressed."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    GONE = "gone"
    """Nobody is behind the link any more: deleted, or never confirmed in time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a confirmation page shows: how the link stands, the box it came from, the reader's language."""

    standing: Standing
    box: Box | None = None
    locale: str = ""
    person: bytes = b""


def look(world: World, shelved: Shelved, given: Pass) -> Seen:
    """How a link stands. Changes nothing."""
    with world.transaction("read") as session:
        row = find_public(session, given.person)
        return _seen(session, shelved, row, given)


def confirm(world: World, shelved: Shelved, given: Pass) -> Seen:
    """Confirm the address. Pressing twice changes nothing more."""
    with world.transaction("write") as session:
        row = signups.hold(session, given.person)
        seen = _seen(session, shelved, row, given)
        if row is None or seen.standing is not Standing.OPEN:
            return seen
        _Confirming(world, shelved, session, row, given).run()
        return Seen(Standing.CONFIRMED, seen.box, seen.locale, row.public_id)


def _seen(session: Session, shelved: Shelved, row: SubscriberRow | None, given: Pass) -> Seen:
    if row is None or row.state == SubscriberState.ERASED.value:
        return Seen(Standing.GONE)
    line = signups.consent_of(session, given.ref, row.id)
    box = shelved.workspace.boxes.get(line.box) if line is not None else None
    return Seen(_standing(row, line.at if line is not None else None), box, row.locale, row.public_id)


def _standing(row: SubscriberRow, asked_at: Instant | None) -> Standing:
    """An old link must not undo a later farewell: only what was asked after it can be confirmed."""
    if asked_at is None or row.is_suppressed:
        return Standing.GONE
    if row.state == SubscriberState.PENDING.value:
        return Standing.OPEN
    if row.state == SubscriberState.UNSUBSCRIBED.value:
        return Standing.OPEN if row.unsubscribed_at is not None and asked_at > row.unsubscribed_at else Standing.GONE
    return Standing.CONFIRMED


@dataclass(frozen=True, slots=True)
class _Confirming:
    """One confirmation in its transaction."""

    world: World
    shelved: Shelved
    session: Session
    row: SubscriberRow
    given: Pass

    def run(self) -> None:
        now, row = self.world.now(), self.row
        line = signups.consent_of(self.session, self.given.ref, row.id)
        since = row.unsubscribed_at or 0
        asked = [one for one in signups.signups(self.session, row.id) if one.at >= since]
        is_first = row.confirmed_at is None
        if line is not None:
            told = Consent(row.id, line.kind, "confirmed", now, line.wording, line.box, line.box_version, line.page)
            append_consent(self.session, told)
        row.state = SubscriberState.ACTIVE.value
        row.confirmed_at = now if is_first else row.confirmed_at
        row.unsubscribed_at = None
        self.session.flush()
        facts = [*self._learned(since, now), Fact(self.world.new_id(), FactKind.CONFIRMED, now, name=self._box(asked))]
        record_facts(self.session, row.id, facts, now)
        self._keep_promises(asked)
        signups.withdraw_confirmations(self.session, row.id, "confirmed")
        if is_first:
            self._note_friend(asked)

    def _box(self, asked: list[signups.Signup]) -> str:
        return asked[-1].box if asked else self.row.box

    def _learned(self, since: Instant, now: Instant) -> list[Fact]:
        """What was typed is hers now that the address is. Only declared attributes are kept."""
        site = self.shelved.book.site
        typed = {
            key: value for key, value in signups.typed(self.session, self.row.id, since).items() if _is_kept(site, key)
        }
        known = signups.attributes(self.session, self.row.id)
        new = {key: value for key, value in typed.items() if known.get(key) != value}
        signups.put_attributes(self.session, self.row.id, new, now)
        return [Fact(self.world.new_id(), FactKind.CHANGED, now, name=f"attribute:{key}") for key in sorted(new)]

    def _keep_promises(self, asked: list[signups.Signup]) -> None:
        counts: dict[tuple[int, str, str, str, str], int] = {}
        latest = {one.box: one for one in asked}
        for key, signup in latest.items():
            box = self.shelved.workspace.boxes.get(key)
            if box is not None:
                deliver(self.world, self.session, self.row, box, signup.fact_id)
                self._note_wishes(box, [one for one in asked if one.box == key])
            touch = BoxTouch(key, signup.arms, signup.page, source_of(signup))
            counts |= counts_of(touch, "confirm", self.world.now())
        add_box_counts(self.session, counts)

    def _note_wishes(self, box: Box, asked: list[signups.Signup]) -> None:
        """Every product she asked for at this box; one that came back meanwhile is told at once."""
        for product in sorted({wanted_product(box, one.fields) for one in asked} - {""}):
            wait_for(self.world, self.session, self.shelved, Waiting(self.row.id, product))

    def _note_friend(self, asked: list[signups.Signup]) -> None:
        """Who brought her; whether she counts is seen a day later."""
        named = next((str(one.fields["referred_by"]) for one in asked if "referred_by" in one.fields), "")
        if named:
            friend_confirmed(self.world, self.session, self.row, bytes.fromhex(named))


def _is_kept(site: Site, key: str) -> bool:
    return key in site.attributes


def source_of(signup: signups.Signup) -> str:
    """Where a signup came from, in one word."""
    return str(signup.fields.get("utm_source") or signup.fields.get("referrer") or "direct")
