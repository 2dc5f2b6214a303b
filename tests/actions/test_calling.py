"""What other systems are told: by breakers and campaigns, in order, at least once, and not for ever."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from app.actions import breakers
from app.actions.calling import AGAIN, ALARM, call_due
from app.actions.shelf import Shelf
from app.core.instants import MINUTE
from app.net.webhooks import Call, signature
from app.store import outbox
from app.store.ledgers import OutboxRow
from app.world import World
from tests.actions.post_office import PostOffice, with_settings
from tests.actions.test_deliver_returns import campaign_day
from tests.servers.receiver import Receiver

SECRET = "a secret of thirty-two characters"


def told(office: PostOffice, receiver: Receiver) -> World:
    """The office's world, with an alarm that goes to the receiver."""
    return with_settings(
        office.world, alarm_webhook=receiver.url, alarm_secret=SECRET, webhook_networks=("127.0.0.0/8",)
    )


def states(office: PostOffice) -> list[tuple[str, int]]:
    with office.world.transaction("read") as session:
        return [(row.state, row.attempts) for row in session.scalars(select(OutboxRow).order_by(OutboxRow.id))]


def test_a_stop_is_told_once_with_its_evidence_and_signed(office: PostOffice) -> None:
    with Receiver() as receiver:
        world, shelf = told(office, receiver), Shelf(office.world.secret)
        campaign_day(office, sent=1_000, complaint=2)
        office.clock.advance(1)
        assert breakers.watch(world, shelf)
        assert breakers.watch(world, shelf) == ()
        assert call_due(world, shelf, {}) == 1
        assert call_due(world, shelf, {}) == 0
    (got,) = receiver.got
    said = json.loads(got.body)
    assert said["type"] == "sending.stopped"
    assert (said["data"]["campaign"], said["data"]["what"], said["data"]["number"]) == ("welcome", "complaints", 2)
    call = Call("", SECRET, got.headers["webhook-id"], int(got.headers["webhook-timestamp"]), got.body)
    assert got.headers["webhook-signature"] == signature(call)


def test_a_call_that_fails_is_tried_again_later_and_later_under_the_same_id(office: PostOffice) -> None:
    with Receiver([(500, {}), (429, {"Retry-After": "600"}), (204, {})]) as receiver:
        world, shelf = told(office, receiver), Shelf(office.world.secret)
        with world.transaction("write") as session:
            outbox.put(session, ALARM, "alarm:x", '{"campaign": "x"}', office.clock())
        assert call_due(world, shelf, {}) == 1
        assert call_due(world, shelf, {}) == 0
        office.clock.advance(AGAIN[0])
        assert call_due(world, shelf, {}) == 1
        office.clock.advance(AGAIN[1])
        assert call_due(world, shelf, {}) == 0, "it asked for ten minutes"
        office.clock.advance(5 * MINUTE)
        assert call_due(world, shelf, {}) == 1
    assert states(office) == [("done", 3)]
    assert {got.headers["webhook-id"] for got in receiver.got} == {"alarm:x"}


@pytest.mark.parametrize(("status", "tries"), [(410, 1), (500, len(AGAIN) + 1)])
def test_a_call_nobody_wants_is_given_up(office: PostOffice, status: int, tries: int) -> None:
    with Receiver([(status, {})]) as receiver:
        world, shelf = told(office, receiver), Shelf(office.world.secret)
        with world.transaction("write") as session:
            outbox.put(session, ALARM, "alarm:x", "{}", office.clock())
        for wait in (*AGAIN, *AGAIN):
            call_due(world, shelf, {})
            office.clock.advance(wait)
    assert states(office) == [("given_up", tries)]
    assert len(receiver.got) == tries


def test_calls_about_one_person_keep_their_order_and_others_do_not_wait(office: PostOffice) -> None:
    alice, dave = office.person("alice"), office.person("dave")
    with office.world.transaction("write") as session:
        for number, whom in enumerate((alice, alice, dave)):
            row = OutboxRow(endpoint="crm", subscriber_id=whom, key=f"k{number}", payload="{}", due_at=office.clock())
            session.add(row)
            session.flush()
    now = office.clock()
    with office.world.transaction("write") as session:
        first = outbox.take(session, now, now + MINUTE)
        assert [(each.key, each.address) for each in first] == [
            ("k0", "alice@example.com"),
            ("k2", "dave@example.com"),
        ]
        outbox.settle(session, first[0].id, "done")
        assert [each.key for each in outbox.take(session, now, now + MINUTE)] == ["k1"]


def test_an_endpoint_that_is_not_declared_waits_for_whoever_declares_it(office: PostOffice) -> None:
    with office.world.transaction("write") as session:
        outbox.put(session, "crm", "k", "{}", office.clock())
    assert call_due(office.world, Shelf(office.world.secret), {}) == 1
    assert states(office) == [("open", 1)]
