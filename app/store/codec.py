"""The codec: core values to the columns that are opaque to SQL, and back.

Owns JSON for cursors, fields, facts and values, and how an attribute is laid out. Must not query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypedDict

from sqlalchemy import Row

from app.core.facts import NO_FIELDS, Fact, FactKind, Fields, RunKey, Value
from app.core.person import Bucket, Cursor
from app.store.base import clean, listed, unlisted
from app.store.events import EventRow


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


# ── Cursors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def cursors_to_json(cursors: Mapping[str, Cursor]) -> str:
    return dumps({name: [list(map(list, c.blocks)), c.step, c.after] for name, c in cursors.items()})


def cursors_from_json(text: str) -> dict[str, Cursor]:
    plain = json.loads(text)
    return {
        name: Cursor(tuple((owner, branch) for owner, branch in blocks), step, after)
        for name, (blocks, step, after) in plain.items()
    }


# ── Fields and facts ─────────────────────────────────────────────────────────────────────────────────────────────────


def fields_to_json(fields: Fields) -> str:
    return dumps({key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()})


def fields_from_json(text: str) -> Fields:
    if text == "{}":
        return NO_FIELDS
    return {key: _value(value) for key, value in json.loads(text).items() if value is not None}


def _value(plain: object) -> Value:
    if isinstance(plain, list):
        return tuple(map(str, plain))
    return plain if isinstance(plain, str | int | float | bool) else dumps(plain)


_KINDS = {kind.value: kind for kind in FactKind}
_HUMAN = frozenset({"", "human"})


def fact_of(row: EventRow | Row[Any], run: RunKey | None) -> Fact:
    """A stored event as the engine sees it."""
    return Fact(
        id=row.fact_id,
        kind=_KINDS[row.kind],
        at=row.at,
        name=row.name,
        link=row.link,
        topic=row.topic,
        path=row.path,
        run=run,
        value=row.value,
        products=unlisted(row.products),
        fields=fields_from_json(row.payload),
        is_human=row.verdict in _HUMAN,
        is_quiet=row.is_quiet,
    )


def bucket_to_json(bucket: Bucket) -> str:
    return dumps([[at, fact.hex()] for at, fact in bucket])


def bucket_from_json(text: str) -> Bucket:
    return tuple((at, bytes.fromhex(fact)) for at, fact in json.loads(text))


# ── Attributes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Stored(TypedDict):
    """How one value lies in the attribute table: `sort` says what it was."""

    text: str | None
    number: float | None
    sort: str


_EXACT = 2**53
"""Up to here a float tells every whole number; a larger one is kept as text beside it."""


def stored(value: Value) -> Stored:
    match value:
        case bool():
            return Stored(text="true" if value else "false", number=float(value), sort="bool")
        case int() if abs(value) <= _EXACT:
            return Stored(text=None, number=float(value), sort="int")
        case int():
            return Stored(text=str(value), number=max(-1e300, min(1e300, value)), sort="int")
        case float():
            return (
                Stored(text=None, number=value, sort="float")
                if isfinite(value)
                else Stored(text=str(value), number=None, sort="float")
            )
        case str():
            return Stored(text=clean(value), number=None, sort="text")
        case tuple():
            return Stored(text=listed(value), number=None, sort="list")


def value_of(text: str | None, number: float | None, sort: str) -> Value:
    match sort:
        case "bool":
            return bool(number)
        case "int":
            return int(number or 0) if text is None else int(text)
        case "float":
            return float(number or 0.0) if text is None else float(text)
        case "list":
            return unlisted(text or "")
        case _:
            return text or ""
