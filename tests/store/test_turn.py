"""One transaction, two ways to speak: hot statements and the session's own words are written, or undone, together."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.store.engine import Database, StoreError, is_away, open_database
from app.store.hot import Hot
from app.store.people import SubscriberRow
from tests.store.cast import alice

STAGE = Hot("UPDATE subscriber SET stage = :stage RETURNING id")
STAGES = Hot("SELECT stage, locale FROM subscriber")


def stages(database: Database) -> list[tuple[str, str]]:
    with database.transaction("read") as session:
        return [tuple(row) for row in STAGES.rows(session)]


@pytest.fixture
def people(database: Database) -> Database:
    with database.transaction() as session:
        alice(session)
        session.execute(text("UPDATE subscriber SET stage = 'lead', locale = 'en'"))
    return database


def test_a_hot_statement_alone_is_committed(people: Database) -> None:
    with people.transaction() as session:
        assert len(STAGE.rows(session, stage="hot")) == 1
    assert stages(people) == [("hot", "en")]


def test_both_ways_to_speak_are_one_transaction(people: Database) -> None:
    with people.transaction() as session:
        STAGE.rows(session, stage="hot")
        person = session.scalars(select(SubscriberRow)).one()
        assert person.stage == "hot", "the session sees what was sent past it"
        person.locale = "fa"
        assert [tuple(row) for row in STAGES.rows(session)] == [("hot", "fa")]
    assert stages(people) == [("hot", "fa")]


@pytest.mark.parametrize("speaks", [False, True])
def test_what_failed_is_undone_whichever_way_it_was_sent(people: Database, *, speaks: bool) -> None:
    def write(session: Session) -> None:
        STAGE.rows(session, stage="hot")
        if speaks:
            session.scalars(select(SubscriberRow)).one().locale = "fa"
            session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), people.transaction() as session:
        write(session)
    assert stages(people) == [("lead", "en")]


def test_what_the_driver_refuses_is_an_error_of_the_store(people: Database) -> None:
    nobody = Hot("UPDATE subscriber SET stage = :stage")
    for _ in range(2):
        with pytest.raises(IntegrityError) as refused, people.transaction() as session:
            nobody.rows(session, stage=None)
        assert isinstance(refused.value, StoreError)
        assert not is_away(refused.value)
    assert stages(people) == [("lead", "en")]


def test_a_server_that_hangs_up_is_away_and_the_next_transaction_has_another_connection(
    postgres_database_url: str,
) -> None:
    database = open_database(postgres_database_url)
    end = Hot("SELECT pg_terminate_backend(pg_backend_pid())")
    one = Hot("SELECT 1")
    for _ in range(2):
        with pytest.raises(StoreError) as gone, database.transaction() as session:
            end.rows(session)
        assert is_away(gone.value)
        with database.transaction("read") as session:
            assert one.scalar(session) == 1
    database.dispose()


def test_a_connection_cut_while_nobody_used_it_is_not_handed_out(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.engine._ALIVE_FOR", 0.0)
    database = open_database(postgres_database_url)
    cut = cut_connection(database)
    with database.transaction("read") as session:
        assert _PID.scalar(session) != cut
    database.dispose()


def test_a_connection_used_a_moment_ago_is_not_asked_whether_it_lives(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.engine._ALIVE_FOR", 60.0)
    database = open_database(postgres_database_url)
    cut = cut_connection(database)
    with pytest.raises(StoreError) as gone, database.transaction("read") as session:
        _PID.scalar(session)
    assert is_away(gone.value)
    with database.transaction("read") as session:
        assert _PID.scalar(session) != cut
    database.dispose()


_PID = Hot("SELECT pg_backend_pid()")


def cut_connection(database: Database) -> int:
    """The number of a connection that lies in the pool, the next to be handed out, and is gone."""
    with database.transaction("read") as other:
        assert _PID.scalar(other)
        with database.transaction("read") as session:
            pid: int = _PID.scalar(session)
        Hot("SELECT pg_terminate_backend(:pid, 5000)").rows(other, pid=pid)
    return pid


def test_a_server_that_is_not_there_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = open_database(f"postgresql+psycopg://nobody@/nothing?host={tmp_path_factory.mktemp('pg')}")
    with pytest.raises(StoreError) as away, database.transaction("read") as session:
        Hot("SELECT 1").rows(session)
    assert is_away(away.value)
    database.dispose()
