"""Work costs what changed: judging and ingesting never look at facts that have nothing to do with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.actions.track.judging import LATER_FACT, _Judging
from app.actions.track.orders import credit_anew
from app.core.instants import SECOND
from app.store import events, shopping, tracking, visitors
from app.store.engine import Database
from tests.actions.tracking import OFFICE, House
from tests.store.seen import Statement, plan, statements


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    built = House(database, tmp_path / "node")
    yield built
    built.close()


def wide(found: list[tuple[str, str]]) -> list[str]:
    """Statements that read the whole table of facts, or all facts of a kind."""
    bad = ("SCAN event", "Seq Scan on event", "ix_event_kind")
    return [f"{sql}\n{how}" for sql, how in found if any(word in how for word in bad)]


def one_of(statement: Statement) -> Statement:
    return Statement(statement.sql, statement.given[0], is_many=False) if statement.is_many else statement


def test_judging_looks_at_the_mails_concerned_only(house: House) -> None:
    alice = house.person("alice")
    mails = [house.mail(alice) for _ in range(3)]
    house.happen(*(house.click(mail, link=1, network=OFFICE) for mail in mails))
    house.tell(*(house.click(mails[0], link=link, network=OFFICE) for link in range(3)))
    house.ingest()
    house.clock.advance(5 * SECOND)
    with house.session("write") as session:
        shelved = house.shelf.look(session)
        assert shelved is not None
        with statements(session) as seen:
            due = events.verdicts_due(session, house.clock(), 10)
            _Judging(house.world, session, shelved, house.clock(), LATER_FACT).judge(due)
            tracking.next_mails_touched(session, 0, 0, 10)
            shopping.last_human_click(session, alice, house.clock(), SECOND)
            credit_anew(session, mails)
            visitors.facts_of_visitor(session, "a" * 32, 0)
        asked = [one_of(statement) for statement in seen if "event" in statement.sql.split("FROM", 1)[-1][:200]]
        found = [(each.sql, plan(session, each)) for each in asked if not each.sql.startswith("INSERT")]
    assert len(found) >= 8
    assert wide(found) == []


def test_what_takes_back_a_verdict_is_written_by_key(house: House) -> None:
    house.happen(house.click(house.mail(house.person("alice"))))
    (row,) = house.events("clicked")
    key = (row.at, row.fact_id)
    with house.session("write") as session:
        with statements(session) as seen:
            tracking.put_off(session, [key])
            tracking.make_quiet(session, [key])
            tracking.forget_mail(session, [key])
            events.forget_news(session, [key], row.subscriber_id or 0)
        found = [(each.sql, plan(session, one_of(each))) for each in seen]
    assert len(found) == 4
    assert wide(found) == []
    assert not any("SCAN news" in how or "Seq Scan on news" in how for _, how in found)
