"""The shop at its counter: is this code good, this is back in stock, these seats are gone."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.actions.offers import prepare
from app.core.instants import DAY
from app.core.person import MessageState
from app.store import keys
from app.store import offers as store
from app.store.letters import letters
from app.store.messages import MessageRow
from app.store.redemptions import RedemptionRow
from tests.web.converting import sell
from tests.web.desk import Desk

KEY = "parvar_" + "k" * 43
ALICE, BOB = "alice@example.com", "bob@example.org"


@pytest.fixture
def counter(desk: Desk) -> Desk:
    sell(desk)
    with desk.world.transaction("write") as session:
        keys.add_key(session, "shop", KEY, desk.clock())
        store.add_codes(session, "spring", ["SP-1", "SP-2"])
    desk.confirmed(ALICE)
    return desk


def tell(desk: Desk, path: str, body: Any, key: str = KEY) -> TestResponse:
    return desk.client.post(f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {key}"})


def give(desk: Desk, address: str) -> None:
    """The person has got the mail with her code."""
    now = desk.clock()
    with desk.world.transaction("write") as session:
        row = MessageRow(
            public_id=desk.world.new_id(), subscriber_id=desk.person(address).id, cause_key=f"gift:{address}",
            mail_key="a/b", mail_class="marketing", state=MessageState.CLAIMED.value, offer="spring", wanted_at=now,
            slot_at=now, due_at=now, created_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
        shelved = desk.parts.look(session)
        assert shelved is not None
        prepare(desk.world, session, shelved, letters(session, [row.id]))
        row.state, row.settled_at = MessageState.SENT.value, now


def checked(desk: Desk, code: str, **more: str) -> str:
    answer = tell(desk, "codes/check", {"code": code, **more})
    assert answer.status_code == 200
    assert answer.json is not None
    return str(answer.json["verdict"])


def test_a_code_is_good_for_her_until_its_end_and_asking_keeps_nothing(counter: Desk) -> None:
    give(counter, ALICE)
    answer = tell(counter, "codes/check", {"code": " sp-1 ", "email": ALICE}).json
    assert answer is not None
    assert (answer["verdict"], answer["is_good"], answer["offer"]) == ("good", True, "spring")
    assert answer["gives"] == {"en": "15% off", "fa": "۱۵٪ تخفیف"}
    assert answer["ends_at"] == "2026-03-06T17:30:00Z", "21:00 in Tehran"
    assert checked(counter, "SP-2") == "not_given"
    assert checked(counter, "NONSENSE") == "unknown"
    counter.clock.advance(6 * DAY)
    assert checked(counter, "SP-1") == "late"
    assert counter.rows(RedemptionRow) == []


def test_an_order_with_a_coupon_redeems_it_once(counter: Desk) -> None:
    give(counter, ALICE)
    order = {"order_id": "o-1", "email": ALICE, "total": 1_000, "coupon": "sp-1"}
    assert tell(counter, "orders", order).status_code == 200
    assert tell(counter, "orders", order).status_code == 200
    assert tell(counter, "orders", {**order, "order_id": "o-2"}).status_code == 200
    found = {row.order_id: row.verdict for row in counter.rows(RedemptionRow)}
    assert found == {"o-1": "good", "o-2": "again"}
    assert checked(counter, "SP-1") == "again"


def test_without_a_key_the_counter_is_closed(counter: Desk) -> None:
    for path in ("codes/check", "products", "products/wishes", "seats"):
        assert tell(counter, path, {}, "wrong").status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("codes/check", {}),
        ("codes/check", {"code": "x" * 65}),
        ("codes/check", []),
        ("products", {"products": []}),
        ("products/wishes", {"email": ALICE, "product": "honey", "kind": "colour"}),
        ("seats", {"offer": "nobody", "sold": 1}),
        ("seats", {"offer": "spring", "sold": -1}),
        ("seats", {"offer": "spring", "sold": True}),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(counter: Desk, path: str, body: Any) -> None:
    answer = tell(counter, path, body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["message"]


def restocked(desk: Desk, address: str) -> list[str]:
    return [fact.payload for fact in desk.facts(address) if fact.name == "restocked"]


def test_who_waits_longest_is_told_first_and_no_more_than_there_are_pieces(counter: Desk) -> None:
    counter.confirmed(BOB)
    tell(counter, "products", {"key": "honey", "name": "Honey", "url": "https://shop.example.com/honey", "stock": 0})
    for address in (ALICE, BOB):
        said = tell(counter, "products/wishes", {"email": address, "product": "honey"}).json
        assert said == {"status": "accepted"}
        counter.clock.advance(1_000_000)
    assert tell(counter, "products/wishes", {"email": BOB, "product": "honey"}).json == {"status": "known"}
    told = tell(counter, "products", {"key": "honey", "name": "Honey", "stock": 1}).json
    assert told is not None
    assert told["rows"] == [{"row": 0, "status": "accepted", "told": 1, "told_price": 0}]
    assert '"name": "Honey"' in restocked(counter, ALICE)[0]
    assert restocked(counter, BOB) == []
    again = tell(counter, "products", {"key": "honey", "name": "Honey", "stock": 1}).json
    assert again is not None
    assert again["rows"][0]["told"] == 0, "nothing came in"
    tell(counter, "products", {"key": "honey", "name": "Honey", "stock": 5})
    assert len(restocked(counter, BOB)) == 1


def test_older_news_of_a_product_change_nothing(counter: Desk) -> None:
    tell(counter, "products", {"key": "honey", "stock": 3, "at": "2026-03-01T09:00:00Z"})
    old = tell(counter, "products", {"key": "honey", "stock": 0, "at": "2026-02-01T09:00:00Z"}).json
    assert old is not None
    assert old["rows"][0]["status"] == "older"


def test_a_lower_price_is_told_to_whom_it_is_lower_for(counter: Desk) -> None:
    tell(counter, "products", {"key": "honey", "price": 1_000})
    tell(counter, "products/wishes", {"email": ALICE, "product": "honey", "kind": "price"})
    for price, told in ((1_200, 0), (1_100, 0), (900, 1), (800, 0)):
        answer = tell(counter, "products", {"key": "honey", "price": price}).json
        assert answer is not None
        assert answer["rows"][0]["told_price"] == told, price


def test_a_broken_row_is_named_and_the_others_are_kept(counter: Desk) -> None:
    rows = [{"key": "a", "stock": 1}, {"key": "b", "stock": "many"}, {"key": "c", "url": "javascript:x"}]
    answer = tell(counter, "products", {"products": rows}).json
    assert answer is not None
    assert [row["status"] for row in answer["rows"]] == ["accepted", "rejected", "rejected"]
    assert answer["rows"][1]["error"] == "stock is a whole number from 0"
