import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.core.instants import HOUR, MINUTE, SECOND
from app.core.person import MailClass, MessageState
from app.store import claims, leases, waiting
from app.store.claims import Attempt, Claim, Settlement, Wanted
from app.store.engine import Database
from app.store.messages import DeliveryRow, MessageRow, NewMessage, queue_by_cause, withdraw
from tests.services.clock import START
from tests.store.cast import alice, new_id, queued
from tests.store.seen import plan, statements

ME, OTHER = "node-a:1", "node-b:1"
GMAIL = Wanted(MailClass.MARKETING, "gmail", 10, START, START + MINUTE)


@pytest.fixture
def ids(database: Database) -> list[int]:
    """Four mails for Alice; the last is due in an hour."""
    with database.transaction() as session:
        person = alice(session).id
        due = [queued(session, person, f"cause:{n}", START - n * SECOND) for n in range(3)]
        return [*due, queued(session, person, "cause:later", START + HOUR)]


def take(database: Database, owner: str = ME, wanted: Wanted = GMAIL) -> list[Claim]:
    with database.transaction() as session:
        return claims.claim(session, owner, wanted)


def row_of(database: Database, message_id: int) -> MessageRow:
    with database.transaction("read") as session:
        return session.get_one(MessageRow, message_id)


def settle(database: Database, owner: str, *settlements: Settlement) -> list[int]:
    with database.transaction() as session:
        return [each.id for each in claims.settle(session, owner, settlements)]


def sent(claim: Claim, state: MessageState = MessageState.SENT) -> Settlement:
    return Settlement(claim.id, claim.claim_no, state, START + SECOND, "250", "250 ok", mail_version_id=7)


def test_a_cause_is_queued_once(database: Database) -> None:
    with database.transaction() as session:
        mail = NewMessage(new_id(), alice(session).id, "confirm:a:1", "system/confirm", MailClass.SERVICE, START)
        assert queue_by_cause(session, mail) is not None
        assert queue_by_cause(session, replace(mail, public_id=new_id())) is None
    with database.transaction("read") as session:
        assert len(session.scalars(select(MessageRow)).all()) == 1


def test_the_oldest_due_are_taken_first_and_none_before_its_time(database: Database, ids: list[int]) -> None:
    taken = take(database, wanted=replace(GMAIL, limit=2))
    assert [claim.id for claim in taken] == [ids[2], ids[1]]
    assert [claim.id for claim in take(database, OTHER)] == [ids[0]]
    assert take(database) == []
    row = row_of(database, ids[2])
    assert (row.state, row.owner, row.claim_no, row.lease_until) == ("claimed", ME, 1, START + MINUTE)


def test_a_higher_rank_goes_before_an_older_mail(database: Database, ids: list[int]) -> None:
    with database.transaction() as session:
        urgent = queued(session, row_of(database, ids[0]).subscriber_id, "cause:urgent", rank=5)
        queued(session, row_of(database, ids[0]).subscriber_id, "cause:much later", START + HOUR, rank=9)
    assert [claim.id for claim in take(database)] == [urgent, ids[2], ids[1], ids[0]]


def test_lanes_and_classes_are_taken_apart(database: Database, ids: list[int]) -> None:
    assert take(database, wanted=replace(GMAIL, lane="other")) == []
    assert take(database, wanted=replace(GMAIL, mail_class=MailClass.SERVICE)) == []
    with database.transaction("read") as session:
        assert claims.lanes_due(session, MailClass.MARKETING, START) == ["gmail"]
        assert claims.lanes_due(session, MailClass.SERVICE, START) == []
        assert claims.lanes_due(session, MailClass.MARKETING, START - HOUR) == []


def test_a_lower_bound_leaves_out_what_is_older(database: Database, ids: list[int]) -> None:
    assert [claim.id for claim in take(database, wanted=replace(GMAIL, since=START - SECOND))] == [ids[1], ids[0]]


def test_what_was_sent_is_settled_by_its_owner_once(database: Database, ids: list[int]) -> None:
    first, second, third = take(database)
    assert settle(database, OTHER, sent(first)) == [], "somebody else's claim"
    assert settle(database, ME, replace(sent(first), claim_no=9)) == [], "a claim of another number"
    assert settle(database, ME, sent(first), sent(second)) == sorted([first.id, second.id])
    assert settle(database, ME, sent(first), sent(third)) == [third.id], "settled already"
    row = row_of(database, first.id)
    assert (row.state, row.settled_at, row.attempts, row.mail_version_id) == ("sent", START + SECOND, 1, 7)
    assert (row.reply, row.lease_until) == ("250 ok", None)


def test_settling_says_who_has_to_be_woken(database: Database, ids: list[int]) -> None:
    (claim, *_) = take(database)
    with database.transaction() as session:
        (settled,) = claims.settle(session, ME, [sent(claim, MessageState.REFUSED)])
    assert settled.subscriber_id == row_of(database, claim.id).subscriber_id
    assert settled.state is MessageState.REFUSED


def test_a_late_good_answer_turns_uncertain_into_sent_and_nothing_else_does(database: Database, ids: list[int]) -> None:
    (claim, *_) = take(database)
    with database.transaction() as session:
        assert [lost.id for lost in claims.lose(session, ME, [claim], START)] == [claim.id]
    assert settle(database, ME, sent(claim, MessageState.REFUSED)) == []
    assert row_of(database, claim.id).state == "uncertain"
    assert settle(database, ME, sent(claim)) == [claim.id]
    assert row_of(database, claim.id).state == "sent"


def test_another_try_waits_for_its_time(database: Database, ids: list[int]) -> None:
    (claim, *_) = take(database)
    later = START + 5 * MINUTE
    again = replace(sent(claim, MessageState.WAITING), due_at=later, reply="451 4.7.1 later \x00سلام")
    assert settle(database, ME, again) == [claim.id]
    row = row_of(database, claim.id)
    assert (row.state, row.due_at, row.settled_at, row.attempts) == ("waiting", later, None, 1)
    assert row.reply == "451 4.7.1 later سلام"
    assert claim.id not in [each.id for each in take(database)]
    (retaken,) = [each for each in take(database, wanted=replace(GMAIL, now=later)) if each.id == claim.id]
    assert retaken.claim_no == 2
    assert settle(database, ME, sent(claim)) == [], "the first claim is over"


def test_a_relay_that_is_down_costs_no_attempt(database: Database, ids: list[int]) -> None:
    (claim, *_) = take(database)
    settle(database, ME, replace(sent(claim, MessageState.WAITING), counts=False))
    assert row_of(database, claim.id).attempts == 0


def test_what_was_not_begun_is_given_back_as_if_never_taken(database: Database, ids: list[int]) -> None:
    taken = take(database)
    with database.transaction() as session:
        assert claims.give_back(session, OTHER, taken) == 0
        assert claims.give_back(session, ME, taken) == 3
        assert claims.give_back(session, ME, []) == 0
    assert [claim.claim_no for claim in take(database, OTHER)] == [2, 2, 2]


def test_the_claims_of_a_dead_owner_can_be_looked_up(database: Database, ids: list[int]) -> None:
    taken = take(database, wanted=replace(GMAIL, limit=2))
    take(database, OTHER)
    with database.transaction("read") as session:
        assert claims.owners(session) == [ME, OTHER]
        assert claims.held_by(session, ME) == sorted(taken, key=lambda claim: claim.id)


def test_uncertain_mail_is_sent_again_only_on_demand(database: Database, ids: list[int]) -> None:
    taken = take(database)
    with database.transaction() as session:
        claims.lose(session, ME, taken[:1], START)
        public_id = session.get_one(MessageRow, taken[0].id).public_id
    with database.transaction() as session:
        assert claims.requeue_uncertain(session, [claim.id for claim in taken], START) == [taken[0].id]
    assert [claim.id for claim in take(database, OTHER)] == [taken[0].id]
    assert row_of(database, taken[0].id).public_id == public_id, "the same Message-ID"


def test_withdrawing_leaves_what_is_claimed(database: Database, ids: list[int]) -> None:
    (claim, *_) = take(database, wanted=replace(GMAIL, limit=1))
    person = row_of(database, claim.id).subscriber_id
    with database.transaction() as session:
        assert withdraw(session, person, "unsubscribed", [MailClass.SERVICE]) == []
        gone = withdraw(session, person, "unsubscribed", [MailClass.MARKETING])
    assert gone == sorted(set(ids) - {claim.id})
    assert row_of(database, gone[0]).reason == "unsubscribed"


def test_what_is_not_settled_is_counted(database: Database, ids: list[int]) -> None:
    first, second, _third = take(database)
    settle(database, ME, sent(first), sent(second, MessageState.PARKED))
    with database.transaction("read") as session:
        assert waiting.numbers(session) == waiting.Numbers(1, 1, 0, 1)
        assert waiting.oldest_due(session, START) is None
        assert waiting.oldest_due(session, START + HOUR) == START + HOUR


def test_an_attempt_is_kept_once(database: Database, ids: list[int]) -> None:
    attempt = Attempt(ids[0], 1, START, "relay", "data", 250, "2.0.0", "sent", "ok")
    with database.transaction() as session:
        claims.record_attempts(session, [attempt, attempt._replace(number=2)])
        claims.record_attempts(session, [attempt._replace(text="again")])
    with database.transaction("read") as session:
        rows = session.scalars(select(DeliveryRow).order_by(DeliveryRow.attempt)).all()
        assert [(row.attempt, row.text) for row in rows] == [(1, "ok"), (2, "ok")]


def test_two_owners_at_once_never_take_the_same_message(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        wanted = {queued(session, person, f"cause:{n}") for n in range(120)}
    taken: dict[str, list[int]] = {"a": [], "b": [], "c": []}

    def work(owner: str) -> None:
        while found := take(database, owner, replace(GMAIL, limit=7)):
            taken[owner] += [claim.id for claim in found]

    threads = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    every = [each for found in taken.values() for each in found]
    assert len(every) == len(set(every))
    with database.transaction() as session:
        left = session.scalars(select(MessageRow.id).where(MessageRow.state == "queued"))
        assert wanted == set(every) | set(left), "skipped locks may end a loop early, but nothing is lost"


def test_claiming_goes_by_the_index_made_for_it(database: Database) -> None:
    with database.transaction() as session, statements(session) as seen:
        claims.claim(session, ME, GMAIL)
        claims.lanes_due(session, MailClass.MARKETING, START)
        waiting.numbers(session)
        leases.held(session)
        plans = [f"{each.sql}\n{plan(session, each)}" for each in list(seen)]
    assert plans
    for number, each in enumerate(plans):
        assert "ix_message_" in each, (each, number)
        assert "SCAN message\n" not in each
        assert "Seq Scan" not in each
