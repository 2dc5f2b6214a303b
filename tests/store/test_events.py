from dataclasses import replace

import pytest
from sqlalchemy import select, text

from app.core.facts import Fact, FactKind
from app.core.instants import HOUR, SECOND
from app.store import events
from app.store.codec import fact_of
from app.store.engine import Database
from app.store.events import EventRow, Judged, NewsRow, Purchase, PurchaseRow, fact_row
from app.store.people import SubscriberRow
from tests.services.clock import START
from tests.store.cast import alice, new_id

CLICK = Fact(b"c" * 16, FactKind.CLICKED, START, name="ebook/story", link="download", topic="herbs")


def test_a_fact_is_kept_announced_and_wakes_its_person(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session)
        before = person.wake
        assert events.record_facts(session, person.id, [CLICK], START + SECOND) == 1
        session.expire_all()
        assert (person.wake, person.due_at) == (before + 1, START), "who was due already stays due as early"
        assert [row.fact_id for row in session.scalars(select(NewsRow))] == [CLICK.id]


def test_a_fact_that_comes_twice_is_decided_about_once(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session)
        events.record_facts(session, person.id, [CLICK], START)
        session.execute(text("DELETE FROM news"))
        wake = session.get_one(SubscriberRow, person.id, populate_existing=True).wake
        assert events.record_facts(session, person.id, [CLICK], START + HOUR) == 0
        assert session.scalars(select(NewsRow)).all() == []
        assert session.get_one(SubscriberRow, person.id, populate_existing=True).wake == wake
        assert len(session.scalars(select(EventRow)).all()) == 1


FACTS = [
    CLICK,
    replace(CLICK, is_human=False),
    Fact(b"o" * 16, FactKind.ORDERED, START, value=5_000_000, products=("نعنا", "basket"), fields={"order_id": "k1"}),
    Fact(b"a" * 16, FactKind.ANSWERED, START, name="nps", fields={"answer": 9}),
    Fact(b"v" * 16, FactKind.VISITED, START, path="/blog/سبزی", is_quiet=True),
    Fact(b"e" * 16, FactKind.EVENT, START, name="x", fields={"a": "b", "n": 1.5, "t": ("p", "q"), "yes": True}),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind.value)
def test_a_fact_comes_back_as_it_was(database: Database, fact: Fact) -> None:
    with database.transaction() as session:
        events.record_facts(session, alice(session).id, [fact], START)
        session.expire_all()
        assert fact_of(session.scalars(select(EventRow)).one(), None) == fact


def test_texts_are_kept_in_one_form_and_without_nul(database: Database) -> None:
    odd = Fact(b"z" * 16, FactKind.EVENT, START, name="Zu\u0308rich\0", fields={"city": "Zu\u0308rich\0"})
    with database.transaction() as session:
        events.record_facts(session, alice(session).id, [odd], START)
        session.expire_all()
        row = session.scalars(select(EventRow)).one()
        assert (row.name, fact_of(row, None).fields["city"]) == ("Z\u00fcrich", "Z\u00fcrich")


def test_facts_without_a_person_are_kept_for_the_sums(database: Database) -> None:
    with database.transaction() as session:
        row = fact_row(None, CLICK)
        assert events.record(session, [row]) == {CLICK.id}
        assert events.record(session, [row]) == set()
        assert events.record(session, []) == set()


def clicked(person: int, at: int, **more: object) -> dict[str, object]:
    return fact_row(person, replace(CLICK, id=new_id(), at=at), **more)


def test_verdicts_fall_due_and_are_written_down(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        first = clicked(person, START, verdict="pending", verdict_due_at=START + 3)
        later = clicked(person, START, verdict="pending", verdict_due_at=START + 9)
        events.record(session, [first, later, clicked(person, START)])
        (due,) = events.verdicts_due(session, START + 3, 10)
        assert due.fact_id == first["fact_id"]
        events.set_verdicts(session, [Judged(due.at, due.fact_id, "human", "first_click", 4)])
        events.set_verdicts(session, [])
        session.expire_all()
        assert events.verdicts_due(session, START + 3, 10) == []
        found = session.get_one(EventRow, (due.at, due.fact_id))
        assert (found.verdict, found.verdict_reason, found.verdict_rules) == ("human", "first_click", 4)


def test_an_order_is_new_once_and_keeps_what_is_known_of_it(database: Database) -> None:
    order = Purchase("shop", "k1", None, 900, START, "IRR")
    with database.transaction() as session:
        person = alice(session).id
        assert events.upsert_purchase(session, order)
        assert not events.upsert_purchase(session, replace(order, refunded=300, subscriber_id=person))
        assert not events.upsert_purchase(session, replace(order, refunded=100, credited_message_id=5))
        assert events.upsert_purchase(session, replace(order, source="other shop"))
        session.expire_all()
        row = session.get_one(PurchaseRow, ("shop", "k1"))
        assert (row.subscriber_id, row.amount, row.refunded, row.credited_message_id) == (person, 900, 300, 5)


def test_a_spool_position_only_goes_forward(database: Database) -> None:
    with database.transaction() as session:
        events.put_spool_positions(session, "a", {"s1": 10, "s2": 5})
        events.put_spool_positions(session, "a", {"s1": 30, "s2": 4})
        events.put_spool_positions(session, "b", {"s1": 1})
        events.put_spool_positions(session, "b", {})
        assert events.spool_positions(session, "a") == {"s1": 30, "s2": 5}
        events.forget_spool_segments(session, "a", ["s1"])
        assert events.spool_positions(session, "a") == {"s2": 5}
        assert events.spool_positions(session, "b") == {"s1": 1}
