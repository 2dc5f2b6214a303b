"""Signup group: signups that came at the same time, judged and written in one short transaction.

Owns what is written for each of them, in a fixed number of statements for all. Whoever signs up is answered alike.
Must not decide about campaigns: it records and wakes, the worker decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.actions.limits import Claim, Limits, TooMany, Work, judge
from app.actions.referrals import friend_confirmed
from app.actions.signup import (
    Accepted,
    Asking,
    BoxTouch,
    Outcome,
    Promisee,
    Question,
    Submission,
    asking,
    blanks_of,
    box_version,
    changes,
    confirmations,
    counts_of,
    promised,
    ticket,
    wanted_product,
)
from app.core.boxes import OptIn, TrackingConsent
from app.core.facts import Fact, FactKind, Fields, Value
from app.core.instants import DAY, Instant
from app.core.subscriber import SubscriberState
from app.store import intake, products
from app.store.intake import Held, ServiceMail
from app.store.ledgers import BoxCount, add_box_counts
from app.store.messages import NewMessage
from app.store.people import NewSubscriber, SubscriberRow, wake
from app.store.permissions import Consent, address_hash
from app.world import World


@dataclass(frozen=True, slots=True)
class Arrival:
    """One signup on its way in, and the stage everybody begins at."""

    given: Submission
    stage: str


def take_all(world: World, limits: Limits, arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Take signups, in their order, all or none. Raises GateClosedError when the database has no turn in time."""
    with world.transaction("write") as session:
        group = _Group(world, session, world.now(), world.wall())
        return group.take(limits, arrivals)


@dataclass(frozen=True, slots=True)
class _Group:
    """A group in its transaction."""

    world: World
    session: Session
    now: Instant
    wall: Instant

    def take(self, limits: Limits, arrivals: Sequence[Arrival]) -> list[Outcome]:
        refused = judge(self.session, limits, self._claims(arrivals), self.wall)
        outcomes: list[Outcome | None] = [each if isinstance(each, Work | TooMany) else None for each in refused]
        may = [number for number, each in enumerate(refused) if each is None]
        counts: Counter[BoxCount] = Counter()
        for wave in _waves(arrivals, self._fresh(arrivals, may)):
            taken = _Wave(self.world, self.session, self.now, counts).take([arrivals[number] for number in wave])
            for number, accepted in zip(wave, taken, strict=True):
                outcomes[number] = accepted
        add_box_counts(self.session, counts)  # last: everybody wants these rows
        return [each or self._blind(arrivals[number]) for number, each in enumerate(outcomes)]

    def _claims(self, arrivals: Sequence[Arrival]) -> list[Claim]:
        """Who asks, with the work she proved: a proof serves once, also within the group."""
        proofs = {one.given.proof.nonce: one.given.proof.until for one in arrivals if one.given.proof is not None}
        unused = intake.use_tokens_once(self.session, "work", proofs)
        claims = []
        for given in (arrival.given for arrival in arrivals):
            level = 0
            if given.proof is not None and given.proof.nonce in unused:
                unused.discard(given.proof.nonce)
                level = given.proof.level
            claims.append(Claim(given.visit.network, given.box.key, given.address, level))
        return claims

    def _fresh(self, arrivals: Sequence[Arrival], may: Sequence[int]) -> list[int]:
        """Those whose form is used for the first time."""
        nonces = {arrivals[number].given.form.nonce: self.wall + DAY for number in may}
        unused = intake.use_tokens_once(self.session, "form", nonces)
        found = []
        for number in may:
            nonce = arrivals[number].given.form.nonce
            if nonce in unused:
                unused.discard(nonce)
                found.append(number)
        return found

    def _blind(self, arrival: Arrival) -> Accepted:
        """The answer to somebody for whom nothing was done."""
        return Accepted(ticket(self.world, self.world.new_id(), 0, arrival.given.box))


def _waves(arrivals: Sequence[Arrival], numbers: Sequence[int]) -> Iterator[list[int]]:
    """Groups in which no address comes twice: a second signup of one address finds what the first has left."""
    seen: Counter[str] = Counter()
    waves: dict[int, list[int]] = {}
    for number in numbers:
        key = arrivals[number].given.address.key
        waves.setdefault(seen[key], []).append(number)
        seen[key] += 1
    yield from waves.values()


@dataclass(frozen=True, slots=True)
class _Due:
    """What a wave is going to write."""

    facts: list[tuple[int, Fact]] = field(default_factory=list)
    mails: list[tuple[NewMessage, Instant]] = field(default_factory=list)
    forward: list[int] = field(default_factory=list)
    attributes: dict[int, Fields] = field(default_factory=dict)
    active: list[int] = field(default_factory=list)
    wishes: list[tuple[int, str]] = field(default_factory=list)
    """(who, the product she waits for)"""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the people of a wave who were there before."""

    mails: Mapping[int, Sequence[ServiceMail]]
    attributes: Mapping[int, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class _Wave:
    """Signups of as many addresses in their transaction."""

    world: World
    session: Session
    now: Instant
    counts: Counter[BoxCount]
    due: _Due = field(default_factory=_Due)

    def take(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        hashes = [address_hash(self.world.secret, one.given.address.key) for one in arrivals]
        out = intake.suppressed(self.session, hashes)
        welcome = [one for one, hash_ in zip(arrivals, hashes, strict=True) if hash_ not in out]
        held = intake.hold_or_create_all(self.session, [self._new(one) for one in welcome])
        live = [(one.given, held[one.given.address.key]) for one in welcome]
        live = [(given, person) for given, person in live if not _is_gone(person)]
        consents = self._consents(live)
        known = self._known([person for _given, person in live])
        for (given, person), consent in zip(live, consents.values(), strict=True):
            self._receive(given, person, consent, known)
        self._write([person for _given, person in live])
        self._note_friends(live)
        for given in (one.given for one, hash_ in zip(arrivals, hashes, strict=True) if hash_ in out):
            self._count(given)
        return [self._accepted(one.given, held.get(one.given.address.key), consents) for one in arrivals]

    def _accepted(self, given: Submission, person: Held | None, consents: Mapping[int, int]) -> Accepted:
        if person is None:
            return Accepted(ticket(self.world, self.world.new_id(), 0, given.box))
        return Accepted(ticket(self.world, person.public_id, consents.get(person.id, 0), given.box))

    def _new(self, arrival: Arrival) -> NewSubscriber:
        given, visit = arrival.given, arrival.given.visit
        return NewSubscriber(
            public_id=self.world.new_id(),
            address=given.address.spelled,
            address_key=given.address.key,
            stage=arrival.stage,
            at=self.now,
            locale=visit.locale,
            timezone=visit.timezone,
            source=visit.source,
            box=given.box.key,
            is_referred=bool(visit.friend),
        )

    def _known(self, people: Sequence[Held]) -> _Known:
        """New people have nothing yet."""
        before = [person.id for person in people if not person.is_new]
        confirmed = [person.id for person in people if _is_confirmed(person)]
        return _Known(
            intake.service_mails(self.session, before) if before else {},
            intake.attributes_of(self.session, confirmed) if confirmed else {},
        )

    # The ledger.

    def _consents(self, live: Sequence[tuple[Submission, Held]]) -> dict[int, int]:
        """The line of each person about mails, by her id."""
        lines = [line for given, person in live for line in self._lines(given, person)]
        ids = intake.append_consents(self.session, lines)
        return {line.subscriber_id: id_ for line, id_ in zip(lines, ids, strict=True) if line.kind == "mail"}

    def _lines(self, given: Submission, person: Held) -> Iterator[Consent]:
        """The words shown, asked of somebody who has yet to confirm, given by somebody who has."""
        box, visit, now = given.box, given.visit, self.now
        shown, is_confirmed = box.consent.in_locale(visit.locale), _is_confirmed(person)
        answer = "given" if is_confirmed or box.opt_in is OptIn.SINGLE else "asked"
        yield Consent(person.id, "mail", answer, now, shown, box.key, box_version(box), visit.page, visit.truncated)
        if box.tracking_consent is not TrackingConsent.NONE and not is_confirmed:
            said = "given" if given.wants_tracking else "refused"
            yield Consent(person.id, "tracking", said, now, box=box.key, page=visit.page, network=visit.truncated)

    # What each sets in motion.

    def _receive(self, given: Submission, person: Held, consent: int, known: _Known) -> None:
        fact = self._fact(given)
        self.due.facts.append((person.id, fact))
        self._count(given)
        mails = known.mails.get(person.id, ())
        whom = Promisee(person.id, fact.id, mails)
        if _is_confirmed(person):
            self._fill_blanks(given, person, known.attributes.get(person.id, {}))
            self._promise(given, whom)
        elif _confirms_at_once(given, person):
            self._confirm(given, person)
            self._promise(given, whom)
        else:
            how = asking(mails, given.box.reminders, self.now)
            self._ask(person, Question(given.box, consent), how)

    def _fill_blanks(self, given: Submission, person: Held, attributes: Mapping[str, Value]) -> None:
        if new := blanks_of(attributes, given.answers):
            self.due.attributes[person.id] = new
            self.due.facts.extend((person.id, fact) for fact in changes(person.id, new, self.now))

    def _promise(self, given: Submission, whom: Promisee) -> None:
        if (mail := promised(self.world, given.box, whom)) is not None:
            self.due.mails.append((mail, mail.at))
        if product := wanted_product(given.box, given.answers):
            self.due.wishes.append((whom.subscriber_id, product))

    def _confirm(self, given: Submission, person: Held) -> None:
        self.due.active.append(person.id)
        self.due.attributes[person.id] = given.answers
        confirmed = Fact(self.world.new_id(), FactKind.CONFIRMED, self.now, name=given.box.key)
        self.due.facts.append((person.id, confirmed))

    def _ask(self, person: Held, asked: Question, how: Asking) -> None:
        if how.forward is not None:
            self.due.forward.append(how.forward)
        self.due.mails.extend(confirmations(self.world, person.id, asked, how))

    def _fact(self, given: Submission) -> Fact:
        visit = given.visit
        marks: dict[str, str | bool] = {}
        if visit.friend:
            marks["referred_by"] = visit.friend.hex()
        if given.address.is_disposable:
            marks["is_disposable"] = True
        if given.address.is_role:
            marks["is_role"] = True
        return Fact(
            id=self.world.new_id(),
            kind=FactKind.SIGNED_UP,
            at=self.now,
            name=given.box.key,
            link=",".join(visit.arms)[:200],
            path=visit.page,
            fields={**visit.trail, **given.answers, **marks},
        )

    def _count(self, given: Submission) -> None:
        visit = given.visit
        touch = BoxTouch(given.box.key, visit.arms, visit.page, visit.source)
        self.counts.update(counts_of(touch, "submit", self.now))

    def _write(self, live: Sequence[Held]) -> None:
        session, due = self.session, self.due
        intake.append_facts(session, due.facts)
        intake.put_attributes_all(session, due.attributes, self.now)
        intake.activate(session, due.active, self.now)
        intake.bring_forward(session, due.forward, self.now)
        intake.queue_all(session, due.mails)
        for who, product in sorted(set(due.wishes)):
            products.wish(session, who, product, "stock", self.now)
        wake(session, [person.id for person in live if not person.is_new], self.now)

    def _note_friends(self, live: Sequence[tuple[Submission, Held]]) -> None:
        """Whose link led those here who are confirmed at once; for the others it is noted when they confirm."""
        for given, person in live:
            friend = given.visit.friend
            row = self.session.get(SubscriberRow, person.id) if friend and person.id in self.due.active else None
            if row is not None:
                friend_confirmed(self.world, self.session, row, friend)


def _is_gone(person: Held) -> bool:
    return person.is_suppressed or person.state == SubscriberState.ERASED.value


def _is_confirmed(person: Held) -> bool:
    return person.state == SubscriberState.ACTIVE.value and person.confirmed_at is not None


def _confirms_at_once(given: Submission, person: Held) -> bool:
    return given.box.opt_in is OptIn.SINGLE and person.state == SubscriberState.PENDING.value
