from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy.orm import Session

from app.core.book import Book
from app.core.campaign import ByBox, ByChange, Campaign, CampaignState, Entry, EntryRule, Once, Yearly
from app.core.conditions import evaluate
from app.core.facts import Fact, FactKind, RunKey
from app.core.instants import DAY
from app.core.person import Run, RunResult, RunState
from app.core.text import Text
from app.core.windows import Clock
from app.store import segments, waking
from app.store.engine import Database
from app.store.events import fact_row, record
from app.store.people import SubscriberRow
from app.store.waking import Concerned
from benchmarks._crowd import small_book
from tests.core import condition_cases as cases
from tests.core.condition_cases import NOW, condition
from tests.services.clock import START
from tests.store.cast import alice, bob, carol
from tests.store.lives import changed, load, save
from tests.store.test_segments import RULES, Asked, asked, population, views_of

NOON = Clock(12)


def book_with(rule: EntryRule) -> Book:
    campaign = Campaign("news", Text.plain("news"), CampaignState.LIVE, entries=(Entry(rule),))
    return replace(small_book(), campaigns={"news": campaign}, rules=RULES)


def cast(session: Session) -> dict[int, str]:
    """Alice, Bob and Carol, none of them due."""
    rows = {"alice": alice(session), "bob": bob(session), "carol": carol(session)}
    for row in rows.values():
        row.due_at = None
    session.flush()
    return {row.id: name for name, row in rows.items()}


def woken(session: Session, names: dict[int, str]) -> list[str]:
    rows = (session.get_one(SubscriberRow, id_, populate_existing=True) for id_ in names)
    return [names[row.id] for row in rows if row.due_at == START]


def wake_all(session: Session, book: Book, concerned: Concerned, stretch: int = 2) -> list[int]:
    waking.begin(session, concerned, START)
    steps = []
    while (step := waking.wake_some(session, book, START, stretch)) is not None:
        steps.append(step)
    return steps


def test_everybody_is_woken_a_stretch_at_a_time(database: Database) -> None:
    with database.transaction() as session:
        names = cast(session)
        waking.begin(session, Concerned(is_everybody=True), START)
        assert waking.is_under_way(session)
        assert waking.wake_some(session, small_book(), START, 2) == 2
        assert woken(session, names) == ["alice", "bob"]
        assert waking.wake_some(session, small_book(), START, 2) == 1
        assert waking.wake_some(session, small_book(), START, 2) == 0
        assert waking.wake_some(session, small_book(), START, 2) is None
        assert woken(session, names) == ["alice", "bob", "carol"]
        assert not waking.is_under_way(session)


def test_a_publish_that_changes_nothing_wakes_nobody(database: Database) -> None:
    with database.transaction() as session:
        names = cast(session)
        assert wake_all(session, small_book(), Concerned()) == []
        assert woken(session, names) == []


def test_people_on_their_way_through_a_changed_campaign_are_woken(database: Database) -> None:
    with database.transaction() as session:
        names = cast(session)
        first, second, third = names
        ended = Run(RunKey("news"), "v", START, state=RunState.ENDED, result=RunResult.END, ended_at=START)
        for id_, run in (
            (first, Run(RunKey("news"), "v", START)),
            (second, ended),
            (third, Run(RunKey("x"), "v", START)),
        ):
            (loaded,) = load(session, id_)
            save(session, changed(loaded, replace(loaded.person, runs=(run,))))
        wake_all(session, book_with(ByBox("box")), Concerned(frozenset({"news", "gone"})))
        assert woken(session, names) == ["alice"]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (ByBox("ebook"), []),
        (ByChange(condition("orders >= 1")), []),  # nobody's orders change by time
        (ByChange(condition("orders == 0 and idle_for('60d')")), ["alice", "bob", "carol"]),
        (ByChange(condition("orders >= 1 and idle_for('60d')")), []),
        (ByChange(condition("not visited('/x', within='7d') and confirmed")), ["alice", "carol"]),
        (ByChange(condition("score >= 5")), []),  # falls, never rises
        (ByChange(condition("score < 5")), ["alice", "bob", "carol"]),
        (ByChange(condition("stage == 'loyal'")), ["alice", "bob", "carol"]),  # the ladder moves by time
        (Once("1405/01/01", NOON, condition("confirmed")), ["alice", "carol"]),
        (Once("1405/01/01", NOON, None), ["alice", "bob", "carol"]),
        (Yearly("birthday", 0, NOON), ["bob"]),
    ],
    ids=str,
)
def test_an_entry_wakes_whom_time_alone_may_bring_to_it(database: Database, rule: EntryRule, wanted: list[str]) -> None:
    with database.transaction() as session:
        names = cast(session)
        hers = next(id_ for id_, name in names.items() if name == "bob")
        (loaded,) = load(session, hers)
        born = replace(loaded.person.subscriber, attributes={"birthday": "01-01"})
        save(session, changed(loaded, replace(loaded.person, subscriber=born)))
        carols = next(id_ for id_, name in names.items() if name == "carol")
        record(session, [fact_row(carols, Fact(b"v" * 16, FactKind.VISITED, START, path="/x"))])
        wake_all(session, book_with(rule), Concerned(frozenset({"news"})))
        assert woken(session, names) == wanted


_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(suppress_health_check=list(HealthCheck), max_examples=20, phases=_PHASES)
@given(case=asked())
def test_nobody_comes_to_meet_a_condition_by_time_without_being_woken(database: Database, case: Asked) -> None:
    with population(database, case.lives) as (session, people):
        views = views_of(session, people, case.rules)
        given_ = segments.asking(session, NOW, case.rules, later=True)
        for each in case.conditions:
            found = set(session.scalars(segments.select_where(each, given_)))
            for id_, view in views.items():
                moments = (NOW, *cases.edges(view, NOW + 9 * DAY))
                if any(evaluate(each, cases.later(view, at)) is True for at in moments):
                    assert id_ in found, str(each)
