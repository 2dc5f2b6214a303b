"""The cast: the one subscriber of a story and what others know of her.

Owns how facts about her get into the store of the stage. Must not judge expectations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from app.actions.inspect import Inspection
from app.actions.rehearse.stage import Received, Stage
from app.core.boxes import Box, OptIn
from app.core.consent import CONFIRM_MAIL
from app.core.facts import Fact, FactKind, Fields
from app.core.person import MailClass
from app.core.subscriber import Subscriber
from app.mail.link_table import Link
from app.store import events, people, queue, tagging
from app.store.loading import Loaded, load_people
from app.store.messages import NewMessage, queue_by_cause
from app.store.queue import RunStanding
from app.store.saving import save_attributes


class Actor:
    """The subscriber a story is about. Nobody's subscriber until she signs up, unless confirmed from the start."""

    def __init__(self, stage: Stage, load: Callable[[str], Inspection]) -> None:
        self.stage = stage
        self._load = load
        self.person = stage.scenario.person
        self.subscriber_id = 0
        self.friends = 0
        self.orders: list[tuple[str, int]] = []
        if self.person.is_confirmed or self.person.stage:
            self._arrive(self.person.attributes)
            self.record(Fact(stage.new_id(), FactKind.CONFIRMED, stage.clock, is_quiet=True))

    # ── Getting in ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sign_up(self, key: str, fields: Fields, referred_by: str = "") -> None:
        """Fill in a box: the same facts and messages a real signup leaves."""
        box = self.stage.shelved().workspace.boxes[key]
        is_known = self.subscriber_id != 0
        self._arrive({**self.person.attributes, **fields}, box, bool(referred_by))
        signup = Fact(self.stage.new_id(), FactKind.SIGNED_UP, self.stage.clock, name=key, fields=fields)
        self.record(signup)
        if is_known and self.loaded().person.subscriber.confirmed_at is not None:
            self._deliver(box, signup)
        elif box.opt_in is OptIn.SINGLE:
            self._confirmed(box, signup)
        else:
            self._ask_to_confirm(box)

    def confirm(self) -> None:
        """Press the button behind the confirmation link."""
        signups = self.loaded().person.facts.of(FactKind.SIGNED_UP) or self.loaded().news
        signup = [fact for fact in signups if fact.kind is FactKind.SIGNED_UP][-1]
        self._confirmed(self.stage.shelved().workspace.boxes[signup.name], signup)

    def _arrive(self, attributes: Fields, box: Box | None = None, is_referred: bool = False) -> None:
        if not self.subscriber_id:
            person = self.person
            new = people.NewSubscriber(
                public_id=self.stage.new_id(),
                address=person.address,
                address_key=person.address.casefold(),
                stage=person.stage or self.stage.shelved().book.ladder.stages[0].key,
                at=self.stage.clock,
                locale=person.locale,
                timezone=person.timezone,
                country=person.country,
                source=person.source,
                box=box.key if box else "",
                is_referred=is_referred,
            )
            with self.stage.world.transaction("write") as session:
                self.subscriber_id = people.create(session, new).id
            for tag in person.tags:
                self.tag(tag)
        if attributes:
            self.set_attributes(attributes, is_quiet=True)

    def _ask_to_confirm(self, box: Box) -> None:
        now = self.stage.clock
        for number, wait in enumerate((0, *box.reminders)):
            self._queue(
                f"confirm:{self.subscriber_id}:{box.key}:{number}", box.confirm_mail or CONFIRM_MAIL, now + wait
            )

    def _confirmed(self, box: Box, signup: Fact) -> None:
        with self.stage.world.transaction("write") as session:
            queue.withdraw_causes(session, f"confirm:{self.subscriber_id}:", self.stage.clock)
        self.record(Fact(self.stage.new_id(), FactKind.CONFIRMED, self.stage.clock, name=box.key))
        self._deliver(box, signup)

    def _deliver(self, box: Box, signup: Fact) -> None:
        if box.deliver:
            self._queue(f"deliver:{box.key}:{signup.id.hex()}", box.deliver, self.stage.clock)

    def _queue(self, cause: str, mail: str, at: int) -> None:
        with self.stage.world.transaction("write") as session:
            new = NewMessage(self.stage.new_id(), self.subscriber_id, cause, mail, MailClass.SERVICE, at)
            queue_by_cause(session, new)

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
        """A fact about a mail she got. Raises LookupError when she did not."""
        if self.last(mail) is None:
            raise LookupError(f"{mail} has not arrived")
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
