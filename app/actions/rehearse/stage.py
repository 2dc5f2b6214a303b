"""The stage: the real engine and store on a virtual clock, in memory, with a letter box for an audience.

Owns the clock of a story and how time is let pass: from due instant to due instant, never by waiting.
Must not know verbs or expectations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.orm import Session

from app.actions.advance import drain
from app.actions.compose import MailShelf, compose
from app.actions.door import leave
from app.actions.inspect import Inspection
from app.actions.offers import Promise, keep_clocks, prepare
from app.actions.publish import Authorship, NotPublished, apply
from app.actions.referrals import settle_due, withdraw_complaints
from app.actions.shelf import Shelf, Shelved
from app.actions.stock import import_codes
from app.core.book import Book, Standing
from app.core.calendar import parse_date
from app.core.campaign import Campaign, Choose, If, Split, Step, Steps, Use, Wait
from app.core.delivery import Go, Never, NotYet
from app.core.instants import Instant
from app.core.ladder import earliest_of
from app.core.offers import CodePool
from app.core.person import MessageState
from app.core.purse import AGAIN_AFTER
from app.core.scenario import Scenario
from app.core.windows import Zone, at_local, zone_of
from app.links import Key, Links
from app.mail.headers import UnsendableAddress
from app.mail.message import Message, RenderFault
from app.settings import Settings
from app.store import letters, offers, people, queue, referrals, releases
from app.store.copying import copy, redate
from app.store.engine import Database, open_database
from app.store.letters import Letter
from app.store.releases import Control
from app.store.tables import metadata
from app.world import World

SECRET = b"a story is the same every time 0"
BASE_URL = "https://parvar.example"
CODES = 20
"""So many codes each pool of a story holds."""
MANY = 1_000_000
ROUNDS = 10_000
"""More rounds of work than this at one instant are a circle."""


@dataclass(frozen=True, slots=True)
class Received:
    """A mail that arrived in the story."""

    at: Instant
    mail: str
    recipient: str
    message: Message
    id: int
    offer: str
    is_team: bool
    subscriber_id: int = 0

    def tokens(self, way: str) -> tuple[str, ...]:
        """What stands behind our own addresses that begin so, such as `/confirm/`, in the order of the mail."""
        found = re.findall(re.escape(BASE_URL + way) + r"([A-Za-z0-9_-]+)", self.message.html + self.message.text)
        return tuple(dict.fromkeys(found))


class StoryShelf(Shelf):
    """The published book as a story wants it: some campaigns only, no holdout, the arms it names."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(SECRET)
        self._scenario = scenario
        self._made: tuple[int, Shelved] | None = None

    def adopt(self, shelved: Shelved, at: Instant) -> None:
        """Take over what another stage read from the same release, as published at this instant."""
        since = dict.fromkeys(shelved.book.since, at)
        self._held = replace(shelved, book=replace(shelved.book, since=since))

    def plain(self, session: Session) -> Shelved | None:
        """The book as published."""
        return super().look(session)

    def look(self, session: Session, control: Control | None = None) -> Shelved | None:
        shelved = super().look(session, control)
        if shelved is None:
            return None
        if self._made is None or self._made[0] != shelved.version:
            self._made = shelved.version, replace(shelved, book=_adapted(shelved.book, self._scenario))
        return self._made[1]


def _adapted(book: Book, scenario: Scenario) -> Book:
    arms = dict(scenario.arms)
    campaigns = {key: _in_story(campaign, scenario, arms) for key, campaign in book.campaigns.items()}
    closed = {key: Standing.RETIRED for key in campaigns if scenario.only and key not in scenario.only}
    return replace(book, campaigns=campaigns, standings={**book.standings, **closed})


def _in_story(campaign: Campaign, scenario: Scenario, arms: dict[str, str]) -> Campaign:
    sequences = {name: _with_arms(steps, arms) for name, steps in campaign.sequences.items()}
    holdout = campaign.holdout if scenario.with_holdout else 0.0
    return replace(campaign, sequences=sequences, on_goal=_with_arms(campaign.on_goal, arms), holdout=holdout)


def _with_arms(steps: Steps, arms: dict[str, str]) -> Steps:
    return tuple(_with_arm(step, arms) for step in steps)


def _with_arm(step: Step, arms: dict[str, str]) -> Step:
    match step:
        case Split():
            taken = arms.get(step.id, step.arms[0].name)
            shares = (replace(a, share=float(a.name == taken), then=_with_arms(a.then, arms)) for a in step.arms)
            return replace(step, arms=tuple(shares))
        case If() | Wait():
            return replace(step, then=_with_arms(step.then, arms), otherwise=_with_arms(step.otherwise, arms))
        case Choose():
            options = tuple(replace(option, then=_with_arms(option.then, arms)) for option in step.options)
            return replace(step, options=options, otherwise=_with_arms(step.otherwise, arms))
        case Use():
            return replace(step, steps=_with_arms(step.steps, arms))
        case _:
            return step


@dataclass(frozen=True, slots=True)
class _Kept:
    """A stage as it stood right after publishing, to be copied."""

    inspection: Inspection
    database: Database
    shelved: Shelved
    ids: int


_kept: list[_Kept] = []
_MOST_KEPT = 4


def _keep(inspection: Inspection, stage: Stage) -> None:
    database = open_database("sqlite://")
    copy(stage.world.database, database)
    with stage.world.transaction("read") as session:
        shelved = stage.shelf.plain(session)
    if shelved is not None:
        _kept.append(_Kept(inspection, database, shelved, stage.last_id))
    while len(_kept) > _MOST_KEPT:
        _kept.pop(0).database.dispose()


class Stage:
    """One story's world. Everything on it happened at `clock` or before."""

    def __init__(self, inspection: Inspection, scenario: Scenario) -> None:
        if inspection.workspace is None:
            raise ValueError("a story needs files that can be read")
        site = inspection.workspace.site
        self.scenario = scenario
        self.zone: Zone = zone_of(scenario.person.timezone, site.timezone)
        self.clock: Instant = at_local(parse_date(scenario.starts.date), scenario.starts.at, self.zone)
        self._ids = 0
        self.world = _world(self)
        self.shelf = StoryShelf(scenario)
        self.mails = MailShelf()
        self.inbox: list[Received] = []
        self.faults: list[str] = []
        """Mails that could not be written, and why."""
        self.refused: list[str] = []
        """Mails whose next hand-over the recipient's server refuses, "" for any."""
        self.unwatched: set[int] = set()
        """People in the background: their mails are not the story's."""
        if not self._set_up_as_before(inspection):
            metadata().create_all(self.world.database.engine)
            with self.world.transaction("write") as session:
                releases.begin(session, self.new_id())
            self.publish(inspection)
            _keep(inspection, self)

    def _set_up_as_before(self, inspection: Inspection) -> bool:
        """Copy the stage these files were published on before: tables and mails take longer than most stories."""
        kept = next((kept for kept in _kept if kept.inspection is inspection), None)
        if kept is None:
            return False
        copy(kept.database, self.world.database)
        with self.world.transaction("write") as session:
            redate(session, self.clock)
        self._ids = kept.ids
        self.shelf.adopt(kept.shelved, self.clock)
        return True

    def new_id(self) -> bytes:
        self._ids += 1
        return self._ids.to_bytes(16, "big")

    @property
    def last_id(self) -> int:
        return self._ids

    def publish(self, inspection: Inspection) -> None:
        published = apply(self.world, inspection, Authorship("story"), self.shelf)
        if isinstance(published, NotPublished):
            raise ValueError(str(published.problems[0]))
        self._fill_pools()

    def _fill_pools(self) -> None:
        """A story has codes in every pool; they look like the offer they belong to."""
        shelved = self.shelved()
        pools = {offer.codes.pool for offer in shelved.workspace.offers.values() if isinstance(offer.codes, CodePool)}
        with self.world.transaction("write") as session:
            for pool in sorted(pools):
                offers.add_codes(session, pool, [f"{pool.upper()}-{number:03}" for number in range(1, CODES + 1)])

    def leave_codes(self, pool: str, left: int) -> None:
        """Let a pool hold so many free codes: some go elsewhere, or new ones are imported."""
        with self.world.transaction("write") as session:
            free = offers.free_codes(session, pool, MANY)
            offers.lose_codes(session, pool, max(0, free - left), self.clock)
        names = (f"{pool.upper()}-{self.new_id().hex()[-8:].upper()}" for _ in range(left - free))
        import_codes(self.world, tuple(self.shelved().workspace.offers.values()), pool, names)

    def shelved(self) -> Shelved:
        with self.world.transaction("read") as session:
            shelved = self.shelf.look(session)
        if shelved is None:
            raise LookupError("nothing is published on this stage")
        return shelved

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def run_to(self, until: Instant) -> None:
        """Let time pass, doing at each due instant what is due then."""
        self.work()
        while (due := self.next_due()) is not None and due <= until:
            self.clock = max(self.clock, due)
            self.work()
        self.clock = max(self.clock, until)
        self.work()

    def skip_to(self, until: Instant) -> None:
        """Let time pass with the engine down."""
        self.clock = max(self.clock, until)

    def next_due(self) -> Instant | None:
        with self.world.transaction("read") as session:
            friends = referrals.next_due(session) if self.unwatched else None
            return earliest_of((people.next_due(session), queue.next_due(session), friends))

    def work(self) -> None:
        """Decide and deliver until nothing is left to do at this instant."""
        for _ in range(ROUNDS):
            if not drain(self.world, self.shelf) + self._deliver() + self._look_at_friends():
                return
        raise RuntimeError("the story never comes to rest at one instant")

    def _look_at_friends(self) -> int:
        """Those whose day is over count or do not; those who complain are taken back."""
        if not self.unwatched:
            return 0
        return settle_due(self.world) + withdraw_complaints(self.world, self.shelf)

    # ── Mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self) -> int:
        """Hand over what is due: the same questions at the door as everywhere, and a letter box behind it."""
        shelved = self.shelved()
        with self.world.transaction("write") as session:
            ids = queue.due(session, self.clock, 100)
            for message_id in ids:
                self._hand_over(session, shelved, message_id)
        return len(ids)

    def _hand_over(self, session: Session, shelved: Shelved, message_id: int) -> None:
        answer = leave(session, shelved, message_id, self.clock)
        match answer:
            case Go():
                self._take(session, shelved, message_id)
            case NotYet():
                queue.put_off(session, message_id, max(answer.until, self.clock + 1))
            case Never():
                state = MessageState.WITHDRAWN if answer.is_withdrawn else MessageState.SKIPPED
                queue.settle(session, message_id, state, self.clock, answer.code)

    def _take(self, session: Session, shelved: Shelved, message_id: int) -> None:
        (letter,) = letters.letters(session, [message_id])
        promised = prepare(self.world, session, shelved, [letter])
        if message_id in promised.held:
            queue.put_off(session, message_id, self.clock + AGAIN_AFTER)
            return
        if message_id in promised.skipped:
            queue.settle(session, message_id, MessageState.SKIPPED, self.clock, promised.skipped[message_id])
            return
        self._write(session, shelved, letter, promised.given.get(message_id))

    def _write(self, session: Session, shelved: Shelved, letter: Letter, given: Promise | None) -> None:
        message_id = letter.id
        chosen = self.mails.choose(session, shelved, letter.mail, letter.locale)
        if chosen is None:
            queue.settle(session, message_id, MessageState.PARKED, self.clock, "no_such_mail")
            return
        if letter.mail in self.refused or "" in self.refused:
            self.refused = []
            queue.settle(session, message_id, MessageState.REFUSED, self.clock, "hard")
            people.mark_suppressed(session, letter.subscriber_id)
            return
        try:
            message = compose(self.world, shelved, letter, chosen, given)
        except (RenderFault, UnsendableAddress) as fault:
            queue.settle(session, message_id, MessageState.PARKED, self.clock, "not_rendered")
            self.faults.append(str(fault))
            return
        if letter.subscriber_id not in self.unwatched:
            self.inbox.append(_received(self.clock, letter, message))
        queue.settle(session, message_id, MessageState.SENT, self.clock, "")
        keep_clocks(session, [letter])


def _received(at: Instant, letter: Letter, message: Message) -> Received:
    is_team = letter.address != letter.subscriber_address
    return Received(
        at, letter.mail, letter.address, message, letter.id, letter.offer, is_team, subscriber_id=letter.subscriber_id
    )


def _world(stage: Stage) -> World:
    settings = Settings("sqlite://", "x" * 32, BASE_URL, Path("/nonexistent"), bounce_domain="bounce.parvar.example")
    return World(
        settings=settings,
        database=open_database("sqlite://"),
        links=Links((Key(1, SECRET),), BASE_URL, BASE_URL),
        now=lambda: stage.clock,
        wall=lambda: stage.clock,
        new_id=stage.new_id,
        monotonic=lambda: 0.0,
        secret=SECRET,
    )
