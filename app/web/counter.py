"""Counter: the HTTP API by which a shop asks what a code is worth, and tells of its goods and seats.

Owns `/api/v1/codes/…`, `/api/v1/products` and `/api/v1/seats`, behind the same keys as orders. Must not judge.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.actions.promises import gives_words
from app.actions.shelf import Shelved
from app.actions.stock import note_product, set_sold_elsewhere, wish_for, worth
from app.core.instants import SECOND, Instant
from app.core.offering import Redeemed
from app.mail.addresses import Address, read_address
from app.store.people import find
from app.store.products import Product
from app.web.events import may_tell, problem
from app.web.parts import Parts

MOST_PRODUCTS = 200
_LONGEST = 2_000


class _Wrong(ValueError):
    """What is wrong with a row, in a sentence."""


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("counter", __name__)
    desk = Desk(parts)
    pages.add_url_rule("/api/v1/codes/check", "check", desk.check, methods=["POST"])
    pages.add_url_rule("/api/v1/products", "products", desk.products, methods=["POST"])
    pages.add_url_rule("/api/v1/products/wishes", "wishes", desk.wishes, methods=["POST"])
    pages.add_url_rule("/api/v1/seats", "seats", desk.seats, methods=["POST"])
    return pages


class Desk:
    """Answers a shop's own program."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def check(self) -> ResponseReturnValue:
        """`{"code", "email"?}` → `{"verdict", "is_good", "offer", "gives", "ends_at"}`. Nothing is recorded."""
        return self._with(self._check)

    def products(self) -> ResponseReturnValue:
        """`{"products": [{"key", "name", "url", "image", "price", "stock", "at"?}]}`: the shop's goods as they are."""
        return self._with(self._products)

    def wishes(self) -> ResponseReturnValue:
        """`{"email", "product", "kind": "stock" | "price"}`: a subscriber wants to be told."""
        return self._with(self._wishes)

    def seats(self) -> ResponseReturnValue:
        """`{"offer", "sold"}`: so many places of an offer went through other channels, in all."""
        return self._with(self._seats)

    def _with(self, answer: Any) -> ResponseReturnValue:
        if not may_tell(self._parts):
            return problem(401, "a key is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        shelved = self._parts.shelved()
        if shelved is None:
            return problem(503, "nothing is published yet", {"Retry-After": "60"})
        body = request.get_json(force=True, silent=True)
        try:
            if not isinstance(body, dict):
                raise _Wrong("the body is not one object")
            return cast(ResponseReturnValue, answer(shelved, body))
        except _Wrong as wrong:
            return problem(422, str(wrong))

    def _check(self, shelved: Shelved, body: dict[str, object]) -> ResponseReturnValue:
        found = worth(self._parts.world, shelved, _text(body, "code", 64), _buyer(body))
        offer, site = found.offer, shelved.book.site
        gives = {locale: gives_words(offer.gives, site, locale) for locale in site.locales} if offer else {}
        return jsonify(
            verdict=found.verdict.value,
            is_good=found.verdict is Redeemed.GOOD,
            offer=offer.key if offer else None,
            gives=gives,
            ends_at=None if found.ends_at is None else _written(found.ends_at),
        )

    def _products(self, shelved: Shelved, body: dict[str, object]) -> ResponseReturnValue:
        rows = body.get("products", [body])
        if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_PRODUCTS:
            raise _Wrong(f"products is a list of 1 to {MOST_PRODUCTS}")
        world, answers = self._parts.world, []
        for number, row in enumerate(rows):
            try:
                noted = note_product(world, shelved, _product(row, world.now()))
            except _Wrong as wrong:
                answers.append({"row": number, "status": "rejected", "error": str(wrong)})
                continue
            status = "accepted" if noted.is_new else "older"
            answers.append({"row": number, "status": status, "told": noted.told, "told_price": noted.told_price})
        return jsonify(rows=answers)

    def _wishes(self, _: Shelved, body: dict[str, object]) -> ResponseReturnValue:
        world, key = self._parts.world, _buyer(body)
        with world.transaction("read") as session:
            person = find(session, key) if key else None
        if person is None:
            return jsonify(status="no_subscriber")
        try:
            is_new = wish_for(world, person.id, _text(body, "product", 128), str(body.get("kind", "stock")))
        except ValueError as error:
            raise _Wrong(str(error)) from error
        return jsonify(status="accepted" if is_new else "known")

    def _seats(self, shelved: Shelved, body: dict[str, object]) -> ResponseReturnValue:
        key, sold = _text(body, "offer", 64), body.get("sold")
        if key not in shelved.workspace.offers:
            raise _Wrong(f"no offer {key!r} is published")
        if not isinstance(sold, int) or isinstance(sold, bool) or not 0 <= sold < 2**31:
            raise _Wrong("sold is a whole number from 0")
        set_sold_elsewhere(self._parts.world, key, sold)
        return jsonify(status="accepted")


def _product(row: object, now: Instant) -> Product:
    if not isinstance(row, dict):
        raise _Wrong("a product is an object")
    at = row.get("at")
    if at is not None and not isinstance(at, str):
        raise _Wrong("at is a time such as 2026-11-22T10:30:00Z")
    return Product(
        key=_text(row, "key", 128),
        at=now if at is None else _instant(at),
        name=_text(row, "name", 200, default=""),
        url=_address(row, "url"),
        image=_address(row, "image"),
        price=_amount(row, "price"),
        stock=_amount(row, "stock"),
    )


def _text(row: dict[str, object], key: str, longest: int, default: str | None = None) -> str:
    value = row.get(key, default)
    if not isinstance(value, str) or "\0" in value or len(value) > longest or (default is None and not value.strip()):
        raise _Wrong(f"{key} is a text of at most {longest} characters")
    return value.strip()


def _address(row: dict[str, object], key: str) -> str:
    url = _text(row, key, _LONGEST, default="")
    if url and not url.startswith(("https://", "http://")):
        raise _Wrong(f"{key} begins with https://")
    return url


def _amount(row: dict[str, object], key: str) -> int | None:
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise _Wrong(f"{key} is a whole number from 0")
    return value


def _buyer(body: dict[str, object]) -> str:
    """The address key of the person meant; "" when none is named. An address nobody can have is nobody's."""
    given = body.get("email")
    if given is None:
        return ""
    read = read_address(given) if isinstance(given, str) and len(given) < 400 else None
    return read.key if isinstance(read, Address) else ""


def _instant(text: str) -> Instant:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Wrong("at is a time such as 2026-11-22T10:30:00Z") from error
    if when.tzinfo is None:
        raise _Wrong("at names no zone; write 2026-11-22T10:30:00Z")
    return int(when.timestamp() * 1_000) * 1_000


def _written(at: Instant) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat().replace("+00:00", "Z")
