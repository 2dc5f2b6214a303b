"""Signups that come together: written in one transaction, each judged and answered as if she had come alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.actions.intake import Intake
from app.actions.limits import Buckets, Limits, Proof, Work
from app.actions.signup import Accepted, Outcome, Submission, Visit
from app.actions.signup_group import Arrival, take_all
from app.core.instants import DAY, HOUR, MINUTE, SECOND
from app.links import Form
from app.mail.addresses import Address, read_address
from app.store import ledgers
from app.store.engine import Database, open_database
from app.store.events import EventRow
from app.store.gate import GateClosedError
from app.store.ledgers import BucketRow, Rate
from tests.services.clock import START, Clock
from tests.web.desk import Desk, open_desk
from tests.web.small_site import ROOMY

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"


class Line:
    """Submissions as the web hands them in, each with a form of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._number = desk, 0
        shelved = desk.parts.shelved()
        assert shelved is not None
        self.shelved = shelved

    def arrival(self, typed: str, box: str = "book", **more: object) -> Arrival:
        self._number += 1
        address = read_address(typed)
        assert isinstance(address, Address)
        form = Form(box, self._desk.clock() - 5 * SECOND, self._number.to_bytes(16, "little"))
        visit = Visit(page="https://shop.example.com/", network=f"net{self._number}", truncated="203.0.113.0/24")
        given = Submission(self.shelved.workspace.boxes[box], address, {"first_name": "Alice"}, form, visit)
        return Arrival(replace(given, **more), "guest")  # type: ignore[arg-type]


def take(desk: Desk, *arrivals: Arrival, limits: Limits = ROOMY) -> list[Outcome]:
    return take_all(desk.world, limits, arrivals)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(*given: object) -> None:
        sent.append(str(given[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_group_takes_no_more_statements_than_one(desk_on_both: Desk) -> None:
    line = Line(desk_on_both)
    with statements(desk_on_both.world.database) as for_one:
        take(desk_on_both, line.arrival(BOB))
    with statements(desk_on_both.world.database) as for_many:
        take(desk_on_both, *(line.arrival(f"p{number}@example.com") for number in range(40)))
    assert len(for_many) == len(for_one) <= 16
    assert len(desk_on_both.people()) == 41


def test_new_known_and_departed_people_come_in_one_group(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    desk.confirmed(ALICE)
    desk.sign_up(BOB)
    desk.clock.advance(2 * DAY)
    outcomes = take(desk, *(line.arrival(one) for one in (CAROL, ALICE, BOB)))
    assert all(isinstance(one, Accepted) for one in outcomes)
    assert [desk.person(one).state for one in (CAROL, ALICE, BOB)] == ["pending", "active", "pending"]
    assert desk.leaving(ALICE)[-1] == "book/deliver"
    assert desk.leaving(CAROL) == ["system/confirm"]
    assert len(desk.leaving(BOB)) == 3, "the reminder that was still planned was brought forward"
    assert desk.attributes(ALICE) == {"first_name": "Alice"}
    assert desk.attributes(CAROL) == {}


def test_each_gets_the_ticket_of_her_own_consent(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    names = [f"p{number}@example.com" for number in range(12)]
    outcomes = take(desk, *(line.arrival(name) for name in names))
    for name, outcome in zip(names, outcomes, strict=True):
        assert isinstance(outcome, Accepted)
        assert outcome.ticket.person == desk.person(name).public_id
        mail = desk.mails(name)[0]
        assert f'"consent": "{outcome.ticket.ref}"' in mail.data


def test_one_address_twice_in_a_group_is_one_person_asked_once(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    take(desk, line.arrival(BOB), line.arrival(CAROL), line.arrival(BOB))
    assert sorted(person.address for person in desk.people()) == [BOB, CAROL]
    assert desk.kinds(BOB) == ["signed_up", "signed_up"]
    assert desk.leaving(BOB) == ["system/confirm"]
    assert desk.consents(BOB).count(("mail", "asked")) == 2


def test_one_form_twice_in_a_group_signs_up_one(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    first = line.arrival(BOB)
    second = replace(first, given=replace(line.arrival(ALICE).given, form=first.given.form))
    assert all(isinstance(one, Accepted) for one in take(desk, first, second))
    assert [person.address for person in desk.people()] == [BOB]


def test_one_proof_twice_in_a_group_serves_one(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    proof = Proof(1, b"n" * 16, desk.clock() + 10 * MINUTE)
    busy = replace(ROOMY, network=Rate(0, HOUR))
    outcomes = take(desk, line.arrival(BOB, proof=proof), line.arrival(ALICE, proof=proof), limits=busy)
    assert isinstance(outcomes[0], Accepted)
    assert outcomes[1] == Work(1)
    assert take(desk, line.arrival(CAROL, proof=proof), limits=busy) == [Work(1)]


def test_limits_hold_within_a_group(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    tight = replace(ROOMY, mailbox=Rate(3, 6 * HOUR))
    outcomes = take(desk, *(line.arrival(f"victim+{number}@gmail.com") for number in range(20)), limits=tight)
    assert all(isinstance(one, Accepted) for one in outcomes)
    assert len(desk.people()) == 3


takes = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(-5, 90)), max_size=25)


@given(takes, st.integers(0, 4), st.integers(1, 40))
def test_a_bucket_taken_from_in_a_group_is_as_full_as_one_taken_from_in_sql(
    wanted: list[tuple[str, int]], burst: int, seconds: int
) -> None:
    rate, wall = Rate(burst, seconds * SECOND), START
    held = Buckets({}, wall)
    with one_table() as session:
        for key, later in wanted:
            wall += later * SECOND
            held.wall = wall
            held.held.setdefault(("x", key), (float(rate.burst), wall))
            assert held.take((("x", key), rate)) is ledgers.take_token(session, "x", key, rate, wall)


@contextmanager
def one_table() -> Iterator[Session]:
    database = open_database("sqlite://")
    with database.transaction() as session:
        BucketRow.__table__.create(session.connection())  # type: ignore[attr-defined]
        yield session
    database.dispose()


# ── The line of one process ──────────────────────────────────────────────────────────────────────────────────────────


def together(arrivals: list[Arrival], take: Callable[[Arrival], Outcome]) -> list[Outcome | BaseException]:
    """Threads that come at once; what each got, in the order of the arrivals."""
    got: list[Outcome | BaseException | None] = [None] * len(arrivals)
    start = threading.Barrier(len(arrivals))

    def come(number: int) -> None:
        start.wait()
        try:
            got[number] = take(arrivals[number])
        except Exception as fault:  # noqa: BLE001
            got[number] = fault

    threads = [threading.Thread(target=come, args=(number,)) for number in range(len(arrivals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert None not in got
    return got  # type: ignore[return-value]


def test_whoever_comes_while_others_are_written_is_written_with_those_who_wait(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    groups: list[int] = []
    first_is_written = threading.Event()

    class Slow(Intake):
        def _take(self, arrivals: list[Arrival]) -> list[Outcome]:
            groups.append(len(arrivals))
            if len(groups) == 1:
                first_is_written.wait(10)
            return super()._take(arrivals)

    intake = Slow(desk.world, ROOMY)
    arrivals = [line.arrival(f"p{number}@example.com") for number in range(20)]
    threading.Timer(0.15, first_is_written.set).start()
    got = together(arrivals, intake.take)
    assert all(isinstance(one, Accepted) for one in got)
    assert len(desk.people()) == 20
    assert len(groups) <= 3


def test_one_form_sent_many_times_at_once_signs_up_once(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    intakes = [Intake(desk.world, ROOMY) for _process in range(2)]
    arrival, turns = line.arrival(BOB), iter(range(8))

    def take_in_turns(one: Arrival) -> Outcome:
        return intakes[next(turns) % 2].take(one)

    got = together([arrival] * 8, take_in_turns)
    assert [type(one) for one in got] == [Accepted] * 8
    assert desk.kinds(BOB) == ["signed_up"]
    assert desk.leaving(BOB) == ["system/confirm"]


def test_two_processes_taking_crowds_at_once_lose_nobody(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    intakes = [Intake(desk.world, ROOMY, most=5) for _process in range(2)]
    names = [f"p{number % 30}@example.com" for number in range(60)]
    turns = iter(range(60))

    def take_in_turns(one: Arrival) -> Outcome:
        return intakes[next(turns) % 2].take(one)

    got = together([line.arrival(name) for name in names], take_in_turns)
    assert [type(one) for one in got] == [Accepted] * 60
    assert len(desk.people()) == 30
    for name in set(names):
        assert desk.kinds(name) == ["signed_up", "signed_up"]
        assert desk.leaving(name) == ["system/confirm"]


def test_nobody_is_answered_before_hers_is_durable(desk: Desk) -> None:
    line, intake = Line(desk), Intake(desk.world, ROOMY)

    def take_and_look(arrival: Arrival) -> Outcome:
        outcome = intake.take(arrival)
        assert desk.person(arrival.given.address.key).state == "pending"
        return outcome

    got = together([line.arrival(f"p{number}@example.com") for number in range(12)], take_and_look)
    assert [type(one) for one in got] == [Accepted] * 12


def test_one_that_fails_takes_nobody_with_her(desk_on_both: Desk) -> None:
    desk, line = desk_on_both, Line(desk_on_both)
    bad = line.arrival(BOB)
    bad = replace(bad, given=replace(bad.given, visit=replace(bad.given.visit, page="\ud800")))
    arrivals = [line.arrival(f"p{number}@example.com") for number in range(6)] + [bad]
    got = together(arrivals, Intake(desk.world, ROOMY).take)
    assert all(isinstance(one, Accepted) for one in got[:-1])
    assert isinstance(got[-1], UnicodeEncodeError)
    assert len(desk.people()) == 6
    with desk.world.transaction("read") as session:
        assert len(session.scalars(select(EventRow.fact_id)).all()) == 6


def test_a_database_without_a_turn_is_told_to_all_who_wait_and_the_next_are_taken(desk: Desk) -> None:
    line = Line(desk)
    is_shut = threading.Event()
    is_shut.set()

    class Shut(Intake):
        def _take(self, arrivals: list[Arrival]) -> list[Outcome]:
            if is_shut.is_set():
                raise GateClosedError
            return super()._take(arrivals)

    intake = Shut(desk.world, ROOMY)
    got = together([line.arrival(f"p{number}@example.com") for number in range(6)], intake.take)
    assert [type(one) for one in got] == [GateClosedError] * 6
    is_shut.clear()
    assert isinstance(intake.take(line.arrival(BOB)), Accepted)


def test_a_whole_crowd_is_taken_in_groups_of_at_most_so_many(sqlite_database_url: str, tmp_path: Path) -> None:
    database = open_database(sqlite_database_url)
    desk = open_desk(database, tmp_path, Clock())
    line, sizes = Line(desk), list[int]()

    class Counted(Intake):
        def _take(self, arrivals: list[Arrival]) -> list[Outcome]:
            sizes.append(len(arrivals))
            return super()._take(arrivals)

    intake = Counted(desk.world, ROOMY, most=4)
    together([line.arrival(f"p{number}@example.com") for number in range(24)], intake.take)
    assert max(sizes) <= 4
    assert sum(sizes) == len(desk.people()) == 24
    desk.parts.spool.close()
    database.dispose()


@pytest.fixture
def desk(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    database = open_database(sqlite_database_url)
    opened = open_desk(database, tmp_path, clock)
    yield opened
    opened.parts.spool.close()
    database.dispose()


@pytest.fixture
def desk_on_both(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    opened = open_desk(database, tmp_path, clock)
    yield opened
    opened.parts.spool.close()
