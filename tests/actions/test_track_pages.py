"""Visits and page events: whose they are, who made them, and that a browser alone proves nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.actions.advance import drain
from app.actions.signup import page_key
from app.actions.track import ingest
from app.actions.track.visiting import merge_confirmed, undo_merge
from app.core.instants import DAY, HOUR
from app.disk.spool import Fact, FactKind
from app.disk.visits import BoxSeen, box_fact
from app.store.engine import Database
from app.store.ledgers import BoxCountRow
from app.store.permissions import Consent, append_consent
from app.store.visitors import VisitorRow
from tests.actions.tracking import FILES, NODE, OFFICE, House
from tests.services.clock import START

LAPTOP = "a1" * 16
BOX = """
box: book
shape: inline
title: Book
fields: [email]
consent: I agree
opt_in: double
confirm_mail: system/confirm
deliver: welcome/first
origins: [https://shop.example.com]
storage: none
"""


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    files = FILES | {"campaigns/boxes/book.yaml": BOX, "email_templates/system/confirm.md": ""}
    built = House(database, tmp_path / "node", files=files)
    yield built
    built.close()


def browser(house: House) -> VisitorRow | None:
    with house.session() as session:
        return session.scalars(select(VisitorRow)).one_or_none()


def test_a_visit_behind_a_human_click_is_the_readers_and_earns_points(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    house.happen(house.click(mail, link=1), house.page("/pricing/cafe", identity=house.token(mail)))
    drain(house.world, house.shelf)
    (visit,) = house.events("visited")
    assert (visit.subscriber_id, visit.path, visit.topic, visit.verdict) == (alice, "/pricing/cafe", "pricing", "human")
    assert house.subscriber(alice).stage == "prospect"  # 5 for the confirmation, 3 for the click, 5 for the visit


def test_a_scanner_with_a_whole_browser_visits_as_a_machine(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    clicks = [house.click(mail, link=link, network=OFFICE) for link in range(3)]
    house.happen(*clicks, house.page("/pricing", identity=house.token(mail), network=OFFICE))
    house.happen(house.page("/", name="consultation_requested", identity=house.token(mail)))
    drain(house.world, house.shelf)
    assert house.verdicts("visited", "event") == [("machine", "after_machine")] * 2
    assert house.subscriber(alice).stage == "lead"
    assert not house.messages(alice, "welcome/second")


def test_a_page_event_of_a_reader_is_an_event_of_hers(house: House) -> None:
    alice = house.person("alice")
    drain(house.world, house.shelf)
    mail = house.mail(alice)
    fields = (("total", 5), ("cart_id", "c"), ("colour", "red"), ("items", ["a", "b"]))
    token = house.token(mail)
    house.happen(house.click(mail, link=1), house.page("/cart", name="cart_updated", fields=fields, identity=token))
    house.happen(house.page("/advice", name="consultation_requested", identity=token))
    drain(house.world, house.shelf)
    cart, asked = house.events("event")
    assert json.loads(cart.payload) == {"cart_id": "c", "items": ["a", "b"], "total": 5}
    assert (asked.subscriber_id, asked.verdict) == (alice, "human")
    assert house.subscriber(alice).stage == "prospect"


def test_an_event_nobody_declared_is_not_kept(house: House) -> None:
    house.tell(house.page("/", name="bought_the_moon"))
    assert ingest(house.world, house.shelf, house.reader, NODE).unkept == 1


def test_a_forged_or_foreign_token_names_nobody(house: House) -> None:
    mail = house.mail(house.person("alice"))
    token = house.token(mail)
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    view = house.links.view_url(mail, house.version).rpartition("/")[2]
    house.happen(*(house.page("/pricing", identity=each) for each in (forged, view, "x" * 40)))
    assert {row.subscriber_id for row in house.events("visited")} == {None}


def test_what_an_anonymous_browser_did_becomes_hers_when_she_follows_a_link(house: House) -> None:
    alice = house.person("alice")
    drain(house.world, house.shelf)
    house.happen(house.page("/pricing", visitor=LAPTOP), house.page("/pricing/b", visitor=LAPTOP))
    assert {row.subscriber_id for row in house.events("visited")} == {None}
    house.clock.advance(HOUR)
    mail = house.mail(alice)
    token = house.token(mail)
    house.happen(house.click(mail, link=1), house.page("/blog", visitor=LAPTOP, identity=token))
    drain(house.world, house.shelf)
    assert {row.subscriber_id for row in house.events("visited")} == {alice}
    assert house.subscriber(alice).stage == "prospect"
    assert not house.messages(alice, "welcome/second")  # merged facts are quiet
    found = browser(house)
    assert found is not None
    assert (found.state, found.proof, found.message_id) == ("proven", "mail", mail)


def test_a_merge_can_be_undone_with_all_it_gave(house: House) -> None:
    alice = house.person("alice")
    house.happen(house.page("/pricing", visitor=LAPTOP), house.page("/pricing/b", visitor=LAPTOP))
    mail = house.mail(alice)
    house.happen(house.click(mail, link=1), house.page("/blog", visitor=LAPTOP, identity=house.token(mail)))
    drain(house.world, house.shelf)
    assert round(house.subscriber(alice).weight, 1) > 0
    before = house.subscriber(alice).weight
    assert undo_merge(house.world, house.shelf, LAPTOP) == 3
    drain(house.world, house.shelf)
    assert {row.subscriber_id for row in house.events("visited")} == {None}
    assert house.subscriber(alice).weight < before
    found = browser(house)
    assert found is not None
    assert found.state == "undone"
    house.clock.advance(HOUR)
    house.happen(house.page("/blog", visitor=LAPTOP, identity=house.token(mail)))
    assert [row.subscriber_id for row in house.events("visited")] == [None, None, None, alice]  # nothing is merged anew


def test_a_machine_proves_nothing(house: House) -> None:
    mail = house.mail(house.person("alice"))
    house.happen(house.page("/pricing", visitor=LAPTOP))
    clicks = [house.click(mail, link=link, network=OFFICE) for link in range(3)]
    house.happen(*clicks, house.page("/", visitor=LAPTOP, identity=house.token(mail)))
    assert browser(house) is None
    assert house.events("visited")[0].subscriber_id is None


def test_a_typed_address_is_a_claim_until_it_is_confirmed(house: House) -> None:
    bob = house.person("bob")
    house.unconfirm(bob)
    pass_ = house.links.identity_token(house.subscriber(bob).public_id, 0, house.clock() + DAY)
    house.happen(house.page("/pricing", visitor=LAPTOP, identity=pass_))
    assert house.events("visited")[0].subscriber_id is None
    assert merge_confirmed(house.world) == 0
    house.clock.advance(HOUR)
    house.confirm(bob)
    assert merge_confirmed(house.world) == 1
    assert house.events("visited")[0].subscriber_id == bob
    house.happen(house.page("/pricing", visitor=LAPTOP, identity=pass_))
    assert house.events("visited")[1].subscriber_id == bob


def test_typing_the_address_of_somebody_confirmed_long_ago_claims_nothing(house: House) -> None:
    alice = house.person("alice")
    house.clock.advance(HOUR)
    pass_ = house.links.identity_token(house.subscriber(alice).public_id, 0, house.clock() + DAY)
    house.happen(house.page("/pricing", visitor=LAPTOP, identity=pass_))
    assert merge_confirmed(house.world) == 0
    assert house.events("visited")[0].subscriber_id is None


def test_a_second_person_does_not_get_the_first_ones_browser(house: House) -> None:
    alice, bob = house.person("alice"), house.person("bob")
    house.happen(house.page("/pricing", visitor=LAPTOP))
    for person in (alice, bob):
        mail = house.mail(person)
        house.happen(house.click(mail, link=1), house.page("/blog", visitor=LAPTOP, identity=house.token(mail)))
        house.clock.advance(HOUR)
    assert [row.subscriber_id for row in house.events("visited")] == [alice, alice, bob]


def test_nothing_is_kept_of_a_visit_of_somebody_who_said_no(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    with house.session("write") as session:
        append_consent(session, Consent(alice, "tracking", "withdrawn", house.clock()))
    house.happen(house.page("/pricing", identity=house.token(mail), visitor=LAPTOP))
    assert not house.events("visited")


def test_half_a_character_from_a_stranger_stops_nothing(house: House) -> None:
    house.tell(house.page("/\ud800\0x", agent="a\0b"))
    house.tell(box_fact(START, house.fact_id(), BoxSeen("book", "open", (), "/\ud800", "")))
    assert house.ingest() == 1
    assert house.events("visited")[0].path == "/?x"


def test_what_is_seen_of_boxes_is_counted_once_for_each_time(house: House) -> None:
    seen = BoxSeen("book", "impression", ("test:a",), "/blog", "direct")
    facts = [box_fact(START, house.fact_id(), seen) for _ in range(3)]
    house.tell(*facts, box_fact(START, house.fact_id(), BoxSeen("nobody", "impression", (), "/", "")))
    house.ingest()
    house.ingest()
    with house.session() as session:
        rows = session.scalars(select(BoxCountRow)).all()
    assert {(row.box, row.arm, row.page_key): row.value for row in rows} == {
        ("book", "", page_key("/blog")): 3,
        ("book", "", "from:direct"): 3,
        ("book", "test:a", ""): 3,
    }


def test_a_newer_programs_fact_is_stepped_over(house: House) -> None:
    house.tell(Fact(FactKind.VISIT, START, house.fact_id(), b'[9,"x"]'), house.page("/"))
    done = ingest(house.world, house.shelf, house.reader, NODE)
    assert (done.new, done.faulty) == (1, 1)
