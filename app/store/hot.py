"""Hot statements: SQL written out once for both databases, and sent without being compiled for each batch.

Owns how values and rows travel in them. For the few statements that run for every load of mails; everything else is
written in SQLAlchemy's words. Must not know tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy.orm import Session

from app.store.turn import Found, turn_of

_NAME: Final = re.compile(r"(?<![:\w]):(\w+)")


class Hot:
    """One statement; `:name` stands for a value, `IN :name` for being one of a list of numbers."""

    def __init__(self, text: str, postgres: str = "") -> None:
        self._lists = re.findall(r"IN :(\w+)", text)
        self._sqlite = re.sub(r"IN :(\w+)", r"IN (SELECT value FROM json_each(:\1))", text)
        other = re.sub(r"IN :(\w+)", r"= ANY(CAST(:\1 AS bigint[]))", postgres or text)
        self._postgres = _NAME.sub(r"%(\1)s", other)

    def rows(self, session: Session, **given: object) -> Found:
        """Send it, after what the session still keeps to itself."""
        session.flush()
        turn = turn_of(session)
        for name in self._lists:
            numbers: Any = given[name]
            given[name] = json.dumps(numbers) if turn.is_sqlite else array("bigint", numbers)
        return turn.run(self._sqlite if turn.is_sqlite else self._postgres, given)

    def first(self, session: Session, **given: object) -> Sequence[Any] | None:
        """The first row, if there is one."""
        return next(iter(self.rows(session, **given)), None)

    def scalar(self, session: Session, **given: object) -> Any:
        """The first value of the first row, if there is one."""
        row = self.first(session, **given)
        return None if row is None else row[0]


class HotRows:
    """One statement on rows handed in, which it knows as `news`; `?` stands for further values, in order.

    `columns` are the names of `news` with their types in PostgreSQL, which may be told the same in its own way.
    """

    def __init__(self, columns: dict[str, str], text: str, postgres: str = "") -> None:
        self._row = f"({', '.join('?' * len(columns))})"
        self._head = f"WITH news({', '.join(columns)}) AS"
        self._text = text
        self._sorts = tuple(columns.values())
        arrays = ", ".join(f"CAST(%s AS {sort}[])" for sort in self._sorts)
        self._postgres = f"{self._head} (SELECT * FROM unnest({arrays})) {(postgres or text).replace('?', '%s')}"  # noqa: S608
        self._sqlite = cache(self._sqlite_for)

    def _sqlite_for(self, count: int) -> str:
        return f"{self._head} (VALUES {', '.join([self._row] * count)}) {self._text}"

    def rows(self, session: Session, rows: Found, *given: object) -> Found:
        """Send it, after what the session still keeps to itself. There must be a row."""
        session.flush()
        turn = turn_of(session)
        if turn.is_sqlite:
            return turn.run(self._sqlite(len(rows)), (*chain.from_iterable(rows), *given))
        return turn.run(self._postgres, (*map(array, self._sorts, zip(*rows, strict=True)), *given))


# ── Arrays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def array(sort: str, values: Sequence[Any]) -> str:
    """An array as PostgreSQL reads it, for which its driver would take ten times as long: numbers, text or bytea."""
    match sort:
        case "text":
            inner = ",".join(["NULL" if each is None else _quoted(each) for each in values])
        case "bytea":
            inner = ",".join(["NULL" if each is None else f'"\\\\x{each.hex()}"' for each in values])
        case _:
            inner = ",".join(map(str, values)).replace("None", "NULL")
    return f"{{{inner}}}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
