"""Raw facts go when the setting says so, what they led to stays; and a long backlog holds up no worker that stops."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from app.actions.advance import drain
from app.actions.nightly import keep_house
from app.actions.shelf import Shelf
from app.actions.track import forget_facts, ingest, judge_all, prove, works
from app.core.instants import DAY, SECOND
from app.store import forgetting
from app.store.engine import Database
from app.store.events import PointsRow
from app.store.ledgers import CountRow
from tests.actions.tracking import NODE, OFFICE, PHONE, House
from tests.store.seen import plan, statements


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    built = House(database, tmp_path / "node")
    built.world = dataclasses.replace(
        built.world, settings=dataclasses.replace(built.world.settings, event_retention=90 * DAY)
    )
    yield built
    built.close()


def counts(house: House) -> dict[tuple[int, str], int]:
    with house.session() as session:
        rows = session.scalars(select(CountRow).where(CountRow.metric.not_like("facts:%"))).all()
        return {(row.day, row.metric): row.value for row in rows if row.value}


def receipts(house: House) -> Sequence[tuple[str, int]]:
    with house.session() as session:
        return [(row.rule, row.points) for row in session.scalars(select(PointsRow).order_by(PointsRow.rule))]


def prospect(house: House, name: str) -> tuple[int, int]:
    """Somebody whose click made her a prospect, and the mail."""
    person = house.person(name)
    mail = house.mail(person)
    house.happen(house.click(mail), house.open(mail))
    drain(house.world, house.shelf)
    return person, mail


def test_raw_facts_go_after_the_setting_and_counters_points_and_stages_stay(house: House) -> None:
    alice, _ = prospect(house, "alice")
    stage, kept, points = house.subscriber(alice).stage, counts(house), receipts(house)
    house.clock.advance(80 * DAY)
    keep_house(house.world, house.shelf)
    assert len(house.events("clicked", "opened")) == 2
    house.clock.advance(11 * DAY)
    keep_house(house.world, house.shelf)
    assert house.events("clicked", "opened") == []
    assert len(house.events("confirmed")) == 1
    assert (house.subscriber(alice).stage, counts(house), receipts(house)) == (stage, kept, points)
    assert (stage, kept[house.clock() // DAY - 91, "clicked:human"], bool(points)) == ("prospect", 1, True)


def test_counters_of_forgotten_days_are_not_mended_to_nothing(house: House) -> None:
    prospect(house, "alice")
    kept, today = counts(house), house.clock() // DAY
    house.clock.advance(91 * DAY)
    assert forget_facts(house.world) == 2
    assert prove(house.world, today, today + 1, mend=True) == ()
    assert counts(house) == kept


def test_the_facts_of_a_mail_go_together_once_the_newest_is_old(house: House) -> None:
    """Or a counter of mails touched would not be what the facts say, and a verdict would lose what it rests on."""
    _, mail = prospect(house, "alice")
    house.clock.advance(60 * DAY)
    house.happen(house.click(mail, network=OFFICE))
    drain(house.world, house.shelf)
    house.clock.advance(40 * DAY)
    assert forget_facts(house.world) == 0
    today = house.clock() // DAY
    assert prove(house.world, today - 120, today + 1) == ()
    house.clock.advance(51 * DAY)
    assert forget_facts(house.world) == 3


def test_pages_are_small_and_none_is_left_out(house: House) -> None:
    mails = [house.mail(house.person(f"reader{number}")) for number in range(9)]
    house.happen(*[house.click(mail, network=network) for mail in mails for network in (PHONE, OFFICE)])
    house.clock.advance(50 * DAY)
    late = house.mail(house.person("late"))
    house.happen(house.click(late))
    house.happen(house.click(mails[4]))
    house.clock.advance(41 * DAY)
    rests = []
    world = dataclasses.replace(house.world, rest=lambda: rests.append(1))
    assert forget_facts(world, page=5) == 16
    assert len(rests) == 4
    assert {row.message_id for row in house.events("clicked")} == {late, mails[4]}


def test_visits_and_events_of_strangers_go_and_what_somebody_known_told_stays(house: House) -> None:
    alice, mail = prospect(house, "alice")
    told = "consultation_requested"
    house.happen(house.page("/pricing"), house.page("/", name=told))
    house.happen(house.page("/", name=told, identity=house.token(mail)))
    assert {(row.kind, row.subscriber_id) for row in house.events("visited", "event")} >= {
        ("visited", None),
        ("event", None),
        ("event", alice),
    }
    drain(house.world, house.shelf)
    house.clock.advance(91 * DAY)
    forget_facts(house.world)
    assert {(row.kind, row.subscriber_id) for row in house.events("visited", "event")} == {("event", alice)}


def test_what_nobody_has_judged_or_decided_about_is_kept_however_old(house: House) -> None:
    alice = house.person("alice")
    house.tell(house.click(house.mail(alice)))
    house.ingest()
    house.clock.advance(200 * DAY)
    assert forget_facts(house.world) == 0
    house.judge()
    assert forget_facts(house.world) == 0  # the engine has not seen it
    drain(house.world, house.shelf)
    assert forget_facts(house.world) == 1


def test_forgetting_stops_between_two_pages(house: House) -> None:
    house.happen(*[house.click(house.mail(house.person(f"reader{number}"))) for number in range(6)])
    drain(house.world, house.shelf)
    house.clock.advance(91 * DAY)
    asked = iter([False, False])
    assert forget_facts(house.world, lambda: next(asked, True), page=2) == 2


def test_each_page_is_found_by_kind_and_instant_and_deleted_by_key(house: House) -> None:
    prospect(house, "alice")
    house.clock.advance(91 * DAY)
    with house.session("write") as session:
        with statements(session) as seen:
            found = forgetting.old_facts(session, "clicked", house.clock(), (-1, b""), 10)
            forgetting.old_facts(session, "event", house.clock(), (5, b"f"), 10)
            forgetting.delete_facts(session, found)
        plans = [plan(session, each) for each in seen]
    assert len(plans) == 3
    assert not [how for how in plans if "SCAN event" in how or "Seq Scan on event" in how or "SCAN news" in how]


# ── A worker that stops ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_told_to_stop_leaves_a_long_backlog_after_the_batch_under_way(house: House) -> None:
    mail = house.mail(house.person("alice"))
    house.tell(*[house.click(mail) for _ in range(1_200)])
    told = [False]
    doing = {
        each.name: each.do
        for each in works(house.world, Shelf(b"s" * 32), house.folder / "spool", NODE, lambda: told[0])
    }
    told[0] = True
    doing["ingest"]()
    assert len(house.events("clicked")) == 500
    told[0] = False
    doing["ingest"]()
    assert len(house.events("clicked")) == 1_200


def test_judging_too_stops_after_the_batch_under_way(house: House) -> None:
    mails = [house.mail(house.person(f"reader{number}")) for number in range(5)]
    house.tell(*[house.click(mail) for mail in mails for _ in range(100)])
    while ingest(house.world, house.shelf, house.reader, NODE).read:
        pass
    house.clock.advance(60 * SECOND)
    seen = []

    def is_stopping() -> bool:
        seen.append(1)
        return True

    judge_all(house.world, house.shelf, is_stopping)
    assert len(seen) == 1
    assert "pending" in {row.verdict for row in house.events("clicked")}
