"""Hot statements: SQL written out once for both databases, and sent without being compiled for each batch.

Owns how values and rows travel in them. For the few statements that run for every load of mails; everything else is
written in SQLAlchemy's words. Must not know tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeAlias

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

from app.store.base import is_sqlite

Rows: TypeAlias = Sequence[Sequence[Any]]

_NAME: Final = re.compile(r"(?<![:\w]):(\w+)")


class Hot:
    """One statement; `:name` stands for a value, `IN :name` for being one of a list of numbers."""

    def __init__(self, text: str, postgres: str = "") -> None:
        self._sqlite = re.sub(r"IN :(\w+)", r"IN (SELECT value FROM json_each(:\1))", text)
        other = re.sub(r"IN :(\w+)", r"= ANY(CAST(:\1 AS bigint[]))", postgres or text)
        self._postgres = _NAME.sub(r"%(\1)s", other)

    def run(self, session: Session, **given: object) -> CursorResult[Any]:
        """Send it, after what the session still keeps to itself."""
        session.flush()
        connection = session.connection()
        if is_sqlite(session):
            values = {name: json.dumps(value) if isinstance(value, list) else value for name, value in given.items()}
            return connection.exec_driver_sql(self._sqlite, values)
        return connection.exec_driver_sql(self._postgres, given)

    def rows(self, session: Session, **given: object) -> Rows:
        return self.run(session, **given).all()


class HotRows:
    """One statement on rows handed in, which it knows as `news`; `?` stands for further values, in order.

    `columns` are the names of `news` with their types in PostgreSQL.
    """

    def __init__(self, columns: dict[str, str], text: str) -> None:
        self._row = f"({', '.join('?' * len(columns))})"
        self._head = f"WITH news({', '.join(columns)}) AS"
        self._text = text
        arrays = ", ".join(f"CAST(%s AS {sort}[])" for sort in columns.values())
        self._postgres = f"{self._head} (SELECT * FROM unnest({arrays})) {text.replace('?', '%s')}"  # noqa: S608
        self._sqlite = cache(self._sqlite_for)

    def _sqlite_for(self, count: int) -> str:
        return f"{self._head} (VALUES {', '.join([self._row] * count)}) {self._text}"

    def run(self, session: Session, rows: Rows, *given: object) -> CursorResult[Any]:
        """Send it, after what the session still keeps to itself. There must be a row."""
        session.flush()
        connection = session.connection()
        if is_sqlite(session):
            flat = tuple([value for row in rows for value in row])
            return connection.exec_driver_sql(self._sqlite(len(rows)), (*flat, *given))
        columns = tuple(map(list, zip(*rows, strict=True)))
        return connection.exec_driver_sql(self._postgres, (*columns, *given))

    def rows(self, session: Session, rows: Rows, *given: object) -> Rows:
        return self.run(session, rows, *given).all()
