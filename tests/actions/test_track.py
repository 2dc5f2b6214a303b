"""From the spool to the stage: what is kept of a click, who is told of it, and what it moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.actions.advance import drain
from app.actions.track import ingest, prove
from app.actions.track.ingest import ingest_ahead
from app.actions.track.scouting import Scout
from app.core.instants import DAY, HOUR, SECOND
from app.disk.spool import Fact
from app.store.engine import Database
from app.store.events import NewsRow, SpoolPositionRow
from app.store.ledgers import CountRow
from app.store.permissions import Consent, append_consent
from tests.actions.tracking import NODE, OFFICE, PHONE, SITE, House


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    built = House(database, tmp_path / "node")
    yield built
    built.close()


def counts(house: House) -> dict[str, int]:
    with house.session() as session:
        rows = session.scalars(select(CountRow).where(CountRow.metric.startswith("clicked"))).all()
    return {row.metric: row.value for row in rows if row.value}


def test_a_click_becomes_a_row_with_the_person_the_mail_and_the_link(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    house.tell(house.click(mail, link=1))
    assert house.ingest() == 1
    (row,) = house.events("clicked")
    assert (row.subscriber_id, row.message_id, row.name) == (alice, mail, "welcome/first")
    assert (row.link, row.link_number, row.topic) == ("read", 1, "learning")
    assert (row.campaign, row.step, row.provider) == ("welcome", "welcome/first", "gmail")
    assert (row.verdict, row.verdict_due_at) == ("pending", row.at + 3 * SECOND)


def test_a_link_to_the_sites_own_page_has_the_topic_of_that_page(house: House) -> None:
    mail = house.mail(house.person("alice"))
    house.tell(house.click(mail, link=0), house.click(mail, link=2), house.click(mail, link=3))
    house.ingest()
    assert {row.link_number: row.topic for row in house.events("clicked")} == {0: "pricing", 2: "", 3: ""}


def test_a_human_click_reaches_the_stage_and_the_next_mail_is_queued(house: House) -> None:
    alice = house.person("alice")
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "lead"
    mail = house.mail(alice)
    house.tell(house.click(mail, link=0))
    house.ingest()
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "lead"  # nobody knows yet whether it was she
    house.judge()
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"
    assert [each.state for each in house.messages(alice, "welcome/second")] == ["queued"]
    assert house.clock() - house.events("clicked")[0].at < 5 * SECOND


def test_a_scanner_that_follows_every_link_moves_nobody(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    for link in range(4):
        house.tell(house.click(mail, link=link, network=OFFICE))
    house.ingest()
    house.judge()
    drain(house.world, house.shelf)
    assert house.verdicts() == [("machine", "burst")] * 4
    assert house.subscriber(alice).stage == "lead"
    assert not house.messages(alice, "welcome/second")
    assert counts(house) == {"clicked": 4, "clicked:machine": 4, "clicked:burst": 4, "clicked:mails": 1}


def test_after_the_scanner_the_person_herself_counts(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    house.happen(*(house.click(mail, link=link, network=OFFICE) for link in range(3)))
    house.clock.advance(HOUR)
    house.happen(house.click(mail, link=0, network=PHONE))
    assert house.verdicts()[-1] == ("human", "elsewhere")
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"


def test_ingesting_again_after_a_crash_before_the_deletion_adds_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = house.mail(house.person("alice"))
    house.tell(house.click(mail), house.open(mail))
    house.spool.close()

    def crash(segment: str) -> None:
        raise KeyboardInterrupt(segment)

    with monkeypatch.context() as patched:
        patched.setattr(house.reader, "delete", crash)
        with pytest.raises(KeyboardInterrupt):
            house.ingest()
    assert len(house.events("clicked", "opened")) == 2
    assert house.reader.segments()
    assert house.ingest() == 0
    assert not house.reader.segments()
    assert len(house.events("clicked", "opened")) == 2
    with house.session() as session:
        assert not session.scalars(select(SpoolPositionRow)).all()
    assert counts(house)["clicked"] == 1


def test_a_fact_read_twice_is_one_row_and_one_count(house: House) -> None:
    mail = house.mail(house.person("alice"))
    fact = house.click(mail)
    house.tell(fact, fact)
    assert house.ingest() == 1
    assert counts(house) == {"clicked": 1}


def test_several_segments_are_all_read_and_go(house: House) -> None:
    from app.disk.spool import Spool

    mail = house.mail(house.person("alice"))
    others = [Spool(house.folder / "spool", bytes([number]) * 16) for number in (1, 2, 3)]
    for spool in others:
        spool.append(*(house.click(mail) for _ in range(7)))
    for spool in others[:2]:
        spool.close()
    assert ingest(house.world, house.shelf, house.reader, NODE, limit=10).new == 10
    assert house.ingest() == 11
    assert len(house.reader.segments()) == 1  # the writer of this one lives
    others[2].close()
    house.ingest()
    assert not house.reader.segments()


def test_a_fact_nobody_can_read_holds_up_nobody(house: House) -> None:
    mail = house.mail(house.person("alice"))
    house.tell(Fact(2, house.clock(), house.new_id(), b"[1,2"), Fact(99, house.clock(), house.new_id(), b"x"))
    house.tell(house.click(mail))
    done = ingest(house.world, house.shelf, house.reader, NODE)
    assert (done.read, done.new, done.faulty) == (3, 1, 2)


def test_what_comes_a_day_late_moves_the_ladder_and_enters_nobody(house: House) -> None:
    alice = house.person("alice")
    drain(house.world, house.shelf)
    house.tell(house.click(house.mail(alice)))
    house.clock.advance(DAY + SECOND)
    house.ingest()
    house.judge()
    drain(house.world, house.shelf)
    assert house.subscriber(alice).stage == "prospect"
    assert not house.messages(alice, "welcome/second")


def test_nothing_is_kept_of_a_person_who_said_no_even_of_mails_sent_before(house: House) -> None:
    alice = house.person("alice")
    mail = house.mail(alice)
    with house.session("write") as session:
        append_consent(session, Consent(alice, "tracking", "given", house.clock() - DAY))
        append_consent(session, Consent(alice, "tracking", "withdrawn", house.clock()))
    house.happen(house.click(mail), house.open(mail))
    assert not house.events("clicked", "opened")
    assert not counts(house)


def test_in_aggregate_nothing_says_who_it_was_and_the_sums_are_right(database: Database, tmp_path: Path) -> None:
    from tests.actions.tracking import FILES

    site = SITE.replace("opens: individual, clicks: individual", "opens: off, clicks: aggregate")
    house = House(database, tmp_path / "node", files=FILES | {"campaigns/site.yaml": site})
    alice = house.person("alice")
    mail = house.mail(alice)
    house.happen(house.click(mail), house.open(mail))
    (row,) = house.events("clicked", "opened")
    assert (row.subscriber_id, row.message_id, row.network_hash, row.agent) == (None, None, None, "")
    assert (row.verdict, row.campaign) == ("human", "welcome")
    assert counts(house) == {"clicked": 1, "clicked:human": 1, "clicked:plain": 1}
    day = house.clock() // DAY
    assert prove(house.world, day - 2, day + 1) == ()
    house.close()


def test_where_consent_is_needed_somebody_never_asked_is_counted_without_a_name(
    database: Database, tmp_path: Path
) -> None:
    from tests.actions.tracking import FILES

    site = SITE.replace("needs_consent: false", "needs_consent: true")
    house = House(database, tmp_path / "node", files=FILES | {"campaigns/site.yaml": site})
    alice, bob = house.person("alice"), house.person("bob")
    with house.session("write") as session:
        append_consent(session, Consent(alice, "tracking", "given", house.clock()))
    house.happen(house.click(house.mail(alice)), house.click(house.mail(bob), network=PHONE))
    assert sorted(str(row.subscriber_id) for row in house.events("clicked")) == sorted([str(alice), "None"])
    house.close()


def test_mail_to_our_own_people_is_not_tracked(house: House) -> None:
    mail = house.mail(house.person("alice"), recipient="sales@example.com")
    house.happen(house.click(mail))
    assert not house.events("clicked")


def test_a_click_counts_only_once_it_was_decided_about(house: House) -> None:
    alice = house.person("alice")
    house.happen(house.click(house.mail(alice)))
    with house.session() as session:
        assert len(session.scalars(select(NewsRow).filter_by(subscriber_id=alice)).all()) == 2  # and her confirmation
    drain(house.world, house.shelf)
    with house.session() as session:
        assert not session.scalars(select(NewsRow)).all()
    drain(house.world, house.shelf)
    assert house.subscriber(alice).last_signal_at == house.events("clicked")[0].at


def test_a_reader_does_not_wait_behind_a_flood(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Her click lies behind more than can be taken in time: it is taken out of turn, and once."""
    monkeypatch.setattr("app.actions.track.scouting.FEW", 2)
    flooded, quick = house.mail(house.person("bob")), house.mail(house.person("alice"))
    house.tell(*(house.click(flooded, link=1) for _ in range(30)), house.click(quick))
    assert ingest(house.world, house.shelf, house.reader, NODE, limit=5).is_more
    scout = Scout(house.reader)
    assert ingest_ahead(house.world, house.shelf, scout, NODE) == 3
    assert ingest_ahead(house.world, house.shelf, scout, NODE) == 0
    assert len([row for row in house.events("clicked") if row.message_id == quick]) == 1
    house.ingest()
    assert len(house.events("clicked")) == 31
    assert counts(house)["clicked"] == 31
    house.judge()
    today = house.clock() // DAY
    assert prove(house.world, today - 1, today + 1) == ()
