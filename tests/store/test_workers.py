"""Several workers and a busy web: nobody is decided about twice at once, nothing is lost, nobody waits for long."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app.core.facts import Fact, FactKind
from app.core.instants import DAY
from app.core.nurture import advance
from app.store.engine import Database, open_database
from app.store.events import NewsRow, record_facts
from app.store.gate import Gate, GateClosedError
from app.store.loading import load_people
from app.store.messages import MessageRow
from app.store.people import SubscriberRow, take_due, wake
from app.store.runs import DecisionRow, RunRow
from app.store.saving import Context, Decided, save_people
from benchmarks._crowd import ALL, grow, small_book, tick
from benchmarks._crowd import START as BEGIN
from tests.store.cast import alice
from tests.store.lives import changed, load, save


def together(*works: Callable[[], object]) -> None:
    """Run them at once; the first error of any is raised."""
    with ThreadPoolExecutor(len(works)) as pool:
        for running in [pool.submit(work) for work in works]:
            running.result(timeout=60)


def test_two_workers_decide_about_everybody_once(database: Database) -> None:
    grow(database, 120)
    book, sizes = small_book(), Counter[str]()

    def work(name: str) -> Callable[[], None]:
        def drain() -> None:
            while size := tick(database, book, BEGIN, 7)[0]:
                sizes[name] += size

        return drain

    together(work("a"), work("b"))
    while size := tick(database, book, BEGIN, 7)[0]:  # what one skipped because the other held it
        sizes["after"] += size
    with database.transaction("read") as session:
        looked = session.scalar(select(func.count()).where(SubscriberRow.looked_at == BEGIN))
    assert looked == 120
    assert sum(sizes.values()) == 120, "decided about twice"


def test_a_person_held_by_one_worker_is_skipped_by_the_other(postgres_database_url: str) -> None:
    one, other = open_database(postgres_database_url), open_database(postgres_database_url)
    grow(one, 3)
    with one.transaction() as first, other.transaction() as second:
        held = take_due(first, BEGIN, 2)
        assert len(held) == 2
        assert set(take_due(second, BEGIN, 9)) == {1, 2, 3} - set(held)
    one.dispose()
    other.dispose()


def test_facts_may_be_written_about_a_person_who_is_held(postgres_database_url: str) -> None:
    """The web writes what hangs on her at once, and waits with the wake only."""
    one, other = open_database(postgres_database_url), open_database(postgres_database_url)
    grow(one, 1)
    with one.transaction() as worker:
        assert take_due(worker, BEGIN, 1) == [1]
        with other.transaction() as web:
            web.execute(text("SET LOCAL lock_timeout = '2s'"))
            web.add(NewsRow(subscriber_id=1, at=BEGIN, fact_id=b"n" * 16))
            web.flush()
    one.dispose()
    other.dispose()


def test_facts_that_come_while_workers_decide_are_all_decided_about(database: Database) -> None:
    grow(database, 10)
    book, written = small_book(), threading.Event()

    def web() -> None:
        for number in range(60):
            with database.transaction() as session:
                fact = Fact(os.urandom(16), FactKind.ORDERED, BEGIN - number, value=100)
                record_facts(session, number % 10 + 1, [fact], BEGIN)
        written.set()

    def worker() -> None:
        while tick(database, book, BEGIN, 3)[0] or not written.is_set():
            pass

    together(web, worker, worker)
    while tick(database, book, BEGIN)[0]:
        pass
    with database.transaction("read") as session:
        assert session.scalar(select(func.count()).select_from(NewsRow)) == 0
        assert set(session.scalars(select(SubscriberRow.orders))) == {6}
        assert set(session.scalars(select(SubscriberRow.revenue))) == {600}


def test_waking_the_same_people_in_any_order_never_ends_in_a_deadlock(database: Database) -> None:
    grow(database, 40)

    def wake_all(ids: list[int]) -> Callable[[], None]:
        def work() -> None:
            for turn in range(15):
                with database.transaction() as session:
                    wake(session, ids, BEGIN + turn)

        return work

    ids = list(range(1, 41))
    together(wake_all(ids), wake_all(ids[::-1]), wake_all(ids[::2] + ids[1::2]))
    with database.transaction("read") as session:
        assert set(session.scalars(select(SubscriberRow.wake))) == {45}


def test_no_step_is_sent_twice_however_often_and_by_whom_a_person_is_decided_about(database: Database) -> None:
    """The campaign's first mail, one message for each person, with three workers and a wake of everybody between."""
    grow(database, 30)
    book = small_book()
    with database.transaction() as session:
        for number in range(1, 31):
            fact = Fact(os.urandom(16), FactKind.SIGNED_UP, BEGIN, name="book")
            record_facts(session, number, [fact, Fact(os.urandom(16), FactKind.CONFIRMED, BEGIN)], BEGIN)

    def worker() -> None:
        for _ in range(12):
            tick(database, book, BEGIN, 5)

    def waker() -> None:
        for _ in range(6):
            with database.transaction() as session:
                wake(session, range(1, 31), BEGIN)

    together(worker, worker, worker, waker)
    while tick(database, book, BEGIN)[0]:
        pass
    with database.transaction("read") as session:
        assert session.scalar(select(func.count()).select_from(RunRow)) == 30
        assert session.scalar(select(func.count()).select_from(MessageRow)) == 30
        entered = select(func.count()).select_from(DecisionRow).where(DecisionRow.code == "entered")
        assert session.scalar(entered) == 30


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_visitor_waits_for_a_batch_or_two_while_the_worker_drains(sqlite_database_url: str) -> None:
    """Without the gate she would wait for as long as the worker is busy. Counted in batches, not in milliseconds."""
    database = open_database(sqlite_database_url)
    grow(database, 5_000)
    book, done, waits = small_book(), list[int](), list[int]()
    is_over = threading.Event()

    def worker() -> None:
        while not is_over.is_set() and (size := tick(database, book, BEGIN, 25)[0]):
            done.append(size)
            time.sleep(0.001)

    def web() -> None:
        for number in range(60):
            before = len(done)
            with database.transaction() as session:
                fact = Fact(os.urandom(16), FactKind.VISITED, BEGIN, path="/x")
                record_facts(session, number + 1, [fact], BEGIN + DAY)
            waits.append(len(done) - before)
            time.sleep(0.005)
        is_over.set()

    together(worker, web)
    database.dispose()
    assert sum(done) < 5_000, "the worker was busy to the end"
    assert len(done) > 5, "the worker was not starved either"
    assert sorted(waits)[len(waits) // 2] <= 2
    assert max(waits) <= 10


def test_reading_first_and_writing_after_never_finds_the_database_locked(sqlite_database_url: str) -> None:
    database = open_database(sqlite_database_url)
    with database.transaction() as session:
        person = alice(session).id

    def count_up() -> None:
        for _ in range(40):
            with database.transaction() as session:
                (loaded,) = load(session, person)
                more = loaded.person.subscriber.orders + 1
                counted = replace(loaded.person.subscriber, orders=more)
                save(session, changed(loaded, replace(loaded.person, subscriber=counted)))

    together(*[count_up] * 4)
    with database.transaction("read") as session:
        assert session.get_one(SubscriberRow, person).orders == 160
    database.dispose()


def test_who_cannot_get_a_turn_is_told_in_time(sqlite_database_url: str) -> None:
    file = sqlite_database_url.removeprefix("sqlite:///")
    gate, impatient = Gate(Path(f"{file}.gate")), Gate(Path(f"{file}.gate"), patience=0.05)
    began = time.perf_counter()
    with gate.passed(), pytest.raises(GateClosedError, match=r"within 0\.05 seconds"), impatient.passed():
        pass
    assert time.perf_counter() - began < 2
    with impatient.passed():
        pass


def test_a_failed_decision_leaves_nothing_half_written(database: Database) -> None:
    grow(database, 1)
    book = small_book()

    def decide_and_fail() -> None:
        with database.transaction() as session:
            (loaded,) = load_people(session, take_due(session, BEGIN, 1), ALL)
            decided = Decided(loaded, advance(book, loaded.person, loaded.news, BEGIN))
            save_people(session, [decided], Context(BEGIN, 1, {}, lambda: os.urandom(16)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide_and_fail()
    with database.transaction() as session:
        assert take_due(session, BEGIN, 1) == [1]
        assert session.get_one(SubscriberRow, 1).looked_at is None
