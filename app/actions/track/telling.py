"""Telling: orders and events as a shop's own program sends them, read strictly, one row at a time.

Owns what a row may say and what is wrong with one, in words for whoever wrote the program. Must not write anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite

from app.core.facts import NO_FIELDS, Fields, Value
from app.core.instants import DAY, MINUTE, Instant, from_datetime
from app.core.site import AttributeType, EventType, Site
from app.files.words import nearest
from app.mail.addresses import Address, read_address
from app.store.base import clean

AHEAD = 5 * MINUTE
"""Clocks may differ by so much; what is further in the future is a mistake."""
OLDEST = 3_650 * DAY
LARGEST = 10**15
MOST_PRODUCTS = 200
MOST_FIELDS = 50
LONGEST_ID = 128

Plain = Mapping[str, object]


class RowError(ValueError):
    """What is wrong with one row, in a sentence."""


@dataclass(frozen=True, slots=True)
class Whom:
    """The person meant: by address key or by public id."""

    address_key: str = ""
    public_id: bytes = b""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as told: amounts in the currency's smallest unit, `refunded` is the sum given back so far."""

    source: str
    order_id: str
    whom: Whom
    total: int
    at: Instant
    currency: str = ""
    refunded: int = 0
    products: tuple[str, ...] = ()
    fields: Fields = field(default_factory=lambda: NO_FIELDS)
    coupon: str = ""
    """The code the order was made with."""


@dataclass(frozen=True, slots=True)
class Event:
    """A declared event as told; a `key` makes it one however often it is sent."""

    type: EventType
    key: str
    whom: Whom
    at: Instant
    fields: Fields = field(default_factory=lambda: NO_FIELDS)


_ORDER_KEYS = (
    "order_id",
    "email",
    "subscriber",
    "total",
    "currency",
    "at",
    "refunded",
    "products",
    "source",
    "fields",
    "coupon",
)
_EVENT_KEYS = ("name", "key", "email", "subscriber", "at", "fields")


def read_order(row: object, site: Site, now: Instant) -> Order:
    """Raises RowError naming the first thing that is wrong."""
    plain = _mapping(row, _ORDER_KEYS)
    currency = _text(plain, "currency", default=site.currency)
    if currency != site.currency:
        raise RowError(f"currency is {currency[:10]!r}; this site counts in {site.currency}")
    total, refunded = _amount(plain, "total"), _amount(plain, "refunded", default=0)
    if refunded > total:
        raise RowError("refunded is more than total")
    return Order(
        source=_text(plain, "source", default="api", longest=32),
        order_id=_text(plain, "order_id", longest=LONGEST_ID),
        whom=_whom(plain),
        total=total,
        at=_instant(plain, now),
        currency=currency,
        refunded=refunded,
        products=_products(plain.get("products", ())),
        fields=_free_fields(plain.get("fields", {})),
        coupon=_text(plain, "coupon", default="").strip(),
    )


def read_event(row: object, site: Site, now: Instant) -> Event:
    """Raises RowError naming the first thing that is wrong."""
    plain = _mapping(row, _EVENT_KEYS)
    name = _text(plain, "name", longest=64)
    known = site.events.get(name)
    if known is None:
        meant = nearest(name, site.events)
        raise RowError(f"no event {name!r} is declared{f'; did you mean {meant!r}?' if meant else ''}")
    key = _text(plain, "key", default="", longest=LONGEST_ID)
    return Event(known, key, _whom(plain), _instant(plain, now), event_fields(known, plain.get("fields", {})))


# ── Parts of a row ───────────────────────────────────────────────────────────────────────────────────────────────────


def _mapping(row: object, keys: tuple[str, ...]) -> Plain:
    if not isinstance(row, dict):
        raise RowError("a row is an object")
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise RowError("the row holds half a character, or a number that is none") from None
    for key in row:
        if key not in keys:
            meant = nearest(str(key), keys)
            raise RowError(f"{str(key)[:40]!r} is not known{f'; did you mean {meant!r}?' if meant else ''}")
    return row


def _text(plain: Plain, key: str, default: str | None = None, longest: int = 64) -> str:
    value = plain.get(key, default)
    if value is None:
        raise RowError(f"{key} is missing")
    if not isinstance(value, str) or (not value.strip() and default is None):
        raise RowError(f"{key} is not a text")
    if len(value) > longest:
        raise RowError(f"{key} is longer than {longest} characters")
    return clean(value.strip())


def _amount(plain: Plain, key: str, default: int | None = None) -> int:
    value = plain.get(key, default)
    if value is None:
        raise RowError(f"{key} is missing")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise RowError(f"{key} is not a whole number of the currency's smallest unit")
    return value


def _whom(plain: Plain) -> Whom:
    if "subscriber" in plain:
        return Whom(public_id=_public_id(plain["subscriber"]))
    address = read_address(_text(plain, "email", longest=320))
    if not isinstance(address, Address):
        raise RowError("email is not an address")
    return Whom(address_key=address.key)


def _public_id(value: object) -> bytes:
    try:
        found = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    if len(found) != 16:
        raise RowError("subscriber is not a public id of 32 hexadecimal digits")
    return found


def _instant(plain: Plain, now: Instant) -> Instant:
    """ISO 8601 with an offset or Z; now when nothing is said."""
    if "at" not in plain:
        return now
    try:
        moment = datetime.fromisoformat(str(plain["at"]))
        at = from_datetime(moment.astimezone(UTC) if moment.utcoffset() is not None else moment)
    except (ValueError, OverflowError):
        raise RowError("at is not an instant such as 2026-11-03T10:00:00Z") from None
    if not now - OLDEST <= at <= now + AHEAD:
        raise RowError("at is in the future" if at > now else "at is more than ten years ago")
    return at


def _products(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
        raise RowError("products is not a list of texts")
    if len(value) > MOST_PRODUCTS:
        raise RowError(f"products has more than {MOST_PRODUCTS} entries")
    return tuple(clean(one.replace("\x1f", " "))[:200] for one in value)


def _fields(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict) or len(value) > MOST_FIELDS:
        raise RowError(f"fields is not an object of at most {MOST_FIELDS} entries")
    return value


def _free_fields(value: object) -> Fields:
    """Fields of an order: anything plain, for mails and conditions to use."""
    found = {}
    for key, one in _fields(value).items():
        plain = tuple(map(str, one)) if isinstance(one, list) else one
        if not isinstance(plain, str | int | float | bool | tuple):
            raise RowError(f"fields.{str(key)[:40]} is neither a text, a number, a yes or no, nor a list")
        found[clean(str(key))[:64]] = clean(plain)[:1_000] if isinstance(plain, str) else plain
    return found


# ── Fields of events ─────────────────────────────────────────────────────────────────────────────────────────────────

_WANTED = {
    AttributeType.MONEY: "a whole number of the currency's smallest unit",
    AttributeType.NUMBER: "a number",
    AttributeType.BOOL: "true or false",
    AttributeType.LIST: "a list of texts",
    AttributeType.CHOICES: "a list of texts",
}


def event_fields(event: EventType, value: object) -> Fields:
    """The fields of an event, each in its declared type. Raises RowError for one that is unknown or does not fit."""
    kinds = kinds_of(event)
    found: dict[str, Value] = {}
    for key, one in _fields(value).items():
        if key not in kinds:
            meant = nearest(str(key), kinds)
            raise RowError(f"{event.key} has no field {str(key)[:40]!r}{f'; did you mean {meant!r}?' if meant else ''}")
        typed = typed_field(kinds[key], one)
        if typed is None:
            raise RowError(f"fields.{key} is not {_WANTED.get(kinds[key], 'a text')}")
        found[key] = typed
    return found


def kinds_of(event: EventType) -> dict[str, AttributeType]:
    """The fields an event may carry: those declared, and the one that names its run."""
    kinds = dict(event.fields)
    if event.run_key:
        kinds.setdefault(event.run_key, AttributeType.TEXT)
    return kinds


def typed_field(kind: AttributeType, value: object) -> Value | None:
    """A field in its declared type; None when it does not fit."""
    match kind:
        case AttributeType.LIST | AttributeType.CHOICES:
            return tuple(clean(str(one))[:200] for one in value) if isinstance(value, list | tuple) else None
        case AttributeType.MONEY:
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        case AttributeType.NUMBER:
            if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
                return None
            return value
        case AttributeType.BOOL:
            return value if isinstance(value, bool) else None
        case _:
            is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
            return clean(str(value))[:1_000] if is_text else None
