"""Taking: claims what is due, asks at the door, reads the letters: one transaction, at most a hundred letters.

Owns what a courier carries (`Load`) and what all couriers of a worker share (`Post`). Must not hand anything over.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.actions.compose import Chosen, MailShelf
from app.actions.door import judge
from app.actions.offers import NOTHING, Prepared, prepare
from app.actions.pace import Paces
from app.actions.shelf import Shelf, Shelved
from app.actions.warming import WarmUp
from app.core.delivery import Answer, Go, Never, NotYet
from app.core.instants import SECOND, Instant, Span
from app.core.person import MailClass, MessageState
from app.core.purse import AGAIN_AFTER
from app.disk.journal import Journal
from app.mail.dkim import Signer
from app.mail.smtp_routes import Routes
from app.store import claims, letters, people, releases
from app.store.claims import Claim, Wanted
from app.store.letters import Letter
from app.store.releases import Control
from app.world import World

LEASE: Span = 120 * SECOND
STOP_BEFORE: Span = 20 * SECOND
"""No final dot is written later than this before the lease ends."""
LOOK_EVERY = 1.0
"""Seconds for which the lanes with something due are remembered."""
_NEVER = -1.0e9
_GOOD_FOR = (LEASE - STOP_BEFORE) / SECOND


@dataclass(frozen=True, slots=True)
class Post:
    """What the couriers of one worker share. `owner`: the held folder's name and life; nobody else claims under it."""

    world: World
    shelf: Shelf
    journal: Journal
    owner: str
    paces: Paces
    mails: MailShelf = field(default_factory=MailShelf)
    signers: tuple[Signer, ...] = ()
    routes: Routes = field(default_factory=lambda: Routes(()))
    warm_up: WarmUp = field(default_factory=lambda: WarmUp({}))


@dataclass(slots=True)
class Load:
    """What was taken at once: letters, the version each is written with, and until when they may leave."""

    shelved: Shelved
    letters: list[tuple[Letter, Chosen]]
    until: float
    """Monotonic second after which no final dot is written any more."""
    asked_at: float
    """Monotonic second at which permission was asked last."""
    promised: Prepared = NOTHING
    """What the letters with an offer may say of it."""
    stopped: frozenset[int] = frozenset()
    """Messages that may not leave any more."""
    slowed: frozenset[str] = frozenset()
    """Lanes that were asked for patience since."""
    drawn: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_over(self) -> bool:
        return self.drawn == len(self.letters)

    def undrawn(self) -> list[tuple[Letter, Chosen]]:
        return self.letters[self.drawn :]

    def renewed(self, at: float) -> None:
        """A lease that has run out stays so: somebody else may have been told that these are uncertain."""
        if at <= self.until:
            self.until = at + _GOOD_FOR


@dataclass(slots=True)
class Lanes:
    """The lanes that had something due when it was last looked, by the monotonic second."""

    due: tuple[tuple[MailClass, str], ...] = ()
    looked_at: float = _NEVER


class Taking:
    """One load on its way, in a transaction of the caller's. Made anew for each try."""

    def __init__(self, post: Post, classes: Sequence[MailClass], most: int, lanes: Lanes) -> None:
        self._post = post
        self._known = lanes
        self._world = post.world
        self._classes = classes
        self._most = most
        self._began = post.world.monotonic()
        self._now = post.world.now()
        self._wall = post.world.wall()

    def within(self, session: Session) -> tuple[Load | None, int]:
        """Claim, ask, read: the load, and how many were claimed. The load is true once this is committed."""
        control = releases.control(session)
        shelved = self._post.shelf.look(session, control)
        if shelved is None or control.is_killed:
            return None, 0
        claimed = self._claim(session)
        if len(claimed) < self._most:
            self._known.looked_at = _NEVER  # a short load: look again next time
        found = self._ask(session, shelved, control, claimed)
        promised = prepare(self._world, session, shelved, found)
        found = self._without_promise(session, found, promised)
        ready = self._choose(session, shelved, found)
        load = Load(shelved, ready, self._began + _GOOD_FOR, self._began, promised) if ready else None
        return load, len(claimed)

    # ── Claiming ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_due(self) -> bool:
        """Whether it is worth asking for the write gate. Looked for once a second while loads are full."""
        if self._world.monotonic() - self._known.looked_at > LOOK_EVERY:
            with self._world.transaction("read") as session:
                self._warm(session)
                due = [(kind, lane) for kind in self._classes for lane in claims.lanes_due(session, kind, self._now)]
                self._post.warm_up.choose(
                    session, (lane for kind, lane in due if kind is MailClass.MARKETING), self._now
                )
            self._known.due = tuple(due)
            self._known.looked_at = self._world.monotonic() if due else _NEVER
        return bool(self._lanes())

    def _lanes(self) -> list[tuple[MailClass, str]]:
        return [(kind, lane) for kind, lane in self._known.due if kind is not MailClass.MARKETING or self._room(lane)]

    def _warm(self, session: Session) -> None:
        """What a new domain may still send today."""
        if MailClass.MARKETING in self._classes and (shelved := self._post.shelf.look(session)) is not None:
            self._post.warm_up.refresh(session, shelved.book.site.sender.address, self._post.paces, self._now)

    def _room(self, lane: str) -> int:
        return self._post.paces.room(lane)

    def _claim(self, session: Session) -> list[Claim]:
        """Each lane gets a fair part of the load; what one does not need is the next one's."""
        lanes = self._lanes()
        claimed: list[Claim] = []
        for number, (kind, lane) in enumerate(lanes):
            share = -(-(self._most - len(claimed)) // (len(lanes) - number))
            room = share if kind is not MailClass.MARKETING else min(share, self._room(lane))
            if room > 0:
                wanted = Wanted(kind, lane, room, self._now, self._wall + LEASE)
                found = self._post.warm_up.claim(session, self._post.owner, wanted)
                if kind is MailClass.MARKETING:
                    self._post.paces.took(lane, len(found))
                claimed += found
        return claimed

    # ── Who may not leave ────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, session: Session, shelved: Shelved, control: Control, claimed: Sequence[Claim]) -> list[Letter]:
        """Give back and settle those who may not leave; return the letters of those who may."""
        found = letters.unread(session, [claim.id for claim in claimed])
        answers = judge(shelved, (each.door for each in found), control, self._now)
        self._put_off(session, claimed, answers)
        self._turn_away(session, claimed, answers)
        return letters.read(session, [each for each in found if isinstance(answers[each.door.message_id], Go)])

    def _put_off(self, session: Session, claimed: Sequence[Claim], answers: Mapping[int, Answer]) -> None:
        later: dict[Instant, list[Claim]] = defaultdict(list)
        for claim in claimed:
            if isinstance(answer := answers.get(claim.id), NotYet):
                later[answer.until].append(claim)
        for until, group in later.items():
            claims.give_back(session, self._post.owner, group, until)

    def _turn_away(self, session: Session, claimed: Sequence[Claim], answers: Mapping[int, Answer]) -> None:
        ended = []
        for claim in claimed:
            if isinstance(never := answers.get(claim.id), Never):
                state = MessageState.WITHDRAWN if never.is_withdrawn else MessageState.SKIPPED
                ended.append(claims.Settlement(claim.id, claim.claim_no, state, self._now, never.code, counts=False))
        self._settle(session, ended)

    def _without_promise(self, session: Session, found: list[Letter], promised: Prepared) -> list[Letter]:
        """A mail that could not keep its promise does not leave: it waits for a code, or is skipped with the reason."""
        if not promised.held and not promised.skipped:
            return found
        held = [Claim(letter.id, letter.claim_no) for letter in found if letter.id in promised.held]
        claims.give_back(session, self._post.owner, held, self._now + AGAIN_AFTER)
        skipped = [letter for letter in found if letter.id in promised.skipped]
        self._settle(session, [self._over(each, MessageState.SKIPPED, promised.skipped[each.id]) for each in skipped])
        return [each for each in found if each.id not in promised.held and each.id not in promised.skipped]

    def _choose(self, session: Session, shelved: Shelved, found: Sequence[Letter]) -> list[tuple[Letter, Chosen]]:
        """The version each letter is written with; a letter whose mail is gone is parked."""
        choose = self._post.mails.choose
        chosen = [(letter, choose(session, shelved, letter.mail, letter.locale)) for letter in found]
        lost = [letter for letter, version in chosen if version is None]
        self._settle(session, [self._over(each, MessageState.PARKED, "no_such_mail") for each in lost])
        return [(letter, version) for letter, version in chosen if version is not None]

    def _over(self, letter: Letter, state: MessageState, reason: str) -> claims.Settlement:
        return claims.Settlement(letter.id, letter.claim_no, state, self._now, reason, counts=False)

    def _settle(self, session: Session, ended: Sequence[claims.Settlement]) -> None:
        if ended:
            settled = claims.settle(session, self._post.owner, ended)
            people.wake(session, {each.subscriber_id for each in settled}, self._now)
