"""Guests: how the people of a story come in: by the same signup as everybody, their friends included.

Owns the form a story fills in. Must not write rows of its own but for people a story finds in place.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.limits import Limits, Proof
from app.actions.rehearse.impossible import Impossible
from app.actions.rehearse.stage import Stage
from app.actions.signup import Accepted, Submission, Visit, answer_later
from app.actions.signup_group import Arrival, take_all
from app.core.boxes import Box
from app.core.facts import Fields
from app.core.figures import isolated
from app.core.instants import DAY
from app.core.scenario import Person
from app.core.subscriber import SubscriberState
from app.links import Form, Pass
from app.mail.addresses import Address, read_address
from app.store import people

_LIMITS = Limits()
_WORKED = 3
"""A story's people have proved the most work a box asks for."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody at a box: who, which, what she answers, and the public id of who brought her."""

    person: Person
    box: Box
    answers: Fields
    brought_by: bytes = b""
    is_watched: bool = True
    """Whether her mails are the story's mails."""


def come_in(stage: Stage, guest: Guest) -> Pass:
    """Sign up. Raises Impossible when the house takes no signup now, or what was typed is no address."""
    world, box = stage.world, guest.box
    later = {field.key for field in box.fields if field.is_after}
    now = {key: value for key, value in guest.answers.items() if key not in later}
    visit = Visit(
        locale=guest.person.locale or stage.shelved().book.site.locales[0],
        timezone=guest.person.timezone,
        source=guest.person.source or "direct",
        friend=guest.brought_by,
    )
    form = Form(box.key, stage.clock, stage.new_id())
    proof = Proof(_WORKED, stage.new_id(), stage.clock + DAY)
    typed = Submission(box, address_of(guest.person), now, form, visit, wants_tracking=True, proof=proof)
    (outcome,) = take_all(world, _LIMITS, [Arrival(typed, stage.shelved().book.ladder.stages[0].key)])
    if not isinstance(outcome, Accepted):
        raise Impossible("the box takes no more signups for now", "جعبه فعلاً ثبت‌نام دیگری نمی‌پذیرد")
    if not guest.is_watched:
        _look_away(stage, outcome.ticket.person)
    answer_later(world, outcome.ticket, {key: value for key, value in guest.answers.items() if key in later})
    return outcome.ticket


def _look_away(stage: Stage, person: bytes) -> None:
    with stage.world.transaction("read") as session:
        row = people.find_public(session, person)
    if row is not None:
        stage.unwatched.add(row.id)


def friend_in_place(stage: Stage, key: str) -> bytes:
    """The public id of one of the people, who was a subscriber before the story began."""
    person = stage.shelved().workspace.people[key]
    address_key = address_of(person).key
    foot = stage.shelved().book.ladder.stages[0].key
    with stage.world.transaction("write") as session:
        row = people.find(session, address_key)
        if row is None:
            new = people.NewSubscriber(
                stage.new_id(), person.address, address_key, person.stage or foot, stage.clock, person.locale
            )
            row = people.create(session, new)
            row.state, row.confirmed_at = SubscriberState.ACTIVE.value, stage.clock
        stage.unwatched.add(row.id)
        return row.public_id


def address_of(person: Person) -> Address:
    """Raises Impossible for what is no address."""
    found = read_address(person.address)
    if not isinstance(found, Address):
        raise Impossible(f"{person.address} is no address", f"عبارت {isolated(person.address)} نشانی نیست")
    return found
