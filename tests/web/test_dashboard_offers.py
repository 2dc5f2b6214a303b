"""The page of offers and answers: what is given and used, who answered what, which friends came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.actions import surveys
from app.actions.advance import drain
from app.actions.referrals import settle_due
from app.actions.shelf import Shelf
from app.actions.stock import import_codes
from app.actions.track.orders import take_orders
from app.core.instants import DAY
from app.links import MailRef
from app.store import offers as store
from app.store.engine import Database
from app.store.people import SubscriberRow
from tests.services.clock import Clock
from tests.web.converting import asked, sell
from tests.web.dashboard_stage import House, open_house

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = open_house(database, tmp_path, clock, demo=True)
    sell(opened.desk)
    yield opened
    opened.desk.parts.spool.close()


def hold(house: House, address: str) -> str:
    """A code of the offer, as a mail that left would have given it."""
    desk, who = house.desk, house.desk.person(address).id
    with desk.world.transaction("write") as session:
        store.take_from_pool(session, "spring", [(who, "spring")], desk.clock())
        return store.grants(session, [(who, "spring")])[who, "spring"].code


def buy(house: House, address: str, order: str, code: str) -> None:
    desk = house.desk
    row = {"order_id": order, "email": address, "total": 100, "coupon": code}
    shelved = desk.parts.shelved()
    assert shelved is not None
    take_orders(desk.world, shelved, [row])


def test_pools_tell_what_is_left_reserved_and_used_and_that_one_is_empty(house: House) -> None:
    desk = house.desk
    assert "The pool spring is empty" in house.read("/dashboard/offers")
    shelved = desk.parts.shelved()
    assert shelved is not None
    import_codes(desk.world, tuple(shelved.workspace.offers.values()), "spring", ["SP-1", "SP-2", "SP-3"])
    desk.confirmed(ALICE)
    desk.confirmed(BOB)
    code = hold(house, ALICE)
    hold(house, BOB)
    buy(house, ALICE, "o-1", code)
    page = house.read("/dashboard/offers")
    assert "is empty" not in page
    assert "spring 1 2 1" in page
    assert "5 days after the first mail, at 21:00 2 1 50%" in page


def test_codes_used_otherwise_than_meant_stand_with_their_order_and_person(house: House) -> None:
    desk = house.desk
    with desk.world.transaction("write") as session:
        store.add_codes(session, "spring", ["SP-1", "SP-2"])
    desk.confirmed(ALICE)
    desk.confirmed(BOB)
    code = hold(house, ALICE)
    buy(house, ALICE, "o-1", code)
    buy(house, ALICE, "o-2", code)
    buy(house, BOB, "o-3", "SP-2")
    page = house.read("/dashboard/offers")
    assert "order o-2 Used twice alice@example.com" in page
    assert "order o-3 Never handed out bob@example.com" in page
    assert "o-1" not in page


def test_answers_are_told_with_score_interval_stage_campaign_and_words(house: House) -> None:
    desk = house.desk
    shelved = desk.parts.shelved()
    assert shelved is not None
    for address, answer, words in ((ALICE, "10", ""), (BOB, "9", ""), (CAROL, "3", "Too late again")):
        desk.confirmed(address)
        who = desk.person(address).id
        with desk.world.transaction("write") as session:
            row = session.get(SubscriberRow, who)
            assert row is not None
            row.stage = "lead"
        seen = surveys.answer(desk.world, shelved, MailRef(asked(desk, who), 0), answer, words)
        assert seen.is_kept
    page = house.read("/dashboard/offers")
    assert "Would you recommend us?" in page
    assert "Answers 3 Asked 3 Net Promoter Score 33 between -47 and 76 in 95 of 100 cases" in page
    assert "By stage" in page
    assert "Asking 3 33" in page
    assert "Too late again 3 · carol@example.com" in page
    persian = house.read("/dashboard/offers", "fa")
    assert "ما را معرفی می‌کنید؟" in persian
    assert "شاخص خالص ترویج (NPS) ۳۳" in persian


def test_friends_who_count_and_who_do_not_are_told_with_the_reason(house: House) -> None:
    desk = house.desk
    alice = desk.confirmed(ALICE)
    token = desk.world.links.referral_token(alice.public_id)
    desk.confirmed(BOB, pv_friend=token)
    desk.confirmed("alice+again@example.com", pv_friend=token)
    desk.clock.advance(DAY)
    settle_due(desk.world)
    drain(desk.world, Shelf(desk.world.secret))
    page = house.read("/dashboard/offers")
    assert "Count 1 The same mailbox under another spelling 1" in page
    assert "Who brought the most alice@example.com 1 friend" in page


def test_a_house_where_nothing_happened_says_so(house: House) -> None:
    page = house.read("/dashboard/offers")
    assert "Every code was used as it was meant." in page
    assert "Nobody has answered yet." in page
