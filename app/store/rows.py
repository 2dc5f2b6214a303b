"""Rows: many rows of one table written at once, without a statement being built or compiled for them.

Owns how rows travel: to PostgreSQL as one array for each column, so that one statement of one text takes any number;
to SQLite one after another through one prepared statement. Must not know what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.store.base import Base, table_of
from app.store.turn import turn_of

_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]


class Rows:
    """An INSERT into some columns of a table; `conflict` is what stands behind it, e.g. ON CONFLICT DO NOTHING."""

    def __init__(self, model: type[Base], columns: Sequence[str], conflict: str = "") -> None:
        table = table_of(model)
        self._columns = tuple(columns)
        head = f'INSERT INTO "{table.name}" ({", ".join(map(_quoted, columns))})'
        self._sqlite = f"{head} VALUES ({', '.join('?' * len(columns))}) {conflict}"
        arrays = (f"CAST(%s AS {table.c[name].type.compile(_POSTGRES)}[])" for name in columns)
        self._postgres = f"{head} SELECT * FROM unnest({', '.join(arrays)}) {conflict}"  # noqa: S608  # no text of anybody's

    def write(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows by column name, in their order; none is fine. What the session still keeps goes first."""
        if not rows:
            return
        session.flush()
        turn = turn_of(session)
        if turn.is_sqlite:
            turn.run_each(self._sqlite, [tuple([row[name] for name in self._columns]) for row in rows])
        else:
            turn.run(self._postgres, tuple([[row[name] for row in rows] for name in self._columns]))


def _quoted(name: str) -> str:
    return f'"{name}"'


def over(keys: Sequence[str], columns: Sequence[str]) -> str:
    """Write over what is there under the same key."""
    new = ", ".join(f'"{name}" = excluded."{name}"' for name in columns)
    return f"ON CONFLICT ({', '.join(map(_quoted, keys))}) DO UPDATE SET {new}"


ONCE = "ON CONFLICT DO NOTHING"
