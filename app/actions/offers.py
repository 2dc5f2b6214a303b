"""Offers: what a mail about to leave may promise: its code, its end, what is left; and what becomes of it without.

Owns the way from letters to what they are given, within the transaction that claims them. Must not hand anything over.
A code is a person's for good; her clock is set with the first mail that leaves, and never again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from sqlalchemy.orm import Session

from app.actions.notices import Notice, tell_owner
from app.actions.shelf import Shelved
from app.core.facts import Fact
from app.core.instants import Instant
from app.core.offering import Zones, end_at_hand_over, is_over, left
from app.core.offers import CodePool, Offer, SharedCode, WhenEmpty
from app.core.person import MailClass
from app.core.windows import zone_of
from app.store import offers as store
from app.store.letters import Letter
from app.store.offers import Grant, Pair
from app.store.stories import lately
from app.world import World

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Given:
    """What one letter says of its offer. `left` is None for an offer without seats."""

    offer: Offer
    code: str
    ends_at: Instant | None
    left: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """What a mail to our own people tells of the person it is about: what she did last, oldest first."""

    facts: tuple[Fact, ...]


Promise: TypeAlias = Given | Story


@dataclass(frozen=True, slots=True)
class Prepared:
    """What becomes of letters, by message: what they may say, held back, or skipped with a reason."""

    given: Mapping[int, Promise] = field(default_factory=dict)
    held: frozenset[int] = frozenset()
    skipped: Mapping[int, str] = field(default_factory=dict)


STORY = 12
"""So many of the last things somebody did are told."""
NOTHING = Prepared()
_Asked: TypeAlias = tuple[Letter, Offer]


def prepare(world: World, session: Session, shelved: Shelved, letters: Sequence[Letter]) -> Prepared:
    """Reserve what these letters promise. One call for a batch; a letter without an offer costs nothing."""
    known = shelved.workspace.offers
    told = _told(session, letters)
    asked = [(letter, known[letter.offer]) for letter in letters if letter.offer in known]
    gone = {letter.id: "no_such_offer" for letter in letters if letter.offer and letter.offer not in known}
    if not asked:
        return Prepared(told, skipped=gone) if gone or told else NOTHING
    made = _Preparing(world, session, shelved).run(asked)
    return Prepared({**told, **made.given}, made.held, {**made.skipped, **gone})


def _told(session: Session, letters: Sequence[Letter]) -> dict[int, Promise]:
    """The stories of the people whom mails to our own people are about."""
    ours = [letter for letter in letters if letter.mail_class is MailClass.TEAM]
    return {letter.id: Story(lately(session, letter.subscriber_id, STORY)) for letter in ours}


class _Preparing:
    """One batch in its transaction."""

    def __init__(self, world: World, session: Session, shelved: Shelved) -> None:
        self._world = world
        self._session = session
        self._shelved = shelved
        self._now = world.now()
        self._skipped: dict[int, str] = {}
        self._held: set[int] = set()

    def run(self, asked: Sequence[_Asked]) -> Prepared:
        pairs = {_pair(letter) for letter, _ in asked}
        ids = [letter.id for letter, _ in asked]
        held = store.grants(self._session, pairs)
        running = store.under_way(self._session, pairs, ids)
        running |= {pair for pair, grant in held.items() if grant.is_running}
        asked = [each for each in asked if not self._is_over(each, held, running) and not self._is_back(each, held)]
        self._reserve([each for each in asked if _pair(each[0]) not in held])
        held = store.grants(self._session, pairs)
        ready = [each for each in asked if _pair(each[0]) in held]
        ends = {_pair(letter): self._end(letter, offer, held, running) for letter, offer in ready}
        store.set_running(self._session, running & held.keys())
        store.set_ends(self._session, {pair: end for pair, end in ends.items() if end is not None})
        rest = self._left({offer.key: offer for _, offer in ready})
        given: dict[int, Promise] = {
            letter.id: Given(offer, held[_pair(letter)].code, ends[_pair(letter)], rest.get(offer.key))
            for letter, offer in ready
        }
        return Prepared(given, frozenset(self._held), self._skipped)

    # ── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _end(self, letter: Letter, offer: Offer, held: Mapping[Pair, Grant], running: set[Pair]) -> Instant | None:
        pair = _pair(letter)
        grant = held.get(pair)
        known = grant.ends_at if grant is not None and pair in running else None
        return end_at_hand_over(offer, known, self._now, self._zones(letter))

    def _is_over(self, asked: _Asked, held: Mapping[Pair, Grant], running: set[Pair]) -> bool:
        letter, offer = asked
        if is_over(self._end(letter, offer, held, running), self._now):
            self._skipped[letter.id] = "offer_ended"
            return True
        return False

    def _is_back(self, asked: _Asked, held: Mapping[Pair, Grant]) -> bool:
        """What was taken back is promised by no later mail."""
        letter = asked[0]
        grant = held.get(_pair(letter))
        if grant is not None and grant.is_withdrawn:
            self._skipped[letter.id] = "offer_withdrawn"
            return True
        return False

    def _zones(self, letter: Letter) -> Zones:
        site = self._shelved.book.site.timezone
        return Zones(zone_of(letter.timezone, site), zone_of("", site))

    # ── Codes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _reserve(self, asked: Sequence[_Asked]) -> None:
        """By offer in the order of their keys, so that two workers queue up for the same rows in the same order."""
        for key in sorted({offer.key for _, offer in asked}):
            mine = sorted((each for each in asked if each[1].key == key), key=lambda each: each[0].subscriber_id)
            self._give(mine[0][1], self._seated(mine[0][1], mine))

    def _seated(self, offer: Offer, asked: list[_Asked]) -> list[_Asked]:
        """Those for whom there is a seat; the others' mails are skipped."""
        if offer.seats is None:
            return asked
        free = left(offer.seats, *store.hold_stock(self._session, offer.key))
        people = sorted({letter.subscriber_id for letter, _ in asked})[:free]
        self._skipped |= {letter.id: "sold_out" for letter, _ in asked if letter.subscriber_id not in people}
        return [each for each in asked if each[0].subscriber_id in people]

    def _give(self, offer: Offer, asked: list[_Asked]) -> None:
        pairs = [_pair(letter) for letter, _ in asked]
        match offer.codes:
            case CodePool() as pool:
                served = store.take_from_pool(self._session, pool.pool, pairs, self._now) if pairs else []
                self._without(offer, pool, [each for each in asked if _pair(each[0]) not in served])
                if pairs:
                    self._warn(offer, pool, asked)
            case SharedCode(code):
                store.give_shared(self._session, code, pairs, self._now)
            case None:
                store.give_shared(self._session, "", pairs, self._now)

    def _without(self, offer: Offer, pool: CodePool, asked: list[_Asked]) -> None:
        """The pool is empty: as the file says. Never does a mail leave without its code."""
        if not asked:
            return
        if isinstance(pool.when_empty, SharedCode):
            store.give_shared(self._session, pool.when_empty.code, [_pair(letter) for letter, _ in asked], self._now)
        elif pool.when_empty is WhenEmpty.SKIP:
            self._skipped |= {letter.id: "no_code" for letter, _ in asked}
        else:
            self._held |= {letter.id for letter, _ in asked}
        if store.tell_once(self._session, pool.pool, "empty", self._now):
            log.warning("codes_empty", pool=pool.pool, offer=offer.key, waiting=len(asked))
            self._tell("codes-empty", offer, pool, asked[0][0])

    def _warn(self, offer: Offer, pool: CodePool, asked: list[_Asked]) -> None:
        """Tell the owner once that the pool runs low."""
        is_low = pool.low_at and store.free_codes(self._session, pool.pool, pool.low_at) < pool.low_at
        if is_low and store.tell_once(self._session, pool.pool, "low", self._now):
            log.warning("codes_low", pool=pool.pool, offer=offer.key)
            self._tell("codes-low", offer, pool, asked[0][0])

    def _tell(self, what: str, offer: Offer, pool: CodePool, letter: Letter) -> None:
        free = store.free_codes(self._session, pool.pool, max(pool.low_at, 1))
        words = {"pool": pool.pool, "offer": offer.key, "free": str(free)}
        campaign = self._shelved.book.campaigns.get(letter.campaign)
        owner = campaign.owner if campaign else ""
        notice = Notice(what, f"{pool.pool}:{self._now}", owner, letter, words)
        tell_owner(self._session, self._shelved, notice, self._world.new_id(), self._now)

    # ── What is left ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _left(self, offers: Mapping[str, Offer]) -> dict[str, int]:
        return {
            key: left(offer.seats, *store.stock(self._session, key))
            for key, offer in offers.items()
            if offer.seats is not None
        }


def _pair(letter: Letter) -> Pair:
    return letter.subscriber_id, letter.offer


def keep_clocks(session: Session, left_the_house: Iterable[Letter]) -> None:
    """Mails with these offers have left: what they said of the end holds from now on."""
    store.set_running(session, {_pair(letter) for letter in left_the_house if letter.offer})
