"""Looking into JSON that strangers sent: every look gives a value of the wanted type, or an empty one.

Owns the readers for texts, numbers, lists and instants.
Must not know providers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from app.core.instants import SECOND, Instant

Object: TypeAlias = Mapping[str, object]

MAX_ITEMS: Final = 2_000
MAX_RAW: Final = 8_000


def parse_json(body: bytes | str) -> object:
    """The value, or None when it is no JSON (or nested beyond reason)."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def as_object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The items of a list; a single object counts as a list of one."""
    if isinstance(value, list):
        return value[:MAX_ITEMS]
    return [value] if isinstance(value, dict) else []


def at_path(value: object, *path: str) -> object:
    """The value behind the keys, or None."""
    for key in path:
        value = as_object(value).get(key)
    return value


def text(value: object, *path: str) -> str:
    """A text, also from a number; else empty."""
    found = at_path(value, *path)
    if isinstance(found, str):
        return found[:4_000].encode("utf-8", "replace").decode().replace("\0", "")  # databases take neither
    return str(found) if isinstance(found, int | float) and not isinstance(found, bool) else ""


def number(value: object, *path: str) -> int:
    """A whole number, also from a text; else 0."""
    digits = text(value, *path).partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else 0


def instant(value: object, *path: str) -> Instant | None:
    """An instant from seconds or milliseconds since 1970, or from ISO 8601; None when it is neither."""
    said = text(value, *path).strip()
    head = said.partition(".")[0]
    if head.isascii() and head.isdigit():
        return _from_number(float(said)) if len(head) <= 13 and said.replace(".", "", 1).isdigit() else None
    try:
        moment = datetime.fromisoformat(said.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _from_number(value: float) -> Instant:
    return int(value * SECOND) if value < 1e11 else int(value * SECOND / 1_000)


def raw_of(value: object) -> str:
    """The value as compact JSON, cut to size; for keeping, not for reading back."""
    return json.dumps(value, separators=(",", ":"))[:MAX_RAW]
