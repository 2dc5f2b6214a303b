from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.facts import Fact, FactKind
from app.core.instants import DAY, HOUR
from app.core.person import Code, Decision, MessageState, Person, Run, RunResult, RunState, StageChange, WebhookCall
from app.core.subscriber import Subscriber
from app.store.engine import Database
from app.store.events import NewsRow, announce, fact_row, record, record_facts
from app.store.ledgers import CountRow, OutboxRow, StageCountRow
from app.store.messages import MessageRow
from app.store.people import SubscriberRow, next_due, park, parked, take_due, wake
from app.store.runs import DecisionRow, RunRow, StageChangeRow
from tests.core.condition_cases import people
from tests.services.clock import START
from tests.store import lives
from tests.store.cast import alice, bob, carol, somebody
from tests.store.lives import CART, EBOOK, as_loaded, changed, load, save
from tests.store.seen import statements


def row_of(database: Database, person: int) -> SubscriberRow:
    with database.transaction("read") as session:
        return session.get_one(SubscriberRow, person)


def test_a_person_saved_and_loaded_again_is_the_same(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        after = lives.whole(loaded.person)
        save(session, changed(loaded, after))
    with database.transaction("read") as session:
        (again,) = load(session, after.subscriber.id)
    assert as_loaded(again.person) == as_loaded(after)
    assert again.person.subscriber == after.subscriber
    assert all(run.id for run in again.person.runs)
    (received,) = again.person.facts.of(FactKind.RECEIVED)
    assert (received.name, received.run, received.at) == ("ebook/one", EBOOK, START - HOUR)


def test_a_person_changed_back_is_as_before(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        before = loaded.person
        save(session, changed(loaded, lives.whole(before)))
    with database.transaction() as session:
        (loaded,) = load(session, before.subscriber.id)
        plain = replace(loaded.person, subscriber=before.subscriber, candidates=(), buckets={})
        save(session, changed(loaded, plain))
    with database.transaction("read") as session:
        (again,) = load(session, before.subscriber.id)
    assert again.person.subscriber == before.subscriber
    assert again.person.candidates == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(made=people())
def test_whatever_a_person_is_like_she_comes_back(database: Database, made: Subscriber) -> None:
    with database.transaction() as session:
        known = session.scalar(select(SubscriberRow.id)) or alice(session).id
        (loaded,) = load(session, known)
        own = loaded.person.subscriber
        fixed = ("id", "public_id", "created_at", "locale", "country", "is_referred")
        wanted = replace(made, **{name: getattr(own, name) for name in fixed})
        save(session, changed(loaded, replace(loaded.person, subscriber=wanted)))
        (again,) = load(session, known)
        assert again.person.subscriber == wanted_in_one_form(wanted)


def wanted_in_one_form(subscriber: Subscriber) -> Subscriber:
    """Texts are kept in NFC."""
    attributes = {
        key: normalize("NFC", value) if isinstance(value, str) else value
        for key, value in subscriber.attributes.items()
    }
    return replace(subscriber, attributes=attributes)


def test_facts_are_news_until_they_are_decided_about_and_then_memory(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        record_facts(session, person, lives.facts(), START)
        (loaded,) = load(session, person)
        assert list(loaded.news) == lives.facts()
        assert len(loaded.person.facts) == 0
        save(session, changed(loaded, loaded.person))
        (again,) = load(session, person)
        assert again.news == ()
        assert list(again.person.facts) == lives.facts()


def test_news_that_come_during_a_decision_wait_for_the_next(database: Database) -> None:
    first, second = lives.facts()
    with database.transaction() as session:
        person = alice(session).id
        record_facts(session, person, [first], START)
        (loaded,) = load(session, person)
        record_facts(session, person, [second], START + 7)
        save(session, changed(loaded, loaded.person), now=START + 9)
        (again,) = load(session, person)
    assert again.news == (second,)
    assert row_of(database, person).due_at == START + 9, "the wake was not lost"


def test_a_wake_during_a_decision_is_not_lost(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        (loaded,) = load(session, person)
        wake(session, [person], START + 1)
        save(session, changed(loaded, loaded.person, look_again_at=START + DAY), now=START + 2)
    assert row_of(database, person).due_at == START + 2
    with database.transaction() as session:
        (loaded,) = load(session, person)
        save(session, changed(loaded, loaded.person, look_again_at=START + DAY), now=START + 3)
    assert row_of(database, person).due_at == START + DAY


def test_the_earliest_of_ladder_and_runs_is_when_she_is_due(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        run = Run(EBOOK, "v1", START, due_at=START + HOUR)
        ended = Run(CART, "v1", START, state=RunState.ENDED, result=RunResult.END, due_at=START - HOUR, ended_at=START)
        after = replace(loaded.person, runs=(run, ended))
        save(session, changed(loaded, after, look_again_at=START + DAY))
    assert row_of(database, loaded.person.subscriber.id).due_at == START + HOUR
    with database.transaction("read") as session:
        assert next_due(session) == START + HOUR


def test_nobody_is_due_without_a_reason(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        save(session, changed(loaded, loaded.person))
    with database.transaction() as session:
        assert take_due(session, START + 9 * DAY, 10) == []


def test_the_longest_due_are_taken_first(database: Database) -> None:
    with database.transaction() as session:
        first, second, third = alice(session), bob(session), carol(session)
        first.due_at, second.due_at, third.due_at = START, START - 2, START - 1
        session.flush()
        assert take_due(session, START - 1, 5) == [second.id, third.id]
        assert take_due(session, START, 1) == [second.id]


def test_a_person_whose_decision_failed_is_set_aside_and_shown(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        park(session, person, "ValueError: \x00" + "x" * 9999, START + HOUR)
        park(session, person, "again", START + DAY)
        assert take_due(session, START + HOUR, 5) == []
        (shown,) = parked(session)
        assert (shown.id, shown.attempts, shown.error) == (person, 2, "again")
    with database.transaction() as session:
        (loaded,) = load(session, person)
        assert loaded.attempts == 2
        save(session, changed(loaded, loaded.person))
        assert parked(session) == []


def test_a_message_that_left_meanwhile_is_not_taken_back(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        save(session, changed(loaded, lives.whole(loaded.person)))
        (loaded,) = load(session, loaded.person.subscriber.id)
        sent, team = loaded.person.messages
        withdrawn = replace(team, state=MessageState.WITHDRAWN, reason="goal")
        session.execute(update(MessageRow).where(MessageRow.id == team.id).values(state="claimed"))
        save(session, changed(loaded, replace(loaded.person, messages=(sent, withdrawn))))
        session.expire_all()
        assert session.get_one(MessageRow, team.id).state == "claimed"
        session.execute(update(MessageRow).where(MessageRow.id == team.id).values(state="queued"))
        save(session, changed(loaded, replace(loaded.person, messages=(sent, withdrawn))))
        session.expire_all()
        assert session.get_one(MessageRow, team.id).state == "withdrawn"


def test_a_withdrawn_message_is_opened_again_never_doubled(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        _, team = lives.messages()
        whole = lives.whole(loaded.person)
        save(session, changed(loaded, replace(whole, messages=(replace(team, state=MessageState.WITHDRAWN),))))
        (loaded,) = load(session, loaded.person.subscriber.id)
        (gone,) = loaded.person.messages
        again = replace(gone, state=MessageState.QUEUED, slot_at=START + DAY)
        save(session, changed(loaded, replace(loaded.person, messages=(again,))))
        unseen = replace(loaded, person=replace(loaded.person, messages=()))
        save(
            session, changed(unseen, replace(loaded.person, messages=(replace(gone, id=0, state=MessageState.QUEUED),)))
        )
        session.expire_all()
        rows = session.scalars(select(MessageRow)).all()
        assert [(row.state, row.due_at) for row in rows] == [("queued", START + DAY)]


def test_a_run_begun_anew_takes_the_place_of_the_one_that_ended(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        save(session, changed(loaded, replace(loaded.person, runs=(Run(EBOOK, "v1", START),))))
        (loaded,) = load(session, loaded.person.subscriber.id)
        (run,) = loaded.person.runs
        ended = replace(run, state=RunState.ENDED, result=RunResult.SUPERSEDED, ended_at=START)
        anew = Run(replace(EBOOK, turn=2), "v1", START)
        save(session, changed(loaded, replace(loaded.person, runs=(ended, anew))))
        (again,) = load(session, loaded.person.subscriber.id)
        assert [found.key.turn for found in again.person.runs] == [2]
        assert [found.key.turn for found in again.person.past] == [1]


def test_reasons_calls_and_counts_are_written_with_the_decision(database: Database) -> None:
    with database.transaction() as session:
        (loaded,) = load(session, alice(session).id)
        person = replace(loaded.person, runs=(Run(EBOOK, "v1", START),))
        decided = changed(loaded, person)
        advance = replace(
            decided.advance,
            decisions=(
                Decision(START, Code.ENTERED, EBOOK, "", {"sequence": "lead"}),
                Decision(START, Code.ENTRY_AGAIN, None, "", {"campaign": "cart", "key": "k"}),
            ),
            stage_changes=(StageChange(START, "lead", "prospect", "rise:prospect", b"f" * 16, 31.5),),
            webhook_calls=(WebhookCall(START, EBOOK, "webhook crm", "crm"),),
        )
        for _ in range(2):  # a call that is written twice is made once
            save(session, replace(decided, advance=advance))
            (loaded,) = load(session, person.subscriber.id)
            decided = replace(decided, loaded=loaded)
            advance = replace(advance, person=loaded.person)
        rows = session.scalars(select(DecisionRow).order_by(DecisionRow.id)).all()
        assert [(row.code, row.campaign, row.seen) for row in rows[:2]] == [
            ("entered", "ebook", '{"sequence":"lead"}'),
            ("entry_again", "cart", '{"campaign":"cart","key":"k"}'),
        ]
        assert rows[0].run_id == session.scalar(select(RunRow.id))
        change = session.scalars(select(StageChangeRow)).first()
        assert change is not None
        assert (change.before, change.after, change.cause, change.score) == ("lead", "prospect", b"f" * 16, 31.5)
        assert len(session.scalars(select(OutboxRow)).all()) == 1
        assert session.scalars(select(CountRow.value)).all() == [2]
        assert session.scalars(select(StageCountRow.value)).all() == [2]


def test_people_of_one_batch_do_not_mix(database: Database) -> None:
    with database.transaction() as session:
        first, second = alice(session).id, bob(session).id
        one, other = load(session, first, second)
        save(session, changed(one, lives.whole(one.person)), changed(other, other.person))
        one, other = load(session, first, second)
        assert other.person.runs == ()
        assert other.person.subscriber.tags == frozenset()
        assert one.person.subscriber.tags == {"vip", "علاقه‌مند"}
        assert load(session) == []


def test_what_machines_did_is_not_loaded_and_only_kinds_asked_for_are(database: Database) -> None:
    visit = Fact(b"v" * 16, FactKind.VISITED, START, path="/pricing")
    machine = replace(visit, id=b"m" * 16, is_human=False)
    with database.transaction() as session:
        person = alice(session).id
        record(session, [fact_row(person, each) for each in (visit, machine, *lives.facts())])
        (loaded,) = load(session, person)
        assert loaded.person.facts.of(FactKind.VISITED) == (visit,)
        (narrow,) = load(session, person, kinds={FactKind.CLICKED})
        assert [fact.kind for fact in narrow.person.facts] == [FactKind.CLICKED]


def test_the_newest_facts_of_each_kind_are_enough(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.loading.NEWEST", 3)
    with database.transaction() as session:
        person, other = alice(session).id, bob(session).id
        visits = [Fact(bytes([n]) * 16, FactKind.VISITED, START + n, path=f"/{n}") for n in range(9)]
        record(session, [fact_row(person, each) for each in (*visits, *lives.facts())])
        hers = [replace(visit, id=bytes([100 + n]) * 16) for n, visit in enumerate(visits[:2])]
        record(session, [fact_row(other, each) for each in hers])
        one, two = load(session, person, other)
        assert [fact.path for fact in one.person.facts.of(FactKind.VISITED)] == ["/6", "/7", "/8"]
        assert len(one.person.facts.of(FactKind.CLICKED)) == 1
        assert len(two.person.facts.of(FactKind.VISITED)) == 2


def test_the_number_of_statements_does_not_grow_with_the_batch(database: Database) -> None:
    numbers = [statements_for(database, size) for size in (2, 20)]
    assert numbers[0] == numbers[1]
    assert numbers[0] <= 70


def statements_for(database: Database, size: int) -> int:
    """How many statements it takes to give people everything and to take some of it away again."""
    with database.transaction() as session:
        ids = [one_of_many(session, size, number) for number in range(size)]
        with statements(session) as seen:
            save(session, *(changed(each, lives.whole(each.person)) for each in load(session, *ids)))
            save(session, *(changed(each, poorer(each.person)) for each in load(session, *ids)))
    return len(seen)


def one_of_many(session: Session, size: int, number: int) -> int:
    person = somebody(session, f"person{number}of{size}").id
    own = [replace(fact, id=bytes([size, number, 0, place]) * 4) for place, fact in enumerate(lives.facts())]
    record_facts(session, person, own, START)
    return person


def poorer(person: Person) -> Person:
    known = person.subscriber
    fewer = replace(known, tags=frozenset({"x"}), segments={}, timers={}, attributes={"city": "یزد"})
    return replace(person, subscriber=fewer, candidates=())


def test_announcing_is_idempotent(database: Database) -> None:
    with database.transaction() as session:
        person = alice(session).id
        rows = [fact_row(person, fact) for fact in lives.facts()]
        record(session, rows)
        announce(session, rows)
        announce(session, rows)
        announce(session, [])
        assert len(session.scalars(select(NewsRow)).all()) == 2
