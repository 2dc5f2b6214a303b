"""What a session asked its database: the statements it sent, and how the database would go about one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    given: Any
    is_many: bool


@contextmanager
def statements(session: Session) -> Iterator[list[Statement]]:
    """Every statement sent while the block lasts."""
    seen: list[Statement] = []
    connection = session.connection()

    def note(_connection: Any, _cursor: Any, sql: str, given: Any, _context: Any, is_many: bool) -> None:
        seen.append(Statement(sql, given, is_many))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(connection, "before_cursor_execute", note)


def plan(session: Session, statement: Statement) -> str:
    """How the database would find the rows. PostgreSQL is forbidden to read whole tables, as small ones invite to."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", statement.given)
        return "".join(f"{row.detail}\n" for row in rows)
    session.execute(text("SET LOCAL enable_seqscan = off"))
    rows = connection.exec_driver_sql(f"EXPLAIN {statement.sql}", statement.given)
    return "\n".join(row[0] for row in rows)
