"""The cast: the one subscriber of a story and what others know of her.

Owns how facts about her get into the store of the stage: through the same actions as everybody's. Must not judge
expectations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.actions.confirm import Standing, confirm
from app.actions.inspect import Inspection
from app.actions.rehearse.guests import Guest, address_of, come_in, friend_in_place
from app.actions.rehearse.impossible import Impossible
from app.actions.rehearse.stage import Received, Stage
from app.core.facts import Fact, FactKind, Fields
from app.core.figures import isolated
from app.core.scenario import Person
from app.core.subscriber import Subscriber
from app.links import Pass
from app.mail.link_table import Link
from app.store import events, offers, people, queue, redemptions, tagging
from app.store.loading import Loaded, load_people
from app.store.queue import RunStanding
from app.store.saving import save_attributes


class Actor:
    """The subscriber a story is about. Nobody's subscriber until she signs up, unless confirmed from the start."""

    def __init__(self, stage: Stage, load: Callable[[str], Inspection]) -> None:
        self.stage = stage
        self._load = load
        self.person = stage.scenario.person
        self.subscriber_id = 0
        self.public_id = b""
        self.box = ""
        """The box she came by last."""
        self.friends: list[Guest] = []
        self.orders: dict[str, tuple[int, int]] = {}
        """Order → its total and what was given back of it."""
        if self.person.is_confirmed or self.person.stage:
            with stage.world.transaction("write") as session:
                self._known_from_the_start(session, self.person)
            self._learn(self.person.attributes)
            self.record(Fact(stage.new_id(), FactKind.CONFIRMED, stage.clock, is_quiet=True))

    # ── Getting in ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sign_up(self, key: str, fields: Fields, referred_by: str = "") -> None:
        """Fill in a box as a visitor does. What it does not ask, but her file knows, is known from elsewhere."""
        box = self.stage.shelved().workspace.boxes[key]
        asked = {field.key for field in box.fields}
        answers = {name: value for name, value in self.person.attributes.items() if name in asked} | dict(fields)
        friend = friend_in_place(self.stage, referred_by) if referred_by else b""
        ticket = come_in(self.stage, Guest(self.person, box, answers, friend))
        is_new = not self.subscriber_id
        self.box = key
        self._find(ticket.person)
        if is_new and self.subscriber_id:
            self._learn({name: value for name, value in self.person.attributes.items() if name not in asked})
        self.stage.work()

    def confirm(self) -> None:
        """Press the button behind the link of the latest mail that has one. Raises Impossible when none came."""
        self.stage.work()
        given = self._link_to_confirm()
        seen = confirm(self.stage.world, self.stage.shelved(), given)
        if seen.standing is Standing.GONE:
            raise Impossible("the link in the mail is good no more", "پیوند ایمیل دیگر کار نمی‌کند")
        self.stage.work()

    def _link_to_confirm(self) -> Pass:
        links = self.stage.world.links
        for mail in reversed(self.stage.inbox):
            for token in mail.tokens("/confirm/") if mail.subscriber_id == self.subscriber_id else ():
                found = links.read_confirm(token, self.stage.clock)
                if isinstance(found, Pass):
                    return found
        raise Impossible(
            "no mail with a link to confirm has arrived, or its link has run out",
            "ایمیلی با پیوند تأیید نیامده، یا مهلت پیوندش گذشته است",
        )

    def _find(self, public_id: bytes) -> None:
        """Her row. Whoever may not sign up is answered like everybody and has none."""
        with self.stage.world.transaction("read") as session:
            row = people.find_public(session, public_id)
            if row is not None:
                self.subscriber_id, self.public_id = row.id, row.public_id

    def _learn(self, attributes: Fields) -> None:
        """What is known of her beside what she typed."""
        for tag in self.person.tags:
            self.tag(tag)
        if self.person.country:
            with self.stage.world.transaction("write") as session:
                row = people.find_public(session, self.public_id)
                if row is not None:
                    row.country = self.person.country
        if attributes:
            self.set_attributes(attributes, is_quiet=True)

    def _known_from_the_start(self, session: Session, person: Person) -> None:
        new = people.NewSubscriber(
            public_id=self.stage.new_id(),
            address=person.address,
            address_key=address_of(person).key,
            stage=person.stage or self.stage.shelved().book.ladder.stages[0].key,
            at=self.stage.clock,
            locale=person.locale,
            timezone=person.timezone,
            source=person.source,
        )
        row = people.create(session, new)
        self.subscriber_id, self.public_id = row.id, row.public_id

    def refer(self, key: str) -> None:
        """A friend signs up by her link and confirms; whether she counts is seen a day later."""
        if not self.public_id:
            raise Impossible("who is nobody's subscriber has no link for friends", "کسی که مشترک نیست پیوند دعوت ندارد")
        workspace = self.stage.shelved().workspace
        number = len(self.friends) + 1
        person = workspace.people[key] if key else Person("", f"friend-{number}@friends{number}.example")
        box = workspace.boxes.get(self.box) or next(iter(workspace.boxes.values()), None)
        if box is None:
            raise Impossible("there is no box a friend could come by", "جعبه‌ای نیست که دوستی با آن بیاید")
        guest = Guest(person, box, dict(person.attributes), self.public_id, is_watched=False)
        ticket = come_in(self.stage, guest)
        self.friends.append(guest)
        confirm(self.stage.world, self.stage.shelved(), ticket)
        self.stage.work()

    # ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def record(self, fact: Fact, verdict: str = "") -> None:
        """Keep a fact and let the engine look; machine facts are kept and put before nobody."""
        row = events.fact_row(self.subscriber_id, fact, message_id=self._message_id(fact), verdict=verdict)
        with self.stage.world.transaction("write") as session:
            events.record(session, [row])
            if fact.is_human:
                events.announce(session, [row])
            people.wake(session, [self.subscriber_id], self.stage.clock)
        self.stage.work()

    def _message_id(self, fact: Fact) -> int | None:
        mail = self.last(fact.name) if fact.kind in (FactKind.OPENED, FactKind.CLICKED, FactKind.REPLIED) else None
        return mail.id if mail else None

    def about(self, mail: str, kind: FactKind) -> Fact:
        """A fact about a mail she got. Raises Impossible when she did not."""
        if self.last(mail) is None:
            raise Impossible(f"{mail} has not arrived", f"ایمیل {isolated(mail)} نیامده است")
        return Fact(self.stage.new_id(), kind, self.stage.clock, name=mail)

    def last(self, mail: str) -> Received | None:
        return next((m for m in reversed(self.stage.inbox) if m.mail == mail and not m.is_team), None)

    def set_attributes(self, values: Fields, is_quiet: bool = False) -> None:
        before = self.loaded().person.subscriber
        after = replace(before, attributes={**before.attributes, **values})
        with self.stage.world.transaction("write") as session:
            save_attributes(session, before, after, self.stage.clock)
        if not is_quiet:
            for key in values:
                self.record(Fact(self.stage.new_id(), FactKind.CHANGED, self.stage.clock, name=f"attribute:{key}"))

    def tag(self, tag: str) -> None:
        with self.stage.world.transaction("write") as session:
            tagging.add_tag(session, self.subscriber_id, tag)
        self.record(Fact(self.stage.new_id(), FactKind.CHANGED, self.stage.clock, name=f"tag:{tag}"))

    def deploy(self, folder: str) -> None:
        self.stage.publish(self._load(folder))

    def next_order(self) -> str:
        return f"story-{len(self.orders) + 1}"

    def held_code(self, offer: str) -> str:
        """Her code of an offer. Raises Impossible when she was given none."""
        with self.stage.world.transaction("read") as session:
            grant = offers.grants(session, [(self.subscriber_id, offer)]).get((self.subscriber_id, offer))
        if grant is None or not grant.code:
            raise Impossible(f"she holds no code of {offer}", f"کدی از {isolated(offer)} ندارد")
        return grant.code

    def verdict(self) -> str:
        """What the code of her last order turned out to be; "" when it came without one."""
        with self.stage.world.transaction("read") as session:
            return redemptions.verdict_of(session, next(reversed(self.orders), ""))

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def loaded(self) -> Loaded:
        with self.stage.world.transaction("read") as session:
            (found,) = load_people(session, [self.subscriber_id], self.stage.shelved().kinds | {FactKind.SIGNED_UP})
        return found

    def subscriber(self) -> Subscriber:
        return self.loaded().person.subscriber

    def runs(self) -> list[RunStanding]:
        """Every run she ever had, ended ones too, oldest first."""
        with self.stage.world.transaction("read") as session:
            return queue.runs_of(session, self.subscriber_id)

    def links_of(self, mail: str) -> tuple[str, ...]:
        """The names of a mail's links, in order."""
        return tuple(link.name for link in self._mail_links(mail) if link.name)

    def topic_of(self, mail: str, link: str) -> str:
        """A link's own topic, else that of the page it leads to."""
        found = next((known for known in self._mail_links(mail) if known.name == link), None)
        if found is None:
            return ""
        return found.topic or self.topic_of_page(urlsplit(found.url or "").path)

    def _mail_links(self, mail: str) -> tuple[Link, ...]:
        with self.stage.world.transaction("read") as session:
            chosen = self.stage.mails.choose(session, self.stage.shelved(), mail, self.person.locale)
        return chosen.mail.links if chosen else ()

    def topic_of_page(self, path: str) -> str:
        return self.stage.shelved().book.site.topic_of(path)
