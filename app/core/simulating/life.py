"""Life: one made-up person from her signup to the last day, under the real engine.

Owns what she does and when: reactions to each mail that comes, visits and orders of her own accord. What follows from
her deeds the engine decides, in `core.projection.Passage`, as for everybody.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from app.core.book import Book
from app.core.boxes import Box, OptIn
from app.core.consent import CONFIRM_MAIL
from app.core.facts import Fact, FactKind, Fields, Value
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant
from app.core.person import Code, Decision, MailClass, Message, MessageKey, MessageState, Person
from app.core.projection import Left, Passage
from app.core.purse import Purse, Turn
from app.core.replacing import replace
from app.core.simulating.behaviour import Behaviour
from app.core.simulating.dice import Dice
from app.core.simulating.summary import Account
from app.core.site import AttributeType, EventType
from app.core.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class Town:
    """Where everybody lives: the book, the boxes, the links of each mail, the sorts of people, and the calendar."""

    book: Book
    kinds: frozenset[FactKind]
    boxes: Mapping[str, Box]
    links: Mapping[str, tuple[tuple[str, str], ...]]
    """Mail → (link name, topic) of each link that can be clicked."""
    surveys: Mapping[str, tuple[str, tuple[Value, ...]]]
    """Mail that asks → (survey, possible answers)."""
    behaviours: tuple[tuple[str, Behaviour], ...]
    seed: int
    began: Instant
    ends: Instant
    arrivals: int
    """µs over which people arrive."""
    closes: Mapping[str, Turn] = field(default_factory=dict)
    """Stock of an offer → the first turn that gets nothing of it any more; what is not named never ends."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What she did, for retelling the same life elsewhere: facts that came together, or a message queued by an act."""

    at: Instant
    facts: tuple[Fact, ...] = ()
    messages: tuple[Message, ...] = ()
    withdraws: bool = False
    """The act answers the confirmations that still wait."""


_as_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
_Action: TypeAlias = Callable[["Life"], None]


class Life:
    """One person. `run` lives it; `account` is what there was to count, `deeds` what she did, when kept."""

    def __init__(self, town: Town, number: int, *, keeps: bool = False) -> None:
        self.town = town
        self.number = number
        self.dice = Dice(town.seed, number)
        self.sort, self.behaviour = self.dice.weighted([((n, b), b.share) for n, b in town.behaviours])
        self.public_id = self.dice.id()
        self.deeds: list[Deed] | None = [] if keeps else None
        self.decisions: list[Decision] = []
        self.mails: list[tuple[Instant, str]] = []
        self.account = Account()
        self._queue: list[tuple[Instant, int, _Action]] = []
        self._order = self._facts = self._unanswered = 0
        self._trace = hashlib.sha256()
        self._is_gone = False
        self._is_scanned = self.dice.hits(self.behaviour.scanned)
        self.arrived = town.began + self.dice.up_to(max(1, town.arrivals))
        self.passage = self._born()

    def _born(self) -> Passage:
        foot = self.town.book.ladder.stages[0].key
        subscriber = Subscriber(
            self.number, self.public_id, foot, self.arrived, foot, self.arrived, locale=self.town.book.site.locales[0]
        )
        passage = Passage(self.town.book, Person(subscriber), self.arrived, self.town.kinds)
        passage.purse = Purse(self.number, self.town.closes)
        self.account.joined_at, self.account.ends_at = self.arrived, self.town.ends
        self.account.stages.append((foot, self.arrived))
        return passage

    # ── Living ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Account:
        """Live from the signup to the end."""
        self._at(self.arrived, Life._sign_up)
        return self.go_on()

    def go_on(self) -> Account:
        """Live to the end."""
        while True:
            due = self.passage.next_due()
            deed = self._queue[0][0] if self._queue else None
            now = min((at for at in (due, deed) if at is not None), default=None)
            if now is None or now > self.town.ends:
                break
            self.passage.now = max(self.passage.now, now)
            if deed is not None and deed <= now:
                heapq.heappop(self._queue)[2](self)
            self.passage.work()
            self._take_note()
        self.account.taken = self.passage.purse.taken
        self.account.final_stage = self.passage.person.subscriber.stage
        self.account.trace = self._trace.hexdigest()
        return self.account

    def _at(self, at: Instant, action: _Action) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at, self._order, action))

    def _do(self, *facts: Fact) -> None:
        if self.deeds is not None:
            self.deeds.append(Deed(self.passage.now, facts))
        self.passage.happen(*facts)

    def _fact(self, kind: FactKind, name: str = "", value: int = 0, fields: Fields | None = None) -> Fact:
        self._facts += 1
        fact_id = self.public_id[:8] + self._facts.to_bytes(8, "big")
        return Fact(fact_id, kind, self.passage.now, name=name, value=value, fields=fields or {})

    # ── Noticing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_note(self) -> None:
        """Count what was decided and sent since the last time, and let her react to what came."""
        passage, account = self.passage, self.account
        for decision in passage.decisions:
            self._count(decision)
        for change in passage.stage_changes:
            if change.after not in {stage for stage, _ in account.stages}:
                account.stages.append((change.after, change.at))
        for left in passage.left:
            self._received(left)
        if self.deeds is not None:
            self.decisions += passage.decisions
        passage.decisions, passage.stage_changes, passage.left = [], [], []

    def _count(self, decision: Decision) -> None:
        self._trace.update(traced(decision).encode())
        account = self.account
        campaign = decision.run.campaign if decision.run else ""
        match decision.code:
            case Code.ENTERED:
                account.entered[campaign] += 1
                account.ghosts[campaign] += bool(decision.seen.get("is_ghost"))
            case Code.GOAL:
                account.goals[campaign] += 1
            case Code.DELAYED | Code.DISPLACED:
                self._delayed(decision)
            case Code.SKIPPED_LIMIT | Code.SKIPPED_STALE:
                account.skipped[campaign] += 1
            case Code.PAUSED_EXCLUSIVE:
                account.paused[campaign] += 1
            case _:
                pass

    def _delayed(self, decision: Decision) -> None:
        slot, wanted = decision.seen.get("slot_at"), decision.seen.get("wanted_at", decision.at)
        if isinstance(slot, int) and isinstance(wanted, int):
            self.account.delayed += 1
            self.account.delays += max(0, slot - max(wanted, decision.at))
        for rule in str(decision.seen.get("because", "")).split("; "):
            self.account.capped[rule] += bool(rule)

    def _received(self, left: Left) -> None:
        message, account = left.message, self.account
        if self.deeds is not None:
            self.mails.append((left.at, message.mail))
        self._trace.update(f"{left.at} sent {message.mail}\n".encode())
        if message.mail_class is MailClass.TEAM:
            account.team += 1
            return
        if message.mail_class is MailClass.MARKETING:
            account.mails.append(left.at)
            campaign = message.key.run.campaign if message.key.run else ""
            account.by_campaign[campaign] += 1
            account.harm["sent", campaign, left.at // DAY] += 1
            self._unanswered += 1
            account.longest_unanswered = max(account.longest_unanswered, self._unanswered)
        else:
            account.service += 1
        account.by_mail[message.mail] += 1
        self._react(message)

    # ── Getting in ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _sign_up(self) -> None:
        key = self.dice.one_of(sorted(self.town.boxes))
        box = self.town.boxes[key]
        person = self.passage.person
        self.passage.person = replace(person, subscriber=replace(person.subscriber, box=key))
        signup = self._fact(FactKind.SIGNED_UP, key)
        confirms = self.dice.hits(self.behaviour.confirms)
        if box.opt_in is OptIn.SINGLE:
            self._do(signup)
            self._confirm(box, signup)
            return
        waits = (0, *box.reminders)
        asked = [
            self._service(f"confirm:{box.key}:{n}", box.confirm_mail or CONFIRM_MAIL, w) for n, w in enumerate(waits)
        ]
        self._post(asked)
        self._do(signup)
        if confirms:
            wait = 2 * MINUTE + self.dice.wait(HOUR)
            self._at(self.passage.now + wait, lambda life: life._confirm(box, signup))

    def _confirm(self, box: Box, signup: Fact) -> None:
        self.account.confirmed = 1
        self._withdraw_confirmations()
        if box.deliver:
            self._post([self._service(f"deliver:{box.key}:{signup.id.hex()}", box.deliver, 0)])
        self._do(self._fact(FactKind.CONFIRMED, box.key))
        self.plan_visit()

    def _service(self, cause: str, mail: str, wait: int) -> Message:
        now = self.passage.now
        key = MessageKey(None, f"{self.number}:{cause}")
        return Message(key, mail, MessageState.QUEUED, MailClass.SERVICE, wanted_at=now, slot_at=now + wait)

    def _post(self, messages: Iterable[Message]) -> None:
        posted = tuple(messages)
        if self.deeds is not None:
            self.deeds.append(Deed(self.passage.now, messages=posted))
        person = self.passage.person
        self.passage.person = replace(person, messages=(*person.messages, *posted))

    def _withdraw_confirmations(self) -> None:
        if self.deeds is not None:
            self.deeds.append(Deed(self.passage.now, withdraws=True))
        person = self.passage.person
        prefix = f"{self.number}:confirm:"
        kept = tuple(
            m
            for m in person.messages
            if m.key.run or m.state is not MessageState.QUEUED or not m.key.step.startswith(prefix)
        )
        self.passage.person = replace(person, messages=kept)

    # ── What she does with a mail ────────────────────────────────────────────────────────────────────────────────────

    def _react(self, message: Message) -> None:
        """Throw the dice for this mail; deeds come minutes to days later."""
        dice, rates, now = self.dice, self.behaviour, self.passage.now
        if self._is_gone:
            return
        opens, clicks, leaves, complains, bounces, answers = (dice.share() for _ in range(6))
        after = now + 2 * MINUTE + dice.wait(5 * HOUR)
        likely = 2.0 if message.mail_class is MailClass.SERVICE else 1.0
        if bounces < rates.bounces:
            self._at(now + SECOND, lambda life: life._bounce(message))
            return
        if opens < rates.opens * likely:
            self._at(after, lambda life: life._touch(FactKind.OPENED, message))
        if clicks < rates.clicks * likely:
            self._at(after + MINUTE, lambda life: life._touch(FactKind.CLICKED, message))
        if message.mail_class is MailClass.MARKETING and leaves < rates.unsubscribes:
            self._at(after, lambda life: life._leave(message))
        if message.mail_class is MailClass.MARKETING and complains < rates.complains:
            self._at(after, lambda life: life._complain(message))
        if answers < rates.answers and (message.mail in self.town.surveys or message.mail_class is MailClass.MARKETING):
            self._at(after + 5 * MINUTE, lambda life: life._answer(message))

    def _touch(self, kind: FactKind, message: Message) -> None:
        if self._is_gone:
            return
        self._unanswered = 0
        fact = replace(self._fact(kind, message.mail), run=message.key.run)
        if kind is FactKind.OPENED:
            self.account.opened += 1
            self._do(fact)
            return
        self.account.clicked += 1
        links = self.town.links.get(message.mail, ())
        name, topic = self.dice.one_of(links) if links else ("", "")
        self._do(replace(fact, link=name, topic=topic))
        self._at(self.passage.now + 30 * SECOND, Life._visit)

    def _answer(self, message: Message) -> None:
        if self._is_gone:
            return
        asked = self.town.surveys.get(message.mail)
        if asked is None:
            self._do(replace(self._fact(FactKind.REPLIED, message.mail), run=message.key.run))
            return
        survey, choices = asked
        answer = self.dice.one_of(choices)
        value = answer if isinstance(answer, int) else 0
        self._do(self._fact(FactKind.ANSWERED, survey, value, {"answer": answer}))

    def _harm(self, what: str, message: Message) -> None:
        """Held against the campaign whose mail it was, on this day."""
        campaign = message.key.run.campaign if message.key.run else ""
        self.account.harm[what, campaign, self.passage.now // DAY] += 1

    def _leave(self, message: Message) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._harm("unsubscribes", message)
            self.account.unsubscribed += 1
            self._do(self._fact(FactKind.UNSUBSCRIBED))

    def _complain(self, message: Message) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._harm("complaints", message)
            self.account.complained += 1
            self._do(self._fact(FactKind.COMPLAINED))

    def _bounce(self, message: Message) -> None:
        """Her address is gone: as a complaint does, it takes her off every list."""
        if not self._is_gone:
            self._is_gone = True
            self._harm("hard_bounces", message)
            self.account.bounced += 1
            self._do(self._fact(FactKind.COMPLAINED, "bounce"))

    # ── Of her own accord ────────────────────────────────────────────────────────────────────────────────────────────

    def plan_visit(self) -> None:
        """The next visit of her own accord."""
        rate = self.behaviour.visits_per_30d
        if rate > 0:
            self._at(self.passage.now + self.dice.wait(int(30 * DAY / rate)), Life._visit_again)

    def _visit_again(self) -> None:
        self._visit()
        if not self._is_gone:
            self.plan_visit()

    def _visit(self) -> None:
        if self._is_gone:
            return
        self._unanswered = 0
        dice, rates = self.dice, self.behaviour
        path = "/pricing" if dice.hits(rates.looks_at_prices) else dice.one_of(("/blog/first", "/products/a", "/"))
        fact = replace(self._fact(FactKind.VISITED), path=path, topic=self.town.book.site.topic_of(path))
        self._do(fact)
        self._happen_upon(dice.share(), dice.share())
        if dice.hits(rates.buys):
            self._at(self.passage.now + 10 * MINUTE, Life._buy)

    def _happen_upon(self, asks: float, keyed: float) -> None:
        """Declared events: those without a key as requests for advice, those with one as what a shop reports."""
        events = [event for event in self.town.book.site.events.values() if event.key != "order_delivered"]
        plain = [event for event in events if not event.run_key]
        with_key = [event for event in events if event.run_key]
        if plain and asks < self.behaviour.asks_for_advice:
            self._do(self._event(self.dice.one_of(plain)))
        if with_key and keyed < 0.10:
            self._do(self._event(self.dice.one_of(with_key)))

    def _event(self, event: EventType, key: str = "") -> Fact:
        fields = {name: _made_up(kind, self.behaviour) for name, kind in event.fields}
        if event.run_key:
            fields[event.run_key] = key or self.dice.bits().to_bytes(8, "big").hex()
        return self._fact(FactKind.EVENT, event.key, 0, fields)

    def _buy(self) -> None:
        if self._is_gone:
            return
        self.account.orders += 1
        amount = int(self.behaviour.basket * (0.5 + self.dice.share()))
        self.account.revenue += amount
        order = f"{self.number}-{self.account.orders}"
        self._do(self._fact(FactKind.ORDERED, "", amount, {"order_id": order, "total": amount}))
        delivered = self.town.book.site.events.get("order_delivered")
        if delivered:
            self._at(self.passage.now + 2 * DAY, lambda life: life._do(life._event(delivered, order)))
        if self.dice.hits(self.behaviour.keeps_buying):
            again = self.dice.wait(int(self.behaviour.orders_again_days * DAY))
            self._at(self.passage.now + DAY + again, Life._buy)


def _made_up(kind: AttributeType, behaviour: Behaviour) -> Value:
    match kind:
        case AttributeType.MONEY | AttributeType.NUMBER:
            return behaviour.basket
        case AttributeType.LIST | AttributeType.CHOICES:
            return ("something",)
        case AttributeType.LINK:
            return "https://example.com/it"
        case AttributeType.BOOL:
            return True
        case _:
            return "something"


def traced(decision: Decision) -> str:
    """One line of a trace: the same for the same decision, whoever made it."""
    run = decision.run
    key = f"{run.campaign}/{run.key}/{run.turn}" if run else ""
    seen = _as_line(dict(decision.seen))
    return f"{decision.at} {decision.code.value} {key} {decision.step} {seen}\n"


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody of the real list, for a forecast: as stored, with what is not decided about yet."""

    number: int
    person: Person
    news: tuple[Fact, ...] = ()
    due_at: Instant | None = None


def resumed(town: Town, listed: Listed) -> Life:
    """The life of somebody who is there already, from today on; her sort is drawn, her past is her own."""
    life = Life(town, listed.number)
    life.arrived = town.began
    life.public_id = listed.person.subscriber.public_id
    life.passage = Passage(town.book, listed.person, town.began, town.kinds)
    life.passage.purse = Purse(listed.number, town.closes)
    life.passage.due_at = listed.due_at
    if listed.news:
        life.passage.happen(*listed.news)
    if listed.person.subscriber.confirmed_at is not None:
        life.plan_visit()
    life.account.joined_at = town.began
    life.account.stages[:] = [(listed.person.subscriber.stage, town.began)]
    return life


__all__ = ["Deed", "Life", "Listed", "Town", "resumed", "traced"]
