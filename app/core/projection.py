"""Projection: one person under the engine while time passes, with nobody but her and a clock.

Owns `Passage`: decide when something is due, hand over what may leave, go on to the next due instant. It is what the
store and the courier do for one person, folded in memory. Must not decide anything itself and invents no facts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from app.core.asking import conditions_of_ladder
from app.core.book import Book, Standing
from app.core.campaign import ByChange
from app.core.delivery import AtTheDoor, Go, Never, NotYet, Site, may_leave
from app.core.facts import Fact, FactKind
from app.core.instants import DAY, Instant, Span
from app.core.ladder import earliest_of
from app.core.nurture import Advance, Calm, advance
from app.core.offering import Zones
from app.core.pacing import WISHES
from app.core.person import (
    RECALLABLE_STATES,
    Decision,
    MailClass,
    Message,
    MessageKey,
    MessageState,
    Person,
    RunState,
    Settled,
    StageChange,
    apply,
)
from app.core.purse import Held, Passed, Promised, Purse, asked_last
from app.core.replacing import replace
from app.core.windows import Zone, zone_of

ROUNDS = 1_000
"""More rounds of work than this at one instant are a circle."""
NEVER: Instant = 1 << 62
"""An instant nobody lives to see."""
_TWO_DAYS: Span = 2 * DAY


class CircleError(RuntimeError):
    """The engine never comes to rest at one instant."""


@dataclass(frozen=True, slots=True)
class Left:
    """A mail handed over."""

    at: Instant
    message: Message


class Passage:
    """A person and the instant she has come to. `kinds` are the facts the rules ask for; others are not kept."""

    def __init__(self, book: Book, person: Person, now: Instant, kinds: Collection[FactKind] | None = None) -> None:
        self.book = book
        self.purse = Purse(person.subscriber.id)
        self.person = person
        self.now = now
        self.due_at: Instant | None = now
        self.decisions: list[Decision] = []
        self.stage_changes: list[StageChange] = []
        self.left: list[Left] = []
        self.advances = 0
        self._received_count = 0
        self._calm: Calm | None = None
        self._asks_received = asks_received(book)
        self._kinds = None if kinds is None else frozenset(kinds) | {FactKind.RECEIVED}
        self._news: list[Fact] = []
        self._put_off: dict[MessageKey, tuple[Instant, Instant]] = {}
        """Message → (its slot, until when the door put it off)"""
        self._site = Site(is_killed=False, is_paused=book.is_paused, quiet=book.site.contact.quiet)
        self._keeps = longest_window(book)

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def happen(self, *facts: Fact) -> None:
        """Facts arrive now; they are decided about with the next work."""
        self._news += facts
        self.due_at = self.now if self.due_at is None else min(self.due_at, self.now)

    def next_due(self) -> Instant | None:
        first = self.due_at
        for message in self._open():
            due = self._due(message)
            first = due if first is None or due < first else first
        return first

    def run_to(self, until: Instant) -> None:
        """Let time pass up to and including an instant, doing at each due instant what is due then."""
        self.work()
        while (due := self.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.work()
        self.now = max(self.now, until)

    def work(self) -> None:
        """Decide and hand over until nothing moves at this instant. Raises CircleError when that never comes."""
        for _ in range(ROUNDS):
            if not self._decide() + self._deliver():
                return
        raise CircleError(f"more than {ROUNDS} rounds at one instant")

    # ── Deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _decide(self) -> int:
        done = 0
        while self.due_at is not None and self.due_at <= self.now:
            done += 1
            if done > ROUNDS:
                raise CircleError(f"more than {ROUNDS} decisions at one instant")
            news: tuple[Fact, ...] = ()
            if self._news:
                news, self._news = tuple(sorted(self._news, key=_order)), []
            self._keep(advance(self.book, self.person, news, self.now, self._calm))
        return done

    def _keep(self, answer: Advance) -> None:
        self.advances += 1
        self._calm = answer.calm
        self.decisions += answer.decisions
        self.stage_changes += answer.stage_changes
        live = tuple([run for run in answer.person.runs if run.state is not RunState.ENDED])
        self.due_at = earliest_of((answer.look_again_at, *[run.due_at for run in live]))
        person = replace(answer.person, runs=live, messages=self._pruned(answer.person))
        self.person = person if self._kinds is None else replace(person, facts=person.facts.only(self._kinds))

    def _pruned(self, person: Person) -> tuple[Message, ...]:
        """Settled messages no live run looks back at, and that take no slot in any window, are nobody's business."""
        since = self.now - self._keeps
        if all((m.settled_at or m.slot_at) > since for m in person.messages):
            return person.messages
        live = {run.key for run in person.runs if run.is_live}
        return tuple(m for m in person.messages if m.key.run in live or (m.settled_at or m.slot_at) > since)

    # ── Handing over ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> list[Message]:
        return [message for message in self.person.messages if message.state in RECALLABLE_STATES]

    def _due(self, message: Message) -> Instant:
        if not self._put_off:
            return message.slot_at
        slot, until = self._put_off.get(message.key, (0, 0))
        return max(message.slot_at, until) if slot == message.slot_at else message.slot_at

    def _deliver(self) -> int:
        due = [message for message in self._open() if self._due(message) <= self.now]
        if len(due) > 1:
            due.sort(key=lambda message: (message.mail_class is MailClass.MARKETING, self._due(message)))
        for message in due:
            self._hand_over(message)
        return len(due)

    def _hand_over(self, message: Message) -> None:
        answer = may_leave(self._door(message), self._site, self._zone(), self.now)
        match answer:
            case Go():
                if not message.offer or self._promise(message):
                    self._settle(message, MessageState.SENT, "")
                    self.left.append(Left(self.now, message))
                    self._received(message)
            case NotYet():
                self._put_off[message.key] = message.slot_at, max(answer.until, self.now + 1)
            case Never():
                state = MessageState.WITHDRAWN if answer.is_withdrawn else MessageState.SKIPPED
                self._settle(message, state, answer.code)

    def _promise(self, message: Message) -> bool:
        """Give her what the mail promises, and let her clock run; False when the mail does not leave now."""
        key, subscriber = message.offer, self.person.subscriber
        zones = Zones(self._zone(), zone_of("", self.book.site.timezone))
        given = self.purse.promise(self.book.offers.get(key), subscriber.offer_ends.get(key), self.now, zones)
        match given:
            case Held():
                until = NEVER if message.fresh_until is None else asked_last(self.now, message.fresh_until)
                self._put_off[message.key] = message.slot_at, until
            case Passed():
                self._settle(message, MessageState.SKIPPED, given.reason)
            case Promised():
                if given.ends_at is not None:
                    ends = {**subscriber.offer_ends, key: given.ends_at}
                    self.person = replace(self.person, subscriber=replace(subscriber, offer_ends=ends))
                    self._calm = None
        return isinstance(given, Promised)

    def _settle(self, message: Message, state: MessageState, reason: str) -> None:
        self.person = apply(self.person, Settled(message.key, state, self.now, reason))
        self._put_off.pop(message.key, None)
        self.due_at = self.now if self.due_at is None else min(self.due_at, self.now)

    def _received(self, message: Message) -> None:
        if message.mail_class is not MailClass.TEAM:
            fact = Fact(self._fact_id(), FactKind.RECEIVED, self.now, name=message.mail, run=message.key.run)
            self.person = replace(self.person, facts=self.person.facts.plus((fact,)))
            if self._asks_received:
                self._calm = None

    def _fact_id(self) -> bytes:
        self._received_count += 1
        return b"received" + self._received_count.to_bytes(8, "big")

    def _door(self, message: Message) -> AtTheDoor:
        key = message.key.run
        run = self.person.run(key) if key else None
        return AtTheDoor(
            is_confirmation=key is None and message.key.step.startswith("confirm:"),
            mail_class=message.mail_class,
            cause_at=run.entered_at if run else message.wanted_at,
            fresh_until=message.fresh_until,
            subscriber=self.person.subscriber,
            is_woken=self.due_at is not None and self.due_at <= self.now,
            run_state=run.state if run else None,
            standing=self.book.standing(key.campaign) if key else Standing.LIVE,
        )

    def _zone(self) -> Zone:
        return zone_of(self.person.subscriber.timezone, self.book.site.timezone)


def _order(fact: Fact) -> tuple[Instant, bytes]:
    return fact.at, fact.id


@lru_cache(maxsize=16)
def asks_received(book: Book) -> bool:
    """Whether the ladder or an entry by change looks at mails received: then a mail is a fact like others."""
    entries = (
        entry.rule.when for c in book.campaigns.values() for entry in c.entries if isinstance(entry.rule, ByChange)
    )
    return any(
        need.kind is FactKind.RECEIVED
        for rule in (*conditions_of_ladder(book.ladder), *entries)
        for need in rule.needs()
    )


@lru_cache(maxsize=16)
def longest_window(book: Book) -> Span:
    """How far back a message can still take a slot, with a margin for calendar days."""
    limits = (*book.site.contact.limits, *WISHES.values())
    return max((limit.window or DAY for limit in limits), default=DAY) + _TWO_DAYS


# ── The future, if nothing changes ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Start:
    """Where a projection starts: a person as stored, facts not decided about, and when she is due next."""

    person: Person
    news: tuple[Fact, ...] = ()
    due_at: Instant | None = None


def project(book: Book, start: Start, now: Instant, until: Instant) -> Passage:
    """The person as she will be at `until` when no new fact comes. Mails are handed over the moment they are due."""
    passage = Passage(book, start.person, now)
    passage.due_at = now if start.news else start.due_at
    if start.news:
        passage.happen(*start.news)
    passage.run_to(until)
    return passage
