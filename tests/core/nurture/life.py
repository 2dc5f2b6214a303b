"""A life: one person under the pure engine, with time passing from due instant to due instant.

No store, no clock, no mail: what the core decides is kept, and mails are handed over the moment they are due.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from app.actions.shelf import book_of
from app.core.book import Book, MailKnown, Standing
from app.core.facts import Fact, FactKind, Fields, Value
from app.core.instants import SECOND, Instant, Span
from app.core.ladder import earliest_of
from app.core.nurture import Advance, advance
from app.core.person import (
    RECALLABLE_STATES,
    Code,
    Decision,
    MailClass,
    Message,
    MessageState,
    Person,
    Run,
    Settled,
    apply,
)
from app.core.subscriber import Subscriber
from app.core.windows import Clock, at_local, zone_of
from app.files.reader import read

SITE = """
site:
  name: Green Basket
  slogan: Fresh every week
  url: https://example.com
  sender: {name: Sara, address: sara@example.com, reply_to: sara@example.com}
  postal_address: 12 Valiasr St, Tehran
  locales: [en]
  timezone: Asia/Tehran
  currency: {code: IRR}
attributes:
  budget: {type: choice, options: {low: Low, high: High}}
  birthday: {type: day, calendar: jalali}
  due: {type: date}
events:
  asked: {}
  cart: {key: cart_id, fields: {cart_id: text, total: money}}
priorities: [first, second]
"""
LADDER = """
stages:
  potential: {label: Potential}
  lead: {rise: "confirmed"}
  prospect: {rise: "did('asked', within='30d')", fall: "held_for('14d', not did('asked', within='30d'))"}
  customer: {rise: "orders >= 1"}
"""
BOX = """
box: book
title: A book
consent: I agree
fields: [email]
"""
START = at_local(date(2026, 11, 1), Clock(10), zone_of("Asia/Tehran", "UTC"))


def book(*campaigns: str, site: str = SITE, ladder: str = LADDER, service: tuple[str, ...] = ()) -> Book:
    """The book of these files, campaigns and offers. Every mail they name exists."""
    sources = {"campaigns/site.yaml": site, "campaigns/ladder.yaml": ladder, "campaigns/boxes/book.yaml": BOX}
    for text in campaigns:
        key = text.strip().splitlines()[0].partition(":")[2].strip()
        folder = "offers/" if text.lstrip().startswith("offer:") else ""
        sources[f"campaigns/{folder}{key}.yaml"] = text
    for name in ("a", "b", "c", "d", "thanks", "team", "system/confirm"):
        sources[f"email_templates/{name}.md"] = "---\nsubject: x\n---\nx"
    workspace, problems = read(sources)
    errors = [str(problem) for problem in problems if problem.is_error]
    assert workspace is not None, errors
    assert not errors, errors
    made = book_of(workspace, b"a secret of at least thirty-two bytes")
    return replace(made, mails={key: MailKnown(key, is_service=True) for key in service})


class Life:
    """One person, from the moment she is first seen."""

    def __init__(self, rules: Book, *, now: Instant = START, attributes: Fields | None = None, tz: str = "") -> None:
        self.book = rules
        self.now = now
        self._facts = 0
        alice = Subscriber(1, b"alice's public i", "potential", now, "potential", now, timezone=tz)
        self.person = Person(replace(alice, attributes=attributes or {}))
        self.decisions: list[Decision] = []
        self.sent: list[tuple[Instant, str]] = []
        self.told: list[str] = []
        self.last: Advance | None = None
        self.is_mail_stuck = False
        self.most_messages = 0

    # ── Doing ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def fact(self, kind: FactKind, name: str = "", *, at: Instant | None = None, **more: object) -> Fact:
        self._facts += 1
        return Fact(self._facts.to_bytes(16, "big"), kind, self.now if at is None else at, name=name, **more)  # type: ignore[arg-type]

    def happen(self, *facts: Fact) -> None:
        """Facts arrive a second later; the engine looks at once."""
        self.decide(facts)

    def wrote(self, **columns: object) -> None:
        """A page writes into her row; the fact that tells of it follows."""
        self.person = replace(self.person, subscriber=replace(self.person.subscriber, **columns))  # type: ignore[arg-type]

    def sign_up(self) -> None:
        self.decide((self.fact(FactKind.SIGNED_UP, "book"), self.fact(FactKind.CONFIRMED, "book")))

    def event(self, name: str, **fields: Value) -> None:
        self.tick()
        self.decide((self.fact(FactKind.EVENT, name, fields=dict(fields)),))

    def ask(self) -> None:
        self.event("asked")

    def buy(self, amount: int = 100, order_id: str = "1") -> None:
        self.tick()
        self.decide((self.fact(FactKind.ORDERED, value=amount, fields={"order_id": order_id}),))

    def click(self, mail: str, link: str = "") -> None:
        self.tick()
        run = next((m.key.run for m in self.person.messages if m.mail == mail), None)
        self.decide((self.fact(FactKind.CLICKED, mail, link=link, run=run),))

    def leave(self) -> None:
        self.tick()
        self.decide((self.fact(FactKind.UNSUBSCRIBED),))

    def tick(self, span: Span = SECOND) -> None:
        self.now += span

    def pass_time(self, span: Span) -> None:
        """Let time pass, doing at each due instant what is due."""
        until = self.now + span
        self._work()
        while (due := self.next_due()) is not None and due <= until:
            assert due >= self.now, "a due instant lies in the past"
            self.now = due
            self._work()
        self.now = until

    def sleep(self, span: Span) -> None:
        """Let time pass with the engine down."""
        self.now += span

    def publish(self, rules: Book) -> None:
        """A new version goes live: the engine looks at everybody."""
        self.book = rules
        self.decide(())

    def stand(self, campaign: str, standing: Standing) -> None:
        self.book = replace(self.book, standings={**self.book.standings, campaign: standing})
        self.decide(())

    # ── Engine ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def decide(self, news: tuple[Fact, ...]) -> None:
        self.last = advance(self.book, self.person, news, self.now)
        self.person = self.last.person
        self.decisions += self.last.decisions
        self.most_messages = max(self.most_messages, len(self.last.decisions))
        self._work()

    def _work(self) -> None:
        """Decide while something is due, hand over what is due: until nothing moves at this instant."""
        for _ in range(100):
            if not self._deliver() and not self._is_due():
                return
            self.last = advance(self.book, self.person, (), self.now)
            self.person = self.last.person
            self.decisions += self.last.decisions
        raise AssertionError("the engine never comes to rest at one instant")

    def _is_due(self) -> bool:
        due = self._engine_due()
        return due is not None and due <= self.now

    def _engine_due(self) -> Instant | None:
        runs = (run.due_at for run in self.runs())
        return earliest_of((self.last.look_again_at if self.last else None, *runs))

    def next_due(self) -> Instant | None:
        open_mail = (m.slot_at for m in self.person.messages if m.state in RECALLABLE_STATES)
        return earliest_of((self._engine_due(), *(() if self.is_mail_stuck else open_mail)))

    def _deliver(self) -> bool:
        if self.is_mail_stuck:
            return False
        due = [m for m in self.person.messages if m.state in RECALLABLE_STATES and m.slot_at <= self.now]
        for message in due:
            self.person = apply(self.person, Settled(message.key, MessageState.SENT, self.now))
            if message.mail_class is MailClass.TEAM:
                self.told.append(message.recipient)
            else:
                self.sent.append((self.now, message.mail))
                received = self.fact(FactKind.RECEIVED, message.mail, run=message.key.run)
                self.person = replace(self.person, facts=self.person.facts.plus((received,)))
        return bool(due)

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def stage(self) -> str:
        return self.person.subscriber.stage

    @property
    def mails(self) -> list[str]:
        return [mail for _, mail in self.sent]

    def runs(self, campaign: str = "") -> list[Run]:
        return [run for run in self.person.runs if run.is_live and campaign in ("", run.key.campaign)]

    def run(self, campaign: str) -> Run:
        """The latest run of a campaign, ended or not."""
        return [run for run in self.person.runs if run.key.campaign == campaign][-1]

    def message(self, mail: str) -> Message:
        return next(m for m in self.person.messages if m.mail == mail)

    def codes(self, campaign: str = "") -> list[Code]:
        mine = (d for d in self.decisions if not campaign or _campaign_of(d) == campaign)
        return [decision.code for decision in mine]

    def when(self, mail: str) -> str:
        """Local time a mail was sent, as `11-03 09:30`."""
        at = next(at for at, name in self.sent if name == mail)
        return f"{zone_local(at, self.person.subscriber.timezone):%m-%d %H:%M}"


def zone_local(at: Instant, tz: str = ""):  # type: ignore[no-untyped-def]
    from app.core.windows import local

    return local(at, zone_of(tz, "Asia/Tehran"))


def _campaign_of(decision: Decision) -> str:
    return decision.run.campaign if decision.run else str(decision.seen.get("campaign", ""))


def welcome(body: str, **head: str) -> str:
    """A live campaign `welcome` entered by the box, with these lines below its head."""
    lines = "\n".join(f"{key}: {value}" for key, value in ({"enter": "{box: book}"} | head).items())
    return f"campaign: welcome\ntitle: Welcome\nstate: live\n{lines}\n{body}"
