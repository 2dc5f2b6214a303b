"""A house for the tests of tracking: a small published site, people with mails, a spool, a clock that stands still."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.actions.shelf import Shelf
from app.actions.track import ingest_all, judge_all
from app.actions.track.ingest import keep, take
from app.core.facts import Fact as CoreFact
from app.core.facts import FactKind as CoreKind
from app.core.instants import SECOND, Instant
from app.core.person import MailClass, MessageState
from app.core.subscriber import SubscriberState
from app.core.verdicts import Request
from app.disk.spool import Fact, FactKind, Spool
from app.disk.spool_reader import Batch, SpoolReader
from app.disk.touches import MailTouch, touch_fact
from app.disk.visits import PageFact, page_fact
from app.links import Key, Links
from app.settings import Settings
from app.store import releases
from app.store.engine import Database, Intent
from app.store.events import EventRow, record_facts
from app.store.messages import MessageRow
from app.store.people import NewSubscriber, SubscriberRow, create
from app.store.releases import MailVersionRow, NewMail, NewRelease
from app.world import World
from tests.services.clock import START, Clock

SITE = """
site:
  name: Shop
  slogan: Fresh
  url: https://shop.example.com
  sender: {name: Sara, address: sara@example.com, reply_to: sara@example.com}
  postal_address: 12 Valiasr St, Tehran
  locales: [en]
  timezone: UTC
  weekend: [saturday, sunday]
  currency: {code: EUR}
attributes:
  first_name: {type: text, label: First name}
events:
  consultation_requested: {}
  cart_updated: {key: cart_id, fields: {total: money, items: list}}
topics:
  pricing: {label: Prices, pages: ["/pricing*"]}
contact:
  limits: [9 per day]
tracking: {opens: individual, clicks: individual, needs_consent: false}
"""
LADDER = """
stages:
  potential: {label: Potential}
  lead: {label: Lead, rise: "confirmed"}
  prospect: {label: Prospect, rise: "score >= 10 or did('consultation_requested')"}
  customer: {label: Customer, rise: "orders >= 1"}
scoring:
  half_life: 30d
  engagement:
    - {on: confirmed, points: 5}
    - {on: click, points: 3, at_most: 6 per 30d}
    - {on: click, topic: pricing, points: 5, at_most: 5 per 30d}
    - {on: visit, path: "/pricing*", points: 5, at_most: 15 per 30d}
"""
WELCOME = """
campaign: welcome
title: Welcome
owner: sara@example.com
state: live
enter: {on: consultation_requested}
sequences:
  lead:
    - wait: 30d
    - send: welcome/first
  prospect:
    - send: welcome/second
  any: []
"""
NEXT = """
campaign: next
title: Next
owner: sara@example.com
state: live
enter: {when: "stage == 'prospect'"}
sequences:
  prospect:
    - send: welcome/second
  any: []
"""
FILES = {
    "campaigns/site.yaml": SITE,
    "campaigns/ladder.yaml": LADDER,
    "campaigns/welcome.yaml": WELCOME,
    "campaigns/next.yaml": NEXT,
    "email_templates/welcome/first.md": "",
    "email_templates/welcome/second.md": "",
}
LINKS: list[dict[str, str | int | None]] = [
    {"number": 0, "url": "https://shop.example.com/pricing?x=1", "name": "prices", "topic": ""},
    {"number": 1, "url": "https://shop.example.com/blog/a", "name": "read", "topic": "learning"},
    {"number": 2, "url": "https://elsewhere.example.net/pricing", "name": "", "topic": ""},
    {"number": 3, "url": None, "name": "download", "topic": ""},
]
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HOME, OFFICE, PHONE = "aa" * 8, "bb" * 8, "cc" * 8
NODE = "n" * 32


@dataclass
class House:
    """Everything tracking stands on. `tell` spools facts, `ingest` and `judge` do what the worker does."""

    database: Database
    folder: Path
    clock: Clock = field(default_factory=Clock)
    files: dict[str, str] = field(default_factory=lambda: dict(FILES))

    def __post_init__(self) -> None:
        numbers = count(1)
        self.new_id: Callable[[], bytes] = lambda: next(numbers).to_bytes(16, "big")
        facts = count(1)
        self.fact_id: Callable[[], bytes] = lambda: b"fact" + next(facts).to_bytes(12, "big")
        self.links = Links((Key(1, b"k" * 32),), "https://example.com", "https://t.example.com")
        settings = Settings("sqlite://", "x" * 32, "https://example.com", self.folder)
        self.world = World(settings, self.database, self.links, self.clock, self.clock, self.new_id, lambda: 0.0)
        self.shelf = Shelf(b"s" * 32)
        self.spool = Spool(self.folder / "spool", b"i" * 16)
        self.reader = SpoolReader(self.folder / "spool")
        with self.world.transaction("write") as session:
            releases.begin(session, bytes(16))
            mail = NewMail("welcome/first", "en", "d1", "{}", json.dumps(LINKS), is_service=False)
            releases.publish(session, NewRelease("r1", self.files, {}, (mail,)), START)
            self.version = session.scalars(select(MailVersionRow.id)).one()

    def publish(self, files: dict[str, str]) -> None:
        """Make another set of files live."""
        self.files = files
        with self.session("write") as session:
            releases.publish(session, NewRelease(f"r{len(files)}", files, {}, ()), self.clock())

    def token(self, mail: int) -> str:
        """What a link of this mail hands to the page it leads to."""
        return self.links.mail_token(mail, self.version)

    def session(self, intent: Intent = "read") -> AbstractContextManager[Session]:
        return self.world.transaction(intent)

    # ── People and mails ─────────────────────────────────────────────────────────────────────────────────────────────

    def person(self, name: str) -> int:
        """A confirmed person at the foot of the ladder, decided about once."""
        address = f"{name}@gmail.com"
        with self.session("write") as session:
            new = NewSubscriber(self.new_id(), address, address, "potential", self.clock(), locale="en")
            row = create(session, new)
            row.state, row.confirmed_at = SubscriberState.ACTIVE.value, self.clock()
            session.flush()
            record_facts(session, row.id, [CoreFact(self.new_id(), CoreKind.CONFIRMED, self.clock())], self.clock())
            return row.id

    def unconfirm(self, subscriber_id: int) -> None:
        self._change(subscriber_id, state=SubscriberState.PENDING.value, confirmed_at=None)

    def confirm(self, subscriber_id: int) -> None:
        self._change(subscriber_id, state=SubscriberState.ACTIVE.value, confirmed_at=self.clock())

    def _change(self, subscriber_id: int, **values: object) -> None:
        with self.session("write") as session:
            one = update(SubscriberRow).where(SubscriberRow.id == subscriber_id).values(values)
            session.execute(one, execution_options={"synchronize_session": False})

    def mail(self, subscriber_id: int, handed_over_at: Instant | None = None, **more: object) -> int:
        """A mail of the campaign that left a minute ago, unless said otherwise."""
        at = self.clock() - 60 * SECOND if handed_over_at is None else handed_over_at
        values: dict[str, object] = {"campaign": "welcome", "step": "", "mail_class": MailClass.MARKETING.value}
        with self.session("write") as session:
            row = MessageRow(
                public_id=self.new_id(),
                subscriber_id=subscriber_id,
                cause_key=self.new_id().hex(),
                mail_key="welcome/first",
                mail_version_id=self.version,
                state=MessageState.SENT.value,
                wanted_at=at,
                slot_at=at,
                due_at=at,
                settled_at=at,
                created_at=at,
                **(values | more),
            )
            session.add(row)
            session.flush()
            return row.id

    # ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def click(self, mail: int, link: int = 0, network: str = HOME, agent: str = BROWSER, **more: str) -> Fact:
        touch = MailTouch(mail, self.version, link, agent, network, more.get("label", ""), _request(more))
        return touch_fact(FactKind.CLICK, self.clock(), self.fact_id(), touch)

    def open(self, mail: int, network: str = HOME, agent: str = BROWSER, **more: str) -> Fact:
        touch = MailTouch(mail, self.version, 0, agent, network, more.get("label", ""), _request(more))
        return touch_fact(FactKind.OPEN, self.clock(), self.fact_id(), touch)

    def page(self, path: str, **more: object) -> Fact:
        blank = PageFact("https://shop.example.com", path, "", (), "", "", BROWSER, HOME, "", "en")
        return page_fact(self.clock(), self.fact_id(), blank._replace(**more))  # type: ignore[arg-type]

    def tell(self, *facts: Fact) -> None:
        self.spool.append(*facts)

    def take(self, facts: Sequence[Fact]) -> None:
        """Facts straight into the store, past the disk."""
        with self.session() as session:
            shelved = self.shelf.look(session)
            assert shelved is not None
            taken = take(self.world, session, shelved, facts)
        keep(self.world, NODE, Batch((), (), ()), taken)

    def ingest(self) -> int:
        return ingest_all(self.world, self.shelf, self.reader, NODE)

    def judge(self, after: int = 3 * SECOND) -> int:
        self.clock.advance(after)
        return judge_all(self.world, self.shelf)

    def happen(self, *facts: Fact) -> None:
        """Spooled, ingested and judged three seconds later."""
        self.tell(*facts)
        self.ingest()
        self.judge()

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, *kinds: str) -> Sequence[EventRow]:
        query = select(EventRow).order_by(EventRow.at, EventRow.fact_id)
        with self.session() as session:
            return session.scalars(query.where(EventRow.kind.in_(kinds)) if kinds else query).all()

    def verdicts(self, *kinds: str) -> list[tuple[str, str]]:
        return [(row.verdict, row.verdict_reason) for row in self.events(*(kinds or ("opened", "clicked", "visited")))]

    def subscriber(self, subscriber_id: int) -> SubscriberRow:
        with self.session() as session:
            return session.scalars(select(SubscriberRow).filter_by(id=subscriber_id)).one()

    def messages(self, subscriber_id: int, mail: str) -> Sequence[MessageRow]:
        query = select(MessageRow).filter_by(subscriber_id=subscriber_id, mail_key=mail)
        with self.session() as session:
            return session.scalars(query).all()

    def close(self) -> None:
        self.spool.close()


def _request(more: dict[str, str]) -> Request:
    return Request(more.get("request", "get"))


def rows_of(session: Session, table: type) -> Sequence[object]:
    return session.scalars(select(table)).all()
