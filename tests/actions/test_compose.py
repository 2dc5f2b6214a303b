"""Composing: what a letter carries for one reader, and that it is hers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from app.actions.compose import Chosen, MailShelf, compose
from app.actions.shelf import Shelf, Shelved
from app.core.instants import SECOND
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.mail import edition
from app.store.engine import open_database
from app.store.letters import Letter
from app.world import World
from tests.actions.post_office import build_world, publish
from tests.services.clock import Clock
from tests.services.schema import lay_tables

MARKETING = MailClass.MARKETING


@dataclass(frozen=True, slots=True)
class Desk:
    """A published site, and the version of its mail `a`."""

    world: World
    shelved: Shelved
    chosen: Chosen


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("desk")
    url = f"sqlite:///{folder / 'desk.db'}"
    lay_tables(url)
    database = open_database(url)
    world = build_world(database, folder, Clock())
    publish(world)
    with world.transaction("read") as session:
        shelved = Shelf(world.secret).look(session)
        assert shelved is not None
        chosen = MailShelf().choose(session, shelved, "a", "en")
        assert chosen is not None
    yield Desk(world, shelved, chosen)
    database.dispose()


def letter(number: int, name: str = "Alice", kind: MailClass = MARKETING, **more: object) -> Letter:
    given: dict[str, object] = {
        "id": number, "public_id": number.to_bytes(16, "big"), "mail": "a", "mail_class": kind,
        "subscriber_id": number, "subscriber_public_id": (number + 7).to_bytes(16, "big"),
        "address": f"{name.lower()}@example.com", "subscriber_address": f"{name.lower()}@example.com",
        "locale": "en", "timezone": "", "attributes": {"first_name": name}, "stage": "lead", "kind": "none",
        "state": SubscriberState.ACTIVE, "campaign": "welcome", "step": "", "event": {}, "subject": "", "offer": "",
        "data": {}, "attempts": 0, "claim_no": 1, "wanted_at": 0,
    }  # fmt: skip
    return Letter(**(given | more))  # type: ignore[arg-type]


def test_a_mail_can_be_left_by_a_page_and_by_a_letter(desk: Desk) -> None:
    made = compose(desk.world, desk.shelved, letter(5), desk.chosen)
    field = str(message_from_bytes(made.data, policy=policy.default)["List-Unsubscribe"])
    page, mailto = (entry.strip().strip("<>") for entry in field.split(","))
    links = desk.world.links
    person = (12).to_bytes(16, "big")
    assert page == links.unsubscribe_url(person, 5)
    assert mailto == f"mailto:{links.unsubscribe_local(person, 5)}@bounce.example.com"


def test_a_second_that_passes_while_a_form_is_drawn_up_costs_nobody_her_form(desk: Desk) -> None:
    clock = Clock()
    hasty = replace(desk.world, settings=replace(desk.world.settings), now=lambda: clock.advance(SECOND))
    before = len(edition._forms)
    made = [compose(hasty, desk.shelved, letter(number), desk.chosen) for number in (1, 2)]
    assert len(edition._forms) - before == 1
    first, second = (message_from_bytes(each.data, policy=policy.default)["Date"].datetime for each in made)
    assert (second - first).total_seconds() == 1


@pytest.mark.parametrize("kind", list(MailClass))
@pytest.mark.parametrize("name", ["Alice", "Jo", "", "سارا", "<b>&amp;", "a" * 70])
def test_a_letter_from_a_form_is_the_letter_written_for_her_alone(desk: Desk, kind: MailClass, name: str) -> None:
    """Header, links and all: what one world wrote from a form, another one renders for its first reader."""
    for number in (1, 2, 3):
        hers = letter(number, name, kind, address="alice@example.com")
        fresh = replace(desk.world, settings=replace(desk.world.settings))
        one, other = (
            compose(desk.world, desk.shelved, hers, desk.chosen),
            compose(fresh, desk.shelved, hers, desk.chosen),
        )
        assert parts(one.data) == parts(other.data)
        assert (one.subject, one.text, one.html) == (other.subject, other.text, other.html)


def parts(data: bytes) -> list[object]:
    whole = message_from_bytes(data, policy=policy.default)
    return [whole.items(), *(part.get_content() for part in whole.walk() if not part.is_multipart())]
