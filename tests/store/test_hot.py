"""Hot statements: the same text and the same values mean the same to both databases."""

from sqlalchemy import text

from app.store.engine import Database
from app.store.hot import Hot, HotRows
from app.store.people import SubscriberRow
from tests.store.cast import alice

NAMES = {"number": "bigint", "word": "text", "raw": "bytea"}


def test_rows_arrive_as_they_were_handed_in(database: Database) -> None:
    rows = [
        (1, "سارا's “list”, {x} ? :y", b"\x00\xff"),
        (-(2**60), "", b""),
        (None, None, None),
        (0, 'a "quoted\\" \\x41, NULL\n\t%s', b'"\\'),
        (7, "NULL", b"NULL"),
    ]
    asking = HotRows(NAMES, "SELECT number, word, raw, CAST(? AS bigint) FROM news")
    with database.transaction("read") as session:
        for given in (rows, rows[:1], rows):
            assert [tuple(row) for row in asking.rows(session, given, 7)] == [(*row, 7) for row in given]


def test_a_list_of_numbers_may_be_long_or_empty(database: Database) -> None:
    asking = Hot("SELECT count(*) FROM subscriber WHERE id IN :ids AND stage <> :stage")
    with database.transaction() as session:
        person = alice(session).id
        assert asking.scalar(session, ids=[*range(person, person + 5_000)], stage="a:b") == 1
        assert asking.scalar(session, ids=[], stage="a") == 0


def test_what_the_session_still_keeps_to_itself_is_seen(database: Database) -> None:
    with database.transaction() as session:
        person = session.get_one(SubscriberRow, alice(session).id)
        person.locale = "fa"
        rows = Hot("SELECT locale FROM subscriber WHERE id = :id").rows(session, id=person.id)
        assert [tuple(row) for row in rows] == [("fa",)]
        assert session.scalar(text("SELECT 1")) == 1
