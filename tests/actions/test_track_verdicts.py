"""Verdicts that change: what is corrected, what is left alone, and that the counters always say what the facts say."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.actions.advance import drain
from app.actions.track import judge_all, judging, prove, recompute
from app.actions.track.reading import Delivery, deliveries_of
from app.core.engagement import score
from app.core.instants import DAY, HOUR, SECOND
from app.disk.spool import Fact
from app.store.engine import Database, open_database
from app.store.events import EventRow, PointsRow
from app.store.ledgers import CountRow
from app.store.loading import load_people
from app.store.runs import RunRow, StageChangeRow
from app.store.tables import metadata
from app.store.tracking import corrections
from tests.actions.tracking import BROWSER, HOME, OFFICE, PHONE, House

SCANNER = "curl/8.5.0"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    built = House(database, tmp_path / "node")
    yield built
    built.close()


def points(house: House, subscriber_id: int) -> dict[str, int]:
    with house.session() as session:
        rows = session.scalars(select(PointsRow).filter_by(subscriber_id=subscriber_id)).all()
    return {row.rule: row.points for row in rows}


def score_of(house: House, subscriber_id: int) -> float:
    with house.session() as session:
        (loaded,) = load_people(session, [subscriber_id], ())
    return round(score(loaded.person.subscriber, house.clock(), 30 * DAY), 2)


def stages(house: House, subscriber_id: int) -> list[tuple[str, str, str]]:
    query = select(StageChangeRow).filter_by(subscriber_id=subscriber_id).order_by(StageChangeRow.id)
    with house.session() as session:
        return [(row.rule, row.before, row.after) for row in session.scalars(query)]


def days(house: House) -> tuple[int, int]:
    today = house.clock() // DAY
    return today - 60, today + 2


def test_a_single_click_that_turns_out_to_begin_a_burst_is_taken_back(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    drain(house.world, house.shelf)
    house.happen(house.click(mail, link=0, network=OFFICE))
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"
    assert len(house.messages(alice, "welcome/second")) == 1
    house.clock.advance(4 * SECOND)
    house.happen(*(house.click(mail, link=link, network=OFFICE) for link in (1, 2, 3)))
    drain(house.world, house.shelf)
    assert [row.verdict for row in house.events("clicked")] == ["machine"] * 4
    assert house.verdicts("clicked")[0] == ("machine", "near_burst")
    assert score_of(house, alice) == 5.0  # for the confirmation only
    assert house.subscriber(alice).stage == "lead"
    assert house.subscriber(alice).furthest_stage == "lead"
    assert stages(house, alice)[-1] == ("taken_back:prospect", "prospect", "lead")
    with house.session() as session:
        line, *more = corrections(session, alice)
    assert (line.before, line.after, line.cause, line.points, more) == (
        "human plain",
        "machine near_burst",
        "later_fact",
        -8,
        [],
    )
    assert prove(house.world, *days(house)) == ()


def test_a_verdict_taken_back_sends_no_mail_and_enters_nobody(house: House) -> None:
    files = house.files | {
        "campaigns/fallen.yaml": house.files["campaigns/next.yaml"]
        .replace("campaign: next", "campaign: fallen")
        .replace("stage == 'prospect'", "stage == 'lead'")
        .replace("  prospect:", "  lead:")
    }
    house.publish(files)
    alice = house.person("alice")
    house.clock.advance(SECOND)
    mail = house.mail(alice)
    drain(house.world, house.shelf)
    with house.session("write") as session:
        session.execute(delete(RunRow))  # she was let in when she became a lead: forget it, to see a second entry
    house.happen(house.click(mail, link=0, network=OFFICE))
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"
    house.clock.advance(4 * SECOND)
    house.happen(*(house.click(mail, link=link, network=OFFICE) for link in (1, 2, 3)))
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "lead"
    with house.session() as session:
        assert "fallen" not in session.scalars(select(RunRow.campaign)).all()


def test_points_that_a_machine_held_go_to_the_next_human_click(house: House) -> None:
    """At most two clicks of a month earn points: a third one gets its turn when an earlier one falls."""
    alice = house.person("alice")
    first = house.mail(alice)
    house.happen(house.click(first, link=2, network=OFFICE))
    for _ in range(2):
        house.clock.advance(20 * SECOND)
        house.happen(house.click(house.mail(alice), link=2, network=PHONE))
    drain(house.world, house.shelf)
    assert sum(points(house, alice).values()) == 5 + 6
    with house.session("write") as session:  # the operator learns that the first agent is a scanner's
        one = update(EventRow).where(EventRow.message_id == first).values(agent=SCANNER)
        session.execute(one, execution_options={"synchronize_session": False})
    assert recompute(house.world, house.shelf, 0) == 1
    drain(house.world, house.shelf)
    assert sum(points(house, alice).values()) == 11
    with house.session() as session:
        assert [line.points for line in corrections(session, alice)] == [-3]
    assert prove(house.world, *days(house)) == ()


def test_a_crowd_in_one_network_takes_back_what_it_was_given(house: House) -> None:
    people = [house.person(name) for name in ("alice", "bob", "carol")]
    mails = [house.mail(person) for person in people]
    for mail in mails:
        house.happen(house.click(mail, link=1, network=OFFICE))
        house.clock.advance(10 * SECOND)
    drain(house.world, house.shelf)
    assert house.verdicts("clicked") == [("machine", "crowd")] * 3
    assert [score_of(house, person) for person in people] == [5.0, 5.0, 5.0]
    assert prove(house.world, *days(house)) == ()


def test_the_last_sign_of_life_is_the_newest_that_still_counts(house: House) -> None:
    alice = house.person("alice")
    house.clock.advance(HOUR)
    house.happen(house.click(house.mail(alice), link=1, network=PHONE))
    honest = house.events("clicked")[0].at
    house.clock.advance(HOUR)
    mail = house.mail(alice)
    house.happen(house.click(mail, link=1, network=OFFICE))
    drain(house.world, house.shelf)
    assert house.subscriber(alice).last_signal_at == house.events("clicked")[1].at
    house.happen(*(house.click(mail, link=link, network=OFFICE) for link in (1, 2, 3)))
    drain(house.world, house.shelf)
    assert house.subscriber(alice).last_signal_at == honest


def test_a_rise_that_other_facts_carry_stands(house: House) -> None:
    alice = house.person("alice")
    drain(house.world, house.shelf)
    house.happen(house.page("/", name="consultation_requested", identity=house.token(house.mail(alice))))
    mail = house.mail(alice)
    house.happen(house.click(mail, link=0, network=OFFICE))
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"
    house.happen(*(house.click(mail, link=link, network=OFFICE) for link in (1, 2, 3)))
    drain(house.world, house.shelf)
    assert score_of(house, alice) == 5.0
    assert house.subscriber(alice).stage == "prospect"


def test_a_verdict_by_recomputing_enters_nobody(house: House) -> None:
    alice = house.person("alice")
    drain(house.world, house.shelf)
    house.happen(house.click(house.mail(alice), link=0, agent=SCANNER))
    drain(house.world, house.shelf)
    assert house.verdicts("clicked") == [("machine", "scanner_agent")]
    with house.session("write") as session:
        rows = update(EventRow).where(EventRow.kind == "clicked").values(agent=BROWSER)
        session.execute(rows, execution_options={"synchronize_session": False})
    assert recompute(house.world, house.shelf, 0) == 1
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"
    assert not house.messages(alice, "welcome/second")
    assert recompute(house.world, house.shelf, 0) == 0


def test_the_proof_finds_a_wrong_counter_and_mends_it(house: House) -> None:
    house.happen(house.click(house.mail(house.person("alice"))))
    with house.session("write") as session:
        wrong = update(CountRow).where(CountRow.metric == "clicked:human").values(value=7)
        session.execute(wrong, execution_options={"synchronize_session": False})
    (found,) = prove(house.world, *days(house), mend=True)
    assert (found.count[4], found.kept, found.counted) == ("clicked:human", 7, 1)
    assert prove(house.world, *days(house)) == ()


def test_an_open_before_a_burst_is_a_machines_after_all(house: House) -> None:
    mail = house.mail(house.person("alice"))
    house.happen(house.open(mail, network=OFFICE))
    assert house.verdicts() == [("human", "plain")]
    house.clock.advance(30 * SECOND)
    house.happen(*(house.click(mail, link=link, network=OFFICE) for link in (0, 1, 2)))
    assert house.verdicts("opened") == [("machine", "before_burst")]
    assert prove(house.world, *days(house)) == ()


def test_a_flood_on_one_mail_is_a_machines_and_holds_up_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.track.judging.MOST_FACTS", 10)
    alice, bob = house.person("alice"), house.person("bob")
    flooded, other = house.mail(alice), house.mail(bob)
    house.happen(house.click(flooded, link=1, network=PHONE))
    for _ in range(5):
        house.clock.advance(SECOND)
        house.happen(*(house.click(flooded, link=1, network=PHONE) for _ in range(4)), house.open(other))
    assert house.verdicts("clicked")[0] == ("human", "plain")
    assert house.verdicts("clicked").count(("machine", "flood")) == 8
    assert house.verdicts("opened") == [("human", "plain")] * 5
    assert prove(house.world, *days(house)) == ()
    assert recompute(house.world, house.shelf, 0) == 0


def test_a_mail_touched_all_the_time_is_judged_in_turns_and_others_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it costs to judge a mail grows with its facts, so facts of a busy mail wait for each other."""
    monkeypatch.setattr("app.actions.track.judging.MANY", 8)
    looked: list[set[int]] = []
    before = deliveries_of

    def look(session: Session, ids: Sequence[int], ends: Mapping[int, int]) -> list[Delivery]:
        looked.append(set(ids))
        return before(session, ids, ends)

    monkeypatch.setattr(judging, "deliveries_of", look)
    busy = house.mail(house.person("bob"))
    for second in range(60):
        house.tell(house.click(busy, link=second % 2, network=f"{second:016x}"))
        house.ingest()
        judge_all(house.world, house.shelf)
        house.clock.advance(SECOND)
    assert sum(busy in ids for ids in looked) < 25
    quick = house.mail(house.person("alice"))
    house.happen(house.click(busy, network=PHONE), house.click(quick, network=HOME))
    assert [row.verdict for row in house.events("clicked") if row.message_id == quick] == ["human"]
    house.judge(after=120 * SECOND)
    assert len(house.verdicts("clicked")) == 62
    assert "pending" not in {verdict for verdict, _ in house.verdicts("clicked")}
    assert recompute(house.world, house.shelf, 0) == 0
    assert prove(house.world, *days(house)) == ()


# ── Properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

NETWORKS = (HOME, OFFICE, PHONE)
STORIES = st.lists(
    st.tuples(
        st.integers(0, 3),  # which mail
        st.integers(0, 3),  # which link, 3 with an even gap is an open
        st.sampled_from(NETWORKS),
        st.sampled_from((BROWSER, BROWSER, SCANNER)),
        st.sampled_from((0, 5, 15, 40, 90, 300, 1_000)),  # tenths of a second since the last
        st.booleans(),  # judge and decide in between
    ),
    min_size=1,
    max_size=14,
)


def in_memory(folder: Path) -> House:
    database = open_database("sqlite://")
    metadata().create_all(database.engine)
    return House(database, folder)


Told = tuple[int, int, str, str, int, bool]


def tell_all(house: House, story: list[Told], *, at_once: bool) -> None:
    people = [house.person(name) for name in ("alice", "bob", "carol", "dana")]
    mails = [house.mail(person) for person in people]
    drain(house.world, house.shelf)
    held: list[Fact] = []
    for mail, link, network, agent, gap, works in story:
        house.clock.advance(gap * SECOND // 10)
        make = house.open if link == 3 and gap % 2 == 0 else house.click
        fact = (
            make(mails[mail], network=network, agent=agent)
            if make == house.open
            else house.click(mails[mail], link=link, network=network, agent=agent)
        )
        held.append(fact)
        if works and not at_once:
            house.take(held)
            held = []
            house.judge(0)
            drain(house.world, house.shelf)
    house.clock.advance(5 * SECOND)
    house.take(held if not at_once else sorted(held, key=lambda fact: fact.id, reverse=True))
    house.judge(0)
    drain(house.world, house.shelf)


def outcome(house: House) -> object:
    """Verdicts, points and counters; the weights are compared apart, for floats add up in another order."""
    verdicts = {row.fact_id: (row.verdict, row.verdict_reason) for row in house.events("opened", "clicked")}
    with house.session() as session:
        receipts = {
            (row.subscriber_id, row.rule, row.bucket): (row.points, row.facts)
            for row in session.scalars(select(PointsRow))
        }
        counts = {(row.day, row.metric): row.value for row in session.scalars(select(CountRow)) if row.value}
    tracked = {key: value for key, value in counts.items() if key[1].startswith(("opened", "clicked"))}
    return verdicts, receipts, tracked


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORIES)
def test_judging_bit_by_bit_ends_where_judging_all_at_once_does(
    story: list[Told], tmp_path_factory: pytest.TempPathFactory
) -> None:
    bit_by_bit, at_once = (in_memory(tmp_path_factory.mktemp("node")) for _ in range(2))
    tell_all(bit_by_bit, story, at_once=False)
    tell_all(at_once, story, at_once=True)
    for house in (bit_by_bit, at_once):
        assert prove(house.world, *days(house)) == ()
    assert outcome(bit_by_bit) == outcome(at_once)
    for one in (1, 2, 3, 4):
        assert score_of(bit_by_bit, one) == pytest.approx(score_of(at_once, one), abs=0.02)
    before = outcome(bit_by_bit)
    assert recompute(bit_by_bit.world, bit_by_bit.shelf, 0) == 0
    assert outcome(bit_by_bit) == before
    bit_by_bit.close()
    at_once.close()
