"""A condition asked of the database holds for exactly the people for whom the engine says true."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.conditions import Condition, Rules, View, evaluate
from app.core.conditions.needs import walk
from app.core.conditions.tree import HeldFor
from app.core.facts import Fact, FactKind
from app.core.instants import DAY, HOUR, MINUTE
from app.core.person import MailClass
from app.core.subscriber import Subscriber
from app.store import segments
from app.store.engine import Database
from app.store.events import fact_row, record
from app.store.messages import MessageRow, NewMessage, queue_by_cause
from app.store.people import SegmentMemberRow, SubscriberRow
from app.store.segments import NotInSqlError
from tests.core import condition_cases as cases
from tests.core.condition_cases import NOW, condition
from tests.store.cast import new_id, somebody
from tests.store.lives import ALL, changed, load, save
from tests.store.seen import plan, statements


@dataclass(frozen=True, slots=True)
class Life:
    """One made-up person of a population."""

    subscriber: Subscriber
    facts: tuple[Fact, ...]


def lives() -> st.SearchStrategy[Life]:
    return st.builds(Life, cases.people(), cases.fact_lists(6).map(tuple))


def _answers() -> st.SearchStrategy[str]:
    call = st.one_of(st.just("answer('nps')"), st.sampled_from(cases.SPANS).map("answer('nps', within='{}')".format))
    return st.one_of(
        call.map("known({})".format),
        st.tuples(call, st.sampled_from(("== 9", "!= 9", "> 3", "== 'گل'", "in ['گل', 9]"))).map(" ".join),
        call.map("'گل' in {}".format),
        call,
    )


_WITHIN = st.one_of(st.just(""), st.sampled_from(cases.SPANS).map("within='{}'".format))
_LEAVES = st.one_of(
    cases.person_leaves(),
    cases.fact_leaves(_WITHIN),
    cases.time_leaves(),
    cases.rule_leaves(),
    cases.held_leaves(),
    _answers(),
)
SOURCES = st.one_of(_LEAVES, cases.fact_leaves(_WITHIN), cases.joined(_LEAVES, size=4))


@dataclass(frozen=True, slots=True)
class Asked:
    """A population, what is asked of it, and the timers each person has run."""

    lives: tuple[Life, ...]
    conditions: tuple[Condition, ...]
    rules: Rules


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    conditions = tuple(draw(st.lists(cases.conditions(SOURCES), min_size=15, max_size=25)))
    digests = sorted({n.digest for each in conditions for n in walk(each.tree) if isinstance(n, HeldFor)})
    timers = st.dictionaries(st.sampled_from(digests), cases.moments()) if digests else st.just({})
    population = draw(st.lists(lives(), min_size=4, max_size=8))
    run = [
        replace(life, subscriber=replace(life.subscriber, timers=MappingProxyType(draw(timers)))) for life in population
    ]
    return Asked(tuple(run), conditions, draw(cases.rules()))


@contextmanager
def population(database: Database, lives: Sequence[Life]) -> Iterator[tuple[Session, list[Subscriber]]]:
    """People as they are loaded again; they are gone when the block ends."""
    with database.transaction() as session:
        ids = [_born(session, life, number) for number, life in enumerate(lives)]
        yield session, [loaded.person.subscriber for loaded in load(session, *ids)]
        session.rollback()


def _born(session: Session, life: Life, number: int) -> int:
    person = somebody(session, f"person{number}")
    made = life.subscriber
    person.public_id, person.locale, person.country = made.public_id + bytes([number]), made.locale, made.country
    person.public_id = person.public_id[1:]
    person.is_referred, person.created_at = made.is_referred, made.created_at
    session.flush()
    (loaded,) = load(session, person.id)
    own = {name: getattr(loaded.person.subscriber, name) for name in ("id", "public_id")}
    save(session, changed(loaded, replace(loaded.person, subscriber=replace(made, **own))))
    facts = [replace(fact, id=bytes([number]) + fact.id) for fact in life.facts]
    record(session, [fact_row(person.id, fact) for fact in facts if fact.kind is not FactKind.RECEIVED])
    for fact in facts:
        if fact.kind is FactKind.RECEIVED:
            _received(session, person.id, fact)
    return person.id


def _received(session: Session, person: int, fact: Fact) -> None:
    mail_class = MailClass.MARKETING if fact.is_human else MailClass.TEAM
    message = NewMessage(new_id(), person, f"{person}:{fact.id.hex()}", fact.name, mail_class, fact.at)
    row = session.get_one(MessageRow, queue_by_cause(session, message))
    row.state, row.settled_at = ("sent", fact.at) if fact.value % 2 else ("uncertain", None)
    session.flush()


Views = dict[int, View]


def views_of(session: Session, people: Sequence[Subscriber], rules: Rules) -> Views:
    """Everybody as the engine sees her."""
    loaded = (each.person for each in load(session, *(person.id for person in people), kinds=ALL))
    return {person.subscriber.id: View(person.subscriber, person.facts, NOW, rules) for person in loaded}


def by_engine(views: Views, asked_: Condition) -> set[int]:
    return {id_ for id_, view in views.items() if evaluate(asked_, view) is True}


def by_database(session: Session, asked_: Condition, rules: Rules) -> set[int]:
    return set(session.scalars(segments.members(session, asked_, NOW, rules)))


@settings(
    suppress_health_check=list(HealthCheck),
    max_examples=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # the message names the condition; shrinking takes minutes
)
@given(case=asked())
def test_database_and_engine_agree(database: Database, case: Asked) -> None:
    with population(database, case.lives) as (session, people):
        views = views_of(session, people, case.rules)
        for each in case.conditions:
            assert by_database(session, each, case.rules) == by_engine(views, each), str(each)


RULES = Rules(stages=cases.STAGES, half_life=DAY, order_gap=DAY, secret=b"x" * 80)
HELD = next(n for n in walk(condition("held_for('1d', not confirmed)").tree) if isinstance(n, HeldFor))
ALICE = Life(
    Subscriber(
        1,
        b"a" * 16,
        "lead",
        NOW - 9 * DAY,
        "lead",
        NOW - 9 * DAY,
        weight=30.0,
        landmark=NOW,
        timers={HELD.digest: NOW - DAY},
        attributes={"city": "علی", "visits": 3, "interests": ("نعنا", "a,b")},
    ),
    (
        Fact(b"v", FactKind.VISITED, NOW - HOUR, path="/Blog/سبزی_خوردن"),
        Fact(b"m", FactKind.VISITED, NOW, path="/machine", is_human=False),
        Fact(b"r", FactKind.RECEIVED, NOW - HOUR, name="ebook/one", value=1),
        Fact(b"t", FactKind.RECEIVED, NOW - HOUR, name="team/lead", value=1, is_human=False),
        Fact(b"a", FactKind.ANSWERED, NOW - 2 * HOUR, name="nps", fields={"answer": 3}),
        Fact(b"b", FactKind.ANSWERED, NOW - HOUR, name="nps", fields={"answer": 9}),
        # gaps of 1 h and 4 h: the lower median is 1 h
        Fact(b"1", FactKind.ORDERED, NOW - 7 * HOUR, products=("نعنا",)),
        Fact(b"2", FactKind.ORDERED, NOW - 6 * HOUR, products=("سبزی", "a")),
        Fact(b"3", FactKind.ORDERED, NOW - 2 * HOUR),
    ),
)
BOB = Life(Subscriber(2, b"b" * 16, "lead", NOW, "lead", NOW, weight=-1.0, landmark=NOW - DAY), ())
TABLE = [
    ("attribute('city') == 'علی'", {0}),
    ("attribute('city') == 'علي'", set()),  # the Arabic letter, another code point
    ("attribute('city') != 'علي'", {0}),
    ("attribute('missing') != 'x'", set()),  # unknown, not different
    ("not (attribute('missing') == 'x')", set()),
    ("attribute('visits') == 'three'", set()),
    ("not (attribute('visits') == 'three')", set()),
    ("attribute('visits') in [3, 'three']", {0}),
    ("not (attribute('visits') in [4, 'three'])", set()),
    ("not (attribute('visits') in [4, 5])", {0}),
    ("'نعنا' in attribute('interests')", {0}),
    ("'a' in attribute('interests')", set()),
    ("'نعنا' not in attribute('city')", set()),
    ("visited('/Blog/سبزی*')", {0}),
    ("visited('/blog/سبزی*')", set()),  # paths are not folded
    ("visited('/Blog/سبزی%')", set()),  # no wildcards of SQL
    ("not visited('/Blog/*')", {1}),
    ("visited('*')", {0}),
    ("visited('*', times=2)", set()),
    ("visited('/machine')", set()),
    ("visited('*', within='60m')", set()),  # a window is open at its beginning
    ("visited('*', within='61m')", {0}),
    ("received('ebook/one', within='61m')", {0}),
    ("received('ebook/one', within='60m')", set()),
    ("received('team/lead')", set()),
    ("received(times=2)", set()),
    ("answer('nps') == 9", {0}),
    ("answer('nps', within='90m') == 9", {0}),
    ("answer('nps', within='60m') == 9", set()),
    ("not (answer('nps', within='60m') == 9)", set()),
    ("not known(answer('nps', within='60m'))", {0, 1}),
    ("bought(times=3)", {0}),
    ("bought(times=4)", set()),
    ("bought(product='نعنا')", {0}),
    ("bought(product='a')", {0}),
    ("bought(product='نعن')", set()),
    ("overdue(2)", {0}),
    ("overdue(2.0)", {0}),
    ("overdue(2.5)", set()),
    ("overdue(0.5, least='121m')", set()),
    ("held_for('1d', not confirmed)", {0}),  # from exactly a day
    ("held_for('2d', not confirmed)", set()),
    ("not held_for('1d', not confirmed)", {1}),
    ("score >= 30", {0}),
    ("score > 30", set()),
    ("score < 0", {1}),
    ("score >= -0.5", {0, 1}),
    ("not (score >= 30)", {1}),
    ("orders < 999999999999999", {0, 1}),
    ("locale == 'fa'", set()),
    ("not (locale == 'fa')", set()),
    ("known('locale') or known('visits')", {0}),
    ("not overdue(1.5)", {1}),
    ("in_stage_for('9d')", {0}),
    ("idle_for('9d')", {0}),
    ("idle_for('9d') and not idle_for('10d')", {0}),
]


@pytest.mark.parametrize(("source", "wanted"), TABLE, ids=[source for source, _ in TABLE])
def test_hard_cases_of_meaning(database: Database, source: str, wanted: set[int]) -> None:
    with population(database, (ALICE, BOB)) as (session, people):
        ids = [person.id for person in people]
        assert segments.count(session, condition(source), NOW, RULES) == len(wanted)
        assert by_database(session, condition(source), RULES) == {ids[place] for place in wanted}
        assert by_engine(views_of(session, people, RULES), condition(source)) == {ids[place] for place in wanted}


def test_a_fact_of_nobody_does_not_make_everything_unknown(database: Database) -> None:
    with population(database, (BOB,)) as (session, (bob,)):
        record(session, [fact_row(None, Fact(b"n" * 16, FactKind.VISITED, NOW, path="/x"))])
        assert by_database(session, condition("not visited('/x')"), RULES) == {bob.id}


@pytest.mark.parametrize("source", ["event('total') > 3", "did('x', same='order_id')", "not did('x', same='order_id')"])
def test_what_only_a_run_knows_is_refused(database: Database, source: str) -> None:
    with database.transaction("read") as session, pytest.raises(NotInSqlError, match="cannot be asked of the whole"):
        segments.members(session, condition(source), NOW, RULES)


def test_the_score_of_the_whole_list_is_asked_of_an_index(database: Database) -> None:
    with population(database, (ALICE, BOB)) as (session, _), statements(session) as seen:
        by_database(session, condition("score >= 30"), RULES)
        assert "ix_subscriber_weight" in plan(session, seen[-1])


def test_nobody_is_in_a_segment_of_an_empty_list(database: Database) -> None:
    with database.transaction("read") as session:
        assert segments.count(session, condition("not (score >= 30)"), NOW, RULES) == 0


# ── The nightly proof ────────────────────────────────────────────────────────────────────────────────────────────────

HERBS = {"herbs": condition("'نعنا' in attribute('interests')"), "slow": condition("idle_for('9d')")}


def test_kept_members_that_are_right_are_no_drift(database: Database) -> None:
    with population(database, (ALICE, BOB)) as (session, (alice, _)):
        session.add_all(SegmentMemberRow(segment=key, subscriber_id=alice.id, since=NOW) for key in HERBS)
        session.flush()
        assert not any(segments.drift(session, HERBS, NOW, RULES))


def test_people_missing_and_too_many_are_named(database: Database) -> None:
    with population(database, (ALICE, BOB)) as (session, (alice, bob)):
        rows = [("herbs", alice.id), ("herbs", bob.id), ("gone", bob.id)]
        session.add_all(SegmentMemberRow(segment=key, subscriber_id=id_, since=NOW) for key, id_ in rows)
        session.flush()
        herbs, slow, gone = segments.drift(session, HERBS, NOW, RULES)
        assert (herbs.segment, herbs.missing, herbs.surplus) == ("herbs", (), (bob.id,))
        assert (slow.segment, slow.missing, slow.surplus) == ("slow", (alice.id,), ())
        assert (gone.segment, gone.missing, gone.surplus) == ("gone", (), (bob.id,))
        assert [len(each.missing) for each in segments.drift(session, HERBS, NOW, RULES, most=0)] == [0, 0, 0]


def test_who_is_about_to_be_decided_about_is_not_drift(database: Database) -> None:
    with population(database, (ALICE, BOB)) as (session, _):
        for row in session.scalars(select(SubscriberRow)):
            row.due_at = NOW
        session.flush()
        assert not any(segments.drift(session, HERBS, NOW, RULES))
        assert any(segments.drift(session, HERBS, NOW - MINUTE, RULES))
