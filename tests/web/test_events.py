"""The HTTP API of orders and events: each thing once, broken rows named, the others kept, credit where it is due."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from app.actions.advance import drain
from app.actions.track import prove
from app.core.instants import DAY, HOUR, SECOND, to_datetime
from app.disk.networks import Networks
from app.store import keys, shopping
from app.store.engine import Database
from app.store.events import PurchaseRow
from app.store.ledgers import CountRow
from app.web.application import create_app
from app.web.parts import Parts
from tests.actions.tracking import OFFICE, PHONE, House

KEY = "parvar_" + "k" * 43


class Shop(House):
    """A house with a web side and one key."""

    client: Client

    def open(self) -> "Shop":  # type: ignore[override]
        parts = Parts(self.world, self.shelf, Networks(b"n" * 32, ()), self.spool)
        self.client = Client(create_app(parts))
        with self.session("write") as session:
            keys.add_key(session, "shop", KEY, self.clock())
        return self

    def tell_api(self, path: str, body: Any, key: str = KEY) -> TestResponse:
        return self.client.post(f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {key}"})

    def order(self, order_id: str, **more: Any) -> dict[str, Any]:
        return {"order_id": order_id, "email": "alice@gmail.com", "total": 1_000, **more}

    def purchases(self) -> list[PurchaseRow]:
        with self.session() as session:
            return list(session.scalars(select(PurchaseRow).order_by(PurchaseRow.order_id)))

    def credited(self) -> dict[str, int]:
        with self.session() as session:
            rows = session.scalars(select(CountRow).where(CountRow.metric.startswith("credited"))).all()
        return {row.metric: row.value for row in rows}


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(database, tmp_path / "node").open()
    yield opened
    opened.close()


def statuses(answer: TestResponse) -> list[str]:
    return [row["status"] for row in answer.get_json()["rows"]]


def test_an_order_makes_a_customer(shop: Shop) -> None:
    alice = shop.person("alice")
    answer = shop.tell_api("orders", shop.order("A-1", products=["book"]))
    assert (answer.status_code, statuses(answer)) == (200, ["accepted"])
    drain(shop.world, shop.shelf)
    person = shop.subscriber(alice)
    assert (person.stage, person.orders, person.revenue) == ("customer", 1, 1_000)


def test_the_same_order_told_again_is_known_and_counts_once(shop: Shop) -> None:
    alice = shop.person("alice")
    for wanted in ("accepted", "known", "known"):
        assert statuses(shop.tell_api("orders", shop.order("A-1"))) == [wanted]
        shop.clock.advance(SECOND)
    assert statuses(shop.tell_api("orders", {"orders": [shop.order("A-1"), shop.order("A-1")]})) == ["known"] * 2
    drain(shop.world, shop.shelf)
    assert shop.subscriber(alice).orders == 1


def test_a_refund_takes_back_revenue_once(shop: Shop) -> None:
    alice = shop.person("alice")
    shop.tell_api("orders", shop.order("A-1"))
    for wanted in ("accepted", "known"):
        assert statuses(shop.tell_api("orders", shop.order("A-1", refunded=400))) == [wanted]
    shop.tell_api("orders", shop.order("A-1", refunded=1_000))
    drain(shop.world, shop.shelf)
    assert shop.subscriber(alice).revenue == 0
    assert [row.value for row in shop.events("refunded")] == [400, 600]


def test_broken_rows_are_named_and_the_others_go_on(shop: Shop) -> None:
    shop.person("alice")
    rows = [
        shop.order("A-1"),
        shop.order("A-2", total=9.99),
        shop.order("A-3", currency="USD"),
        {"email": "alice@gmail.com", "total": 5},
        shop.order("A-5", email="no address"),
        shop.order("A-6", totl=5),
        shop.order("A-7", refunded=2_000),
        shop.order("A-8", at="yesterday"),
        "A-9",
        shop.order("A-10"),
    ]
    answer = shop.tell_api("orders", {"orders": rows})
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["accepted"], told["rejected"]) == (2, 8)
    assert [row.get("error") for row in told["rows"]] == [
        None,
        "total is not a whole number of the currency's smallest unit",
        "currency is 'USD'; this site counts in EUR",
        "order_id is missing",
        "email is not an address",
        "'totl' is not known; did you mean 'total'?",
        "refunded is more than total",
        "at is not an instant such as 2026-11-03T10:00:00Z",
        "a row is an object",
        None,
    ]
    assert [row.order_id for row in shop.purchases()] == ["A-1", "A-10"]


def test_an_order_with_another_total_is_refused_and_nothing_changes(shop: Shop) -> None:
    shop.person("alice")
    shop.tell_api("orders", shop.order("A-1"))
    answer = shop.tell_api("orders", shop.order("A-1", total=5))
    assert answer.status_code == 422
    assert "recorded with a total of 1000" in answer.get_json()["rows"][0]["error"]
    assert shop.purchases()[0].amount == 1_000


def test_an_order_of_a_stranger_is_kept_for_the_sums(shop: Shop) -> None:
    assert statuses(shop.tell_api("orders", shop.order("A-1"))) == ["no_subscriber"]
    with shop.session() as session:
        assert shopping.revenue(session, 0, shop.clock() + 1) == (1_000, 0)


def test_an_event_with_a_key_happens_once(shop: Shop) -> None:
    alice = shop.person("alice")
    event = {"name": "cart_updated", "key": "e1", "email": "ALICE@gmail.com", "fields": {"total": 5, "cart_id": "c"}}
    assert statuses(shop.tell_api("events", {"events": [event, event]})) == ["accepted", "known"]
    shop.clock.advance(HOUR)
    assert statuses(shop.tell_api("events", event)) == ["known"]
    (row,) = shop.events("event")
    assert (row.subscriber_id, row.name, row.payload) == (alice, "cart_updated", '{"cart_id": "c", "total": 5}')


def test_an_event_nobody_declared_is_refused_with_the_nearest_name(shop: Shop) -> None:
    shop.person("alice")
    answer = shop.tell_api("events", {"name": "cart_update", "email": "alice@gmail.com"})
    assert answer.status_code == 422
    assert answer.get_json()["rows"][0]["error"] == ("no event 'cart_update' is declared; did you mean 'cart_updated'?")
    answer = shop.tell_api("events", {"name": "cart_updated", "email": "a@b.de", "fields": {"total": "5"}})
    assert answer.get_json()["rows"][0]["error"] == "fields.total is not a whole number of the currency's smallest unit"


def test_what_is_told_a_day_late_enters_nobody(shop: Shop) -> None:
    shop.person("alice")
    at = to_datetime(shop.clock() - 2 * DAY).isoformat()
    shop.tell_api("events", {"name": "consultation_requested", "email": "alice@gmail.com", "at": at})
    drain(shop.world, shop.shelf)
    assert shop.events("event")[0].is_quiet
    assert not shop.messages(1, "welcome/second")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer parvar_wrong", "Basic " + KEY, "Bearer پرور"])
def test_without_a_living_key_nothing_is_taken(shop: Shop, header: str) -> None:
    answer = shop.client.post(
        "/api/v1/orders", json=shop.order("A-1"), headers={"Authorization": header.encode().decode("latin-1")}
    )
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert not shop.purchases()


def test_a_revoked_key_opens_nothing(shop: Shop) -> None:
    with shop.session("write") as session:
        assert keys.revoke_key(session, KEY[:12], shop.clock())
    assert shop.tell_api("orders", shop.order("A-1")).status_code == 401


def test_a_key_is_stored_as_its_beginning_and_a_digest_only(shop: Shop) -> None:
    with shop.session() as session:
        (row,) = keys.keys(session)
        assert row.prefix == KEY[:12]
        assert KEY.encode() not in row.digest
        assert len(row.digest) == 32
    shop.tell_api("orders", [])
    with shop.session() as session:
        assert keys.keys(session)[0].used_at == shop.clock()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"7", b'{"orders": 3}', b"\xff"])
def test_a_body_that_is_no_batch_is_told_so(shop: Shop, body: bytes) -> None:
    answer = shop.client.post("/api/v1/orders", data=body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code in (400, 422)
    assert not shop.purchases()


def test_too_many_rows_are_refused_as_a_whole(shop: Shop) -> None:
    answer = shop.tell_api("orders", {"orders": [shop.order(str(number)) for number in range(501)]})
    assert answer.status_code == 413
    assert not shop.purchases()


# ── Credit ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_credited_to_the_last_human_click_within_five_days(shop: Shop) -> None:
    alice = shop.person("alice")
    old, clicked, scanned = shop.mail(alice), shop.mail(alice), shop.mail(alice)
    shop.happen(shop.click(old, link=1))
    shop.clock.advance(2 * DAY)
    shop.happen(shop.click(clicked, link=1))
    shop.clock.advance(DAY)
    shop.happen(*(shop.click(scanned, link=link, network=OFFICE) for link in range(3)))
    shop.tell_api("orders", shop.order("A-1"))
    shop.clock.advance(5 * DAY)
    shop.tell_api("orders", shop.order("A-2"))  # later than five days after that click
    assert [row.credited_message_id for row in shop.purchases()] == [clicked, None]
    assert shop.credited() == {"credited:orders": 1, "credited:revenue": 1_000}
    with shop.session() as session:
        assert shopping.revenue(session, 0, shop.clock() + 1) == (2_000, 1_000)


def test_credit_follows_refunds_and_verdicts_that_are_taken_back(shop: Shop) -> None:
    alice = shop.person("alice")
    honest, doubtful = shop.mail(alice), shop.mail(alice)
    shop.happen(shop.click(honest, link=1, network=PHONE))
    shop.clock.advance(HOUR)
    shop.happen(shop.click(doubtful, link=0, network=OFFICE))
    shop.tell_api("orders", shop.order("A-1"))
    assert shop.purchases()[0].credited_message_id == doubtful
    shop.tell_api("orders", shop.order("A-1", refunded=300))
    assert shop.credited()["credited:revenue"] == 700
    shop.happen(*(shop.click(doubtful, link=link, network=OFFICE) for link in (1, 2, 3)))
    assert shop.purchases()[0].credited_message_id == honest
    assert shop.credited() == {"credited:orders": 1, "credited:revenue": 700}
    today = shop.clock() // DAY
    assert prove(shop.world, today - 3, today + 1) == ()
