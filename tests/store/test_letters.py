"""Letters and doors are read by their keys, whatever the database was like when their statements were planned."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.store import doors, letters
from app.store.engine import Database, open_database
from app.store.people import AttributeRow
from tests.services.clock import START
from tests.store.cast import queued, somebody
from tests.store.seen import statements


@pytest.fixture
def mails(database: Database) -> list[int]:
    """A mail each for three hundred people with a name, the last one's first."""
    with database.transaction() as session:
        return crowd(session)[::-1]


def crowd(session: Session) -> list[int]:
    found = []
    for number in range(300):
        person = somebody(session, f"p{number}").id
        session.add(AttributeRow(subscriber_id=person, key="first_name", text=f"n{number}", sort="text", at=START))
        found.append(queued(session, person, f"{number}"))
    return found


def test_letters_come_in_the_order_of_their_ids_with_what_is_known_of_their_people(
    database: Database, mails: list[int]
) -> None:
    wanted = mails[40:90]
    with database.transaction("read") as session:
        unread = letters.unread(session, [*wanted, 10**6])
        read = letters.read(session, unread)
        assert [each.door.message_id for each in unread] == [each.id for each in read] == sorted(wanted)
        assert [each.attributes["first_name"] for each in read] == [
            each.address.partition("@")[0].replace("p", "n") for each in read
        ]
        assert letters.letters(session, wanted) == read
        assert {each.message_id for each in doors.doors(session, wanted)} == set(wanted)


@pytest.fixture
def postgres(postgres_database_url: str) -> Iterator[Database]:
    database = open_database(postgres_database_url)
    yield database
    database.dispose()


def test_a_plan_made_when_there_were_few_people_reads_no_whole_table(postgres: Database) -> None:
    with postgres.transaction() as session:
        mails = crowd(session)
    with postgres.transaction("read") as session:
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        with statements(session) as seen:
            letters.read(session, letters.unread(session, mails[:50]))
            doors.doors(session, mails[:50])
        for number, each in enumerate(list(seen)):
            keys = ", ".join(str(mail) for mail in mails[:50])
            session.execute(text(f"PREPARE hot_{number} AS {each.sql.replace('%(ids)s', '$1')}"))
            rows = session.execute(text(f"EXPLAIN EXECUTE hot_{number}('{{{keys}}}')"))
            plan = "\n".join(row[0] for row in rows)
            assert not any(f"Seq Scan on {table}" in plan for table in ("message", "subscriber", "attribute")), plan
        assert len(seen) == 3
